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

static const struct kind {
	const char *mark, *word;
	enum cli_color color;
} kinds[] = {
	[EXTENT_WIDENS] = { "+", "widens", COLOR_BAD },
	[EXTENT_NARROWS] = { "-", "narrows", COLOR_OK },
	[EXTENT_CHANGES] = { "~", "changes", COLOR_WARN },
};

const char *
extent_kind_word(enum extent_kind k)
{
	return kinds[k].word;
}

static void
put_cause(struct buf *out, const struct extent_change *ch)
{
	const struct extent_cause *c = &ch->cause;

	if (ch->dim == EXTENT_PROGRAM && c->binary != EXTENT_NONE) {
		buf_put_escaped(out, c->policy);
		buf_printf(out, ".binaries[%u]", c->binary);
		return;
	}
	extent_show_place(out, c);
}

static void
put_ports(struct buf *out, const struct extent_change *ch)
{
	enum { SHOWN = 8 };

	if (ch->n_ports < 2)
		return;
	buf_puts(out, " (ports ");
	for (size_t i = 0; i < ch->n_ports && i < SHOWN; i++)
		buf_printf(out, "%s%u", i > 0 ? ", " : "", ch->ports[i]);
	if (ch->n_ports > SHOWN)
		buf_printf(out, " and %zu more", ch->n_ports - SHOWN);
	buf_putc(out, ')');
}

void
extent_show_middleware(
    struct buf *out, bool color, const struct extent_middleware *m)
{
	const struct kind *k = &kinds[m->kind];
	AUTO_BUF struct buf head = BUF_INIT(64);

	buf_printf(&head, "%s %s middleware", k->mark, k->word);
	cli_paint(out, color, k->color, buf_str(&head));
	buf_puts(out, ": ");
	buf_put_escaped(out, m->key);
	buf_puts(out, " (");
	buf_put_escaped(out, m->middleware);
	buf_printf(out, ")\n    %s\n", m->what);
}

void
extent_show_change(struct buf *out, bool color, const struct extent_change *ch)
{
	const struct kind *k = &kinds[ch->kind];
	AUTO_BUF struct buf head = BUF_INIT(64);

	buf_printf(
	    &head, "%s %s %s", k->mark, k->word, extent_dim_word(ch->dim));
	cli_paint(out, color, k->color, buf_str(&head));
	buf_puts(out, ": ");
	put_cause(out, ch);
	put_ports(out, ch);
	if (extent_how_text(ch->cause.how) != NULL && ch->dim != EXTENT_ADDRESS)
		buf_printf(out, ", %s", extent_how_text(ch->cause.how));
	buf_puts(out, "\n    ");
	extent_show_request(out, &ch->request);
	buf_putc(out, '\n');
}
