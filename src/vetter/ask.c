/*
 * ask: Describe and ValidateConfig, as the proxy asks them (proxy/mw_link.c).
 * Each step has the service's time, so that one which hangs costs that once.
 */
#include <string.h>

#include "base/clock.h"
#include "codec/utf8.h"
#include "middleware.pb-c.h"
#include "rpc/rpc.h"
#include "rpc/struct_wire.h"
#include "vetter/vetter.h"

typedef Openshell__Middleware__V1__DescribeResponse describe_msg;
typedef Openshell__Middleware__V1__ValidateConfigResponse validate_msg;

enum {
	ANSWER_MAX = 64 << 10,
	REASON_MAX = 160 /* of the service, which may double in escapes */
};

#define PATH(method) "/openshell.middleware.v1.Middleware/" method
#define PRE_CREDENTIALS OPENSHELL__MIDDLEWARE__V1__PHASE__PHASE_PRE_CREDENTIALS

struct work {
	const struct vetter_ask *ask;
	struct vetter_answer *out;
	uv_loop_t *loop;
	uv_timer_t timer; /* of the step */
	struct rpc_client *client;
	uint64_t ends_ms;
	bool ready, late;
	bool over; /* of the step */
	enum rpc_code code;
	ProtobufCMessage *answer;
	struct err why; /* when the connection is lost */
};

/* Cut where it still is printable. */
static void
say(struct work *w, enum vetter_verdict verdict, struct view text)
{
	AUTO_BUF struct buf b = BUF_INIT(4 * sizeof(((struct err *)0)->text));
	struct view v;

	buf_put_escaped(&b, text);
	v = utf8_clip(buf_view(&b), sizeof(w->out->text) - 1);
	w->out->verdict = verdict;
	(void)snprintf(w->out->text, sizeof(w->out->text), "%.*s", (int)v.n,
	    v.n > 0 ? v.p : "");
}

static unsigned
time_ms(const struct work *w)
{
	uint64_t now = clock_mono_ms();

	if (now >= w->ends_ms)
		return 1;
	return (unsigned)MIN(w->ends_ms - now, (uint64_t)w->ask->timeout_ms);
}

static void
on_late(uv_timer_t *t)
{
	struct work *w = t->data;

	w->late = !w->over;
	w->over = true;
}

/*
 * Until the step is over, or its time: that of a call leaves time for a status
 * to come (rpc/client_out.c), which is not the service's to take.
 */
static void
await(struct work *w)
{
	(void)uv_timer_start(&w->timer, on_late, time_ms(w), 0);
	while (!w->over)
		(void)uv_run(w->loop, UV_RUN_ONCE);
	(void)uv_timer_stop(&w->timer);
}

/* A code and our own words; a status text would be the service's. */
static void
unasked(struct work *w, const char *what)
{
	char text[VETTER_TEXT_MAX];

	if (w->late || w->code == RPC_DEADLINE_EXCEEDED)
		(void)snprintf(
		    text, sizeof(text), "%s: no answer in time", what);
	else if (!w->ready)
		(void)snprintf(text, sizeof(text), "it cannot be reached: %.*s",
		    (int)strcspn(w->why.text, "\n"), w->why.text);
	else
		(void)snprintf(text, sizeof(text), "%s failed (%s)", what,
		    rpc_code_name(w->code));
	say(w, VETTER_UNASKED, view_of(text));
}

/* --- the steps -------------------------------------------------------------
 */

static void
on_ready(void *ctx)
{
	struct work *w = ctx;

	w->ready = w->over = true;
}

static void
on_lost(void *ctx, const struct err *e)
{
	struct work *w = ctx;

	w->over = true;
	w->why = *e;
}

static int
connect_it(struct work *w)
{
	const struct vetter_ask *a = w->ask;
	const struct rpc_client_hooks hooks = {
		.ready = on_ready, .lost = on_lost, .ctx = w
	};
	const struct rpc_target target = { .url = a->url,
		.ca = a->ca[0] != '\0' ? a->ca : NULL,
		.cert = a->cert[0] != '\0' ? a->cert : NULL,
		.key = a->key[0] != '\0' ? a->key : NULL,
		.answer_max = ANSWER_MAX };

	if (rpc_client_new(w->loop, &target, &hooks, &w->client, &w->why) < 0)
		w->client = NULL;
	else
		await(w);
	if (w->ready)
		return 0;
	unasked(w, "the connection");
	return -1;
}

static void
on_answered(void *ctx, enum rpc_code code, ProtobufCMessage **answer,
    const char *text UNUSED)
{
	struct work *w = ctx;

	w->over = true;
	w->code = code;
	if (answer != NULL)
		w->answer = take_ptr(*answer);
}

/* The answer, the caller's; NULL: there is none, which is said. */
static ProtobufCMessage *
ask(struct work *w, const char *what, const char *path,
    const ProtobufCMessage *q, const ProtobufCMessageDescriptor *type)
{
	struct rpc_ask *a;

	w->over = false;
	a = rpc_ask_new(
	    w->client, path, q, type, w->ask->timeout_ms, on_answered, w);
	await(w);
	if (w->late)
		rpc_ask_cancel(a);
	if (w->late || w->code != RPC_OK)
		unasked(w, what);
	return take_ptr(w->answer);
}

static int
describe(struct work *w)
{
	Openshell__Middleware__V1__DescribeRequest q =
	    OPENSHELL__MIDDLEWARE__V1__DESCRIBE_REQUEST__INIT;
	ProtobufCMessage *m;
	const describe_msg *d;
	bool good = false;

	q.middleware = (char *)(uintptr_t)w->ask->name;
	m = ask(w, "its Describe", PATH("Describe"), &q.base,
	    &openshell__middleware__v1__describe_response__descriptor);
	if (m == NULL)
		return -1;
	d = (const void *)m;
	for (size_t i = 0; i < d->n_phases; i++)
		good |= d->phases[i] == PRE_CREDENTIALS;
	protobuf_c_message_free_unpacked(m, NULL);
	if (good)
		return 0;
	say(w, VETTER_REFUSED,
	    VIEW("it does not look at requests before their credentials"));
	return -1;
}

static void
validate(struct work *w)
{
	Openshell__Middleware__V1__ValidateConfigRequest q =
	    OPENSHELL__MIDDLEWARE__V1__VALIDATE_CONFIG_REQUEST__INIT;
	ProtobufCMessage *m;
	const validate_msg *v;

	q.middleware = (char *)(uintptr_t)w->ask->name;
	q.config = struct_wire_parse(view_of(w->ask->config));
	m = ask(w, "its ValidateConfig", PATH("ValidateConfig"), &q.base,
	    &openshell__middleware__v1__validate_config_response__descriptor);
	protobuf_c_message_free_unpacked(&q.config->base, NULL);
	if (m == NULL)
		return;
	v = (const void *)m;
	if (v->valid)
		say(w, VETTER_TAKEN, VIEW(""));
	else
		say(w, VETTER_REFUSED,
		    utf8_clip(view_of(v->reason), REASON_MAX));
	protobuf_c_message_free_unpacked(m, NULL);
}

void
vetter_work(
    uv_loop_t *loop, const struct vetter_ask *q, struct vetter_answer *a)
{
	struct work w = { .ask = q,
		.out = a,
		.loop = loop,
		.ends_ms = clock_mono_ms() + VETTER_JOB_MS };

	*a = (struct vetter_answer) { .version = VETTER_VERSION,
		.verdict = VETTER_UNASKED };
	(void)uv_timer_init(loop, &w.timer);
	w.timer.data = &w;
	if (connect_it(&w) == 0 && describe(&w) == 0)
		validate(&w);
	rpc_client_free(w.client);
	uv_close((uv_handle_t *)&w.timer, NULL);
	(void)uv_run(loop, UV_RUN_NOWAIT); /* which lets it go */
}
