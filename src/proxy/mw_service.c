#include "proxy/mw_service.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/deadline.h"
#include "middleware.pb-c.h"
#include "rpc/carry.h"
#include "rpc/rpc.h"
#include "rpc/struct_wire.h"

enum {
	/* From nothing to a service that knows its config. */
	PREPARE_MS = 8000,
	CALL_MS = 5000,
	AGAIN_MS = 250, /* after a dial that failed */
	CONFIGS_MAX = 2 * POLICY_MIDDLEWARES_MAX
};

#define RPC_PATH(method) "/openshell.middleware.v1.Middleware/" method

/* A config that it was asked about; on this connection. */
enum verdict { UNKNOWN, ASKING, TAKEN, REFUSED };
struct config {
	struct service_link *link;
	char *text;
	enum verdict verdict;
	struct rpc_out *out;
};

/* One registered service that some request needed. */
struct service_link {
	struct mw_services *all;
	struct service_link *next;
	char name[SERVICE_NAME_MAX + 1];
	bool dialling;
	uint32_t ask; /* its id, then */
	struct rpc_client *client; /* NULL: not connected */
	bool described, websocket;
	struct rpc_out *describe;
	struct mw_session *sessions; /* of its open streams, and others */
	unsigned timeout_ms;
	uint64_t not_before; /* loop time: no dial until then */
	struct config configs[CONFIGS_MAX];
	size_t n_configs;
};

enum eval_state { EVAL_WAITS, EVAL_RUNS, EVAL_DONE };
struct mw_eval {
	struct mw_services *all;
	struct service_link *link;
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
	struct service_link *link;
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
	struct service_link *links;
	struct mw_eval *waiting, **waiting_end;
	struct mw_eval *running;
	unsigned n_waiting, n_running;
	uint32_t asked; /* the last id */
};

static void go(struct mw_eval *ev);

static void
on_again(uv_idle_t *h)
{
	(void)uv_idle_stop(h);
}

/*
 * Tasks run just before the loop sleeps, when calls that were made earlier have
 * been written already: what is asked there must not wait for the next event.
 */
static void
end_call(struct mw_services *s, struct rpc_out *o)
{
	rpc_out_end(o);
	(void)uv_idle_start(&s->again, on_again);
}

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
static void
unask(struct mw_eval *ev)
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
	deadline_set(s->deadlines, &ev->deadline, PREPARE_MS);
	go(ev);
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
	unask(ev);
	take_out(s, ev);
	ev->state = EVAL_DONE;
	ev->said = said;
	wake(ev->c);
	start_next(s);
}

static void
fail(struct mw_eval *ev, const char *why)
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

	fail(ev, ev->asked ? late_text : "it was not ready in time");
}

void
mw_eval_cancel(struct mw_eval *ev)
{
	struct mw_services *s;

	if (ev == NULL)
		return;
	s = ev->all;
	if (ev->state != EVAL_DONE) {
		unask(ev);
		take_out(s, ev);
		start_next(s);
	}
	mw_answer_fini(&ev->answer);
	free(ev);
}

/* Each that waits for this service to get ready, one after another: what is
 * done to one may change the list. */
static struct mw_eval *
unasked(struct service_link *l)
{
	struct mw_eval *ev = l->all->running;

	while (ev != NULL && (ev->link != l || ev->asked))
		ev = ev->next;
	return ev;
}

static void
fail_all(struct service_link *l, const char *why)
{
	for (struct mw_eval *ev; (ev = unasked(l)) != NULL;)
		fail(ev, why);
}

static void
go_all(struct service_link *l)
{
	struct mw_eval *next;

	for (struct mw_eval *ev = l->all->running; ev != NULL; ev = next) {
		next = ev->next;
		if (ev->link == l && !ev->asked)
			go(ev);
	}
}

/* ---- the service gets ready ------------------------------------------------
 */

static void
forget_configs(struct service_link *l)
{
	while (l->n_configs > 0) {
		struct config *k = &l->configs[--l->n_configs];

		if (k->out != NULL)
			rpc_out_cancel(take_ptr(k->out));
		free(k->text);
		*k = (struct config) { 0 };
	}
}

static void
hang_up(struct service_link *l)
{
	if (l->describe != NULL)
		rpc_out_cancel(take_ptr(l->describe));
	for (struct mw_session *s = l->sessions; s != NULL; s = s->next)
		if (s->out != NULL)
			rpc_out_cancel(take_ptr(s->out));
	forget_configs(l);
	rpc_client_free(take_ptr(l->client));
	l->described = false;
}

/* Whoever waits for it hears why. */
static void
give_up(struct service_link *l, const char *why)
{
	hang_up(l);
	l->not_before = uv_now(&l->all->px->loop) + AGAIN_MS;
	fail_all(l, why);
}

static void
on_lost(void *ctx, const struct err *e UNUSED)
{
	struct service_link *l = ctx;

	give_up(l, "the connection to it ended");
}

static void
on_described(void *ctx, const ProtobufCMessage *m)
{
	const Openshell__Middleware__V1__DescribeResponse *d = (const void *)m;
	struct service_link *l = ctx;

	l->websocket = d->websocket;
	for (size_t i = 0; i < d->n_phases; i++)
		l->described |=
		    d->phases[i] ==
		    OPENSHELL__MIDDLEWARE__V1__PHASE__PHASE_PRE_CREDENTIALS;
}

static void
on_describe_over(void *ctx, enum rpc_code code, const char *text UNUSED)
{
	struct service_link *l = ctx;
	char why[120];

	l->describe = NULL;
	if (code == RPC_OK && l->described) {
		go_all(l);
		return;
	}
	l->described = false;
	(void)snprintf(why, sizeof(why), "its Describe failed (%s)",
	    code != RPC_OK ? rpc_code_name(code) : "no PRE_CREDENTIALS");
	/* Not from inside its own callback. */
	l->not_before = uv_now(&l->all->px->loop) + AGAIN_MS;
	fail_all(l, why);
}

static void
describe(struct service_link *l)
{
	static const struct rpc_out_hooks none = { .message = on_described,
		.closed = on_describe_over };
	struct rpc_out_hooks hooks = none;
	Openshell__Middleware__V1__DescribeRequest q =
	    OPENSHELL__MIDDLEWARE__V1__DESCRIBE_REQUEST__INIT;

	hooks.ctx = l;
	q.middleware = l->name;
	l->describe = rpc_out_new(l->client, RPC_PATH("Describe"),
	    &openshell__middleware__v1__describe_response__descriptor, &hooks,
	    CALL_MS);
	rpc_out_send(l->describe, &q.base);
	end_call(l->all, l->describe);
}

static void
connected(struct service_link *l, int *fd)
{
	struct rpc_client_hooks hooks = { .lost = on_lost, .ctx = l };
	struct rpc_target target = { .url = "http://localhost", .fd = fd };
	struct err e;

	if (rpc_client_new(&l->all->px->loop, &target, &hooks, &l->client, &e) <
	    0) {
		l->client = NULL;
		give_up(l, "the connection to it cannot be used");
		return;
	}
	describe(l);
}

/* ---- the carrier ------------------------------------------------------------
 */

static void
dial(struct service_link *l)
{
	struct mw_services *s = l->all;
	struct carry_ask ask = { .id = ++s->asked };
	struct err e;

	(void)snprintf(ask.name, sizeof(ask.name), "%s", l->name);
	if (s->fd < 0 || fd_send(s->fd, &ask, sizeof(ask), NULL, 0, &e) < 0) {
		give_up(l, "nobody can connect to it");
		return;
	}
	l->dialling = true;
	l->ask = ask.id;
}

static struct service_link *
asked_for(struct mw_services *s, uint32_t id)
{
	struct service_link *l = s->links;

	while (l != NULL && (!l->dialling || l->ask != id))
		l = l->next;
	return l;
}

static void
carrier_gone(struct mw_services *s)
{
	(void)uv_poll_stop(&s->poll);
	fd_close(&s->fd);
	for (struct service_link *l = s->links; l != NULL; l = l->next)
		if (l->dialling) {
			l->dialling = false;
			give_up(l, "nobody can connect to it");
		}
}

static void
on_answer(struct mw_services *s, const struct carry_answer *a, int *fd)
{
	struct service_link *l = asked_for(s, a->id);

	if (l == NULL)
		return;
	l->dialling = false;
	l->timeout_ms = a->timeout_ms;
	if (a->ok && *fd >= 0) {
		connected(l, fd);
		return;
	}
	LOG_WARN(
	    "MIDDLEWARE", KV_STR("name", l->name), KV_STR("reason", a->why));
	give_up(l, "it cannot be reached");
}

static void
on_carrier(uv_poll_t *p, int status, int events UNUSED)
{
	struct mw_services *s = p->data;
	struct carry_answer a;
	int fds[FD_MSG_MAX] = { -1, -1, -1, -1, -1, -1, -1, -1 };
	unsigned nfds = 0;
	struct err e;
	ssize_t n;

	if (status < 0) {
		carrier_gone(s);
		return;
	}
	n = fd_recv(s->fd, &a, sizeof(a), fds, &nfds, &e);
	if (n < 0 && e.code == ERR_AGAIN)
		return;
	if (n == (ssize_t)sizeof(a)) {
		a.why[sizeof(a.why) - 1] = '\0';
		on_answer(s, &a, &fds[0]);
	} else {
		carrier_gone(s);
	}
	for (unsigned i = 0; i < FD_MSG_MAX; i++)
		fd_close(&fds[i]);
}

/* ---- one evaluation ---------------------------------------------------------
 */

static void
on_validated(void *ctx, const ProtobufCMessage *m)
{
	const Openshell__Middleware__V1__ValidateConfigResponse *v =
	    (const void *)m;
	struct config *k = ctx;

	k->verdict = v->valid ? TAKEN : REFUSED;
}

static void
on_validate_over(void *ctx, enum rpc_code code, const char *text UNUSED)
{
	struct config *k = ctx;

	k->out = NULL;
	if (code != RPC_OK || k->verdict == ASKING) {
		k->verdict = UNKNOWN; /* asked again, for who comes next */
		fail_all(k->link, "its ValidateConfig failed");
		return;
	}
	go_all(k->link);
}

static void
validate(struct service_link *l, struct config *k)
{
	struct rpc_out_hooks hooks = {
		.message = on_validated, .closed = on_validate_over, .ctx = k
	};
	Openshell__Middleware__V1__ValidateConfigRequest q =
	    OPENSHELL__MIDDLEWARE__V1__VALIDATE_CONFIG_REQUEST__INIT;

	k->verdict = ASKING;
	q.middleware = l->name;
	q.config = struct_wire_parse(view_of(k->text));
	k->out = rpc_out_new(l->client, RPC_PATH("ValidateConfig"),
	    &openshell__middleware__v1__validate_config_response__descriptor,
	    &hooks, CALL_MS);
	rpc_out_send(k->out, &q.base);
	end_call(l->all, k->out);
	protobuf_c_message_free_unpacked(&q.config->base, NULL);
}

static struct config *
config_of(struct service_link *l, struct view text)
{
	struct config *k;

	for (size_t i = 0; i < l->n_configs; i++)
		if (view_eq(view_of(l->configs[i].text), text))
			return &l->configs[i];
	/* Most are of policies before; the rest is asked about again. */
	if (l->n_configs == CONFIGS_MAX)
		forget_configs(l);
	k = &l->configs[l->n_configs++];
	*k = (struct config) { .link = l, .text = view_dup(text) };
	return k;
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
		fail(ev, late_text);
		return;
	}
	(void)snprintf(why, sizeof(why), "its answer is an error (%s)",
	    rpc_code_name(code));
	fail(ev, why);
}

static void
ask_request(struct mw_eval *ev)
{
	struct rpc_out_hooks hooks = {
		.message = on_evaluated, .closed = on_evaluation_over, .ctx = ev
	};
	struct service_link *l = ev->link;

	ev->out = rpc_out_new(l->client, RPC_PATH("EvaluateHttpRequest"),
	    &openshell__middleware__v1__evaluation__descriptor, &hooks,
	    l->timeout_ms);
	mw_send_request(ev->out, ev->c, ev->m, ev->h, ev->body);
	end_call(l->all, ev->out);
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
	fail(ev, why);
}

static void
ask_text(struct mw_eval *ev)
{
	struct mw_session *s = ev->session;
	struct rpc_out_hooks hooks = { .message = on_text_evaluated,
		.closed = on_session_over,
		.ctx = s };
	struct service_link *l = ev->link;

	s->eval = ev;
	if (s->out == NULL) {
		s->out =
		    rpc_out_new(l->client, RPC_PATH("EvaluateWebSocketSession"),
			&openshell__middleware__v1__evaluation__descriptor,
			&hooks, 0);
		mw_send_open(s->out, ev->c, ev->m);
	}
	mw_send_text(s->out, ev->body);
	(void)uv_idle_start(&l->all->again, on_again);
}

static void
evaluate(struct mw_eval *ev)
{
	if (ev->session != NULL && !ev->link->websocket) {
		fail(ev, "it does not look at messages of WebSockets");
		return;
	}
	ev->asked = true;
	deadline_set(ev->all->deadlines, &ev->deadline, ev->link->timeout_ms);
	if (ev->session != NULL)
		ask_text(ev);
	else
		ask_request(ev);
}

/* The next step on the way to an answer; may end it. */
static void
go(struct mw_eval *ev)
{
	struct service_link *l = ev->link;
	struct config *k;

	if (l->client == NULL) {
		if (l->dialling)
			return;
		if (l->not_before > uv_now(&l->all->px->loop))
			fail(ev, "it could not be reached a moment ago");
		else
			dial(l);
		return;
	}
	if (!l->described) {
		if (l->describe == NULL)
			describe(l);
		return;
	}
	k = config_of(l, ev->m->config);
	switch (k->verdict) {
	case UNKNOWN:
		validate(l, k);
		return;
	case ASKING:
		return;
	case TAKEN:
		evaluate(ev);
		return;
	case REFUSED:
		fail(ev, "it does not take its config");
		return;
	}
}

static struct service_link *
link_of(struct mw_services *s, struct view name)
{
	struct service_link *l = s->links;

	while (l != NULL && !view_eq(view_of(l->name), name))
		l = l->next;
	if (l != NULL)
		return l;
	l = NEW(struct service_link);
	l->all = s;
	(void)snprintf(l->name, sizeof(l->name), "%.*s", (int)name.n, name.p);
	l->next = s->links;
	s->links = l;
	return l;
}

static struct mw_eval *
eval_new(struct px_conn *c, const struct policy_middleware *m, struct view body)
{
	struct mw_eval *ev = NEW(struct mw_eval);

	ev->all = c->px->services;
	ev->link = link_of(ev->all, m->middleware);
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

	s->link = link_of(c->px->services, m->middleware);
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

/* ---- start and end
 * ----------------------------------------------------------- */

struct mw_services *
mw_services_new(struct px *px, int fd)
{
	struct mw_services *s = NEW(struct mw_services);
	struct err e;

	s->px = px;
	s->fd = fd;
	s->waiting_end = &s->waiting;
	s->deadlines = deadlines_new(&px->loop);
	(void)uv_idle_init(&px->loop, &s->again);
	if (fd_set_nonblock(fd, true, &e) == 0 &&
	    uv_poll_init(&px->loop, &s->poll, fd) == 0) {
		s->poll.data = s;
		s->polling = true;
		(void)uv_poll_start(&s->poll, UV_READABLE, on_carrier);
	} else {
		fd_close(&s->fd); /* everybody hears that nobody connects */
	}
	return s;
}

/* Those who asked hear nothing more; their connections are closing. */
static void
abandon(struct mw_services *s, struct mw_eval *list)
{
	for (struct mw_eval *ev = list; ev != NULL; ev = ev->next) {
		unask(ev);
		ev->state = EVAL_DONE;
	}
}

void
mw_services_close(struct mw_services *s)
{
	if (s == NULL)
		return;
	abandon(s, s->waiting);
	abandon(s, s->running);
	s->waiting = s->running = NULL;
	while (s->links != NULL) {
		struct service_link *l = s->links;

		s->links = l->next;
		hang_up(l);
		for (struct mw_session *w = l->sessions; w != NULL; w = w->next)
			w->link = NULL;
		free(l);
	}
	deadlines_free(s->deadlines);
	if (s->polling)
		(void)uv_poll_stop(&s->poll);
	(void)uv_idle_stop(&s->again);
	fd_close(&s->fd);
}
