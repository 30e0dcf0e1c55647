/*
 * bytes: borrowed bytes (view), owned bytes with a hard bound (buf), and a
 * reader over bytes (rd).
 *
 * buf and rd fail stickily: after the first failure every later call is
 * harmless, and one check at the end (buf.full, rd_end) tells.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/macros.h"

struct view {
	const char *p;
	size_t n;
};

#define VIEW(lit) ((struct view) { "" lit, sizeof(lit) - 1 })

static inline struct view
view_of(const char *s)
{
	return (struct view) { s, s != NULL ? strlen(s) : 0 };
}

static inline bool
view_eq(struct view a, struct view b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Both of n bytes. */
bool view_eq_nocase_n(const char *a, const char *b, size_t n);
/* ASCII letters compare equal in either case; no locale. */
static inline bool
view_eq_nocase(struct view a, struct view b)
{
	return a.n == b.n && view_eq_nocase_n(a.p, b.p, a.n);
}
bool view_starts(struct view v, struct view prefix);
bool view_ends(struct view v, struct view suffix);
/* memcmp order; a prefix sorts before the longer one. */
int view_cmp(struct view a, struct view b);
/* Index of the first `c`, or -1. */
ssize_t view_find(struct view v, char c);
/* Without leading and trailing SP and HTAB. */
struct view view_trim(struct view v);
/* [from, to) clipped to the view. */
struct view view_slice(struct view v, size_t from, size_t to);
/*
 * Up to the first `sep`; *rest is what follows it, or empty with p == NULL
 * when there was none.
 */
struct view view_cut(struct view v, char sep, struct view *rest);
/* Decimal digits only, no sign or blank, within max.  false otherwise. */
bool view_u64(struct view v, uint64_t max, uint64_t *out);
char *view_dup(struct view v) MUST_USE; /* NUL-terminated copy */

struct buf {
	char *p;
	size_t n, cap, max;
	bool full; /* something did not fit in max: contents are not whole */
};

/* An empty buffer that never holds more than `max` bytes. */
#define BUF_INIT(limit) ((struct buf) { .max = (limit) })

void buf_fini(struct buf *b);
/* Forgets the contents, keeps the storage, clears `full`. */
void buf_reset(struct buf *b);
/* Room for n more bytes at b->p + b->n, within max; false sets full. */
bool buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, struct view v);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Drops the first n bytes (n <= b->n). */
void buf_drop(struct buf *b, size_t n);
static inline struct view
buf_view(const struct buf *b)
{
	return (struct view) { b->p, b->n };
}
/* Contents as a C string (a NUL is kept after the last byte). */
const char *buf_str(struct buf *b);
void buf_fini_at(struct buf *b);
#define AUTO_BUF CLEANUP(buf_fini_at)

/*
 * Appends `v` as it may be shown to a person: printable ASCII and valid UTF-8
 * as they are, the rest as \xHH.  Attack: terminal escapes and log forging in
 * names that came from the sandbox or the network.
 */
void buf_put_escaped(struct buf *b, struct view v);

struct rd {
	const unsigned char *p;
	size_t n;
	bool bad; /* read past the end once */
};

static inline struct rd
rd_of(struct view v)
{
	return (struct rd) { (const unsigned char *)v.p, v.n, false };
}

uint8_t rd_u8(struct rd *r);
uint16_t rd_be16(struct rd *r);
uint32_t rd_be24(struct rd *r);
uint32_t rd_be32(struct rd *r);
struct view rd_view(struct rd *r, size_t n);
struct rd rd_sub(struct rd *r, size_t n);
/* Everything was there and everything was read. */
static inline bool
rd_end(const struct rd *r)
{
	return !r->bad && r->n == 0;
}

#endif
