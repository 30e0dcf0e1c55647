/*
 * h1: strict HTTP/1.1 message heads and framing (RFC 9112), both directions.
 *
 * Parsing gives views into the caller's bytes and owns nothing.  Nothing is
 * forwarded that was not understood: a head is always written out again from
 * what was parsed.
 */
#ifndef HTTP_H1_H
#define HTTP_H1_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
	H1_REQUEST_HEAD_MAX = 16384,
	H1_RESPONSE_HEAD_MAX = 65536,
	H1_FIELDS_MAX = 100,
	H1_METHOD_MAX = 32,
	H1_TARGET_MAX = 8192
};

struct h1_field {
	struct view name, value; /* value without surrounding blanks */
};

enum h1_framing {
	H1_BODY_NONE,
	H1_BODY_LENGTH,	 /* content_length bytes */
	H1_BODY_CHUNKED,
	H1_BODY_UNTIL_CLOSE /* responses only */
};

struct h1_head {
	bool is_request;
	unsigned minor;	   /* HTTP/1.minor: 0 or 1 */
	struct view method, target; /* requests */
	unsigned status;   /* responses */
	struct view reason;
	struct h1_field fields[H1_FIELDS_MAX];
	size_t n_fields;
	enum h1_framing framing;
	uint64_t content_length; /* with H1_BODY_LENGTH, or of a HEAD answer */
	bool has_length;
	bool keep_alive;   /* the sender lets the connection live on */
	bool expect_continue;
	bool upgrade;	   /* Connection names Upgrade, and Upgrade is there */
	size_t n_host;
	struct view host;  /* the only Host field, when n_host == 1 */
};

/* What to answer when a request head is refused. */
struct h1_refusal {
	unsigned status; /* 400, 405, 413, 414, 431, 501, 505 */
};

/*
 * Length of the head at the start of `in`, its CRLF CRLF included; 0 when it
 * is not whole yet; -1 when it can never be one (longer than max, bare LF).
 * *scanned (start with 0) remembers how far was looked, so that feeding bytes
 * one by one costs O(n) in all.
 */
ssize_t h1_head_end(struct view in, size_t max, size_t *scanned,
    struct err *e) MUST_USE;

/* `head` is exactly the bytes h1_head_end counted. */
int h1_parse_request(struct view head, struct h1_head *out,
    struct h1_refusal *refusal, struct err *e) MUST_USE;
/* `method` is the request's, on which a response's framing depends. */
int h1_parse_response(struct view head, struct view method,
    struct h1_head *out, struct err *e) MUST_USE;

/* First field of that name (ASCII case ignored), or NULL. */
const struct h1_field *h1_find(const struct h1_head *h, struct view name);
/* Whether the comma-separated list of all fields `name` holds `item`. */
bool h1_list_has(const struct h1_head *h, struct view name, struct view item);

/*
 * Hop-by-hop for forwarding (RFC 9110 section 7.6.1): Connection and what it
 * names, Keep-Alive, Proxy-*, TE, Trailer, Upgrade, HTTP2-Settings.  Framing
 * fields (Content-Length, Transfer-Encoding) are not; h1_write_* writes them
 * from the parsed framing, once.
 */
bool h1_hop_by_hop(const struct h1_head *h, struct view name);

/* Incremental decoder for the chunked coding, RFC 9112 section 7.1. */
struct h1_chunk {
	unsigned state;
	unsigned digits;
	uint64_t left;	   /* bytes of the current chunk still to come */
	uint32_t ext, ext_total, trailer; /* bytes seen, for the bounds */
	unsigned line;
	bool done;
};

void h1_chunk_init(struct h1_chunk *c);
/*
 * Bytes consumed (never past the end of the body), or -1.  *body points into
 * `in` and is what was decoded by this call; call again while consumed > 0
 * and input is left.  c->done after the last byte of the trailer section.
 */
ssize_t h1_chunk_feed(struct h1_chunk *c, struct view in, struct view *body,
    struct err *e) MUST_USE;

#endif
