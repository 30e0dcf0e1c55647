/*
 * client_out: calls of a client, on the connection that it has.
 *
 * A call whose owner holds it is not closed before the owner has taken
 * everything.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rpc/client_impl.h"

static void
unlink_out(struct rpc_out *o)
{
	struct rpc_client *c = o->client;

	if (c->turn->deadlines != NULL)
		deadline_clear(c->turn->deadlines, &o->deadline);
	if (o->prev != NULL)
		o->prev->next = o->next;
	else
		c->calls = o->next;
	if (o->next != NULL)
		o->next->prev = o->prev;
}

static void
out_free(struct rpc_out *o)
{
	rpc_frames_fini(&o->frames);
	buf_fini(&o->in);
	rpc_sendq_fini(&o->out);
	free(o->path);
	free(o);
}

/* --- the end of a call --------------------------------------------------- */

void
rpc_out_status(struct rpc_out *o, enum rpc_code code, const char *text)
{
	if (o->has_status)
		return;
	o->has_status = true;
	o->code = code;
	(void)snprintf(o->text, sizeof(o->text), "%s", text);
}

void
rpc_out_over(struct rpc_out *o)
{
	unlink_out(o);
	if (!o->detached)
		o->hooks.closed(o->hooks.ctx, o->code, o->text);
	out_free(o);
}

static nghttp2_session *
session(const struct rpc_out *o)
{
	return o->client->c.h2;
}

static void
reset(struct rpc_out *o, uint32_t error)
{
	if (session(o) == NULL || o->id == 0 || o->over)
		return;
	(void)nghttp2_submit_rst_stream(
	    session(o), NGHTTP2_FLAG_NONE, o->id, error);
	rpc_conn_wake(&o->client->c);
}

/* --- out ----------------------------------------------------------------- */

static ssize_t
on_out(nghttp2_session *h2 UNUSED, int32_t id UNUSED, uint8_t *to, size_t max,
    uint32_t *flags, nghttp2_data_source *src, void *user UNUSED)
{
	struct rpc_out *o = src->ptr;
	size_t n = rpc_sendq_take(&o->out, to, max);

	if (rpc_sendq_drained(&o->out) && o->hooks.drained != NULL &&
	    !o->detached) {
		o->telling = true;
		o->hooks.drained(o->hooks.ctx);
		o->telling = false;
	}
	if (rpc_sendq_n(&o->out) == 0 && o->ended) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		return (ssize_t)n;
	}
	if (n > 0 || rpc_sendq_n(&o->out) > 0)
		return (ssize_t)n;
	o->deferred = true;
	return NGHTTP2_ERR_DEFERRED;
}

void
rpc_out_submit(struct rpc_out *o)
{
	struct rpc_client *c = o->client;
	AUTO_BUF struct buf auth = BUF_INIT(8192);
	nghttp2_data_provider body = { { .ptr = o }, on_out };
	char timeout[24];
	nghttp2_nv nv[9 + METADATA_MAX];
	size_t k = 0;
	int n;

	nv[k++] = (nghttp2_nv)RPC_NV(":method", "POST", 4);
	nv[k++] = c->ctx != NULL ? (nghttp2_nv)RPC_NV(":scheme", "https", 5)
				 : (nghttp2_nv)RPC_NV(":scheme", "http", 4);
	nv[k++] = (nghttp2_nv)RPC_NV(":path", o->path, strlen(o->path));
	nv[k++] = (nghttp2_nv)RPC_NV(
	    ":authority", c->authority, strlen(c->authority));
	nv[k++] = (nghttp2_nv)RPC_NV("content-type", "application/grpc", 16);
	nv[k++] = (nghttp2_nv)RPC_NV("te", "trailers", 8);
	nv[k++] =
	    (nghttp2_nv)RPC_NV("user-agent", "openshell/" OPENSHELL_VERSION,
		sizeof("openshell/" OPENSHELL_VERSION) - 1);
	if (c->bearer != NULL) {
		buf_printf(&auth, "Bearer %s", c->bearer);
		nv[k++] = (nghttp2_nv)RPC_NV("authorization", auth.p, auth.n);
	}
	for (size_t i = 0; i < c->n_metadata; i++)
		nv[k++] = (nghttp2_nv) { (uint8_t *)c->names[i],
			(uint8_t *)c->values[i], strlen(c->names[i]),
			strlen(c->values[i]), NGHTTP2_NV_FLAG_NO_INDEX };
	if (o->deadline_ms > 0) {
		n = snprintf(timeout, sizeof(timeout), "%um",
		    MIN(o->deadline_ms, 99999999U));
		nv[k++] =
		    (nghttp2_nv)RPC_NV("grpc-timeout", timeout, (size_t)n);
	}
	o->id = nghttp2_submit_request(c->c.h2, NULL, nv, k, &body, o);
	if (auth.p != NULL)
		mem_wipe(auth.p, auth.n);
	rpc_conn_wake(&c->c);
}

static void
wake_out(struct rpc_out *o)
{
	if (o->id == 0 || session(o) == NULL || o->over)
		return;
	if (o->deferred) {
		o->deferred = false;
		(void)nghttp2_session_resume_data(session(o), o->id);
	}
	rpc_conn_wake(&o->client->c);
}

static const char late_text[] = "no answer in time";

static void
on_deadline(void *arg)
{
	struct rpc_out *o = arg;

	rpc_out_status(o, RPC_DEADLINE_EXCEEDED, late_text);
	reset(o, NGHTTP2_CANCEL);
	if (o->id == 0)
		rpc_out_over(o);
}

/* A little later than the server's own, which can say more. */
enum { DEADLINE_SLACK_MS = 1000 };

static void on_dead(void *arg);

struct rpc_out *
rpc_out_new(struct rpc_client *c, const char *path,
    const ProtobufCMessageDescriptor *answer, const struct rpc_out_hooks *hooks,
    unsigned deadline_ms)
{
	struct rpc_out *o = NEW(struct rpc_out);

	o->client = c;
	o->path = mem_strdup(path);
	o->answer = answer;
	o->hooks = *hooks;
	o->deadline_ms = deadline_ms;
	rpc_sendq_init(&o->out);
	o->in = BUF_INIT(2 * CONN_STREAM_WINDOW);
	/* Answers may be larger than requests: logs, policies. */
	rpc_frames_init(&o->frames, c->answer_max);
	o->next = c->calls;
	if (c->calls != NULL)
		c->calls->prev = o;
	c->calls = o;
	deadline_init(&o->deadline, on_deadline, o);
	if (c->over) {
		/* Not from inside the caller's own call. */
		deadline_init(&o->deadline, on_dead, o);
		deadline_set(c->turn->deadlines, &o->deadline, 1);
		return o;
	}
	if (deadline_ms > 0)
		deadline_set(c->turn->deadlines, &o->deadline,
		    (uint64_t)deadline_ms + DEADLINE_SLACK_MS);
	if (c->up)
		rpc_out_submit(o);
	return o;
}

static void
on_dead(void *arg)
{
	struct rpc_out *o = arg;

	rpc_out_status(o, RPC_UNAVAILABLE, o->client->why.text);
	rpc_out_over(o);
}

void
rpc_out_send(struct rpc_out *o, const ProtobufCMessage *m)
{
	if (o->ended || o->over)
		return;
	if (!rpc_sendq_put(&o->out, m)) {
		rpc_out_status(o, RPC_RESOURCE_EXHAUSTED,
		    "the server does not read the requests");
		reset(o, NGHTTP2_CANCEL);
		return;
	}
	wake_out(o);
}

size_t
rpc_out_queued(const struct rpc_out *o)
{
	return rpc_sendq_n(&o->out);
}

void
rpc_out_end(struct rpc_out *o)
{
	o->ended = true;
	wake_out(o);
}

void
rpc_out_cancel(struct rpc_out *o)
{
	if (o->detached)
		return;
	o->detached = true;
	if (o->busy)
		return; /* its own pump ends it */
	if (o->id == 0 || o->over || session(o) == NULL) {
		rpc_out_over(o);
		return;
	}
	reset(o, NGHTTP2_CANCEL);
}

/* --- in ------------------------------------------------------------------ */

static size_t
feed(struct rpc_out *o, struct view v)
{
	struct view rest = v, message;
	struct err e;

	while (!o->held && !o->detached && !o->broken && rest.n > 0) {
		ProtobufCMessage *m;

		if (rpc_frames_feed(&o->frames, &rest, &e) < 0) {
			rpc_out_status(o, RPC_INTERNAL, e.text);
			o->broken = true;
			reset(o, NGHTTP2_CANCEL);
			break;
		}
		if (!rpc_frames_next(&o->frames, &message))
			continue;
		m = rpc_unpack(o->answer, message, &e);
		rpc_frames_taken(&o->frames);
		if (m == NULL) {
			rpc_out_status(o, RPC_INTERNAL, e.text);
			o->broken = true;
			reset(o, NGHTTP2_CANCEL);
			break;
		}
		o->hooks.message(o->hooks.ctx, m);
		protobuf_c_message_free_unpacked(m, NULL);
	}
	return o->detached ? v.n : v.n - rest.n;
}

static void
pump(struct rpc_out *o)
{
	size_t used;

	if (o->busy)
		return;
	o->busy = true;
	used = feed(o, buf_view(&o->in));
	buf_drop(&o->in, used);
	if (used > 0 && !o->over && session(o) != NULL)
		(void)nghttp2_session_consume_stream(session(o), o->id, used);
	o->busy = false;
	if (o->detached && !o->over)
		reset(o, NGHTTP2_CANCEL);
	if (o->over && (o->in.n == 0 || o->detached || o->broken)) {
		struct rpc_client *c = o->client;

		rpc_out_over(o);
		rpc_client_release(c);
	}
}

void
rpc_out_hold(struct rpc_out *o)
{
	o->held = true;
}

void
rpc_out_resume(struct rpc_out *o)
{
	if (!o->held)
		return;
	o->held = false;
	if (!o->over && session(o) != NULL)
		rpc_conn_wake(&o->client->c);
	pump(o);
}

static int
on_data(nghttp2_session *h2, uint8_t flags UNUSED, int32_t id, const uint8_t *p,
    size_t n, void *user UNUSED)
{
	struct rpc_out *o = nghttp2_session_get_stream_user_data(h2, id);
	struct view v = { (const char *)p, n };
	size_t used = 0;

	(void)nghttp2_session_consume_connection(h2, n);
	if (o == NULL || o->detached) {
		(void)nghttp2_session_consume_stream(h2, id, n);
		return 0;
	}
	if (o->in.n == 0 && !o->held && !o->busy) {
		o->busy = true;
		used = feed(o, v);
		o->busy = false;
		(void)nghttp2_session_consume_stream(h2, id, used);
		if (o->detached) {
			reset(o, NGHTTP2_CANCEL);
			return 0;
		}
	}
	buf_put(&o->in, view_slice(v, used, n));
	return o->in.full ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* What HTTP says when gRPC does not (http-grpc-status-mapping.md). */
static enum rpc_code
code_of_http(struct view status)
{
	static const struct {
		const char *status;
		enum rpc_code code;
	} rows[] = {
		{ "400", RPC_INTERNAL },
		{ "401", RPC_UNAUTHENTICATED },
		{ "403", RPC_PERMISSION_DENIED },
		{ "404", RPC_UNIMPLEMENTED },
		{ "429", RPC_UNAVAILABLE },
		{ "502", RPC_UNAVAILABLE },
		{ "503", RPC_UNAVAILABLE },
		{ "504", RPC_UNAVAILABLE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (view_eq(status, view_of(rows[i].status)))
			return rows[i].code;
	return RPC_UNKNOWN;
}

static int
on_header(nghttp2_session *h2, const nghttp2_frame *f, const uint8_t *name,
    size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags UNUSED,
    void *user UNUSED)
{
	struct rpc_out *o =
	    nghttp2_session_get_stream_user_data(h2, f->hd.stream_id);
	struct view k = { (const char *)name, name_n };
	struct view v = { (const char *)value, value_n };
	AUTO_BUF struct buf text = BUF_INIT(RPC_STATUS_MAX - 1);
	uint64_t code;

	if (o == NULL)
		return 0;
	if (view_eq(k, VIEW(":status")) && !view_eq(v, VIEW("200"))) {
		buf_printf(
		    &text, "the server answered HTTP %.*s", (int)v.n, v.p);
		rpc_out_status(o, code_of_http(v), buf_str(&text));
	} else if (view_eq(k, VIEW("grpc-status"))) {
		if (!view_u64(v, 16, &code))
			code = RPC_UNKNOWN;
		/* The text may have come first. */
		if (!o->has_status) {
			o->has_status = true;
			o->code = (enum rpc_code)code;
		}
	} else if (view_eq(k, VIEW("grpc-message"))) {
		rpc_percent_take(&text, v);
		(void)snprintf(o->text, sizeof(o->text), "%s", buf_str(&text));
	}
	return 0;
}

/* The call is past what it was given, slack aside. */
static bool
is_late(const struct rpc_out *o)
{
	return deadline_is_set(&o->deadline) &&
	       uv_now(o->client->turn->loop) + DEADLINE_SLACK_MS >=
		   o->deadline.due;
}

static int
on_close(nghttp2_session *h2, int32_t id, uint32_t error, void *user UNUSED)
{
	struct rpc_out *o = nghttp2_session_get_stream_user_data(h2, id);
	char text[96];

	if (o == NULL)
		return 0;
	(void)nghttp2_session_set_stream_user_data(h2, id, NULL);
	(void)snprintf(text, sizeof(text), "the server ended the call (%s)",
	    nghttp2_http2_strerror(error));
	if (error == NGHTTP2_CANCEL && is_late(o))
		rpc_out_status(o, RPC_DEADLINE_EXCEEDED, late_text);
	rpc_out_status(o,
	    error == NGHTTP2_REFUSED_STREAM ? RPC_UNAVAILABLE : RPC_INTERNAL,
	    text);
	o->over = true;
	if (o->in.n == 0 || o->detached || o->broken)
		rpc_out_over(o);
	return 0;
}

void
rpc_out_callbacks(nghttp2_session_callbacks *callbacks)
{
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
	    callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(
	    callbacks, on_close);
}
