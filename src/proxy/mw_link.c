/*
 * mw_link: the services that were needed so far, each with at most one
 * connection, which the carrier makes; on it the service describes itself and
 * takes, or refuses, each config before anything is asked under it.
 */
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "middleware.pb-c.h"
#include "proxy/mw_service_impl.h"
#include "rpc/struct_wire.h"

enum {
	CALL_MS = 5000,
	AGAIN_MS = 250 /* after a dial that failed */
};

static void
on_again(uv_idle_t *h)
{
	(void)uv_idle_stop(h);
}

void
mw_hurry(struct mw_services *s)
{
	(void)uv_idle_start(&s->again, on_again);
}

static void
end_call(struct mw_services *s, struct rpc_out *o)
{
	rpc_out_end(o);
	mw_hurry(s);
}

/* ---- the service gets ready ------------------------------------------------
 */

static void
forget_configs(struct mw_link *l)
{
	while (l->n_configs > 0) {
		struct mw_config *k = &l->configs[--l->n_configs];

		if (k->out != NULL)
			rpc_out_cancel(take_ptr(k->out));
		free(k->text);
		*k = (struct mw_config) { 0 };
	}
}

static void
hang_up(struct mw_link *l)
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
give_up(struct mw_link *l, const char *why)
{
	hang_up(l);
	l->not_before = uv_now(&l->all->px->loop) + AGAIN_MS;
	mw_fail_all(l, why);
}

static void
on_lost(void *ctx, const struct err *e UNUSED)
{
	struct mw_link *l = ctx;

	give_up(l, "the connection to it ended");
}

static void
on_described(void *ctx, const ProtobufCMessage *m)
{
	const Openshell__Middleware__V1__DescribeResponse *d = (const void *)m;
	struct mw_link *l = ctx;

	l->websocket = d->websocket;
	for (size_t i = 0; i < d->n_phases; i++)
		l->described |=
		    d->phases[i] ==
		    OPENSHELL__MIDDLEWARE__V1__PHASE__PHASE_PRE_CREDENTIALS;
}

static void
on_describe_over(void *ctx, enum rpc_code code, const char *text UNUSED)
{
	struct mw_link *l = ctx;
	char why[120];

	l->describe = NULL;
	if (code == RPC_OK && l->described) {
		mw_go_all(l);
		return;
	}
	l->described = false;
	(void)snprintf(why, sizeof(why), "its Describe failed (%s)",
	    code != RPC_OK ? rpc_code_name(code) : "no PRE_CREDENTIALS");
	/* Not from inside its own callback. */
	l->not_before = uv_now(&l->all->px->loop) + AGAIN_MS;
	mw_fail_all(l, why);
}

static void
describe(struct mw_link *l)
{
	static const struct rpc_out_hooks none = { .message = on_described,
		.closed = on_describe_over };
	struct rpc_out_hooks hooks = none;
	Openshell__Middleware__V1__DescribeRequest q =
	    OPENSHELL__MIDDLEWARE__V1__DESCRIBE_REQUEST__INIT;

	hooks.ctx = l;
	q.middleware = l->name;
	l->describe = rpc_out_new(l->client, MW_PATH("Describe"),
	    &openshell__middleware__v1__describe_response__descriptor, &hooks,
	    CALL_MS);
	rpc_out_send(l->describe, &q.base);
	end_call(l->all, l->describe);
}

static void
connected(struct mw_link *l, int *fd)
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
dial(struct mw_link *l)
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

static struct mw_link *
asked_for(struct mw_services *s, uint32_t id)
{
	struct mw_link *l = s->links;

	while (l != NULL && (!l->dialling || l->ask != id))
		l = l->next;
	return l;
}

static void
carrier_gone(struct mw_services *s)
{
	(void)uv_poll_stop(&s->poll);
	fd_close(&s->fd);
	for (struct mw_link *l = s->links; l != NULL; l = l->next)
		if (l->dialling) {
			l->dialling = false;
			give_up(l, "nobody can connect to it");
		}
}

static void
on_answer(struct mw_services *s, const struct carry_answer *a, int *fd)
{
	struct mw_link *l = asked_for(s, a->id);

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
	struct mw_config *k = ctx;

	k->verdict = v->valid ? TAKEN : REFUSED;
}

static void
on_validate_over(void *ctx, enum rpc_code code, const char *text UNUSED)
{
	struct mw_config *k = ctx;

	k->out = NULL;
	if (code != RPC_OK || k->verdict == ASKING) {
		k->verdict = UNKNOWN; /* asked again, for who comes next */
		mw_fail_all(k->link, "its ValidateConfig failed");
		return;
	}
	mw_go_all(k->link);
}

static void
validate(struct mw_link *l, struct mw_config *k)
{
	struct rpc_out_hooks hooks = {
		.message = on_validated, .closed = on_validate_over, .ctx = k
	};
	Openshell__Middleware__V1__ValidateConfigRequest q =
	    OPENSHELL__MIDDLEWARE__V1__VALIDATE_CONFIG_REQUEST__INIT;

	k->verdict = ASKING;
	q.middleware = l->name;
	q.config = struct_wire_parse(view_of(k->text));
	k->out = rpc_out_new(l->client, MW_PATH("ValidateConfig"),
	    &openshell__middleware__v1__validate_config_response__descriptor,
	    &hooks, CALL_MS);
	rpc_out_send(k->out, &q.base);
	end_call(l->all, k->out);
	protobuf_c_message_free_unpacked(&q.config->base, NULL);
}

static struct mw_config *
config_of(struct mw_link *l, struct view text)
{
	struct mw_config *k;

	for (size_t i = 0; i < l->n_configs; i++)
		if (view_eq(view_of(l->configs[i].text), text))
			return &l->configs[i];
	/* Most are of policies before; the rest is asked about again. */
	if (l->n_configs == MW_CONFIGS_MAX)
		forget_configs(l);
	k = &l->configs[l->n_configs++];
	*k = (struct mw_config) { .link = l, .text = view_dup(text) };
	return k;
}

void
mw_go(struct mw_eval *ev)
{
	struct mw_link *l = ev->link;
	struct mw_config *k;

	if (l->client == NULL) {
		if (l->dialling)
			return;
		if (l->not_before > uv_now(&l->all->px->loop))
			mw_eval_fail(
			    ev, "it could not be reached a moment ago");
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
		mw_evaluate(ev);
		return;
	case REFUSED:
		mw_eval_fail(ev, "it does not take its config");
		return;
	}
}

struct mw_link *
mw_link_of(struct mw_services *s, struct view name)
{
	struct mw_link *l = s->links;

	while (l != NULL && !view_eq(view_of(l->name), name))
		l = l->next;
	if (l != NULL)
		return l;
	l = NEW(struct mw_link);
	l->all = s;
	(void)snprintf(l->name, sizeof(l->name), "%.*s", (int)name.n, name.p);
	l->next = s->links;
	s->links = l;
	return l;
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
		mw_unask(ev);
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
		struct mw_link *l = s->links;

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
