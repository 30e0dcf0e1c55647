/*
 * mw_message: a request as a service is told it, and a service's word, of which
 * nothing is believed that the contract does not allow.  Attacks: a field that
 * ends the head, a reason that carries what was sent, a word without end.
 */
#include "codec/utf8.h"
#include "middleware.pb-c.h"
#include "proxy/mw_service.h"
#include "rpc/rpc.h"
#include "rpc/struct_wire.h"

enum { FIELD_VALUE_MAX = 1024 };

#define FIELD_PREFIX VIEW("x-openshell-middleware-")

typedef Openshell__Middleware__V1__Evaluation evaluation;
typedef Openshell__Middleware__V1__EvaluateHttpRequestRequest request;
typedef Openshell__Middleware__V1__Header header;

/* ---- to it ----------------------------------------------------------------
 */

/* As a text of protobuf must be. */
static char *
text(struct arena *a, struct view v)
{
	AUTO_BUF struct buf b = BUF_INIT(32768);

	if (!utf8_valid(v) || (v.n > 0 && memchr(v.p, '\0', v.n) != NULL)) {
		buf_put_escaped(&b, v);
		v = buf_view(&b);
	}
	return (char *)(uintptr_t)arena_view(a, v).p;
}

static size_t
put_fields(struct arena *a, const struct h1_head *h, header ***out)
{
	size_t n = 0;

	*out = ARENA_ARRAY(a, h->n_fields + 1, header *);
	for (size_t i = 0; i < h->n_fields; i++) {
		const struct h1_field *f = &h->fields[i];
		header *to;

		if (h1_hop_by_hop(h, f->name))
			continue;
		to = ARENA_NEW(a, header);
		openshell__middleware__v1__header__init(to);
		to->name = text(a, f->name);
		to->value.data = (uint8_t *)(uintptr_t)f->value.p;
		to->value.len = f->value.n;
		(*out)[n++] = to;
	}
	return n;
}

/* Who asks, under what, and where to. */
struct about {
	struct arena arena;
	Openshell__Middleware__V1__RequestContext ctx;
	Openshell__Middleware__V1__Target target;
};

static void
about_init(
    struct about *to, struct px_conn *c, const struct policy_middleware *m)
{
	Openshell__Middleware__V1__RequestContext *ctx = &to->ctx;
	Openshell__Middleware__V1__Target *t = &to->target;
	struct arena *a = &to->arena;

	*to = (struct about) { .arena = { 0 } };
	openshell__middleware__v1__request_context__init(ctx);
	openshell__middleware__v1__target__init(t);
	ctx->key = text(a, m->key);
	ctx->config = struct_wire_parse(m->config);
	ctx->policy = text(a, view_of(c->policy));
	ctx->binary = text(a, px_binary(c));
	ctx->connection = c->serial;
	t->scheme =
	    text(a, c->tls && c->mode != PX_MODE_FORWARD ? VIEW("https")
							 : VIEW("http"));
	t->host = text(a, view_of(c->dst.host));
	t->port = c->dst.port;
	t->method = text(a, view_of(c->hx.method));
	t->path = text(a, buf_view(&c->hx.path));
	t->query = text(a, buf_view(&c->hx.query));
}

static void
about_fini(struct about *a)
{
	protobuf_c_message_free_unpacked(&a->ctx.config->base, NULL);
	arena_fini(&a->arena);
}

void
mw_send_request(struct rpc_out *o, struct px_conn *c,
    const struct policy_middleware *m, const struct h1_head *h,
    struct view body)
{
	struct about about;
	request q =
	    OPENSHELL__MIDDLEWARE__V1__EVALUATE_HTTP_REQUEST_REQUEST__INIT;

	about_init(&about, c, m);
	q.phase = OPENSHELL__MIDDLEWARE__V1__PHASE__PHASE_PRE_CREDENTIALS;
	q.context = &about.ctx;
	q.target = &about.target;
	q.n_headers = put_fields(&about.arena, h, &q.headers);
	q.body.data = (uint8_t *)(uintptr_t)body.p;
	q.body.len = body.n;
	rpc_out_send(o, &q.base);
	about_fini(&about);
}

void
mw_send_open(
    struct rpc_out *o, struct px_conn *c, const struct policy_middleware *m)
{
	struct about about;
	Openshell__Middleware__V1__WebSocketOpen open =
	    OPENSHELL__MIDDLEWARE__V1__WEB_SOCKET_OPEN__INIT;
	Openshell__Middleware__V1__WebSocketEvent ev =
	    OPENSHELL__MIDDLEWARE__V1__WEB_SOCKET_EVENT__INIT;

	about_init(&about, c, m);
	open.phase = OPENSHELL__MIDDLEWARE__V1__PHASE__PHASE_PRE_CREDENTIALS;
	open.context = &about.ctx;
	open.target = &about.target;
	ev.event_case = OPENSHELL__MIDDLEWARE__V1__WEB_SOCKET_EVENT__EVENT_OPEN;
	ev.open = &open;
	rpc_out_send(o, &ev.base);
	about_fini(&about);
}

void
mw_send_text(struct rpc_out *o, struct view v)
{
	Openshell__Middleware__V1__WebSocketText t =
	    OPENSHELL__MIDDLEWARE__V1__WEB_SOCKET_TEXT__INIT;
	Openshell__Middleware__V1__WebSocketEvent ev =
	    OPENSHELL__MIDDLEWARE__V1__WEB_SOCKET_EVENT__INIT;

	t.text.data = (uint8_t *)(uintptr_t)v.p;
	t.text.len = v.n;
	ev.event_case = OPENSHELL__MIDDLEWARE__V1__WEB_SOCKET_EVENT__EVENT_TEXT;
	ev.text = &t;
	rpc_out_send(o, &ev.base);
}

/* ---- from it ---------------------------------------------------------------
 */

static bool
is_word(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= MW_WORD_MAX &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

static bool
is_value(ProtobufCBinaryData v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.data[i] < 0x20 || v.data[i] > 0x7e)
			return false;
	return v.len <= FIELD_VALUE_MAX &&
	       (v.len == 0 || (v.data[0] != ' ' && v.data[v.len - 1] != ' '));
}

static bool
is_name(struct view name)
{
	struct view rest;

	if (!view_starts(name, FIELD_PREFIX) || name.n > 128)
		return false;
	rest = view_slice(name, FIELD_PREFIX.n, name.n);
	for (size_t i = 0; i < rest.n; i++)
		if (!(rest.p[i] >= 'a' && rest.p[i] <= 'z') &&
		    !(rest.p[i] >= '0' && rest.p[i] <= '9') && rest.p[i] != '-')
			return false;
	return rest.n > 0;
}

/* Copied: the message goes. */
static struct view
kept(struct mw_answer *a, const void *p, size_t n)
{
	size_t at = a->bytes.n;

	buf_put(&a->bytes, (struct view) { p, n });
	return view_slice(buf_view(&a->bytes), at, a->bytes.n);
}

static const char *
read_fields(const evaluation *m, bool of_text, struct mw_answer *a)
{
	/* Room from the start, so that nothing moves. */
	if (m->n_headers > (of_text ? 0 : MW_FIELDS_MAX) ||
	    !buf_reserve(&a->bytes, MW_FIELD_BYTES))
		return "its answer sets more fields than it may";
	for (size_t i = 0; i < m->n_headers; i++) {
		const header *f = m->headers[i];
		struct view name = view_of(f->name);

		if (!is_name(name) || !is_value(f->value))
			return "its answer sets a field that it may not set";
		for (size_t k = 0; k < i; k++)
			if (strcmp(m->headers[k]->name, f->name) == 0)
				return "its answer sets a field twice";
		a->fields[i].name = kept(a, name.p, name.n);
		a->fields[i].value = kept(a, f->value.data, f->value.len);
		a->n_fields++;
	}
	return a->bytes.full ? "its answer sets fields that are too long"
			     : NULL;
}

static const char *
read_findings(const evaluation *m, struct mw_answer *a)
{
	if (m->n_findings > MW_FOUND_MAX)
		return "its answer has more than 32 findings";
	for (size_t i = 0; i < m->n_findings; i++) {
		const Openshell__Middleware__V1__Finding *f = m->findings[i];
		struct mw_found *to = &a->found[i];

		if (!is_word(f->type) || f->count == 0)
			return "its answer has a malformed finding";
		(void)snprintf(to->what, sizeof(to->what), "%s", f->type);
		to->count = f->count;
		a->n_found++;
	}
	return NULL;
}

static const char *
read_replacement(const evaluation *m, bool of_text, struct mw_answer *a)
{
	struct view v;

	if (m->replacement == NULL)
		return NULL;
	v = (struct view) { (const char *)m->replacement->body.data,
		m->replacement->body.len };
	if (v.n > MW_PAYLOAD_MAX)
		return "what it puts in the body's place is longer than 4 MiB";
	if (of_text && (v.n == 0 || !utf8_valid(v)))
		return "what it puts in the message's place is empty, or not "
		       "UTF-8";
	buf_put(&a->body, v);
	return NULL;
}

enum mw_said
mw_read_answer(const ProtobufCMessage *msg, bool of_text, struct mw_answer *a)
{
	const evaluation *m = (const void *)msg;
	const char *why;

	if (m->decision == OPENSHELL__MIDDLEWARE__V1__DECISION__DECISION_DENY) {
		if (is_word(m->reason_code))
			(void)snprintf(a->reason_code, sizeof(a->reason_code),
			    "%s", m->reason_code);
		if (read_findings(m, a) != NULL)
			a->n_found = 0;
		return MW_DENIES;
	}
	why = m->decision == OPENSHELL__MIDDLEWARE__V1__DECISION__DECISION_ALLOW
		  ? NULL
		  : "its answer has no decision";
	if (why == NULL)
		why = read_findings(m, a);
	if (why == NULL)
		why = read_fields(m, of_text, a);
	if (why == NULL)
		why = read_replacement(m, of_text, a);
	if (why == NULL)
		return m->replacement != NULL ? MW_REPLACES : MW_PASSES;
	a->n_found = a->n_fields = 0;
	a->why = why;
	return MW_FAILS;
}
