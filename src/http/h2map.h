/*
 * h2map: a header list of HTTP/2 (RFC 9113 section 8) as the HTTP/1.1 head that
 * means the same, and back.
 *
 * Every request runs through one pipeline, which reads HTTP/1.1: what came as
 * HTTP/2 is written for it in that form.  Pure functions over bytes; strict, as
 * whatever could mean something else in the other form is refused.  Attack
 * A34: CR LF in a field value, a second request in a body that the length
 * does not cover.
 */
#ifndef HTTP_H2MAP_H
#define HTTP_H2MAP_H

#include "http/h1.h"

enum {
	H2_FIELDS_MAX = H1_FIELDS_MAX + 4, /* with the pseudo-header fields */
	H2_LIST_MAX = 65536 /* bytes of one list, as RFC 9113 counts */
};

/* One list, field by field as HPACK gives it. */
struct h2_list {
	struct buf bytes;
	struct {
		uint32_t at, name_n, value_n;
	} v[H2_FIELDS_MAX];
	size_t n, size;
	bool over; /* more than H2_FIELDS_MAX or H2_LIST_MAX: no list */
};

void h2_list_reset(struct h2_list *l);
void h2_list_fini(struct h2_list *l);
/* False, and `over`, when it does not fit. */
bool h2_list_add(struct h2_list *l, struct view name, struct view value);

/*
 * Appends the request head that the list means.  `end`: no body follows; else
 * the body has the length the head tells, or comes in chunks (*chunked).
 * -1: the list is malformed, or is not for a server that is no proxy; `scheme`
 * is the one of the connection.
 */
int h2_request_head(const struct h2_list *l, struct view scheme, bool end,
    bool *chunked, struct buf *out, struct err *e) MUST_USE;

/*
 * WebSocket over HTTP/2 (RFC 8441): whether the list is an extended CONNECT,
 * and the request of RFC 6455 that it stands for.  `key`, which HTTP/2 has none
 * of, is Sec-WebSocket-Key.
 */
bool h2_is_extended_connect(const struct h2_list *l);
int h2_websocket_head(const struct h2_list *l, struct view scheme, bool end,
    struct view key, struct buf *out, struct err *e) MUST_USE;
/*
 * The answer to one.  2xx becomes the 101 with `accept` as
 * Sec-WebSocket-Accept, *agreed; any other is for h2_response_head.
 */
int h2_websocket_answer(const struct h2_list *l, bool end, struct view accept,
    bool *agreed, struct buf *out, struct err *e) MUST_USE;

/*
 * The same for a response to `method`.  *framing and *length say what of a body
 * is to follow: with `end` and no length told, the chunks of an empty one.
 */
int h2_response_head(const struct h2_list *l, struct view method, bool end,
    unsigned *status, enum h1_framing *framing, uint64_t *length,
    struct buf *out, struct err *e) MUST_USE;

/* Appends the trailer section as lines; what no trailer may be is left out. */
int h2_trailer_lines(
    const struct h2_list *l, struct buf *out, struct err *e) MUST_USE;

/*
 * A parsed head or trailer section as a list of at most H2_FIELDS_MAX fields,
 * names in small letters; a request to upgrade to WebSocket becomes an extended
 * CONNECT, any other upgrade is refused.  Views into `h` and into `names`,
 * whose storage must stand until the list was used.  The number of fields, or
 * -1.
 */
ssize_t h2_from_request(const struct h1_head *h, struct view scheme,
    struct h1_field *v, struct buf *names, struct err *e) MUST_USE;
ssize_t h2_from_response(const struct h1_head *h, struct h1_field *v,
    struct buf *names, struct err *e) MUST_USE;
ssize_t h2_from_trailers(const struct h1_head *h, struct h1_field *v,
    struct buf *names, struct err *e) MUST_USE;

/* Room that `names` needs. */
enum { H2_NAMES_MAX = H1_RESPONSE_HEAD_MAX + 64 };

#endif
