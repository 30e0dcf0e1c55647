/*
 * target: the one canonical form of a request-target, which policy judges and
 * which is sent on (RFC 9112 section 3.2, RFC 3986 section 6).
 */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum { TARGET_MAX = 8192, TARGET_PATH_MAX = 4096, HOST_MAX = 253 };

struct target {
	struct buf path; /* canonical, begins with '/' */
	struct view query; /* verbatim, borrowed; p == NULL when absent */
};

/*
 * Origin-form ("/a?b") or the path part of an absolute URI.  Rejects control
 * bytes, non-ASCII, '#', bad escapes, climbing above the root.  0 or -1 with
 * the reason; *out is the caller's to release with target_fini either way.
 */
int target_canonical(struct view raw, bool allow_encoded_slash,
    struct target *out, struct err *e) MUST_USE;
void target_fini(struct target *t);
/* The canonical path keeps an encoded slash inside a segment. */
bool target_has_slash(struct view path);

/* An authority: host and port, RFC 3986 section 3.2. */
struct authority {
	char host[HOST_MAX + 1]; /* lower case, no brackets, no trailing dot */
	uint16_t port;
	bool literal; /* an IPv4 or IPv6 literal */
};

/*
 * "host:port", "[v6]:port", or without a port when default_port > 0.  Strict:
 * LDH names or canonical literals only; userinfo, zone ids, empty labels,
 * numeric spellings of addresses (127.1, 0x7f.1, 2130706433), control bytes
 * and port 0 are refused.
 */
int authority_parse(struct view v, uint16_t default_port, struct authority *out,
    struct err *e) MUST_USE;

/*
 * Absolute-form: "http://authority/path?query" (RFC 9112 section 3.2.2).
 * *rest is the path-and-query part, "/" when empty ("?x" becomes "/?x", in
 * `scratch`).  *https tells the scheme; any other scheme is refused.
 */
int absolute_parse(struct view v, bool *https, struct authority *out,
    struct view *rest, struct buf *scratch, struct err *e) MUST_USE;

#endif
