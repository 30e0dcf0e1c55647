/*
 * query: decoder for the query of a request-target, as HTML forms write it
 * (WHATWG URL, application/x-www-form-urlencoded parsing, but strict: bad
 * escapes and bytes that are not UTF-8 are errors, not guesses).
 */
#ifndef CODEC_QUERY_H
#define CODEC_QUERY_H

#include "base/bytes.h"
#include "base/err.h"

enum { QUERY_MAX = 8192, QUERY_PAIRS_MAX = 512 };

struct query_pair {
	struct view name, value; /* decoded, into query.bytes */
};

/* Large: 24 KiB.  Needs no release. */
struct query {
	size_t n;
	struct query_pair pairs[QUERY_PAIRS_MAX];
	char bytes[QUERY_MAX];
};

/*
 * raw: without the '?'.  Split on '&' (empty pieces skipped), each at its
 * first '='; '+' is a blank, %HH a byte.  Pairs stay in order.
 */
int query_decode(struct view raw, struct query *out, struct err *e) MUST_USE;
/*
 * The next method, from the pair *at on, that the query of a POST gives in
 * place of its own: `_method`, which Rails, Laravel, Symfony and Express take
 * for it. Begin with *at 0; false: no more.
 */
bool query_method(
    const struct query *q, size_t *at, struct view *method) MUST_USE;

#endif
