/*
 * gw: the state of a gateway, shared by the files of this folder and by nobody
 * else.
 *
 * A sandbox is one struct sbx from its create to the end of its delete; the
 * store has what must survive, the struct what is observed: its session, its
 * watchers, its last log lines.
 */
#ifndef GATEWAY_GW_H
#define GATEWAY_GW_H

#include "base/table.h"
#include "datamodel.pb-c.h"
#include "drivers/driver.h"
#include "gateway/access.h"
#include "gateway/health.h"
#include "gateway/gateway.h"
#include "gateway/logbus.h"
#include "openshell.pb-c.h"
#include "policy/policy.h"
#include "rpc/policy_wire.h"
#include "rpc/services.h"
#include "supervisor.pb-c.h"

typedef Openshell__Datamodel__V1__Sandbox sandbox_msg;
typedef Openshell__Datamodel__V1__SandboxPhase sandbox_phase;

#define PHASE(name) \
	OPENSHELL__DATAMODEL__V1__SANDBOX_PHASE__SANDBOX_PHASE_##name

enum {
	GW_ID = 40,
	GW_NAME_MAX = 63, /* a DNS label */
	GW_CREATES_MAX = 8, /* driver creates under way at a time */
	GW_EXECS_MAX = 64, /* commands of one sandbox */
	GW_SWEEP_MS = 5000,
	GW_PROVISION_MS = 300000,
	GW_RECONNECT_MS = 30000,
	GW_STOP_MS = 2000, /* for a sandbox to end by itself */
	GW_OPEN_MS = 10000 /* for a supervisor to open a relay */
};

/* What a call that lives on keeps; its first member, so that one set of
 * trampolines serves every method. */
struct call_ops {
	void (*message)(struct rpc_call *c, const ProtobufCMessage *m);
	void (*half_closed)(struct rpc_call *c);
	void (*drained)(struct rpc_call *c);
	void (*closed)(struct rpc_call *c, enum rpc_code why);
};
struct call_data {
	const struct call_ops *ops;
};

struct waiter { /* a DeleteSandbox that waits for the end */
	struct call_data data;
	struct rpc_call *call;
	struct sbx *sbx;
	struct waiter *next;
};

struct sbx {
	struct gateway *g;
	char id[GW_ID];
	char name[GW_NAME_MAX + 1];
	sandbox_msg *msg;
	uint64_t version; /* of the row */
	struct logbus log;
	struct store_head head; /* of its records, as it told */
	bool head_known; /* `head` was read from the store */
	bool head_unsaved, head_doubted;
	struct watch *watchers;
	struct exec *execs;
	unsigned n_execs;
	struct waiter *waiters;
	struct rpc_call *attend; /* its session, or NULL */
	bool isolated; /* the session says that it stands */
	bool queued, creating; /* wants, or has, a place among the creates */
	bool removing; /* the driver is at it */
	char token[65]; /* until the driver has it */
	char found[256]; /* why it had ended, as the driver found it */
	uint64_t since_ms; /* when the present phase began, loop time */
	uint64_t judged_ms; /* when a span of draft_judge began, and */
	unsigned judge_spent; /* how much of it was spent */
	UT_hash_handle by_id, by_name;
};

/* The policy of every sandbox; version 0: none is set. */
struct global {
	uint32_t version;
	char hash[65];
	policy_wire_msg *policy;
};

struct gateway {
	uv_loop_t *loop;
	struct gateway_config config;
	char *name, *state_dir, *endpoint, *image;
	struct services services; /* middlewares that policies may name */
	struct store *store;
	struct seal *seal; /* NULL until the first credential */
	const struct driver_ops *driver;
	struct driver *drv;
	struct sbx *ids, *names; /* uthash heads */
	unsigned creating;
	unsigned vetters; /* under way (vetting.h) */
	uv_timer_t sweep;
	bool draining; /* it stops: nobody new attends */
	bool closing;
	struct health health;
	struct global global;
	struct minting *minting; /* NULL before the store was read */
};

/* The gateway of a call. */
static inline struct gateway *
gw_of(struct rpc_call *c)
{
	return rpc_call_context(c);
}
/* Who asks, as far as it was proved; for what is of one sandbox only. */
void gw_caller(struct rpc_call *c, struct caller *out);

/* --- gateway.c --- */
struct sbx *gw_by_id(struct gateway *g, const char *id);
struct sbx *gw_by_name(struct gateway *g, const char *name);
/* Finishes the call with NOT_FOUND, or INVALID_ARGUMENT for an empty key. */
struct sbx *gw_need_id(struct rpc_call *c, const char *id, const char *field);
struct sbx *gw_need_name(struct rpc_call *c, const char *name);
/* A page size: 0 is the default, more than 1000 is 1000. */
uint32_t gw_page(uint32_t asked, uint32_t normal);

/* --- sandbox.c: what a sandbox is --- */
struct sbx *sbx_add(struct gateway *g, sandbox_msg *msg, uint64_t version);
/* Everything of it that is in memory. */
void sbx_drop(struct sbx *s);
/*
 * Observed: stores phase and condition, tells watchers.  A sandbox that is
 * being deleted stays DELETING.
 */
void sbx_set(struct sbx *s, sandbox_phase phase, const char *reason,
    const char *message);
/* The store has it as `msg`; watchers get a snapshot. */
int sbx_save(struct sbx *s, struct err *e) MUST_USE;
void sbx_notify(struct sbx *s);
void sbx_event(
    struct sbx *s, bool warning, const char *reason, const char *message);
/* A line of the gateway's own in the sandbox's log. */
void sbx_log(struct sbx *s, const char *level, const char *fmt, ...)
    PRINTF(3, 4);
/* Asks the driver for it, when its turn comes. */
void sbx_provision(struct sbx *s);
/* Leaves its place among the creates. */
void sbx_settled(struct sbx *s);
/* Deletes it; `w` (may be NULL, taken over) is answered at the end. */
void sbx_delete(struct sbx *s, struct waiter *w);
void sbx_sweep(struct gateway *g);
void sbx_driver_event(void *ctx, const char *id, bool warning,
    const char *reason, const char *message);
void sbx_driver_gone(void *ctx, const char *id, const char *why);
int sbx_reconcile(struct gateway *g, struct err *e) MUST_USE;

/* --- watch.c --- */
void watch_sandbox(struct sbx *s); /* a snapshot to whoever follows */
void watch_log(struct sbx *s, const Openshell__V1__SandboxLogLine *line);
void watch_event(struct sbx *s, const Openshell__V1__PlatformEvent *ev);
/* Proposals came, to whoever follows events. */
void watch_draft(struct sbx *s, const Openshell__V1__DraftPolicyUpdate *u);
void watch_end(struct sbx *s, enum rpc_code code, const char *text);

/* --- records.c: the newest record of a sandbox --- */
/* As its supervisor says; one that goes back is doubted in its log. */
void records_head(struct sbx *s, const Openshell__V1__RecordHead *h);
const struct store_head *records_known(struct sbx *s);
/* Those that changed are stored. */
void records_save(struct sbx *s);
void records_save_all(struct gateway *g);

/* --- attend.c --- */
/* The revision that should be in force goes down the stream. */
void attend_push(struct sbx *s);
/* What it may use goes down the stream; at once in force. */
void attend_push_credentials(struct sbx *s);
/* What is set of it goes down the stream. */
void attend_push_settings(struct sbx *s);
bool attend_open(struct sbx *s, const char *relay_id,
    const Openshell__V1__ExecSandboxRequest *exec);
void attend_stop(struct sbx *s);
void attend_end(struct sbx *s, enum rpc_code code, const char *text);
/* When the gateway stops: ends the session, unless a command uses it. */
void attend_drain(struct sbx *s);

/* --- exec.c --- */
/* The supervisor's side came, or will not. */
void exec_refused(struct sbx *s, const char *relay_id, const char *reason);
void exec_end_all(struct sbx *s, const char *why);

/* --- policy.c: what is accepted, and its form in the store --- */
/*
 * A copy with identity filled in, checked; all reasons in *e.  `baseline` (may
 * be NULL) is what a live sandbox cannot lose.
 */
int gw_policy_accept(const struct gateway *g, const policy_wire_msg *in,
    const policy_wire_msg *baseline, policy_wire_msg **out, struct buf *why);
policy_wire_msg *gw_policy_default(void) MUST_USE;
policy_wire_msg *gw_policy_unpack(const char *p, size_t n) MUST_USE;
struct gw_revision {
	uint32_t version;
	char hash[65];
	bool added; /* else it was the newest already */
};
/* A revision of what was accepted; gw_policy_tell when it is committed. */
int gw_policy_store(struct sbx *s, const policy_wire_msg *policy,
    struct gw_revision *out, struct err *e) MUST_USE;
void gw_policy_tell(struct sbx *s);
/* The policy that a sandbox should have, by itself. */
int gw_policy_now(struct sbx *s, struct policy **out, struct err *e) MUST_USE;
/*
 * The same for what it becomes: checked like one that was pushed.  NULL is no
 * change.  ERR_INVALID with the reasons.
 */
int gw_policy_revise(struct sbx *s, const struct policy *next,
    struct gw_revision *out, struct err *e) MUST_USE;
/* A report about a revision: stores it and tells watchers. */
int gw_policy_report(struct sbx *s, uint32_t version, bool loaded,
    const char *error, struct err *e) MUST_USE;
/* Of what is in *m besides it, gateway-api 4.7; settings in order of keys. */
uint64_t gw_config_revision(
    const Openshell__Sandbox__V1__GetSandboxConfigResponse *m);

/* --- global.c: the policy of every sandbox --- */
int global_load(struct gateway *g, struct err *e) MUST_USE;
void global_fini(struct gateway *g);
/*
 * What a sandbox with the policy `own` should have in force, which is `own`
 * without a global one.  *out borrows from both.
 */
void global_over(
    const struct gateway *g, const policy_wire_msg *own, policy_wire_msg *out);
/* A new sandbox is made with the static sections of the global policy. */
void global_adopt(const struct gateway *g, policy_wire_msg *own);
/* Sets it, tells every sandbox, and answers `m`; may wait (vetting.h). */
void global_set(
    struct rpc_call *c, const Openshell__V1__UpdateConfigRequest *m);
void global_delete(struct rpc_call *c);
/* A report of a sandbox about it. */
void global_report(
    struct sbx *s, uint32_t version, bool loaded, const char *error);

/* --- every METHOD row of methods.def: rpc_<Name> --- */
#define METHOD(service, name, kind, access, max, ms, in, out) \
	void rpc_##name(struct rpc_call *c, const ProtobufCMessage *m);
#define LATER(service, name, kind, access, max, ms, in, out)
#include "gateway/methods.def"
#undef METHOD
#undef LATER

#endif
