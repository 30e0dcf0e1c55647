/* vetting: see vetting.h. */
#include "gateway/vetting.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/job_run.h"
#include "policy/middleware.h"
#include "vetter/vetter.h"

struct question {
	struct vetting *v;
	struct job_run *run; /* NULL: not under way */
	char *key, *service, *config;
	bool fail_open;
	enum vetter_verdict verdict; /* when it was answered */
	char *text;
};

struct vetting {
	struct call_data data;
	struct rpc_call *call;
	ProtobufCMessage *request; /* while it waits */
	vetting_again *again;
	struct question q[VETTING_ASKED_MAX];
	size_t n, waits;
	char *warnings[VETTING_ASKED_MAX];
};

static const struct job_kind vetter = { .word = "vet",
	.name = "vetter",
	.ask_size = sizeof(struct vetter_ask),
	.answer_size = sizeof(struct vetter_answer),
	.late_ms = VETTER_JOB_MS + 2000 };

/* --- its end ---------------------------------------------------------------
 */

static void
forget_run(struct question *q)
{
	if (q->run == NULL)
		return;
	job_run_cancel(take_ptr(q->run));
	gw_of(q->v->call)->vetters--;
	q->v->waits--;
}

static void
vetting_closed(struct rpc_call *c, enum rpc_code why UNUSED)
{
	struct vetting *v = rpc_call_data(c);

	for (size_t i = 0; i < v->n; i++) {
		forget_run(&v->q[i]);
		free(v->q[i].key);
		free(v->q[i].service);
		free(v->q[i].config);
		free(v->q[i].text);
	}
	if (v->request != NULL)
		protobuf_c_message_free_unpacked(v->request, NULL);
	free(v);
}

static const struct call_ops ops = { .closed = vetting_closed };

/* --- answers ---------------------------------------------------------------
 */

/* Every one that is refused; the reason is the service's word, made safe. */
static bool
refuse(const struct vetting *v)
{
	AUTO_BUF struct buf b = BUF_INIT(RPC_STATUS_MAX - 1);

	for (size_t i = 0; i < v->n; i++) {
		const struct question *q = &v->q[i];

		if (q->verdict != VETTER_REFUSED)
			continue;
		buf_puts(&b, b.n == 0 ? "policy is invalid: " : "; ");
		buf_puts(&b, "network_middlewares.");
		buf_put_escaped(&b, view_of(q->key));
		buf_printf(&b, ": '%s' does not take this config", q->service);
		if (q->text[0] != '\0')
			buf_printf(&b, ": %s", q->text);
	}
	if (b.n > 0)
		rpc_finish(v->call, RPC_INVALID_ARGUMENT, "%s", buf_str(&b));
	return b.n > 0;
}

static void
all_answered(struct vetting *v)
{
	ProtobufCMessage *m = take_ptr(v->request);

	/* Who was told that it failed finds nothing stored. */
	if (rpc_call_open(v->call) && !refuse(v))
		v->again(v->call, m);
	protobuf_c_message_free_unpacked(m, NULL);
}

static void
on_vetted(void *ctx, const void *answer, const struct err *why)
{
	const struct vetter_answer *a = answer;
	struct question *q = ctx;
	struct vetting *v = q->v;
	struct err e;

	q->run = NULL;
	gw_of(v->call)->vetters--;
	if (why == NULL && vetter_answer_check(a, &e) < 0)
		why = &e;
	q->verdict =
	    why != NULL ? VETTER_UNASKED : (enum vetter_verdict)a->verdict;
	q->text = mem_strdup(why != NULL ? why->text : a->text);
	if (--v->waits == 0)
		all_answered(v);
}

/* --- questions -------------------------------------------------------------
 */

static bool
is_asked(const struct vetting *v, const struct policy_middleware *m)
{
	for (size_t i = 0; v != NULL && i < v->n; i++)
		if (view_eq(view_of(v->q[i].service), m->middleware) &&
		    view_eq(view_of(v->q[i].config), m->config))
			return true;
	return false;
}

static struct vetting *
vetting_of(struct rpc_call *c)
{
	struct vetting *v = rpc_call_data(c);

	if (v != NULL)
		return v;
	v = NEW(struct vetting);
	v->data.ops = &ops;
	v->call = c;
	rpc_call_set_data(c, v);
	return v;
}

static void
add(struct vetting *v, const struct policy_middleware *m)
{
	struct question *q = &v->q[v->n++];

	q->v = v;
	q->key = view_dup(m->key);
	q->service = view_dup(m->middleware);
	q->config = view_dup(m->config);
	q->fail_open = m->fail_open;
}

static int
ask(struct question *q, struct err *e)
{
	struct gateway *g = gw_of(q->v->call);
	AUTO_FREE struct vetter_ask *a = NEW(struct vetter_ask);

	if (!vetter_ask_fill(a,
		services_find(&g->services, view_of(q->service)),
		view_of(q->config)))
		return err_set(e, ERR_LIMIT,
		    "the config or the address of '%s' is too long",
		    q->service);
	if (g->vetters >= VETTING_RUNS_MAX)
		return err_set(e, ERR_LIMIT,
		    "too many middlewares are asked about their configs now; "
		    "try again");
	if (job_run_start(g->loop, &vetter, a, on_vetted, q, &q->run, e) < 0)
		return -1;
	g->vetters++;
	q->v->waits++;
	return 0;
}

static ProtobufCMessage *
copy_of(const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	AUTO_FREE uint8_t *p = mem_calloc(1, n + 1);

	(void)protobuf_c_message_pack(m, p);
	return protobuf_c_message_unpack(m->descriptor, NULL, n, p);
}

/* Those that are new to it; false: too many. */
static bool
add_all(struct rpc_call *c, const struct policy *p)
{
	struct vetting *v = rpc_call_data(c);
	struct policy_middleware m;

	for (size_t i = 0; policy_middleware_at(p, i, &m); i++) {
		if (m.built_in || is_asked(v, &m) ||
		    services_find(&gw_of(c)->services, m.middleware) == NULL)
			continue;
		v = vetting_of(c);
		if (v->n == VETTING_ASKED_MAX)
			return false;
		add(v, &m);
	}
	return true;
}

static void
ask_from(struct vetting *v, size_t from)
{
	struct err e;

	for (size_t i = from; i < v->n; i++)
		if (ask(&v->q[i], &e) < 0) {
			/* First: `v` may be gone once the call is finished. */
			for (size_t k = from; k < i; k++)
				forget_run(&v->q[k]);
			rpc_finish_err(v->call, &e);
			return;
		}
}

bool
vetting_waits(struct rpc_call *c, const ProtobufCMessage *m,
    const struct policy *p, vetting_again *again)
{
	struct vetting *v = rpc_call_data(c);
	size_t from = v != NULL ? v->n : 0;

	if (!add_all(c, p)) {
		rpc_finish(c, RPC_ABORTED,
		    "the policy changed while its middlewares were asked; try "
		    "again");
		return true;
	}
	v = rpc_call_data(c);
	if (v == NULL || v->n == from)
		return false;
	v->request = copy_of(m);
	v->again = again;
	ask_from(v, from);
	return true;
}

bool
vetting_waits_wire(struct rpc_call *c, const ProtobufCMessage *m,
    const policy_wire_msg *wire, vetting_again *again)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL;

	if (wire->n_network_middlewares == 0)
		return false;
	if (policy_wire_to(wire, &p, &f) == 0)
		return vetting_waits(c, m, p, again);
	rpc_finish(c, RPC_INTERNAL, "a policy that was taken cannot be read");
	return true;
}

/* --- warnings --------------------------------------------------------------
 */

static void
make_warning(struct question *q)
{
	AUTO_BUF struct buf b = BUF_INIT(2048);
	struct view rest = view_of(q->text);

	buf_puts(&b, "network_middlewares.");
	buf_put_escaped(&b, view_of(q->key));
	buf_printf(&b, ": '%s' did not say whether it takes this config (",
	    q->service);
	buf_put_escaped(&b, view_cut(rest, '\n', &rest));
	buf_printf(&b, "); until it does, requests that it should see %s",
	    q->fail_open ? "pass unseen" : "are denied");
	free(q->text);
	q->text = mem_strdup(buf_str(&b));
}

size_t
vetting_warn(struct rpc_call *c, struct sbx *s, char ***texts)
{
	struct vetting *v = rpc_call_data(c);
	size_t n = 0;

	for (size_t i = 0; v != NULL && i < v->n; i++) {
		struct question *q = &v->q[i];

		if (q->verdict != VETTER_UNASKED)
			continue;
		make_warning(q);
		v->warnings[n++] = q->text;
		LOG_WARN("MIDDLEWARE_NOT_ASKED",
		    KV_STR("sandbox", s != NULL ? s->name : ""),
		    KV_STR("reason", q->text));
		if (s == NULL)
			continue;
		sbx_log(s, "WARN", "%s", q->text);
		sbx_event(s, true, "MiddlewareNotAsked", q->text);
	}
	if (texts != NULL)
		*texts = n > 0 ? v->warnings : NULL;
	return n;
}
