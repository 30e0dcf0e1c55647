/*
 * hx: one HTTP exchange, as tunnels (l7_http.c) and forwarded requests
 * (forward.c) share it.
 *
 *	hx_request.c	the head: what it asks, whether it may, how it goes out
 *	hx_hold.c	a request body that must be seen whole before it goes
 *	hx_body.c	bodies that pass as they come
 *	hx_response.c	the answer
 *	hx_tap.c	an answer that is looked at, or changed, on its way
 */
#ifndef PROXY_HX_H
#define PROXY_HX_H

#include "proxy/px.h"

/* ---- hx_request.c ------------------------------------------------------ */

/* State of a new request from its parsed head. */
void hx_begin(struct px_conn *c, const struct h1_head *h);
/* Keeps the canonical path and the query of `raw`, an origin-form target. */
int hx_target(struct px_conn *c, struct view raw, struct err *e) MUST_USE;
/*
 * Whether it asks about the server, not a path: *, or OPTIONS of a URI that has
 * none (RFC 9112 section 3.2.4); then that is kept.
 */
bool hx_asterisk(struct px_conn *c, const struct h1_head *h, struct view rest);
/* The status that refuses it, when hx_target did: 400 or 414. */
unsigned hx_target_status(const struct err *e);
/*
 * What is wrong with a request inside a tunnel, before any rule is asked: its
 * method, its authority, its target, which is kept.  -1: answer *status.
 */
int hx_check(struct px_conn *c, const struct h1_head *h, bool *asterisk,
    unsigned *status, struct err *e) MUST_USE;
/*
 * How policy treats the request under way, by its path: asked once.  Borrowed,
 * until another snapshot is pinned.
 */
const struct policy_treatment *hx_treatment(struct px_conn *c);
/* The request under way, as the rules are asked about it; borrowed. */
struct policy_request hx_under_way(struct px_conn *c);
/*
 * Asks the rules about it and records the answer.  PX_MORE: it may go;
 * PX_WAIT: it was refused and the answer is on its way; PX_CLOSE.
 */
enum px_next hx_judge(struct px_conn *c);
/*
 * The judged request begins to go: its head upstream, or, when some part must
 * see the whole body first, into keeping (hx_hold.c).  Takes the head, head_n
 * bytes, from the client's buffer.
 */
int hx_send(struct px_conn *c, const struct h1_head *h, size_t head_n,
    bool asterisk, struct err *e) MUST_USE;
/* Writes the head upstream now; what is left of the client's is its body. */
int hx_send_head(struct px_conn *c, const struct h1_head *h, bool asterisk,
    struct err *e) MUST_USE;
/* What Host says of the destination. */
void hx_put_authority(const struct px_conn *c, struct buf *out);
/* 100 Continue, when the client waits for it; its head is taken already. */
void hx_send_continue(struct px_conn *c, const struct h1_head *h);
/* Answers with our own error, and records it. */
enum px_next hx_refuse(struct px_conn *c, unsigned status, const struct err *e);
/* A request that does the same when the upstream gets it twice. */
bool hx_repeatable(const struct h1_head *h);
/* Whether field `name` logs in the connection, not the request: RFC 4559. */
bool hx_binds(const struct h1_head *h, struct view name);

/* ---- hx_override.c ------------------------------------------------------ */

/*
 * The field of `h` that many servers obey instead of the request line, or
 * NULL.  Attack: POST, which is allowed, with X-HTTP-Method-Override: DELETE.
 */
const char *hx_override(const struct h1_head *h);
/* Of a request that rules allow: nothing in it names what they do not. */
bool hx_override_permitted(struct px_conn *c, const struct policy_request *r,
    struct policy_verdict *v, struct policy_reason *why);

/* Why a body is refused, with ERR_DENIED: creds_guards. */
#define HX_PLACEHOLDER \
	"the request body holds a credential placeholder, and this endpoint " \
	"does not fill in bodies"

/* ---- hx_body.c --------------------------------------------------------- */

bool hx_has_body(const struct h1_head *h);
void hx_body_start(struct hx_body *b, const struct h1_head *h);
/*
 * As much of the body as there is and fits.  OK when it is whole; AGAIN when
 * either side must come first; EOF, FAIL as px_fill, or a broken chunk; or,
 * with ERR_DENIED, HX_PLACEHOLDER.
 */
enum px_io_result hx_move_body(struct hx_body *b, struct px_end *from,
    struct px_end *to, bool rechunk, bool *progress, struct err *e);
/*
 * The next decoded piece, left where it is: *used bytes of `from` are its
 * framing and itself, for px_eat.  OK, also with nothing in it; AGAIN, EOF,
 * FAIL as above.
 */
enum px_io_result hx_take(struct hx_body *b, struct px_end *from,
    struct view *data, size_t *used, struct err *e);
/* One chunk; the caller knows that HX_CHUNK_ROOM bytes more than it fit. */
enum { HX_CHUNK_ROOM = 32, HX_TRAILERS_MAX = 8192 + 2 };
void hx_put_chunk(struct px_end *to, struct view data);
/* The last chunk, with the trailers of `b` where `to` takes them; there is room
 * for them and HX_CHUNK_ROOM bytes. */
void hx_put_last(struct hx_body *b, struct px_end *to);

/* ---- hx_hold.c; rows in hold.def --------------------------------------- */

/* A part of the proxy that must see a whole request body before it goes. */
struct hx_holder {
	/*
	 * Bytes of body it can take; 0 when this request is not for it.  The
	 * verdict over the head has fallen.
	 */
	size_t (*wants)(struct px_conn *c, const struct h1_head *h);
	/*
	 * All of it is there, decoded; it may change the body, within its max,
	 * and point fields of *h elsewhere.  PX_MORE: it may go; PX_WAIT: it
	 * was refused and the answer is on its way; PX_CLOSE.
	 *
	 * With held.later set, PX_WAIT means that it is not decided: the holder
	 * is asked again when the connection runs.  With held.again set,
	 * PX_MORE means that all are asked again, from the first: the body is
	 * another.
	 */
	enum px_next (*whole)(
	    struct px_conn *c, struct h1_head *h, struct buf *body);
	/*
	 * The body is longer than it takes; NULL: 413.  PX_MORE: it wants it
	 * no more; the others as above.
	 */
	enum px_next (*over)(struct px_conn *c, struct h1_head *h);
};

enum {
	HX_HELD_MAX = 11 << 20, /* of one request, as it goes out */
	HX_HELD_ALL = 64 << 20 /* of one sandbox */
};

/* Whether the request must be held; then hx_hold goes on. */
bool hx_hold_begin(
    struct px_conn *c, const struct h1_head *h, size_t head_n, bool asterisk);
/* More of a body that is held; at its end the request goes. */
enum px_next hx_hold(struct px_conn *c, bool *progress);
/* More of a held body goes upstream. */
void hx_hold_pump(struct px_conn *c, bool *progress);
void hx_hold_end(struct px_conn *c);

/* ---- hold_ops.c: requests that carry operations (ops.h) ---------------- */

/* Each of them, under the newest policy. */
bool hx_ops_still_allowed(struct px_conn *c);
void hx_ops_end(struct px_conn *c);
/* How the tools of the server that the request is for are remembered. */
void mcp_server_name(const struct px_conn *c, struct buf *out);

/* ---- hx_response.c ----------------------------------------------------- */

enum px_next hx_response_head(struct px_conn *c, bool *progress);
enum px_next hx_response_body(struct px_conn *c, bool *progress);
/* The upstream broke off or talks nonsense: answers 502, or cuts. */
enum px_next hx_upstream_lost(
    struct px_conn *c, const char *what, const struct err *e);
/* Ends an answer that began, so that half of it cannot look whole. */
void hx_cut(struct px_conn *c);

/* ---- hx_tap.c; rows in taps.def ---------------------------------------- */

/* A part of the proxy that looks at answers, or changes them. */
struct hx_tap {
	/*
	 * A response head before it is written, interim ones too; fields of *h
	 * may be pointed elsewhere.  1: it must see the body, and *state is
	 * its own; 2: all of it, so the head waits for its word; 0: it need
	 * not; -1: the answer may not pass.
	 */
	int (*head)(
	    struct px_conn *c, struct h1_head *h, void **state, struct err *e);
	/*
	 * Decoded bytes in any pieces; appends what goes on, at once or later.
	 * `last`: no more come.  -1: the answer may not go on.
	 */
	int (*body)(void *state, struct view in, bool last, struct buf *out,
	    struct err *e);
	/* Lines of trailers, which may be changed where they are; or NULL. */
	void (*trailers)(void *state, char *p, size_t n);
	void (*end)(void *state);
};

/* Asks the rows: the most that one of them wants, or -1. */
int hx_tap_head(struct px_conn *c, struct h1_head *h, struct err *e) MUST_USE;
/* As hx_move_body for an answer that is tapped. */
enum px_io_result hx_tap_move(struct px_conn *c, bool *progress, struct err *e);
void hx_tap_end(struct px_conn *c);

#endif
