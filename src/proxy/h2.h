/*
 * h2: HTTP/2 as a transport.  Every stream of a client is a px_conn of its own
 * whose client end is a port of this module; what the pipeline reads there is
 * HTTP/1.1, written from the stream's header list (http/h2map.h), and what it
 * writes is read back into HEADERS and DATA.  An upstream that speaks HTTP/2
 * is a port as well.  So there is one pipeline and one verdict model, and the
 * legs need not speak the same.
 *
 *	h2_leg.c	one connection: an nghttp2 session over a real end
 *	h2_stream.c	one stream, as the port behind an end
 *	h2_client.c	the leg where clients ask: streams become connections
 *	h2_upstream.c	the leg where we ask
 *
 * Nothing runs inside a callback of nghttp2: it changes the stream's state and
 * queues its owner (task.c).
 *
 * Memory of a connection: H2_WINDOW bytes that its peer may have sent and the
 * pipeline has not read, H2_OUT_MAX a stream the other way, H2_STREAMS_MAX
 * streams, of which PX_STREAMS_MAX in all.
 */
#ifndef PROXY_H2_H
#define PROXY_H2_H

#include "proxy/px.h"

struct h2_leg;

/* ---- h2_client.c ------------------------------------------------------- */

/* TLS is done and the client chose h2; goes on with PX_H2. */
enum px_next px_h2_start(struct px_conn *c);
enum px_next px_h2(struct px_conn *c);
enum px_next px_h2_late(struct px_conn *c);
/* A stream that waits to learn whether its upstream takes WebSockets. */
enum px_next px_h2_await(struct px_conn *c);
/* Lets those of c that wait for their upstream look again. */
void h2_wake_streams(struct px_conn *c);
/* Ends the connections of all streams of c, if it has any. */
void h2_close_streams(struct px_conn *c, bool reset);

/* ---- h2_upstream.c ----------------------------------------------------- */

/*
 * c->up, which agreed on h2, becomes c->h2_up.  -1 when no session can be had.
 */
int h2_upstream_start(struct px_conn *c, struct err *e) MUST_USE;
/* Opens `end` as exchanges, one after the other, on `up`.  False: it takes no
 * more. */
bool h2_upstream_open(struct h2_leg *up, struct px_end *end);
/* Its SETTINGS have come, which are first (RFC 9113 section 3.4). */
bool h2_upstream_has_greeted(const struct h2_leg *up);
/* They said that it speaks WebSocket (RFC 8441). */
bool h2_upstream_takes_websocket(const struct h2_leg *up);
/* It takes no new exchanges. */
bool h2_upstream_is_over(const struct h2_leg *up);

/* ---- h2_stream.c ------------------------------------------------------- */

/*
 * Whether the upstream refused the exchange before it did anything for it; then
 * the client hears the same when its end closes, and may ask again elsewhere
 * (RFC 9113 section 8.7).  False, too, when one of the two is not HTTP/2.
 */
bool h2_pass_refusal(const struct px_end *up, const struct px_end *client);

/* ---- h2_leg.c ---------------------------------------------------------- */

/* Lets go of all its streams; NULL is no leg. */
void h2_leg_free(struct h2_leg *leg, bool reset);

#endif
