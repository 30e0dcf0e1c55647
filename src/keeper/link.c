/*
 * link: the way to the gateway.  It may be away, slow, or new; nothing of the
 * sandbox waits for it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "keeper/impl.h"

enum { BATCH = 50, PROTOCOL = 1 };

#define UP(k) OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_##k
#define DOWN(k) OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_##k
#define PHASE(p) OPENSHELL__SUPERVISOR__V1__PHASE__PHASE_##p

bool
link_is_up(const struct keeper *k)
{
	return k->attend != NULL && k->welcomed;
}

/* --- up ------------------------------------------------------------------ */

enum { MISSING_MAX = 32 };

static void
fill_state(struct keeper *k, Openshell__Supervisor__V1__State *s,
    char *missing[MISSING_MAX])
{
	struct view rest = view_of(k->state.missing);

	openshell__supervisor__v1__state__init(s);
	s->phase = k->failed     ? PHASE(FAILED)
		   : k->isolated ? PHASE(ISOLATED)
				 : PHASE(STARTING);
	s->reason = k->why;
	if (!k->isolated)
		return;
	s->rootless = k->state.rootless != 0;
	s->landlock_abi = k->state.landlock_abi;
	s->seccomp = k->state.seccomp != 0;
	s->capture = k->state.capture != 0;
	s->cgroup = k->state.cgroup;
	s->limits = k->state.limits;
	s->missing = missing;
	while (rest.n > 0 && s->n_missing < MISSING_MAX)
		missing[s->n_missing++] = view_dup(view_cut(rest, '\n', &rest));
}

static void
free_missing(Openshell__Supervisor__V1__State *s)
{
	while (s->n_missing > 0)
		free(s->missing[--s->n_missing]);
}

void
link_state(struct keeper *k)
{
	Openshell__Supervisor__V1__State s;
	char *missing[MISSING_MAX];
	up_msg up = OPENSHELL__SUPERVISOR__V1__UP__INIT;

	if (!link_is_up(k))
		return; /* Hello says it */
	fill_state(k, &s, missing);
	up.payload_case = UP(STATE);
	up.state = &s;
	rpc_out_send(k->attend, &up.base);
	free_missing(&s);
}

void
link_policy_status(struct keeper *k, const struct keeper_policy *p, bool loaded,
    const char *error)
{
	Openshell__Supervisor__V1__PolicyStatus s =
	    OPENSHELL__SUPERVISOR__V1__POLICY_STATUS__INIT;
	up_msg up = OPENSHELL__SUPERVISOR__V1__UP__INIT;

	if (k->attend == NULL)
		return; /* the next Hello says what is in force */
	s.version = p->version;
	s.global_version = p->global;
	s.loaded = loaded;
	s.error = (char *)(uintptr_t)error;
	up.payload_case = UP(POLICY_STATUS);
	up.policy_status = &s;
	rpc_out_send(k->attend, &up.base);
}

/* Everything up to it is stored. */
static void
fill_head(struct keeper *k, Openshell__V1__RecordHead *head)
{
	openshell__v1__record_head__init(head);
	head->seq = k->journal.head.seq;
	head->hash = k->journal.head.hash;
}

static void
send_hello(struct keeper *k)
{
	Openshell__Supervisor__V1__Hello h =
	    OPENSHELL__SUPERVISOR__V1__HELLO__INIT;
	Openshell__V1__RecordHead head;
	Openshell__Supervisor__V1__State s;
	char *missing[MISSING_MAX];
	up_msg up = OPENSHELL__SUPERVISOR__V1__UP__INIT;

	fill_head(k, &head);
	h.head = &head;
	fill_state(k, &s, missing);
	h.sandbox_id = k->msg->id;
	h.protocol = PROTOCOL;
	h.version = (char[]) { OPENSHELL_VERSION };
	h.pid = (uint32_t)getpid();
	h.state = &s;
	h.policy_version = k->isolated ? k->now.version : 0;
	h.policy_global_version = k->isolated ? k->now.global : 0;
	h.policy_hash = k->now.hash;
	h.log_seq = k->ring.next - 1;
	up.payload_case = UP(HELLO);
	up.hello = &h;
	rpc_out_send(k->attend, &up.base);
	free_missing(&s);
}

/*
 * Records that this gateway wanted and the ring has no more: how many is a
 * record too, in the place of the last of them.
 */
static void
tell_dropped(struct keeper *k)
{
	Openshell__Supervisor__V1__Logs l =
	    OPENSHELL__SUPERVISOR__V1__LOGS__INIT;
	Openshell__V1__SandboxLogLine line =
	    OPENSHELL__V1__SANDBOX_LOG_LINE__INIT;
	Openshell__V1__SandboxLogLine *lines[] = { &line };
	up_msg up = OPENSHELL__SUPERVISOR__V1__UP__INIT;
	char text[96];

	if (k->ring.sent >= k->ring.first)
		return;
	(void)snprintf(text, sizeof(text),
	    "%llu earlier records are no longer kept",
	    (unsigned long long)(k->ring.first - k->ring.sent));
	line.timestamp_ms = clock_wall_ms();
	line.level = (char[]) { "WARN" };
	line.target = (char[]) { "supervisor" };
	line.message = text;
	k->ring.sent = k->ring.first;
	l.first_seq = k->ring.first - 1;
	l.n_lines = 1;
	l.lines = lines;
	up.payload_case = UP(LOGS);
	up.logs = &l;
	rpc_out_send(k->attend, &up.base);
}

static void
send_batch(struct keeper *k)
{
	Openshell__Supervisor__V1__Logs l =
	    OPENSHELL__SUPERVISOR__V1__LOGS__INIT;
	Openshell__V1__SandboxLogLine *lines[BATCH];
	Openshell__V1__RecordHead head;
	up_msg up = OPENSHELL__SUPERVISOR__V1__UP__INIT;

	tell_dropped(k);
	fill_head(k, &head);
	l.head = &head;
	l.first_seq = k->ring.sent;
	l.lines = lines;
	while (l.n_lines < BATCH && k->ring.sent < k->ring.next)
		lines[l.n_lines++] = ring_at(&k->ring, k->ring.sent++);
	up.payload_case = UP(LOGS);
	up.logs = &l;
	rpc_out_send(k->attend, &up.base);
}

static void
send_logs(struct keeper *k)
{
	while (link_is_up(k) && k->ring.sent < k->ring.next &&
	       rpc_out_queued(k->attend) < RPC_HIGH_WATER)
		send_batch(k);
}

static void
on_flush(uv_timer_t *t)
{
	send_logs(t->data);
}

void
link_logs(struct keeper *k, bool now)
{
	if (!link_is_up(k) || k->ring.sent >= k->ring.next)
		return;
	if (now || k->ring.next - k->ring.sent >= BATCH)
		send_logs(k);
	else if (!uv_is_active((uv_handle_t *)&k->flush))
		(void)uv_timer_start(&k->flush, on_flush, KEEPER_FLUSH_MS, 0);
}

/* --- down ---------------------------------------------------------------- */

static void
on_welcome(struct keeper *k, const Openshell__Supervisor__V1__Welcome *w)
{
	k->welcomed = true;
	k->backoff_ms = 0;
	k->disowned_ms = 0;
	ring_rewind(&k->ring, w->log_from);
	keeper_credentials_wanted(k, w->credentials);
	if (w->settings != NULL)
		keeper_settings_wanted(k, w->settings);
	if (w->policy != NULL)
		keeper_policy_wanted(k, w->policy);
	/* What changed since Hello. */
	link_state(k);
	link_logs(k, true);
}

static void
on_message(void *ctx, const ProtobufCMessage *msg)
{
	const down_msg *m = (const void *)msg;
	struct keeper *k = ctx;

	switch ((int)m->payload_case) {
	case DOWN(WELCOME):
		on_welcome(k, m->welcome);
		break;
	case DOWN(POLICY):
		keeper_policy_wanted(k, m->policy);
		break;
	case DOWN(OPEN):
		command_open(k, m->open);
		break;
	case DOWN(STOP):
		keeper_stop(k);
		break;
	case DOWN(CREDENTIALS):
		keeper_credentials_wanted(k, m->credentials);
		break;
	case DOWN(SETTINGS):
		keeper_settings_wanted(k, m->settings);
		break;
	default: /* of a newer gateway */
		LOG_WARN("LINK_MESSAGE", KV_UINT("case", m->payload_case));
		break;
	}
}

static void
on_drained(void *ctx)
{
	send_logs(ctx);
}

/* --- coming and going ---------------------------------------------------- */

static void
on_dial(uv_timer_t *t)
{
	link_dial(t->data);
}

static void
dial_later(struct keeper *k)
{
	unsigned char jitter;

	if (k->gone || uv_is_active((uv_handle_t *)&k->dial))
		return;
	random_bytes(&jitter, 1);
	k->backoff_ms =
	    k->backoff_ms == 0
		? KEEPER_BACKOFF_MIN_MS
		: MIN(2 * k->backoff_ms, (unsigned)KEEPER_BACKOFF_MAX_MS);
	(void)uv_timer_start(&k->dial, on_dial,
	    k->backoff_ms + k->backoff_ms * jitter / 1024, 0);
}

/*
 * A gateway that answers, again and again, that it does not know us: our row
 * is deleted, and nobody is left who could end us.
 */
static void
check_disowned(struct keeper *k, enum rpc_code code)
{
	uint64_t now = clock_mono_ms();

	if (code != RPC_UNAUTHENTICATED && code != RPC_PERMISSION_DENIED &&
	    code != RPC_NOT_FOUND) {
		k->disowned_ms = 0; /* it went away: another may come */
		return;
	}
	if (k->disowned_ms == 0)
		k->disowned_ms = now;
	if (now - k->disowned_ms < KEEPER_DISOWNED_MS)
		return;
	(void)snprintf(
	    k->why, sizeof(k->why), "its gateway no longer knows this sandbox");
	LOG_ERROR("KEEPER_DISOWNED", KV_STR("reason", k->why));
	keeper_stop(k);
}

static void
on_closed(void *ctx, enum rpc_code code, const char *text)
{
	struct keeper *k = ctx;

	k->attend = NULL;
	k->welcomed = false;
	if (k->gone) {
		keeper_farewell_over(k);
		return;
	}
	LOG_INFO("LINK_CLOSED", KV_STR("code", rpc_code_name(code)),
	    KV_STR("reason", text));
	check_disowned(k, code);
	dial_later(k);
}

static void
on_lost(void *ctx, const struct err *e)
{
	struct keeper *k = ctx;

	LOG_INFO("LINK_LOST", KV_STR("reason", e->text));
	k->disowned_ms = 0;
	rpc_client_free(take_ptr(k->client));
	dial_later(k);
}

static void
attend(struct keeper *k)
{
	const struct rpc_out_hooks hooks = { on_message, on_drained, on_closed,
		k };

	if (k->attend != NULL)
		return;
	k->attend =
	    rpc_out_new(k->client, "/openshell.supervisor.v1.Supervisor/Attend",
		&openshell__supervisor__v1__down__descriptor, &hooks, 0);
	send_hello(k);
}

void
link_dial(struct keeper *k)
{
	const struct rpc_client_hooks hooks = { .lost = on_lost, .ctx = k };
	const struct rpc_target t = { .url = k->endpoint, .bearer = k->token };
	struct err e;

	if (k->gone)
		return;
	if (k->client == NULL &&
	    rpc_client_new(&k->loop, &t, &hooks, &k->client, &e) < 0) {
		LOG_WARN("LINK_DIAL", KV_STR("reason", e.text));
		dial_later(k);
		return;
	}
	attend(k);
}

void
link_farewell(struct keeper *k)
{
	Openshell__Supervisor__V1__Ended ended =
	    OPENSHELL__SUPERVISOR__V1__ENDED__INIT;
	up_msg up = OPENSHELL__SUPERVISOR__V1__UP__INIT;

	if (!link_is_up(k))
		return;
	send_logs(k);
	ended.reason = k->why;
	up.payload_case = UP(ENDED);
	up.ended = &ended;
	rpc_out_send(k->attend, &up.base);
	rpc_out_end(k->attend);
	k->farewell_sent = true;
}

void
link_close(struct keeper *k)
{
	(void)uv_timer_stop(&k->dial);
	(void)uv_timer_stop(&k->flush);
	if (k->attend != NULL)
		rpc_out_cancel(take_ptr(k->attend));
	rpc_client_free(take_ptr(k->client));
}
