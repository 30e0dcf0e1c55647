/*
 * ws_session: an inspected WebSocket, whatever carries its bytes: an upgraded
 * connection (ws.c), a stream of HTTP/2 (RFC 8441).
 *
 * Bytes of either side go in; what may go on to either side comes out, in
 * whole frames.  Text messages of the client are judged, one by one.
 */
#ifndef PROXY_WS_SESSION_H
#define PROXY_WS_SESSION_H

#include "inspect/ws.h"

enum ws_verdict { WS_ALLOW, WS_DENY, WS_LATER };

/*
 * The verdict over one text message; `reason` is for the client.  LATER: ask
 * again with the same message when ws_session_go_on is called.  `anew` is what
 * goes on in its place, when something is put there; it is wiped after that.
 */
typedef enum ws_verdict ws_judge_fn(
    void *arg, struct view text, struct buf *anew, struct buf *reason);
/* true: `text` of the server goes to the client as `anew` has it. */
typedef bool ws_mask_fn(void *arg, struct view text, struct buf *anew);

enum {
	WS_OUT_MAX = WS_TEXT_MAX + (64 << 10),
};

struct ws_session {
	struct ws_rx *from_client, *from_server;
	ws_judge_fn *judge;
	ws_mask_fn *mask;
	void *arg;
	/* What is to be sent; the carrier drops from the front. */
	struct buf to_client, to_server;
	struct buf message; /* judged LATER: its frame */
	struct view text; /* of it */
	bool waiting;
	bool text_only; /* who must look at messages cannot read others */
	bool over; /* a close went both ways, or must: nothing is read */
	unsigned code; /* why it is over, when we ended it */
	char reason[WS_CONTROL_MAX];
};

/*
 * mask: NULL, or what looks at the text of the server, too.  Then neither side
 * may compress: a message that is written anew is not the one that later ones
 * refer to.
 */
void ws_session_init(struct ws_session *s, const struct ws_deflate *client,
    const struct ws_deflate *server, ws_judge_fn *judge, ws_mask_fn *mask,
    void *arg);
void ws_session_fini(struct ws_session *s);

/* Bytes taken; fewer than there are when what came out must be sent first. */
size_t ws_session_client(struct ws_session *s, struct view in);
size_t ws_session_server(struct ws_session *s, struct view in);
void ws_session_go_on(struct ws_session *s);
/* Ends it: a close frame to both sides, as soon as each is between frames. */
void ws_session_end(struct ws_session *s, unsigned code, struct view reason);
/* A text message of the client is on its way in. */
bool ws_session_assembling(const struct ws_session *s);

#endif
