/*
 * mw_service: middlewares that are services (proto/middleware.proto).
 *
 * Their connections come from a carrier (rpc/carry.h): nothing is dialled here,
 * and no key is held.  At most MW_RUNNING evaluations are under way in a
 * sandbox and MW_WAITING wait for their turn; each has its service's time.
 */
#ifndef PROXY_MW_SERVICE_H
#define PROXY_MW_SERVICE_H

#include "proxy/mw.h"
#include "rpc/rpc.h"

enum { MW_RUNNING = 32, MW_WAITING = 64 };

struct mw_services;
struct mw_eval; /* one that is under way, or has its answer */
struct mw_session; /* a WebSocket, as one service hears of it */

/* What the proxy was started with: the carrier's socket, taken over. */
struct mw_services *mw_services_new(struct px *px, int fd);
/* Nothing of it is used after that; freed once the loop has ended. */
void mw_services_close(struct mw_services *s);

/*
 * Asks, or looks for the answer of what *at asked; with an answer *at is NULL
 * again.  h and body stay as they are until then.  MW_WAITS: c runs again.
 */
enum mw_said mw_service_ask(struct px_conn *c,
    const struct policy_middleware *m, const struct h1_head *h,
    struct view body, struct mw_eval **at, struct mw_answer *a);
/*
 * The same for a text message of a WebSocket.  *session is made with the first
 * and takes the messages in turn; it is the caller's (mw_session_end).
 */
enum mw_said mw_service_text(struct px_conn *c,
    const struct policy_middleware *m, struct view text,
    struct mw_session **session, struct mw_eval **at, struct mw_answer *a);
void mw_session_end(struct mw_session *s);
/* Nobody waits for it any more. */
void mw_eval_cancel(struct mw_eval *ev);

/* ---- mw_message.c: what is said to them, and what their word is -----------
 */

/* Sends the request under way, with that body. */
void mw_send_request(struct rpc_out *o, struct px_conn *c,
    const struct policy_middleware *m, const struct h1_head *h,
    struct view body);
/* A WebSocket opens, and a message of it. */
void mw_send_open(
    struct rpc_out *o, struct px_conn *c, const struct policy_middleware *m);
void mw_send_text(struct rpc_out *o, struct view text);
/* An Evaluation, checked; a denial stays one whatever else is in it. */
enum mw_said mw_read_answer(
    const ProtobufCMessage *m, bool of_text, struct mw_answer *a);

#endif
