/*
 * mw_service_impl: what mw_link.c (the services, and the way to them) and
 * mw_eval.c (what they are asked) share.
 */
#ifndef PROXY_MW_SERVICE_IMPL_H
#define PROXY_MW_SERVICE_IMPL_H

#include "loop/deadline.h"
#include "proxy/mw_service.h"
#include "rpc/carry.h"

enum {
	/* From nothing to a service that knows its config. */
	MW_PREPARE_MS = 8000,
	MW_CONFIGS_MAX = 2 * POLICY_MIDDLEWARES_MAX
};

#define MW_PATH(method) "/openshell.middleware.v1.Middleware/" method

/* A config that it was asked about; on this connection. */
enum verdict { UNKNOWN, ASKING, TAKEN, REFUSED };
struct mw_config {
	struct mw_link *link;
	char *text;
	enum verdict verdict;
	struct rpc_out *out;
};

/* One registered service that some request needed. */
struct mw_link {
	struct mw_services *all;
	struct mw_link *next;
	char name[SERVICE_NAME_MAX + 1];
	bool dialling;
	uint32_t ask; /* its id, then */
	struct rpc_client *client; /* NULL: not connected */
	bool described, websocket;
	struct rpc_out *describe;
	struct mw_session *sessions; /* of its open streams, and others */
	unsigned timeout_ms;
	uint64_t not_before; /* loop time: no dial until then */
	struct mw_config configs[MW_CONFIGS_MAX];
	size_t n_configs;
};

enum eval_state { EVAL_WAITS, EVAL_RUNS, EVAL_DONE };
struct mw_eval {
	struct mw_services *all;
	struct mw_link *link;
	struct mw_eval *next; /* in the list of its state */
	enum eval_state state;
	struct px_conn *c;
	const struct policy_middleware *m;
	const struct h1_head *h;
	struct view body;
	struct deadline deadline;
	bool asked; /* the evaluation itself is under way: */
	struct rpc_out *out; /* of a request */
	struct mw_session *session; /* of a message; NULL: a request */
	enum mw_said said;
	struct mw_answer answer;
	char why[160];
};

/* A WebSocket, as one service hears of it: one message at a time. */
struct mw_session {
	struct mw_link *link;
	struct mw_session *next;
	struct rpc_out *out; /* NULL: not open, or not any more */
	struct mw_eval *eval; /* of the message that it has */
};

struct mw_services {
	struct px *px;
	int fd; /* the carrier; -1: gone */
	uv_poll_t poll;
	uv_idle_t again; /* the loop goes round once more */
	bool polling;
	struct deadlines *deadlines;
	struct mw_link *links;
	struct mw_eval *waiting, **waiting_end;
	struct mw_eval *running;
	unsigned n_waiting, n_running;
	uint32_t asked; /* the last id */
};

/* ---- mw_link.c ------------------------------------------------------------
 */

/* Made when it is not known yet. */
struct mw_link *mw_link_of(struct mw_services *s, struct view name);
/* The next step on the way to an answer; may end it. */
void mw_go(struct mw_eval *ev);
/*
 * Calls that were made must not wait for the loop's next event: tasks run just
 * before it sleeps, when those that were made earlier have been written.
 */
void mw_hurry(struct mw_services *s);

/* ---- mw_eval.c ------------------------------------------------------------
 */

/* Its service is ready, and takes its config. */
void mw_evaluate(struct mw_eval *ev);
void mw_eval_fail(struct mw_eval *ev, const char *why);
/* All who wait for the service to get ready: it does not. */
void mw_fail_all(struct mw_link *l, const char *why);
/* It is a step further. */
void mw_go_all(struct mw_link *l);
/* Nothing that comes is for it. */
void mw_unask(struct mw_eval *ev);

#endif
