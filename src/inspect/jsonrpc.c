#include "inspect/jsonrpc.h"

#include "codec/utf8.h"

static const char *const envelope[] = { "jsonrpc", "method", "params", "id",
	"result", "error", NULL };

static int
refuse(struct err *e, const char *what)
{
	return err_set(e, ERR_PROTO, "JSON-RPC: %s", what);
}

static bool
is_id(const struct jdoc_node *v)
{
	return v->type == JDOC_STRING || v->type == JDOC_NULL ||
	       jdoc_is_integer(v);
}

static int
read_call(
    struct jsonrpc_message *m, const struct jdoc_node *method, struct err *e)
{
	if (m->result != NULL || m->error != NULL)
		return refuse(e, "both a method and a result or error");
	if (method->type != JDOC_STRING || method->str.n == 0)
		return refuse(e, "method is not a string");
	if (method->str.n > JSONRPC_METHOD_MAX)
		return err_set(e, ERR_LIMIT,
		    "JSON-RPC: method of more than %d "
		    "bytes",
		    JSONRPC_METHOD_MAX);
	if (m->params != NULL && m->params->type != JDOC_OBJECT &&
	    m->params->type != JDOC_ARRAY)
		return refuse(e, "params is neither an object nor a list");
	m->method = method->str;
	m->kind = m->id != NULL ? JSONRPC_REQUEST : JSONRPC_NOTIFICATION;
	return 0;
}

static int
read_response(const struct jdoc *d, struct jsonrpc_message *m, struct err *e)
{
	const struct jdoc_node *code, *text;

	m->kind = JSONRPC_RESPONSE;
	if (m->result == NULL && m->error == NULL)
		return refuse(e, "no method, result or error");
	if (m->result != NULL && m->error != NULL)
		return refuse(e, "both a result and an error");
	if (m->id == NULL)
		return refuse(e, "a response without id");
	if (m->params != NULL)
		return refuse(e, "a response with params");
	if (m->error == NULL)
		return 0;
	code = jdoc_get(d, m->error, "code");
	text = jdoc_get(d, m->error, "message");
	if (code == NULL || !jdoc_is_integer(code) || text == NULL ||
	    text->type != JDOC_STRING)
		return refuse(e, "error lacks its code or message");
	return 0;
}

static int
read_message(const struct jdoc *d, const struct jdoc_node *v,
    struct jsonrpc_message *m, struct err *e)
{
	const struct jdoc_node *version, *method, *other;

	if (v->type != JDOC_OBJECT)
		return refuse(e, "a message is not an object");
	other = jdoc_lookalike(d, v, envelope);
	if (other != NULL)
		return refuse(e, "a member that differs from one of the "
				 "envelope only by case");
	version = jdoc_get(d, v, "jsonrpc");
	if (version == NULL || version->type != JDOC_STRING ||
	    !view_eq(version->str, VIEW("2.0")))
		return refuse(e, "jsonrpc is not \"2.0\"");
	*m = (struct jsonrpc_message) {
		.whole = v,
		.id = jdoc_get(d, v, "id"),
		.params = jdoc_get(d, v, "params"),
		.result = jdoc_get(d, v, "result"),
		.error = jdoc_get(d, v, "error"),
	};
	if (m->id != NULL && !is_id(m->id))
		return refuse(e, "id is neither a string, an integer nor null");
	method = jdoc_get(d, v, "method");
	return method != NULL ? read_call(m, method, e)
			      : read_response(d, m, e);
}

int
jsonrpc_parse(struct view text, struct jsonrpc *out, struct err *e)
{
	const struct jdoc_node *top;

	*out = (struct jsonrpc) { 0 };
	if (jdoc_parse(text, &out->doc, e) < 0)
		return -1;
	top = &out->doc.v[0];
	out->batch = top->type == JDOC_ARRAY;
	if (out->batch && top->n == 0)
		return refuse(e, "an empty batch");
	if (out->batch && top->n > JSONRPC_BATCH_MAX)
		return err_set(e, ERR_LIMIT,
		    "JSON-RPC: a batch of more than "
		    "%d messages",
		    JSONRPC_BATCH_MAX);
	out->v = ARENA_ARRAY(
	    &out->doc.arena, out->batch ? top->n : 1, struct jsonrpc_message);
	if (!out->batch) {
		out->n = 1;
		return read_message(&out->doc, top, &out->v[0], e);
	}
	JDOC_EACH(item, &out->doc, top)
	if (read_message(&out->doc, item, &out->v[out->n++], e) < 0)
		return -1;
	return 0;
}

void
jsonrpc_fini(struct jsonrpc *m)
{
	jdoc_fini(&m->doc);
	*m = (struct jsonrpc) { 0 };
}
