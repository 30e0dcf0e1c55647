/*
 * gateway: opening, looking up, and the table of methods.
 *
 * One set of trampolines serves every method: a call that lives on keeps a
 * struct call_data, whose ops say what becomes of messages and of its end.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/gw.h"
#include "gateway/minting.h"
#include "gateway/seal.h"
#include "inference.pb-c.h"

enum { PAGE_MAX = 1000 };

/* --- calls --------------------------------------------------------------- */

static const struct call_ops *
ops_of(struct rpc_call *c)
{
	const struct call_data *d = rpc_call_data(c);

	return d != NULL ? d->ops : NULL;
}

static void
on_message(struct rpc_call *c, const ProtobufCMessage *m)
{
	const struct call_ops *o = ops_of(c);

	if (o != NULL && o->message != NULL)
		o->message(c, m);
}

static void
on_half_closed(struct rpc_call *c)
{
	const struct call_ops *o = ops_of(c);

	if (o != NULL && o->half_closed != NULL)
		o->half_closed(c);
}

static void
on_drained(struct rpc_call *c)
{
	const struct call_ops *o = ops_of(c);

	if (o != NULL && o->drained != NULL)
		o->drained(c);
}

static void
on_closed(struct rpc_call *c, enum rpc_code why)
{
	const struct call_ops *o = ops_of(c);

	if (o != NULL && o->closed != NULL)
		o->closed(c, why);
}

static void
start_later(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	rpc_finish(c, RPC_UNIMPLEMENTED, "%s is not implemented yet",
	    rpc_call_method(c)->path);
}

#define IN_UNARY false
#define IN_SERVER false
#define IN_CLIENT true
#define IN_BIDI true
#define ROW(service, name, kind, maximum, ms, req, res, begin) \
	{ .path = "/" #service "/" #name, \
		.in = &req##__descriptor, \
		.out = &res##__descriptor, \
		.in_stream = IN_##kind, \
		.max_request = maximum, \
		.deadline_ms = ms, \
		.start = begin, \
		.message = on_message, \
		.half_closed = on_half_closed, \
		.drained = on_drained, \
		.closed = on_closed },

static const struct rpc_method methods[] = {
#define METHOD(service, name, kind, access, max, ms, in, out) \
	ROW(service, name, kind, max, ms, in, out, rpc_##name)
#define LATER(service, name, kind, access, max, ms, in, out) \
	ROW(service, name, kind, max, ms, in, out, start_later)
#include "gateway/methods.def"
#undef METHOD
#undef LATER
};

const struct rpc_method *
gateway_methods(size_t *n)
{
	*n = ARRAY_LEN(methods);
	return methods;
}

/* Nobody when the store cannot tell: never more than was proved. */
void
gw_caller(struct rpc_call *c, struct caller *out)
{
	struct gateway *g = gw_of(c);
	const struct access_config a = { g->config.owner,
		g->config.open_access };
	struct err ignored;

	if (access_identify(rpc_call_peer(c), &a, g->store, out, &ignored) < 0)
		*out = (struct caller) { .kind = CALLER_UNKNOWN };
}

static enum rpc_code
on_allow(void *ctx, const struct rpc_method *method, const char *path,
    const struct rpc_peer *peer, struct buf *text)
{
	struct gateway *g = ctx;
	const struct access_config a = { g->config.owner,
		g->config.open_access };
	struct caller who;
	enum rpc_code code;
	struct err e;

	if (access_identify(peer, &a, g->store, &who, &e) < 0) {
		LOG_ERROR("RPC_DENIED", KV_STR("method", path),
		    KV_STR("reason", e.text));
		buf_puts(text, "the gateway cannot read its database now");
		return RPC_UNAVAILABLE;
	}
	code = access_check(method != NULL ? access_rule_of(path) : ACCESS_NONE,
	    who.kind, text);
	if (code == RPC_OK)
		return code;
	LOG_WARN("RPC_DENIED", KV_STR("method", path),
	    KV_STR("code", rpc_code_name(code)), KV_STR("sandbox", who.sandbox),
	    KV_INT("uid", peer->transport == RPC_UNIX ? (int)peer->uid : -1));
	return code;
}

static bool
is_ready(struct gateway *g, struct err *e)
{
	return store_probe(g->store, e) == 0;
}

static void
on_http(void *ctx, struct view method, struct view target, unsigned *status,
    const char **type, struct buf *body)
{
	struct gateway *g = ctx;

	health_answer(&g->health, method, target, status, type, body);
}

struct rpc_server_hooks
gateway_hooks(struct gateway *g)
{
	return (struct rpc_server_hooks) { on_allow, on_http, g };
}

void
rpc_Health(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	Openshell__V1__HealthResponse r = OPENSHELL__V1__HEALTH_RESPONSE__INIT;
	struct err e;

	r.status = is_ready(gw_of(c), &e)
		       ? OPENSHELL__V1__SERVICE_STATUS__SERVICE_STATUS_HEALTHY
		       : OPENSHELL__V1__SERVICE_STATUS__SERVICE_STATUS_DEGRADED;
	r.version = (char[]) { OPENSHELL_VERSION };
	rpc_answer(c, &r.base);
}

/* --- looking up ---------------------------------------------------------- */

struct sbx *
gw_by_id(struct gateway *g, const char *id)
{
	struct sbx *s = NULL;

	HASH_FIND(by_id, g->ids, id, strlen(id), s);
	return s;
}

struct sbx *
gw_by_name(struct gateway *g, const char *name)
{
	struct sbx *s = NULL;

	HASH_FIND(by_name, g->names, name, strlen(name), s);
	return s;
}

struct sbx *
gw_need_id(struct rpc_call *c, const char *id, const char *field)
{
	struct sbx *s;

	if (id[0] == '\0') {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "%s is required", field);
		return NULL;
	}
	s = gw_by_id(gw_of(c), id);
	if (s == NULL)
		rpc_finish(c, RPC_NOT_FOUND, "sandbox not found");
	return s;
}

struct sbx *
gw_need_name(struct rpc_call *c, const char *name)
{
	struct sbx *s;

	if (name[0] == '\0') {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "name is required");
		return NULL;
	}
	s = gw_by_name(gw_of(c), name);
	if (s == NULL)
		rpc_finish(c, RPC_NOT_FOUND, "sandbox not found");
	return s;
}

uint32_t
gw_page(uint32_t asked, uint32_t normal)
{
	return asked == 0 ? normal : MIN(asked, (uint32_t)PAGE_MAX);
}

/* --- opening ------------------------------------------------------------- */

static void
on_sweep(uv_timer_t *t)
{
	sbx_sweep(t->data);
}

static int
open_driver(struct gateway *g, struct err *e)
{
	struct driver_config dc = { .loop = g->loop,
		.state_dir = g->state_dir,
		.gateway = g->name,
		.endpoint = g->endpoint,
		.egress = g->config.egress,
		.services = g->config.services,
		.port = g->config.port };
	struct driver_hooks hooks = {
		.event = sbx_driver_event, .gone = sbx_driver_gone, .ctx = g
	};

	g->driver = driver_find(g->config.driver);
	if (g->driver == NULL)
		return err_set(
		    e, ERR_INVALID, "no compute driver '%s'", g->config.driver);
	return g->driver->open(&dc, &hooks, &g->drv, e);
}

int
gateway_new(uv_loop_t *loop, const struct gateway_config *config,
    struct store *store, struct gateway **out, struct err *e)
{
	struct gateway *g = NEW(struct gateway);

	g->loop = loop;
	g->config = *config;
	g->name = mem_strdup(config->name);
	g->state_dir = mem_strdup(config->state_dir);
	g->endpoint = mem_strdup(config->endpoint);
	g->image = mem_strdup(
	    config->default_image != NULL ? config->default_image : "");
	g->store = store;
	g->health.store = store;
	(void)uv_timer_init(loop, &g->sweep);
	g->sweep.data = g;
	if (services_add(&g->services,
		view_of(config->services != NULL ? config->services : ""),
		e) < 0 ||
	    global_load(g, e) < 0 || minting_open(g, e) < 0 ||
	    open_driver(g, e) < 0 || sbx_reconcile(g, e) < 0) {
		gateway_free(g);
		return -1;
	}
	(void)uv_timer_start(&g->sweep, on_sweep, GW_SWEEP_MS, GW_SWEEP_MS);
	*out = g;
	return 0;
}

void
gateway_drain(struct gateway *g)
{
	struct sbx *s, *next;

	g->draining = true;
	records_save_all(g); /* one write, before every session ends */
	HASH_ITER (by_id, g->ids, s, next) {
		watch_end(s, RPC_UNAVAILABLE, "the gateway stops");
		attend_drain(s);
	}
}

static void
on_sweep_closed(uv_handle_t *h)
{
	struct gateway *g = h->data;

	services_fini(&g->services);
	free(g->name);
	free(g->state_dir);
	free(g->endpoint);
	free(g->image);
	seal_free(g->seal);
	free(g);
}

void
gateway_free(struct gateway *g)
{
	struct sbx *s, *next;

	if (g == NULL)
		return;
	g->closing = true;
	HASH_ITER (by_id, g->ids, s, next)
		sbx_drop(s);
	global_fini(g);
	minting_close(g);
	if (g->drv != NULL)
		g->driver->close(g->drv);
	uv_close((uv_handle_t *)&g->sweep, on_sweep_closed);
}
