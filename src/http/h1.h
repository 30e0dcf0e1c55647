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
	H1_BODY_LENGTH, /* content_length bytes */
	H1_BODY_CHUNKED,
	H1_BODY_UNTIL_CLOSE /* responses only */
};

struct h1_head {
	bool is_request;
	unsigned minor; /* HTTP/1.minor: 0 or 1 */
	struct view method, target; /* requests */
	unsigned status; /* responses */
	struct view reason;
	struct h1_field fields[H1_FIELDS_MAX];
	size_t n_fields;
	enum h1_framing framing;
	uint64_t content_length; /* with H1_BODY_LENGTH, or of a HEAD answer */
	bool has_length;
	bool keep_alive; /* the sender lets the connection live on */
	bool expect_continue;
	bool upgrade; /* Connection names Upgrade, and Upgrade is there */
	size_t n_host;
	struct view host; /* the only Host field, when n_host == 1 */
};

/* What to answer when a request head is refused. */
struct h1_refusal {
	unsigned status; /* 400, 405, 413, 414, 431, 501, 505 */
};

/*
 * Length of the head at the start of `in`, its CRLF CRLF included; 0 when it
 * is not whole yet; -1 when it can never be one (longer than max, bare LF).
 * *scanned (start with 0) remembers how far was looked, so that feeding bytes
 * one by one costs O(n) in all; asked again about the same head, it answers the
 * same.
 */
ssize_t h1_head_end(
    struct view in, size_t max, size_t *scanned, struct err *e) MUST_USE;

/* `head` is exactly the bytes h1_head_end counted. */
int h1_parse_request(struct view head, struct h1_head *out,
    struct h1_refusal *refusal, struct err *e) MUST_USE;
/* `method` is the request's, on which a response's framing depends. */
int h1_parse_response(struct view head, struct view method, struct h1_head *out,
    struct err *e) MUST_USE;

/* First field of that name (ASCII case ignored), or NULL. */
const struct h1_field *h1_find(const struct h1_head *h, struct view name);
/* A request, or the answer to one, to upgrade to WebSocket (RFC 6455). */
bool h1_is_websocket(const struct h1_head *h);
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
	uint64_t left; /* bytes of the current chunk still to come */
	uint32_t ext, ext_total, trailer; /* bytes seen, for the bounds */
	unsigned line;
	bool done;
	struct buf *keep; /* takes the trailer section as it came; or NULL */
};

void h1_chunk_init(struct h1_chunk *c);
/*
 * Bytes consumed (never past the end of the body), or -1.  *body points into
 * `in` and is what was decoded by this call; call again while consumed > 0
 * and input is left.  c->done after the last byte of the trailer section.
 */
ssize_t h1_chunk_feed(struct h1_chunk *c, struct view in, struct view *body,
    struct err *e) MUST_USE;

/* `lines` is a trailer section with its empty line; out->fields are its. */
int h1_parse_trailers(
    struct view lines, struct h1_head *out, struct err *e) MUST_USE;
/*
 * Whether a field may come as a trailer and be passed on: nothing that frames,
 * routes, logs in or says how to read what came before it (RFC 9110 section
 * 6.5.1).
 */
bool h1_trailer_may(struct view name);

/* How a head is written out again. */
struct h1_write {
	struct view target; /* requests: the canonical request-target */
	struct view host; /* requests: the Host field; none when p is NULL */
	const struct h1_field *extra; /* appended after the parsed fields */
	size_t n_extra;
	bool close; /* write Connection: close */
	bool upgrade; /* keep the Upgrade field, with its Connection */
	/*
	 * Responses: write no framing field and Connection: close; the caller
	 * sends the bare body and closes.  For an HTTP/1.0 client, which must
	 * not be sent chunks.
	 */
	bool bare;
};

/*
 * Appends the head that `h` stands for: start line, Host, the end-to-end
 * fields in their order, one framing field, Connection, `extra`.  Hop-by-hop
 * fields and Expect (answered by us) are dropped.  A caller may point
 * h->fields[i].value at other bytes first (placeholders): each byte is checked
 * again.  -1 when a byte would break the head, or `out` is full.
 *
 * Requests are written in the version they came in, so that an HTTP/1.0 client
 * gets an answer it can read; responses always as HTTP/1.1.
 */
int h1_write_request(const struct h1_head *h, const struct h1_write *w,
    struct buf *out, struct err *e) MUST_USE;
int h1_write_response(const struct h1_head *h, const struct h1_write *w,
    struct buf *out, struct err *e) MUST_USE;

/* Size line of a chunk of n > 0 bytes; H1_CHUNK_END follows its data. */
void h1_write_chunk_head(struct buf *out, uint64_t n);
#define H1_CHUNK_END VIEW("\r\n")
/* The last chunk with an empty trailer section. */
#define H1_CHUNK_LAST VIEW("0\r\n\r\n")
/* The last chunk with those of the parsed fields that may be trailers. */
void h1_write_chunk_last(const struct h1_head *trailers, struct buf *out);

/* "Not Found" for 404; "Unknown" for a status without a phrase here. */
const char *h1_reason(unsigned status);

/*
 * Appends a whole response of our own: status line, Content-Type (unless its
 * p is NULL), Content-Length, `extra`, Connection: close when `close`, body.
 * Bytes of `extra` that would break the head become '?'.
 */
void h1_simple_response(struct buf *out, unsigned status,
    struct view content_type, const struct h1_field *extra, size_t n_extra,
    struct view body, bool close);

#endif
