/*
 * attend: the session of a sandbox's supervisor.
 *
 * Who it is, the connection has told; what it says of its id must match, or it
 * is refused and the sandbox it claimed to be is told in its log.  A second
 * session of the same sandbox ends the first: the newer one is the living one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/effective.h"
#include "gateway/provider.h"

typedef Openshell__Supervisor__V1__Up up_msg;
typedef Openshell__Supervisor__V1__Down down_msg;
typedef Openshell__Supervisor__V1__State state_msg;
typedef Openshell__Supervisor__V1__Policy policy_msg;
typedef Openshell__Supervisor__V1__Settings settings_msg;

enum { LINES_MAX = 100, PROTOCOL = 1 };

struct attend {
	struct call_data data;
	struct rpc_call *call;
	struct sbx *sbx; /* NULL before Hello and after the end */
	char id[64]; /* whose identity it has */
};

/* --- down ---------------------------------------------------------------- */

struct wanted {
	struct store_revision rev;
	policy_wire_msg *own;
	policy_wire_msg policy; /* borrows: own, or what is over it */
	char hash[65];
};

static void
wanted_fini(struct wanted *w)
{
	store_revision_fini(&w->rev);
	policy_wire_free(w->own);
}
#define AUTO_WANTED CLEANUP(wanted_fini) struct wanted

static bool
read_wanted(struct sbx *s, struct wanted *w, policy_msg *out)
{
	struct err e;

	if (store_revision_wanted(s->g->store, s->id, &w->rev, &e) < 0) {
		if (e.code != ERR_NOT_FOUND)
			LOG_ERROR("POLICY_READ", KV_STR("sandbox", s->name),
			    KV_STR("reason", e.text));
		return false;
	}
	w->own = gw_policy_unpack(w->rev.payload, w->rev.n);
	if (w->own == NULL)
		return false;
	global_over(s->g, w->own, &w->policy);
	policy_wire_hash(&w->policy, w->hash);
	out->version = w->rev.version;
	out->global_version = s->g->global.version;
	out->hash = w->hash;
	out->policy = &w->policy;
	return true;
}

void
attend_push(struct sbx *s)
{
	policy_msg p = OPENSHELL__SUPERVISOR__V1__POLICY__INIT;
	down_msg d = OPENSHELL__SUPERVISOR__V1__DOWN__INIT;
	AUTO_WANTED w = { 0 };

	if (s->attend == NULL || !read_wanted(s, &w, &p))
		return;
	d.payload_case = OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_POLICY;
	d.policy = &p;
	rpc_send(s->attend, &d.base);
}

void
attend_push_credentials(struct sbx *s)
{
	down_msg d = OPENSHELL__SUPERVISOR__V1__DOWN__INIT;

	if (s->attend == NULL)
		return; /* it learns when it dials */
	d.payload_case = OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_CREDENTIALS;
	d.credentials = provider_credentials(s);
	rpc_send(s->attend, &d.base);
	provider_credentials_free(d.credentials);
}

struct told_settings {
	struct effective from;
	settings_msg m;
	Openshell__Supervisor__V1__Setting item[SETTINGS_N], *items[SETTINGS_N];
	setting_value_msg value[SETTINGS_N];
};

static void
told_fini(struct told_settings *t)
{
	effective_fini(&t->from);
}
#define AUTO_TOLD CLEANUP(told_fini) struct told_settings

/* Those that somebody has set; NULL: they cannot be read now. */
static settings_msg *
read_settings(struct sbx *s, struct told_settings *t)
{
	struct err e;

	openshell__supervisor__v1__settings__init(&t->m);
	t->m.items = t->items;
	if (effective_load(s, &t->from, &e) < 0) {
		LOG_ERROR("SETTINGS_READ", KV_STR("sandbox", s->name),
		    KV_STR("reason", e.text));
		return NULL;
	}
	for (size_t i = 0; i < SETTINGS_N; i++) {
		size_t n = t->m.n_items;

		if (t->from.row[i].v == NULL)
			continue;
		openshell__supervisor__v1__setting__init(&t->item[n]);
		setting_fill(&t->value[n], t->from.row[i].v);
		t->item[n].key = (char *)(uintptr_t)setting_rows[i].key;
		t->item[n].value = &t->value[n];
		t->items[t->m.n_items++] = &t->item[n];
	}
	return &t->m;
}

void
attend_push_settings(struct sbx *s)
{
	down_msg d = OPENSHELL__SUPERVISOR__V1__DOWN__INIT;
	AUTO_TOLD t = { 0 };

	if (s->attend == NULL)
		return; /* it learns when it dials */
	d.payload_case = OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_SETTINGS;
	d.settings = read_settings(s, &t);
	if (d.settings != NULL)
		rpc_send(s->attend, &d.base);
}

bool
attend_open(struct sbx *s, const char *relay_id,
    const Openshell__V1__ExecSandboxRequest *exec)
{
	Openshell__Supervisor__V1__Open o =
	    OPENSHELL__SUPERVISOR__V1__OPEN__INIT;
	Openshell__V1__ExecSandboxRequest bare = *exec;
	down_msg d = OPENSHELL__SUPERVISOR__V1__DOWN__INIT;

	if (s->attend == NULL)
		return false;
	bare.stdin = (ProtobufCBinaryData) { 0, NULL };
	o.relay_id = (char *)(uintptr_t)relay_id;
	o.exec = &bare;
	d.payload_case = OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_OPEN;
	d.open = &o;
	rpc_send(s->attend, &d.base);
	return true;
}

void
attend_stop(struct sbx *s)
{
	Openshell__Supervisor__V1__Stop stop =
	    OPENSHELL__SUPERVISOR__V1__STOP__INIT;
	down_msg d = OPENSHELL__SUPERVISOR__V1__DOWN__INIT;

	if (s->attend == NULL)
		return;
	stop.grace_ms = GW_STOP_MS;
	d.payload_case = OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_STOP;
	d.stop = &stop;
	rpc_send(s->attend, &d.base);
}

static void
welcome(struct sbx *s)
{
	Openshell__Supervisor__V1__Welcome w =
	    OPENSHELL__SUPERVISOR__V1__WELCOME__INIT;
	policy_msg p = OPENSHELL__SUPERVISOR__V1__POLICY__INIT;
	down_msg d = OPENSHELL__SUPERVISOR__V1__DOWN__INIT;
	AUTO_WANTED wanted = { 0 };
	AUTO_TOLD t = { 0 };

	if (read_wanted(s, &wanted, &p))
		w.policy = &p;
	w.settings = read_settings(s, &t);
	w.log_from = s->log.seq + 1;
	w.credentials = provider_credentials(s);
	d.payload_case = OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_WELCOME;
	d.welcome = &w;
	rpc_send(s->attend, &d.base);
	provider_credentials_free(w.credentials);
}

/* --- up ------------------------------------------------------------------ */

static void
take_state(struct sbx *s, const state_msg *m)
{
	s->isolated =
	    m->phase == OPENSHELL__SUPERVISOR__V1__PHASE__PHASE_ISOLATED;
	switch ((int)m->phase) {
	case OPENSHELL__SUPERVISOR__V1__PHASE__PHASE_ISOLATED:
		sbx_settled(s);
		sbx_set(s, PHASE(READY), "Isolated",
		    "its supervisor enforces the policy");
		for (size_t i = 0; i < m->n_missing; i++)
			sbx_log(s, "WARN", "not in force: %s", m->missing[i]);
		break;
	case OPENSHELL__SUPERVISOR__V1__PHASE__PHASE_FAILED:
		sbx_settled(s);
		sbx_log(s, "ERROR", "the sandbox failed: %s", m->reason);
		sbx_set(s, PHASE(ERROR), "SandboxFailed", m->reason);
		exec_end_all(s, m->reason);
		break;
	default:
		/* Starting is what PROVISIONING says already; READY is over. */
		if (s->msg->phase == PHASE(READY))
			sbx_set(s, PHASE(UNKNOWN), "NotIsolated",
			    "its supervisor does not say that it stands");
		break;
	}
}

static void
take_policy_status(
    struct sbx *s, const Openshell__Supervisor__V1__PolicyStatus *m)
{
	struct err e;

	if (m->global_version != 0) {
		global_report(s, m->global_version, m->loaded, m->error);
		return;
	}
	if (gw_policy_report(s, m->version, m->loaded, m->error, &e) < 0)
		LOG_WARN("POLICY_REPORT", KV_STR("sandbox", s->name),
		    KV_STR("reason", e.text));
}

static void
take_logs(struct sbx *s, const Openshell__Supervisor__V1__Logs *m)
{
	for (size_t i = 0; i < MIN(m->n_lines, (size_t)LINES_MAX); i++) {
		Openshell__V1__SandboxLogLine line = *m->lines[i];
		const Openshell__V1__SandboxLogLine *kept;
		uint64_t seq = m->first_seq + i;

		if (seq <= s->log.seq)
			continue; /* sent again after a reconnect */
		s->log.seq = seq;
		/* It cannot speak for the gateway, nor for another. */
		line.source = (char[]) { "sandbox" };
		line.sandbox_id = s->id;
		kept = logbus_add(&s->log, &line);
		if (kept != NULL)
			watch_log(s, kept);
	}
	records_head(s, m->head);
}

/*
 * What was in force already when it dialled counts as acknowledged: the word
 * about it may have been lost with the last gateway.
 */
static void
acknowledge(struct sbx *s, uint32_t version, const char *hash)
{
	struct store_revision r = { 0 };
	struct err e;

	if (version == 0 ||
	    store_revision_get(s->g->store, s->id, version, &r, &e) < 0)
		return;
	/* A number alone does not say what is in force. */
	if (r.status == STORE_PENDING && strcmp(r.hash, hash) == 0 &&
	    gw_policy_report(s, version, true, "", &e) < 0)
		LOG_WARN("POLICY_REPORT", KV_STR("sandbox", s->name),
		    KV_STR("reason", e.text));
	store_revision_fini(&r);
}

static void
refuse(struct attend *a, enum rpc_code code, const char *text)
{
	rpc_finish(a->call, code, "%s", text);
}

static void
take_hello(struct attend *a, const Openshell__Supervisor__V1__Hello *m)
{
	struct gateway *g = gw_of(a->call);
	struct sbx *claimed = gw_by_id(g, m->sandbox_id);
	const state_msg none = OPENSHELL__SUPERVISOR__V1__STATE__INIT;

	if (strcmp(m->sandbox_id, a->id) != 0) {
		LOG_WARN("SUPERVISOR_REFUSED", KV_STR("claims", m->sandbox_id),
		    KV_STR("is", a->id));
		if (claimed != NULL)
			sbx_log(claimed, "WARN",
			    "a supervisor of sandbox %s claimed to be this "
			    "one and was refused",
			    a->id);
		refuse(a, RPC_PERMISSION_DENIED,
		    "this identity is another sandbox's");
		return;
	}
	if (claimed == NULL) {
		refuse(a, RPC_NOT_FOUND, "sandbox not found");
		return;
	}
	if (m->protocol != PROTOCOL) {
		refuse(a, RPC_FAILED_PRECONDITION,
		    "supervisor and gateway are of different versions");
		return;
	}
	if (claimed->attend != NULL)
		attend_end(claimed, RPC_ABORTED,
		    "a newer session of this sandbox took over");
	a->sbx = claimed;
	claimed->attend = a->call;
	records_head(claimed, m->head);
	/* What is over its own acknowledges nothing of its own. */
	if (m->policy_global_version == 0)
		acknowledge(claimed, m->policy_version, m->policy_hash);
	welcome(claimed);
	take_state(claimed, m->state != NULL ? m->state : &none);
}

static void
on_message(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const up_msg *m = (const void *)msg;
	struct attend *a = rpc_call_data(c);
	struct sbx *s = a->sbx;
	bool hello =
	    m->payload_case == OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_HELLO;

	/* Hello comes first and once. */
	if (hello != (s == NULL)) {
		refuse(a, RPC_INVALID_ARGUMENT, "message out of order");
		return;
	}
	switch ((int)m->payload_case) {
	case OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_HELLO:
		take_hello(a, m->hello);
		break;
	case OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_STATE:
		take_state(s, m->state);
		break;
	case OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_POLICY_STATUS:
		take_policy_status(s, m->policy_status);
		break;
	case OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_LOGS:
		take_logs(s, m->logs);
		break;
	case OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_OPEN_FAILED:
		exec_refused(
		    s, m->open_failed->relay_id, m->open_failed->reason);
		break;
	case OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_ENDED:
		/* The driver tells when it is gone; this is the reason. */
		if (s->msg->phase != PHASE(DELETING) &&
		    s->msg->phase != PHASE(ERROR))
			sbx_set(
			    s, PHASE(ERROR), "SandboxEnded", m->ended->reason);
		break;
	default:
		refuse(a, RPC_INVALID_ARGUMENT, "empty message");
		break;
	}
}

/* --- the end ------------------------------------------------------------- */

static void
leave(struct attend *a)
{
	struct sbx *s = a->sbx;

	a->sbx = NULL;
	if (s == NULL || s->attend != a->call)
		return;
	if (s->msg->phase != PHASE(DELETING))
		records_save(s);
	s->attend = NULL;
	s->isolated = false;
}

static void
on_half_closed(struct rpc_call *c)
{
	rpc_finish(c, RPC_OK, NULL);
}

static void
on_closed(struct rpc_call *c, enum rpc_code why UNUSED)
{
	struct attend *a = rpc_call_data(c);
	struct sbx *s = a->sbx;

	leave(a);
	if (s != NULL && !s->g->closing) {
		exec_end_all(s, "the sandbox's supervisor is not connected");
		if (s->msg->phase == PHASE(READY))
			sbx_set(s, PHASE(UNKNOWN), "SupervisorDisconnected",
			    "its supervisor is not connected");
	}
	free(a);
}

static const struct call_ops ops = { on_message, on_half_closed, NULL,
	on_closed };

void
attend_end(struct sbx *s, enum rpc_code code, const char *text)
{
	struct rpc_call *c = s->attend;

	if (c == NULL)
		return;
	leave(rpc_call_data(c));
	rpc_finish(c, code, "%s", text);
}

void
attend_drain(struct sbx *s)
{
	if (s->g->draining && s->execs == NULL)
		attend_end(s, RPC_UNAVAILABLE, "the gateway stops");
}

void
rpc_Attend(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	struct attend *a;
	struct caller who;

	if (gw_of(c)->draining) {
		rpc_finish(c, RPC_UNAVAILABLE, "the gateway stops");
		return;
	}
	a = NEW(struct attend);
	gw_caller(c, &who);
	a->data.ops = &ops;
	a->call = c;
	(void)snprintf(a->id, sizeof(a->id), "%s", who.sandbox);
	rpc_call_set_data(c, a);
}
