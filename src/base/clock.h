/*
 * clock: time as numbers.  Durations use the monotonic clock, records the
 * wall clock; neither is ever the other.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ns(void);
uint64_t clock_mono_ms(void);
/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_wall_ms(void);

enum { CLOCK_TEXT_MAX = 32 };
/* "2026-01-02T03:04:05.678Z"; "????-??-??T??:??:??.???Z" out of range. */
const char *clock_text(int64_t wall_ms, char out[CLOCK_TEXT_MAX]);

#endif
