/*
 * hx: one HTTP exchange, as tunnels (l7_http.c) and forwarded requests
 * (forward.c) share it.
 */
#ifndef PROXY_HX_H
#define PROXY_HX_H

#include "proxy/px.h"

/* State of a new request from its parsed head. */
void hx_begin(struct px_conn *c, const struct h1_head *h);
/*
 * The field of `h` that many servers obey instead of the request line, or
 * NULL.  Attack: POST, which is allowed, with X-HTTP-Method-Override: DELETE.
 */
const char *hx_override(const struct h1_head *h);
/* Keeps the canonical path and the query of `raw`, an origin-form target. */
int hx_target(struct px_conn *c, struct view raw, struct err *e) MUST_USE;
/* The status that refuses it, when hx_target did: 400 or 414. */
unsigned hx_target_status(const struct err *e);
/*
 * Asks the rules about it and records the answer.  PX_MORE: it may go;
 * PX_WAIT: it was refused and the answer is on its way; PX_CLOSE.
 */
enum px_next hx_judge(struct px_conn *c);
/* Sends the head upstream and takes it from the client's buffer. */
int hx_send(struct px_conn *c, const struct h1_head *h, size_t head_n,
    bool asterisk, struct err *e) MUST_USE;

#endif
