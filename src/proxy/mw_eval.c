/*
 * mw_eval: what services are asked: a request, or a text message in the stream
 * of its WebSocket.  An evaluation waits for its turn, runs (its service may
 * have to get ready first), and is done; its connection then runs, and takes
 * the answer.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "middleware.pb-c.h"
#include "proxy/mw_service_impl.h"

/* ---- evaluations -----------------------------------------------------------
 */

static void
take_out(struct mw_services *s, struct mw_eval *ev)
{
	struct mw_eval **at =
	    ev->state == EVAL_WAITS ? &s->waiting : &s->running;

	while (*at != ev)
		at = &(*at)->next;
	*at = ev->next;
	if (ev->state == EVAL_RUNS) {
		s->n_running--;
		return;
	}
	s->n_waiting--;
	if (*at == NULL)
		s->waiting_end = at;
}

/* Its answers would be about something else from now on. */
static void
session_reset(struct mw_session *s)
{
	if (s->out != NULL)
		rpc_out_cancel(take_ptr(s->out));
	if (s->eval != NULL)
		s->eval->session = NULL;
	s->eval = NULL;
}

/* Nothing that comes is for it. */
void
mw_unask(struct mw_eval *ev)
{
	deadline_clear(ev->all->deadlines, &ev->deadline);
	if (ev->out != NULL)
		rpc_out_cancel(take_ptr(ev->out));
	if (ev->session != NULL && ev->session->eval == ev)
		session_reset(ev->session);
}

static void
wake(struct px_conn *c)
{
	if (!c->closing)
		px_task_queue(c->px, &c->task);
}

static void
start(struct mw_services *s, struct mw_eval *ev)
{
	ev->state = EVAL_RUNS;
	ev->next = s->running;
	s->running = ev;
	s->n_running++;
	deadline_set(s->deadlines, &ev->deadline, MW_PREPARE_MS);
	mw_go(ev);
}

static void
start_next(struct mw_services *s)
{
	while (s->waiting != NULL && s->n_running < MW_RUNNING) {
		struct mw_eval *ev = s->waiting;

		take_out(s, ev);
		start(s, ev);
	}
}

static void
done(struct mw_eval *ev, enum mw_said said)
{
	struct mw_services *s = ev->all;

	if (ev->state != EVAL_RUNS)
		return;
	mw_unask(ev);
	take_out(s, ev);
	ev->state = EVAL_DONE;
	ev->said = said;
	wake(ev->c);
	start_next(s);
}

void
mw_eval_fail(struct mw_eval *ev, const char *why)
{
	(void)snprintf(ev->why, sizeof(ev->why), "%s", why);
	ev->answer.why = ev->why;
	ev->answer.n_found = ev->answer.n_fields = 0;
	done(ev, MW_FAILS);
}

static const char late_text[] = "it did not answer in time";

static void
on_late(void *arg)
{
	struct mw_eval *ev = arg;

	mw_eval_fail(ev, ev->asked ? late_text : "it was not ready in time");
}

void
mw_eval_cancel(struct mw_eval *ev)
{
	struct mw_services *s;

	if (ev == NULL)
		return;
	s = ev->all;
	if (ev->state != EVAL_DONE) {
		mw_unask(ev);
		take_out(s, ev);
		start_next(s);
	}
	mw_answer_fini(&ev->answer);
	free(ev);
}

/* Each that waits for this service to get ready, one after another: what is
 * done to one may change the list. */
static struct mw_eval *
unasked(struct mw_link *l)
{
	struct mw_eval *ev = l->all->running;

	while (ev != NULL && (ev->link != l || ev->asked))
		ev = ev->next;
	return ev;
}

void
mw_fail_all(struct mw_link *l, const char *why)
{
	for (struct mw_eval *ev; (ev = unasked(l)) != NULL;)
		mw_eval_fail(ev, why);
}

void
mw_go_all(struct mw_link *l)
{
	struct mw_eval *next;

	for (struct mw_eval *ev = l->all->running; ev != NULL; ev = next) {
		next = ev->next;
		if (ev->link == l && !ev->asked)
			mw_go(ev);
	}
}

static void
on_evaluated(void *ctx, const ProtobufCMessage *m)
{
	struct mw_eval *ev = ctx;

	ev->said = mw_read_answer(m, false, &ev->answer);
}

static void
on_evaluation_over(void *ctx, enum rpc_code code, const char *text UNUSED)
{
	struct mw_eval *ev = ctx;
	char why[120];

	ev->out = NULL;
	if (code == RPC_OK && ev->said != MW_WAITS) {
		done(ev, ev->said);
		return;
	}
	/* Its clock may be a little ahead of ours. */
	if (code == RPC_DEADLINE_EXCEEDED) {
		mw_eval_fail(ev, late_text);
		return;
	}
	(void)snprintf(why, sizeof(why), "its answer is an error (%s)",
	    rpc_code_name(code));
	mw_eval_fail(ev, why);
}

static void
ask_request(struct mw_eval *ev)
{
	struct rpc_out_hooks hooks = {
		.message = on_evaluated, .closed = on_evaluation_over, .ctx = ev
	};
	struct mw_link *l = ev->link;

	ev->out = rpc_out_new(l->client, MW_PATH("EvaluateHttpRequest"),
	    &openshell__middleware__v1__evaluation__descriptor, &hooks,
	    l->timeout_ms);
	mw_send_request(ev->out, ev->c, ev->m, ev->h, ev->body);
	rpc_out_end(ev->out);
	mw_hurry(l->all);
}

/* A word that nobody asked for ends the stream. */
static void
on_text_evaluated(void *ctx, const ProtobufCMessage *m)
{
	struct mw_session *s = ctx;
	struct mw_eval *ev = take_ptr(s->eval);

	if (ev == NULL) {
		session_reset(s);
		return;
	}
	done(ev, mw_read_answer(m, true, &ev->answer));
}

static void
on_session_over(void *ctx, enum rpc_code code, const char *text UNUSED)
{
	struct mw_session *s = ctx;
	struct mw_eval *ev = take_ptr(s->eval);
	char why[120];

	s->out = NULL;
	if (ev == NULL)
		return;
	(void)snprintf(why, sizeof(why), "it ended the WebSocket's stream (%s)",
	    rpc_code_name(code));
	mw_eval_fail(ev, why);
}

static void
ask_text(struct mw_eval *ev)
{
	struct mw_session *s = ev->session;
	struct rpc_out_hooks hooks = { .message = on_text_evaluated,
		.closed = on_session_over,
		.ctx = s };
	struct mw_link *l = ev->link;

	s->eval = ev;
	if (s->out == NULL) {
		s->out =
		    rpc_out_new(l->client, MW_PATH("EvaluateWebSocketSession"),
			&openshell__middleware__v1__evaluation__descriptor,
			&hooks, 0);
		mw_send_open(s->out, ev->c, ev->m);
	}
	mw_send_text(s->out, ev->body);
	mw_hurry(l->all);
}

void
mw_evaluate(struct mw_eval *ev)
{
	if (ev->session != NULL && !ev->link->websocket) {
		mw_eval_fail(ev, "it does not look at messages of WebSockets");
		return;
	}
	ev->asked = true;
	deadline_set(ev->all->deadlines, &ev->deadline, ev->link->timeout_ms);
	if (ev->session != NULL)
		ask_text(ev);
	else
		ask_request(ev);
}

static struct mw_eval *
eval_new(struct px_conn *c, const struct policy_middleware *m, struct view body)
{
	struct mw_eval *ev = NEW(struct mw_eval);

	ev->all = c->px->services;
	ev->link = mw_link_of(ev->all, m->middleware);
	ev->c = c;
	ev->m = m;
	ev->body = body;
	ev->said = MW_WAITS;
	deadline_init(&ev->deadline, on_late, ev);
	mw_answer_init(&ev->answer);
	return ev;
}

/* Why it cannot be asked about so much, or at all; WAITS: it can. */
static enum mw_said
room(struct px_conn *c, struct view body, struct mw_answer *a)
{
	const struct mw_services *s = c->px->services;

	if (s == NULL || body.n > MW_PAYLOAD_MAX) {
		a->why = s == NULL ? "it is not registered here"
				   : "it is longer than 4 MiB";
		return MW_FAILS;
	}
	return s->n_running >= MW_RUNNING && s->n_waiting >= MW_WAITING
		   ? MW_BUSY
		   : MW_WAITS;
}

static enum mw_said
begin(struct mw_eval *ev)
{
	struct mw_services *s = ev->all;

	if (s->n_running < MW_RUNNING) {
		start(s, ev);
		return MW_WAITS;
	}
	ev->state = EVAL_WAITS;
	*s->waiting_end = ev;
	s->waiting_end = &ev->next;
	s->n_waiting++;
	return MW_WAITS;
}

/* What became of *at. */
static enum mw_said
look_after(struct mw_eval **at, struct mw_answer *a)
{
	struct mw_eval *ev = *at;
	enum mw_said said;

	if (ev->state != EVAL_DONE)
		return MW_WAITS;
	said = ev->said;
	mw_answer_fini(a);
	*a = ev->answer;
	if (said == MW_FAILS) {
		/* Its words must outlive it. */
		buf_reset(&a->bytes);
		buf_puts(&a->bytes, ev->answer.why);
		a->why = buf_str(&a->bytes);
	}
	free(ev);
	*at = NULL;
	return said;
}

enum mw_said
mw_service_ask(struct px_conn *c, const struct policy_middleware *m,
    const struct h1_head *h, struct view body, struct mw_eval **at,
    struct mw_answer *a)
{
	enum mw_said said;

	if (*at != NULL)
		return look_after(at, a);
	said = room(c, body, a);
	if (said != MW_WAITS)
		return said;
	*at = eval_new(c, m, body);
	(*at)->h = h;
	return begin(*at);
}

static struct mw_session *
session_new(struct px_conn *c, const struct policy_middleware *m)
{
	struct mw_session *s = NEW(struct mw_session);

	s->link = mw_link_of(c->px->services, m->middleware);
	s->next = s->link->sessions;
	s->link->sessions = s;
	return s;
}

enum mw_said
mw_service_text(struct px_conn *c, const struct policy_middleware *m,
    struct view text, struct mw_session **session, struct mw_eval **at,
    struct mw_answer *a)
{
	enum mw_said said;

	if (*at != NULL)
		return look_after(at, a);
	said = room(c, text, a);
	if (said != MW_WAITS)
		return said;
	if (*session == NULL)
		*session = session_new(c, m);
	*at = eval_new(c, m, text);
	(*at)->session = *session;
	return begin(*at);
}

void
mw_session_end(struct mw_session *s)
{
	struct mw_session **at;

	if (s == NULL)
		return;
	session_reset(s);
	if (s->link != NULL) {
		for (at = &s->link->sessions; *at != s; at = &(*at)->next)
			;
		*at = s->next;
	}
	free(s);
}
