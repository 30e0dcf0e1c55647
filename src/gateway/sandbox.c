/*
 * sandbox: what is wanted of a sandbox, what is seen of it, and the way from
 * one to the other.
 *
 *   create: row (PROVISIONING) -> driver -> its session says isolated -> READY
 *   delete: row (DELETING) -> its session ends -> driver removes -> no row
 *   restart: rows joined with what runs; READY when the session is back
 *
 * Only its own session makes a sandbox READY.  Every change is stored before
 * anybody is told.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "codec/sha256.h"
#include "gateway/gw.h"

typedef Openshell__Datamodel__V1__SandboxStatus status_msg;
typedef Openshell__Datamodel__V1__SandboxCondition condition_msg;

static const char type_name[] = "sandbox";

/* --- in memory ----------------------------------------------------------- */

struct sbx *
sbx_add(struct gateway *g, sandbox_msg *msg, uint64_t version)
{
	struct sbx *s = NEW(struct sbx);

	s->g = g;
	s->msg = msg;
	s->version = version;
	s->since_ms = uv_now(g->loop);
	(void)snprintf(s->id, sizeof(s->id), "%s", msg->id);
	(void)snprintf(s->name, sizeof(s->name), "%s", msg->name);
	logbus_init(&s->log);
	HASH_ADD(by_id, g->ids, id, strlen(s->id), s);
	HASH_ADD(by_name, g->names, name, strlen(s->name), s);
	return s;
}

void
sbx_drop(struct sbx *s)
{
	struct gateway *g = s->g;

	exec_end_all(s, "the sandbox is gone");
	attend_end(s, RPC_NOT_FOUND, "this sandbox is deleted");
	watch_end(s, RPC_CANCELLED, "stream closed");
	sbx_settled(s);
	while (s->waiters != NULL) {
		struct waiter *w = s->waiters;

		s->waiters = w->next;
		w->sbx = NULL; /* its call frees it */
	}
	HASH_DELETE(by_id, g->ids, s);
	HASH_DELETE(by_name, g->names, s);
	logbus_fini(&s->log);
	openshell__datamodel__v1__sandbox__free_unpacked(s->msg, NULL);
	mem_wipe(s->token, sizeof(s->token));
	free(s);
}

/* --- stored -------------------------------------------------------------- */

static void
pack(const sandbox_msg *m, struct buf *b)
{
	size_t n = openshell__datamodel__v1__sandbox__get_packed_size(m);

	if (buf_reserve(b, n))
		b->n += openshell__datamodel__v1__sandbox__pack(
		    m, (uint8_t *)b->p + b->n);
}

int
sbx_save(struct sbx *s, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(4 << 20);

	pack(s->msg, &b);
	return store_object_update(s->g->store, type_name, s->id, buf_view(&b),
	    0, clock_wall_ms(), &s->version, e);
}

void
sbx_notify(struct sbx *s)
{
	watch_sandbox(s);
}

/* The condition of type Ready, made when there is none. */
static condition_msg *
ready_condition(sandbox_msg *m)
{
	status_msg *st = m->status;
	condition_msg *k;

	if (st == NULL) {
		st = m->status = NEW(status_msg);
		openshell__datamodel__v1__sandbox_status__init(st);
		st->sandbox_name = mem_strdup(m->name);
	}
	for (size_t i = 0; i < st->n_conditions; i++)
		if (strcmp(st->conditions[i]->type, "Ready") == 0)
			return st->conditions[i];
	k = NEW(condition_msg);
	openshell__datamodel__v1__sandbox_condition__init(k);
	k->type = mem_strdup("Ready");
	st->conditions =
	    mem_realloc(st->conditions, st->n_conditions + 1, sizeof(void *));
	st->conditions[st->n_conditions++] = k;
	return k;
}

static void
replace(char **at, const char *v)
{
	if (*at != (char *)&protobuf_c_empty_string)
		free(*at);
	*at = mem_strdup(v);
}

static bool
set_condition(sandbox_msg *m, bool ready, const char *reason, const char *text)
{
	condition_msg *k = ready_condition(m);
	const char *status = ready ? "True" : "False";
	char when[CLOCK_TEXT_MAX];

	if (strcmp(k->status, status) == 0 && strcmp(k->reason, reason) == 0 &&
	    strcmp(k->message, text) == 0)
		return false;
	replace(&k->status, status);
	replace(&k->reason, reason);
	replace(&k->message, text);
	replace(&k->last_transition_time, clock_text(clock_wall_ms(), when));
	return true;
}

static bool
is_up(sandbox_phase p)
{
	return p == PHASE(READY) || p == PHASE(UNKNOWN);
}

void
sbx_set(
    struct sbx *s, sandbox_phase phase, const char *reason, const char *message)
{
	bool changed, stored = true;
	struct err e;

	/* Deletion wins over everything that is seen. */
	if (s->msg->phase == PHASE(DELETING))
		phase = PHASE(DELETING);
	changed = set_condition(s->msg, phase == PHASE(READY), reason, message);
	if (s->msg->phase != phase) {
		LOG_INFO("SANDBOX_PHASE", KV_STR("sandbox", s->name),
		    KV_STR("reason", reason), KV_INT("phase", (int)phase));
		/*
		 * Sessions come and go, and a restart treats both alike: no
		 * write each, or thousands of them when a gateway stops.
		 */
		stored = !(is_up(phase) && is_up(s->msg->phase));
		s->msg->phase = phase;
		s->since_ms = uv_now(s->g->loop);
		changed = true;
	}
	if (!changed || s->g->closing)
		return;
	if (stored && sbx_save(s, &e) < 0)
		LOG_ERROR("SANDBOX_SAVE", KV_STR("sandbox", s->name),
		    KV_STR("reason", e.text));
	sbx_notify(s);
}

/* --- told ---------------------------------------------------------------- */

void
sbx_event(struct sbx *s, bool warning, const char *reason, const char *message)
{
	Openshell__V1__PlatformEvent ev = OPENSHELL__V1__PLATFORM_EVENT__INIT;
	AUTO_FREE char *r = mem_strdup(reason), *m = mem_strdup(message),
		       *d = mem_strdup(s->g->driver->name);
	const Openshell__V1__PlatformEvent *kept;

	ev.timestamp_ms = clock_wall_ms();
	ev.source = d;
	ev.type = warning ? (char[]) { "Warning" } : (char[]) { "Normal" };
	ev.reason = r;
	ev.message = m;
	kept = logbus_event(&s->log, &ev);
	if (kept != NULL)
		watch_event(s, kept);
}

void
sbx_log(struct sbx *s, const char *level, const char *fmt, ...)
{
	Openshell__V1__SandboxLogLine line =
	    OPENSHELL__V1__SANDBOX_LOG_LINE__INIT;
	AUTO_FREE char *l = mem_strdup(level);
	const Openshell__V1__SandboxLogLine *kept;
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line.sandbox_id = s->id;
	line.timestamp_ms = clock_wall_ms();
	line.level = l;
	line.target = (char[]) { "gateway" };
	line.message = text;
	line.source = (char[]) { "gateway" };
	kept = logbus_add(&s->log, &line);
	if (kept != NULL)
		watch_log(s, kept);
}

/* --- made ---------------------------------------------------------------- */

static void create_next(struct gateway *g);

void
sbx_settled(struct sbx *s)
{
	s->queued = false;
	if (!s->creating)
		return;
	s->creating = false;
	s->g->creating--;
	if (!s->g->closing)
		create_next(s->g);
}

/* After a restart the old token is lost: only its hash was kept. */
static int
fresh_token(struct sbx *s, struct err *e)
{
	char hash[SHA256_HEX];

	random_hex(s->token, 64);
	sha256_hex(view_of(s->token), hash);
	return store_token_set(s->g->store, s->id, hash, clock_wall_ms(), e);
}

/* It begins under the policy that is to be in force, not under one before. */
static int
ask_driver(struct sbx *s, struct err *e)
{
	Openshell__Datamodel__V1__SandboxSpec *spec = s->msg->spec;
	policy_wire_msg *own = spec->policy, start;
	int rc;

	global_over(s->g, own, &start);
	spec->policy = &start;
	rc = s->g->driver->create(s->g->drv, s->msg, s->token, e);
	spec->policy = own;
	return rc;
}

static void
create_one(struct sbx *s)
{
	struct gateway *g = s->g;
	struct err e;
	int rc = 0;

	s->queued = false;
	s->creating = true;
	g->creating++;
	if (s->token[0] == '\0')
		rc = fresh_token(s, &e);
	if (rc == 0)
		rc = ask_driver(s, &e);
	mem_wipe(s->token, sizeof(s->token));
	s->token[0] = '\0';
	if (rc == 0)
		return;
	sbx_event(s, true, "Failed", e.text);
	sbx_set(s, PHASE(ERROR), "CreateFailed", e.text);
	sbx_settled(s);
}

static void
create_next(struct gateway *g)
{
	struct sbx *s, *next;

	HASH_ITER (by_id, g->ids, s, next) {
		if (g->creating >= GW_CREATES_MAX)
			return;
		if (s->queued && !s->creating)
			create_one(s);
	}
}

void
sbx_provision(struct sbx *s)
{
	s->queued = true;
	create_next(s->g);
}

void
sbx_driver_event(void *ctx, const char *id, bool warning, const char *reason,
    const char *message)
{
	struct sbx *s = gw_by_id(ctx, id);

	if (s != NULL)
		sbx_event(s, warning, reason, message);
}

void
sbx_driver_gone(void *ctx, const char *id, const char *why)
{
	struct sbx *s = gw_by_id(ctx, id);

	if (s == NULL || s->removing || s->msg->phase == PHASE(DELETING))
		return;
	sbx_settled(s);
	/* Its session may have told more before it ended. */
	if (s->msg->phase == PHASE(ERROR))
		return;
	sbx_log(s, "ERROR", "the sandbox ended: %s", why);
	sbx_set(s, PHASE(ERROR), "SupervisorGone", why);
}

/* --- deleted ------------------------------------------------------------- */

static void
answer_waiters(struct sbx *s, const char *why)
{
	Openshell__V1__DeleteSandboxResponse r =
	    OPENSHELL__V1__DELETE_SANDBOX_RESPONSE__INIT;

	r.deleted = true;
	while (s->waiters != NULL) {
		struct waiter *w = s->waiters;

		s->waiters = w->next;
		w->sbx = NULL;
		if (why == NULL)
			rpc_answer(w->call, &r.base);
		else
			rpc_finish(w->call, RPC_INTERNAL,
			    "the sandbox is not gone yet: %s\nit is tried "
			    "again; openshell sandbox get %s says how it "
			    "stands",
			    why, s->name);
	}
}

static void
on_removed(void *ctx, const char *id, bool existed UNUSED, const char *why)
{
	struct gateway *g = ctx;
	struct sbx *s = gw_by_id(g, id);
	struct err e;

	if (s == NULL || g->closing)
		return;
	s->removing = false;
	if (why == NULL && store_sandbox_delete(g->store, id, NULL, &e) < 0)
		why = e.text;
	if (why != NULL) {
		LOG_ERROR("SANDBOX_REMOVE", KV_STR("sandbox", s->name),
		    KV_STR("reason", why));
		sbx_set(s, PHASE(DELETING), "DeleteFailed", why);
		s->since_ms = uv_now(g->loop);
		answer_waiters(s, why);
		return;
	}
	answer_waiters(s, NULL);
	sbx_drop(s);
}

static void
remove_now(struct sbx *s)
{
	if (s->removing)
		return;
	s->removing = true;
	attend_stop(s);
	s->g->driver->remove(s->g->drv, s->id, GW_STOP_MS, on_removed, s->g);
}

void
sbx_delete(struct sbx *s, struct waiter *w)
{
	if (w != NULL) {
		w->next = s->waiters;
		s->waiters = w;
	}
	if (s->msg->phase != PHASE(DELETING))
		sbx_set(s, PHASE(DELETING), "Deleting", "deletion in progress");
	sbx_settled(s);
	exec_end_all(s, "the sandbox is being deleted");
	remove_now(s);
}

/* --- over time ----------------------------------------------------------- */

static void
sweep_one(struct sbx *s)
{
	uint64_t age = uv_now(s->g->loop) - s->since_ms;

	switch ((int)s->msg->phase) {
	case PHASE(PROVISIONING):
		if (age > GW_PROVISION_MS) {
			sbx_settled(s);
			sbx_set(s, PHASE(ERROR), "ProvisioningTimeout",
			    "it did not become ready in time");
		}
		break;
	case PHASE(UNKNOWN):
		if (age > GW_RECONNECT_MS && s->attend == NULL)
			sbx_set(s, PHASE(ERROR), "SupervisorLost",
			    "its supervisor did not come back");
		break;
	case PHASE(DELETING):
		if (age > GW_SWEEP_MS)
			remove_now(s);
		break;
	default:
		break;
	}
}

void
sbx_sweep(struct gateway *g)
{
	struct sbx *s, *next;

	HASH_ITER (by_id, g->ids, s, next)
		sweep_one(s);
	records_save_all(g);
}

/* --- restart ------------------------------------------------------------- */

struct load {
	struct gateway *g;
	size_t n;
};

static int
load_row(void *ctx, const struct store_object *o)
{
	struct load *l = ctx;
	sandbox_msg *m = openshell__datamodel__v1__sandbox__unpack(
	    NULL, o->n, (const uint8_t *)o->payload);

	l->n++;
	if (m == NULL || strlen(m->name) > GW_NAME_MAX ||
	    strlen(m->id) >= GW_ID) {
		LOG_ERROR("SANDBOX_ROW", KV_STR("id", o->id),
		    KV_STR("reason", "its row cannot be read"));
		openshell__datamodel__v1__sandbox__free_unpacked(m, NULL);
		return 0;
	}
	m->created_at_ms = o->created_ms;
	(void)sbx_add(l->g, m, o->version);
	return 0;
}

struct found {
	struct gateway *g;
	char (*orphans)[GW_ID];
	size_t n;
};

static int
on_instance(void *ctx, const struct driver_instance *i)
{
	struct found *f = ctx;
	struct sbx *s = gw_by_id(f->g, i->id);

	if (s != NULL) {
		s->isolated = i->running; /* until settle_row */
		memcpy(s->found, i->why, sizeof(s->found));
		return 0;
	}
	f->orphans = mem_realloc(f->orphans, f->n + 1, GW_ID);
	(void)snprintf(f->orphans[f->n++], GW_ID, "%s", i->id);
	return 0;
}

static void
on_orphan_removed(
    void *ctx UNUSED, const char *id, bool existed UNUSED, const char *why)
{
	LOG_WARN("ORPHAN_REMOVED", KV_STR("id", id),
	    KV_STR("reason", why != NULL ? why : "it had no row"));
}

/* What the row says, and what runs. */
static void
settle_row(struct sbx *s)
{
	bool runs = s->isolated;

	s->isolated = false;
	switch ((int)s->msg->phase) {
	case PHASE(DELETING):
		remove_now(s);
		break;
	case PHASE(ERROR):
		if (runs)
			sbx_set(s, PHASE(UNKNOWN), "Reconnecting",
			    "its supervisor runs and is waited for");
		break;
	case PHASE(PROVISIONING):
		/* A create that was cut short is begun again, from whatever it
		 * left: drivers take the same id twice. */
		if (!runs)
			sbx_provision(s);
		break;
	default:
		if (runs)
			sbx_set(s, PHASE(UNKNOWN), "Reconnecting",
			    "its supervisor runs and is waited for");
		else
			sbx_set(s, PHASE(ERROR), "SupervisorGone",
			    s->found[0] != '\0'
				? s->found
				: "it ended while the gateway was away (was "
				  "the machine restarted?)");
		break;
	}
}

int
sbx_reconcile(struct gateway *g, struct err *e)
{
	enum { PAGE = 500 };
	struct found f = { .g = g };
	struct load l = { .g = g };
	struct sbx *s, *next;
	uint32_t offset = 0;

	do {
		l.n = 0;
		if (store_object_list(
			g->store, type_name, PAGE, offset, load_row, &l, e) < 0)
			return -1;
		offset += PAGE;
	} while (l.n == PAGE);
	if (g->driver->list(g->drv, on_instance, &f, e) < 0) {
		free(f.orphans);
		return -1;
	}
	for (size_t i = 0; i < f.n; i++)
		g->driver->remove(
		    g->drv, f.orphans[i], GW_STOP_MS, on_orphan_removed, g);
	free(f.orphans);
	HASH_ITER (by_id, g->ids, s, next)
		settle_row(s);
	return 0;
}
