/* rpc_policy: configuration of sandboxes: policies, and who does settings. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/effective.h"
#include "gateway/vetting.h"
#include "rpc/edit_wire.h"

typedef Openshell__V1__SandboxPolicyRevision revision_msg;
typedef Openshell__Sandbox__V1__GetSandboxConfigResponse__SettingsEntry
    config_entry;

enum { REVISIONS = 50 };

static bool
is_blank(const char *s)
{
	return view_trim(view_of(s)).n == 0;
}

/* --- UpdateConfig (gateway-api 4.8) -------------------------------------- */

struct update {
	const Openshell__V1__UpdateConfigRequest *m;
	struct rpc_call *c;
	struct sbx *s;
	struct view key;
};

/* How a global policy is taken away: its key is reserved but for this. */
static bool
deletes_policy(const struct update *u)
{
	return u->m->delete_setting && view_eq(u->key, VIEW("policy"));
}

static void
update_setting(const struct update *u)
{
	if (u->m->delete_setting)
		settings_delete(u->c, u->s, u->key);
	else
		settings_update(u->c, u->s, u->key, u->m->setting_value);
}

static void
answer_revision(const struct update *u, struct gw_revision *rev)
{
	Openshell__V1__UpdateConfigResponse r =
	    OPENSHELL__V1__UPDATE_CONFIG_RESPONSE__INIT;

	r.version = rev->version;
	r.policy_hash = rev->hash;
	r.n_warnings = vetting_warn(u->c, u->s, &r.warnings);
	rpc_answer(u->c, &r.base);
	if (rev->added)
		gw_policy_tell(u->s);
}

/* Equal but for the parts that only the file system is told by. */
static bool
same_network(const policy_wire_msg *a, const policy_wire_msg *b)
{
	policy_wire_msg x = *a, y = *b;
	char hx[65], hy[65];

	x.filesystem = y.filesystem = NULL;
	x.landlock = y.landlock = NULL;
	x.process = y.process = NULL;
	policy_wire_hash(&x, hx);
	policy_wire_hash(&y, hy);
	return strcmp(hx, hy) == 0;
}

/*
 * A sandbox may write its own policy only while its network policies stay as
 * they are wanted now (gateway-api 6.4): else it could allow itself
 * everything, or again what its owner has taken back since it was made.
 */
static bool
sandbox_may(const struct update *u, const policy_wire_msg *next)
{
	const Openshell__Datamodel__V1__SandboxSpec *spec = u->s->msg->spec;
	struct store_revision newest = { 0 };
	policy_wire_msg *now = NULL;
	struct err e;
	bool may;

	if (store_revision_get(gw_of(u->c)->store, u->s->id, 0, &newest, &e) ==
	    0) {
		now = openshell__sandbox__v1__sandbox_policy__unpack(
		    NULL, newest.n, (const uint8_t *)newest.payload);
		may = now != NULL && same_network(now, next);
		policy_wire_free(now);
		store_revision_fini(&newest);
		return may;
	}
	return e.code == ERR_NOT_FOUND && spec != NULL &&
	       (spec->policy == NULL || same_network(spec->policy, next));
}

static bool
is_user(const struct update *u)
{
	struct caller who;

	gw_caller(u->c, &who);
	return who.kind == CALLER_USER;
}

static int
caller_may(const struct update *u, const policy_wire_msg *next)
{
	struct caller who;

	gw_caller(u->c, &who);
	if (who.kind == CALLER_USER)
		return 0;
	if (who.kind == CALLER_SANDBOX && strcmp(who.sandbox, u->s->id) == 0 &&
	    sandbox_may(u, next))
		return 0;
	rpc_finish(u->c, RPC_PERMISSION_DENIED,
	    "a sandbox may only add to its own file system policy");
	return -1;
}

/* What is not its own policy is not a sandbox's to ask for. */
static bool
is_own_policy(const struct update *u)
{
	struct caller who;

	gw_caller(u->c, &who);
	return who.kind == CALLER_USER ||
	       (u->m->policy != NULL && u->key.n == 0 && !u->m->global &&
		   !u->m->delete_setting && u->m->n_merge_operations == 0);
}

static void
add_revision(const struct update *u, const policy_wire_msg *policy)
{
	struct gw_revision r;
	struct err e;

	if (gw_policy_store(u->s, policy, &r, &e) < 0) {
		rpc_finish_err(u->c, &e);
		return;
	}
	answer_revision(u, &r);
}

static bool
is_under_global(const struct update *u)
{
	if (gw_of(u->c)->global.version == 0)
		return false;
	rpc_finish(u->c, RPC_FAILED_PRECONDITION,
	    "policy is managed globally; delete global policy before "
	    "sandbox policy update");
	return true;
}

/* As the policy is now, whoever changed it last. */
static void
edit_policy(const struct update *u)
{
	AUTO_POLICY struct policy *now = NULL, *next = NULL;
	struct gw_revision r;
	struct err e;
	int rc;

	if (is_under_global(u))
		return;
	rc = gw_policy_now(u->s, &now, &e);
	if (rc == 0)
		rc = edit_wire_apply(now, u->m->merge_operations,
		    u->m->n_merge_operations, &next, &e);
	if (rc == 0 && next != NULL &&
	    vetting_waits(u->c, &u->m->base, next, rpc_UpdateConfig))
		return;
	if (rc == 0 && gw_policy_revise(u->s, next, &r, &e) == 0)
		answer_revision(u, &r);
	else if (e.code == ERR_NOT_FOUND || e.code == ERR_EXISTS)
		/* Of the policy; that of a sandbox is another matter. */
		rpc_finish(u->c, RPC_FAILED_PRECONDITION, "%s", e.text);
	else
		rpc_finish_err(u->c, &e);
}

static void
set_policy(const struct update *u)
{
	AUTO_BUF struct buf why = BUF_INIT(4096);
	policy_wire_msg *next = NULL;
	const policy_wire_msg *baseline = u->s->msg->spec->policy;

	if (is_under_global(u))
		return;
	if (gw_policy_accept(gw_of(u->c), u->m->policy, baseline, &next, &why) <
	    0) {
		rpc_finish(u->c, RPC_INVALID_ARGUMENT, "%s", buf_str(&why));
		return;
	}
	/* A sandbox's own write leaves its middlewares as they are. */
	if (caller_may(u, next) == 0 &&
	    (!is_user(u) ||
		!vetting_waits_wire(u->c, &u->m->base, next, rpc_UpdateConfig)))
		add_revision(u, next);
	policy_wire_free(next);
}

static void
update_global(const struct update *u)
{
	if (u->m->policy != NULL && u->m->delete_setting)
		rpc_finish(u->c, RPC_INVALID_ARGUMENT,
		    "delete_setting cannot be combined with policy payload");
	else if (u->m->policy != NULL)
		global_set(u->c, u->m);
	else if (deletes_policy(u))
		global_delete(u->c);
	else
		update_setting(u);
}

void
rpc_UpdateConfig(struct rpc_call *c, const ProtobufCMessage *msg)
{
	struct update u = { .m = (const void *)msg, .c = c };
	bool key, edits = u.m->n_merge_operations > 0;

	u.key = view_trim(view_of(u.m->setting_key));
	key = u.key.n > 0;
	if (!is_own_policy(&u))
		rpc_finish(c, RPC_PERMISSION_DENIED,
		    "a sandbox may only add to its own file system policy");
	else if (u.m->policy != NULL && key)
		rpc_finish(c, RPC_INVALID_ARGUMENT,
		    "policy and setting_key cannot be set in the same "
		    "request");
	else if (edits && (u.m->policy != NULL || key || u.m->global))
		rpc_finish(c, RPC_INVALID_ARGUMENT,
		    "merge_operations are about the policy of one sandbox and "
		    "nothing else");
	else if (u.m->policy == NULL && !key && !edits)
		rpc_finish(c, RPC_INVALID_ARGUMENT,
		    "either policy or setting_key must be provided");
	else if (u.m->global)
		update_global(&u);
	else if (is_blank(u.m->name))
		rpc_finish(c, RPC_INVALID_ARGUMENT,
		    "name is required for sandbox-scoped updates");
	else if ((u.s = gw_need_name(c, u.m->name)) == NULL)
		return;
	else if (key)
		update_setting(&u);
	else if (edits)
		edit_policy(&u);
	else
		set_policy(&u);
}

/* --- reading ------------------------------------------------------------- */

struct config_settings {
	config_entry entry[SETTINGS_N], *list[SETTINGS_N];
	Openshell__Sandbox__V1__EffectiveSetting effective[SETTINGS_N];
	setting_value_msg value[SETTINGS_N];
};

/* Every registered key, whether anybody has set it or not. */
static void
fill_settings(struct config_settings *t, const struct effective *f)
{
	for (size_t i = 0; i < SETTINGS_N; i++) {
		openshell__sandbox__v1__get_sandbox_config_response__settings_entry__init(
		    &t->entry[i]);
		openshell__sandbox__v1__effective_setting__init(
		    &t->effective[i]);
		t->list[i] = &t->entry[i];
		t->entry[i].key = (char *)(uintptr_t)setting_rows[i].key;
		t->entry[i].value = &t->effective[i];
		t->effective[i].scope = f->row[i].scope;
		if (f->row[i].v == NULL)
			continue;
		setting_fill(&t->value[i], f->row[i].v);
		t->effective[i].value = &t->value[i];
	}
}

void
rpc_GetSandboxConfig(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__Sandbox__V1__GetSandboxConfigRequest *m =
	    (const void *)msg;
	Openshell__Sandbox__V1__GetSandboxConfigResponse r =
	    OPENSHELL__SANDBOX__V1__GET_SANDBOX_CONFIG_RESPONSE__INIT;
	struct gateway *g = gw_of(c);
	const struct global *over = &g->global;
	struct store_revision rev = { 0 };
	struct config_settings set;
	AUTO_EFFECTIVE f = { 0 };
	policy_wire_msg *policy = NULL;
	struct caller who;
	struct sbx *s;
	struct err e;

	gw_caller(c, &who);
	if (who.kind != CALLER_USER &&
	    strcmp(who.sandbox, m->sandbox_id) != 0) {
		rpc_finish(c, RPC_PERMISSION_DENIED,
		    "cannot read another sandbox's configuration");
		return;
	}
	s = gw_need_id(c, m->sandbox_id, "sandbox_id");
	if (s == NULL)
		return;
	if (effective_load(s, &f, &e) < 0) {
		rpc_finish_err(c, &e);
		return;
	}
	fill_settings(&set, &f);
	r.settings = set.list;
	r.n_settings = SETTINGS_N;
	if (store_revision_wanted(g->store, s->id, &rev, &e) == 0)
		policy = gw_policy_unpack(rev.payload, rev.n);
	r.policy = policy;
	r.version = rev.version;
	r.policy_hash = rev.hash;
	r.policy_source =
	    OPENSHELL__SANDBOX__V1__POLICY_SOURCE__POLICY_SOURCE_SANDBOX;
	if (over->version != 0) {
		r.policy = over->policy;
		r.version = MAX(rev.version, 1U);
		r.policy_hash = (char *)(uintptr_t)over->hash;
		r.global_policy_version = over->version;
		r.policy_source =
		    OPENSHELL__SANDBOX__V1__POLICY_SOURCE__POLICY_SOURCE_GLOBAL;
	}
	r.config_revision = gw_config_revision(&r);
	rpc_answer(c, &r.base);
	policy_wire_free(policy);
	store_revision_fini(&rev);
}

static void
fill(revision_msg *out, const struct store_revision *r)
{
	out->version = r->version;
	out->policy_hash = (char *)(uintptr_t)r->hash;
	out->status = (Openshell__V1__PolicyStatus)r->status;
	if (r->load_error != NULL)
		out->load_error = r->load_error;
	out->created_at_ms = r->created_ms;
	out->loaded_at_ms = r->loaded_ms;
}

void
rpc_GetSandboxPolicyStatus(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__GetSandboxPolicyStatusRequest *m =
	    (const void *)msg;
	Openshell__V1__GetSandboxPolicyStatusResponse r =
	    OPENSHELL__V1__GET_SANDBOX_POLICY_STATUS_RESPONSE__INIT;
	revision_msg rev = OPENSHELL__V1__SANDBOX_POLICY_REVISION__INIT;
	struct store_revision row = { 0 };
	struct sbx *s = NULL;
	struct err e;

	if (!m->global && (s = gw_need_name(c, m->name)) == NULL)
		return;
	if (store_revision_get(gw_of(c)->store,
		s != NULL ? s->id : STORE_GLOBAL, m->version, &row, &e) < 0) {
		if (e.code == ERR_NOT_FOUND)
			rpc_finish(c, RPC_NOT_FOUND, "%s",
			    s != NULL
				? "no policy revision found for this sandbox"
				: "no global policy revision found");
		else
			rpc_finish_err(c, &e);
		return;
	}
	fill(&rev, &row);
	rev.policy = gw_policy_unpack(row.payload, row.n);
	r.revision = &rev;
	r.active_version = s != NULL ? s->msg->current_policy_version : 0;
	rpc_answer(c, &r.base);
	policy_wire_free(rev.policy);
	store_revision_fini(&row);
}

struct list {
	revision_msg **v;
	size_t n;
};

static int
on_revision(void *ctx, const struct store_revision *r)
{
	struct list *l = ctx;
	revision_msg *m = NEW(revision_msg);

	openshell__v1__sandbox_policy_revision__init(m);
	fill(m, r);
	m->policy_hash = mem_strdup(r->hash);
	if (r->load_error != NULL)
		m->load_error = mem_strdup(r->load_error);
	l->v = mem_realloc(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = m;
	return 0;
}

void
rpc_ListSandboxPolicies(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__ListSandboxPoliciesRequest *m = (const void *)msg;
	Openshell__V1__ListSandboxPoliciesResponse r =
	    OPENSHELL__V1__LIST_SANDBOX_POLICIES_RESPONSE__INIT;
	struct list l = { 0 };
	struct sbx *s = NULL;
	struct err e;
	int rc;

	if (!m->global && (s = gw_need_name(c, m->name)) == NULL)
		return;
	rc = store_revision_list(gw_of(c)->store,
	    s != NULL ? s->id : STORE_GLOBAL, gw_page(m->limit, REVISIONS),
	    m->offset, on_revision, &l, &e);
	r.n_revisions = l.n;
	r.revisions = l.v;
	if (rc < 0)
		rpc_finish_err(c, &e);
	else
		rpc_answer(c, &r.base);
	for (size_t i = 0; i < l.n; i++)
		openshell__v1__sandbox_policy_revision__free_unpacked(
		    l.v[i], NULL);
	free(l.v);
}

/* --- reports of sandboxes without a session ------------------------------ */

void
rpc_ReportPolicyStatus(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__ReportPolicyStatusRequest *m = (const void *)msg;
	Openshell__V1__ReportPolicyStatusResponse r =
	    OPENSHELL__V1__REPORT_POLICY_STATUS_RESPONSE__INIT;
	bool loaded =
	    m->status == OPENSHELL__V1__POLICY_STATUS__POLICY_STATUS_LOADED;
	struct caller who;
	struct sbx *s;
	struct err e;

	gw_caller(c, &who);
	if (m->sandbox_id[0] == '\0') {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "sandbox_id is required");
		return;
	}
	if (strcmp(who.sandbox, m->sandbox_id) != 0) {
		rpc_finish(c, RPC_PERMISSION_DENIED,
		    "cannot report for another sandbox");
		return;
	}
	if (m->version == 0) {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "version is required");
		return;
	}
	if (!loaded &&
	    m->status != OPENSHELL__V1__POLICY_STATUS__POLICY_STATUS_FAILED) {
		rpc_finish(
		    c, RPC_INVALID_ARGUMENT, "status must be LOADED or FAILED");
		return;
	}
	s = gw_need_id(c, m->sandbox_id, "sandbox_id");
	if (s == NULL)
		return;
	/* A late word about what was replaced is no fault of its sender. */
	if (gw_policy_report(s, m->version, loaded, m->load_error, &e) < 0 &&
	    e.code != ERR_AGAIN) {
		rpc_finish_err(c, &e);
		return;
	}
	rpc_answer(c, &r.base);
}
