/*
 * logbus: the last lines and events of one sandbox, bounded in number and in
 * bytes.  What is dropped is the oldest.
 */
#ifndef GATEWAY_LOGBUS_H
#define GATEWAY_LOGBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "openshell.pb-c.h"

enum {
	LOGBUS_LINES = 2000,
	LOGBUS_BYTES = 2 << 20,
	LOGBUS_LINE_MAX = 16384,
	LOGBUS_EVENTS = 50
};

struct logbus_line;
struct logbus {
	struct logbus_line *head, **tail;
	size_t n, bytes;
	Openshell__V1__PlatformEvent *events[LOGBUS_EVENTS];
	size_t n_events; /* ever */
	uint64_t seq; /* of the sandbox's last line that was kept */
};

void logbus_init(struct logbus *b);
void logbus_fini(struct logbus *b);
/* A copy is kept, cut to LOGBUS_LINE_MAX; returns what is kept (borrowed). */
const Openshell__V1__SandboxLogLine *logbus_add(
    struct logbus *b, const Openshell__V1__SandboxLogLine *line);
const Openshell__V1__PlatformEvent *logbus_event(
    struct logbus *b, const Openshell__V1__PlatformEvent *ev);

struct logbus_filter {
	int64_t since_ms;
	char *const *sources;
	size_t n_sources;
	const char *min_level;
};
bool logbus_passes(
    const struct logbus_filter *f, const Openshell__V1__SandboxLogLine *line);

/* The last `lines` of them, oldest first. */
void logbus_tail(const struct logbus *b, size_t lines,
    void (*each)(void *ctx, const Openshell__V1__SandboxLogLine *line),
    void *ctx);
void logbus_events(const struct logbus *b, size_t last,
    void (*each)(void *ctx, const Openshell__V1__PlatformEvent *ev), void *ctx);

#endif
