#include "cli/policy_extent.h"

/* " (tools/call name=write arguments.dir=/tmp/)", " (mutation deleteRepo)" */
static void
show_operation(struct buf *out, const struct extent_request *q)
{
	const struct policy_op *op = &q->op;

	if (q->carries != EXTENT_OPERATION_IN)
		return;
	if (op->kind == POLICY_OP_GRPC)
		return; /* the path says it */
	buf_puts(out, " (");
	if (op->persisted.n > 0) {
		buf_puts(out, "persisted ");
		buf_put_escaped(out, op->persisted);
		buf_puts(out, ": ");
	}
	buf_put_escaped(
	    out, op->kind == POLICY_OP_GRAPHQL ? op->type : op->method);
	if (op->name.n > 0) {
		buf_putc(out, ' ');
		buf_put_escaped(out, op->name);
	}
	for (size_t i = 0; i < op->n_fields; i++) {
		buf_puts(out, i > 0 ? " " : " { ");
		buf_put_escaped(out, op->fields[i]);
	}
	if (op->n_fields > 0)
		buf_puts(out, " }");
	for (size_t i = 0; i < op->n_params; i++) {
		buf_putc(out, ' ');
		buf_put_escaped(out, op->params[i].name);
		buf_putc(out, '=');
		buf_put_escaped(out, op->params[i].value);
	}
	buf_putc(out, ')');
}

void
extent_show_request(struct buf *out, const struct extent_request *q)
{
	bool v6 = view_find(q->host, ':') >= 0;

	buf_put_escaped(out, q->method);
	buf_puts(out, q->method.n > 0 ? v6 ? " [" : " " : v6 ? "[" : "");
	buf_put_escaped(out, q->host);
	buf_printf(out, "%s:%u", v6 ? "]" : "", q->port);
	if (view_eq(q->path, VIEW("*"))) /* of the whole server */
		buf_putc(out, ' ');
	buf_put_escaped(out, q->path);
	if (q->query.p != NULL)
		buf_putc(out, '?');
	buf_put_escaped(out, q->query);
	show_operation(out, q);
	buf_puts(out, " by ");
	buf_put_escaped(out, q->program);
}

void
extent_show_place(struct buf *out, const struct extent_cause *c)
{
	buf_put_escaped(out, c->policy);
	buf_printf(out, ".endpoints[%u]", c->endpoint);
	if (c->access.n > 0)
		buf_puts(out, ".access");
	else if (c->rule != EXTENT_NONE)
		buf_printf(out, ".rules[%u]", c->rule);
}

static void
emit_operation(struct emit_val *at, const struct extent_request *q)
{
	const struct policy_op *op = &q->op;
	struct emit_val *o, *list;

	if (q->carries != EXTENT_OPERATION_IN) {
		emit_null(at, "operation");
		return;
	}
	o = emit_object(at, "operation");
	if (op->kind == POLICY_OP_GRAPHQL) {
		emit_str(o, "type", op->type);
		emit_str(o, "name", op->name);
		list = emit_list(o, "fields");
		for (size_t i = 0; i < op->n_fields; i++)
			emit_str(list, NULL, op->fields[i]);
		if (op->persisted.n > 0)
			emit_str(o, "persisted", op->persisted);
		else
			emit_null(o, "persisted");
		return;
	}
	emit_str(o, "method", op->method);
	if (op->kind == POLICY_OP_GRPC) {
		emit_str(o, "service", op->service);
		return;
	}
	list = emit_list(o, "params");
	for (size_t i = 0; i < op->n_params; i++) {
		struct emit_val *p = emit_object(list, NULL);

		emit_str(p, "name", op->params[i].name);
		emit_str(p, "value", op->params[i].value);
	}
}

void
extent_emit_request(
    struct emit_val *at, const char *key, const struct extent_request *q)
{
	struct emit_val *o = emit_object(at, key);

	emit_str(o, "program", q->program);
	emit_str(o, "host", q->host);
	emit_uint(o, "port", q->port);
	if (q->method.n == 0) { /* a connection */
		emit_null(o, "method");
		emit_null(o, "path");
	} else {
		emit_str(o, "method", q->method);
		emit_str(o, "path", q->path);
	}
	if (q->query.p != NULL)
		emit_str(o, "query", q->query);
	else
		emit_null(o, "query");
	emit_operation(o, q);
}

static void
emit_place(struct emit_val *at, const char *key, uint32_t place)
{
	if (place == EXTENT_NONE)
		emit_null(at, key);
	else
		emit_uint(at, key, place);
}

void
extent_emit_cause(struct emit_val *at, const struct extent_cause *c)
{
	emit_str(at, "policy", c->policy);
	emit_uint(at, "endpoint", c->endpoint);
	emit_place(at, "rule", c->access.n > 0 ? EXTENT_NONE : c->rule);
	if (c->access.n > 0)
		emit_str(at, "access", c->access);
	else
		emit_null(at, "access");
	emit_place(at, "binary", c->binary);
	emit_text(at, "how", extent_how_word(c->how));
}
