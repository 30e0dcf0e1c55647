/*
 * global: the policy of every sandbox at once (gateway-api 4.7, 4.8).
 *
 * It stands in the place of each sandbox's own, which is kept and comes back
 * when it is deleted.  The static sections (filesystem, landlock, process) of
 * a sandbox that runs are what it was made with, whatever is set: a policy that
 * differs in them would be refused by every sandbox, and none would be under
 * the global one.  So a live sandbox takes the network policies of the global
 * policy, and a new one takes all of it.
 *
 * In memory is what the store has; it is set in the store first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/effective.h"
#include "gateway/vetting.h"

enum { POLICY_PACKED_MAX = 1 << 20 };

static void
forget(struct global *now)
{
	policy_wire_free(now->policy);
	*now = (struct global) { 0 };
}

void
global_fini(struct gateway *g)
{
	forget(&g->global);
}

int
global_load(struct gateway *g, struct err *e)
{
	struct store_revision r = { 0 };

	if (store_global_get(g->store, &r, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	g->global.policy = gw_policy_unpack(r.payload, r.n);
	g->global.version = r.version;
	memcpy(g->global.hash, r.hash, sizeof(r.hash));
	store_revision_fini(&r);
	/* Going on without it would open what it closes. */
	return g->global.policy != NULL
		   ? 0
		   : err_set(e, ERR_INVALID,
			 "the database holds a global policy that cannot be "
			 "read");
}

void
global_over(
    const struct gateway *g, const policy_wire_msg *own, policy_wire_msg *out)
{
	*out = *own;
	if (g->global.version == 0)
		return;
	*out = *g->global.policy;
	out->filesystem = own->filesystem;
	out->landlock = own->landlock;
	out->process = own->process;
}

#define TAKE(to, from) \
	do { \
		if ((from) != NULL) { \
			void *was_ = (to); \
			(to) = (from); \
			(from) = was_; \
		} \
	} while (0)

void
global_adopt(const struct gateway *g, policy_wire_msg *own)
{
	AUTO_BUF struct buf b = BUF_INIT(POLICY_PACKED_MAX);
	policy_wire_msg *copy;

	if (g->global.version == 0)
		return;
	policy_wire_pack(g->global.policy, &b);
	copy = gw_policy_unpack(b.p, b.n);
	/* What it does not say is the sandbox's own. */
	TAKE(own->filesystem, copy->filesystem);
	TAKE(own->landlock, copy->landlock);
	TAKE(own->process, copy->process);
	policy_wire_free(copy);
}

static void
push_all(struct gateway *g)
{
	struct sbx *s, *next;

	HASH_ITER (by_id, g->ids, s, next)
		attend_push(s);
}

/* The policy and the revision of the settings change together. */
static int
store_set(
    struct gateway *g, struct global *next, uint64_t *revision, struct err *e)
{
	AUTO_BUF struct buf packed = BUF_INIT(POLICY_PACKED_MAX);
	bool changed;

	policy_wire_pack(next->policy, &packed);
	if (store_begin(g->store, e) < 0)
		return -1;
	if (store_global_set(g->store, next->hash, buf_view(&packed),
		clock_wall_ms(), &next->version, &changed, e) < 0 ||
	    settings_touch(g, changed, revision, e) < 0) {
		store_rollback(g->store);
		return -1;
	}
	return store_commit(g->store, e);
}

static int
store_delete(
    struct gateway *g, bool *existed, uint64_t *revision, struct err *e)
{
	if (store_begin(g->store, e) < 0)
		return -1;
	if (store_global_delete(g->store, existed, e) < 0 ||
	    settings_touch(g, *existed, revision, e) < 0) {
		store_rollback(g->store);
		return -1;
	}
	return store_commit(g->store, e);
}

void
global_set(struct rpc_call *c, const Openshell__V1__UpdateConfigRequest *m)
{
	Openshell__V1__UpdateConfigResponse r =
	    OPENSHELL__V1__UPDATE_CONFIG_RESPONSE__INIT;
	AUTO_BUF struct buf why = BUF_INIT(4096);
	struct gateway *g = gw_of(c);
	struct global next = { 0 };
	struct err e;

	if (gw_policy_accept(g, m->policy, NULL, &next.policy, &why) < 0) {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "%s", buf_str(&why));
		return;
	}
	if (vetting_waits_wire(c, &m->base, next.policy, rpc_UpdateConfig)) {
		forget(&next);
		return;
	}
	policy_wire_hash(next.policy, next.hash);
	if (store_set(g, &next, &r.settings_revision, &e) < 0) {
		forget(&next);
		rpc_finish_err(c, &e);
		return;
	}
	forget(&g->global);
	g->global = next;
	LOG_INFO("GLOBAL_POLICY", KV_UINT("version", next.version),
	    KV_STR("hash", next.hash));
	r.version = next.version;
	r.policy_hash = g->global.hash;
	r.n_warnings = vetting_warn(c, NULL, &r.warnings);
	rpc_answer(c, &r.base);
	push_all(g);
}

void
global_delete(struct rpc_call *c)
{
	Openshell__V1__UpdateConfigResponse r =
	    OPENSHELL__V1__UPDATE_CONFIG_RESPONSE__INIT;
	struct gateway *g = gw_of(c);
	bool existed;
	struct err e;

	if (store_delete(g, &existed, &r.settings_revision, &e) < 0) {
		rpc_finish_err(c, &e);
		return;
	}
	forget(&g->global);
	r.deleted = existed;
	rpc_answer(c, &r.base);
	if (!existed)
		return;
	LOG_INFO("GLOBAL_POLICY_DELETED",
	    KV_UINT("settings_revision", r.settings_revision));
	push_all(g);
}

void
global_report(struct sbx *s, uint32_t version, bool loaded, const char *error)
{
	if (loaded) {
		sbx_log(
		    s, "INFO", "global policy version %u is in force", version);
		return;
	}
	LOG_ERROR("GLOBAL_POLICY_REFUSED", KV_STR("sandbox", s->name),
	    KV_UINT("version", version), KV_STR("reason", error));
	sbx_log(s, "ERROR",
	    "global policy version %u was refused, what was in force stays: %s",
	    version, error);
	sbx_event(s, true, "GlobalPolicyRefused", error);
}
