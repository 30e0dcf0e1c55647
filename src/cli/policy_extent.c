#include "cli/policy_extent.h"

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
