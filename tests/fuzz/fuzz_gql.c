/*
 * Which root fields an operation reaches does not depend on what stands
 * beside it: another operation in front or behind changes nothing for the one
 * that is named, and every field is a name of the text.  The first byte, when
 * it is 'J', 'Q' or 'W', says that the rest is a body, a query or a message.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "inspect/gql_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool
within(struct view part, struct view whole)
{
	return part.n > 0 && part.p >= whole.p &&
	       part.p + part.n <= whole.p + whole.n;
}

static void
beside(const struct gql_operation *op, const char *front, struct view text,
    const char *behind)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 22);
	size_t tokens = GQL_TOKENS_MAX;
	struct arena a = { 0 };
	struct gql_operation again;
	struct err e;
	int r;

	buf_puts(&b, front);
	buf_put(&b, text);
	buf_puts(&b, behind);
	r = gql_operation(buf_view(&b), op->name, &a, &tokens, &again, &e);
	/* It may have held an operation of that name, or be at the bound. */
	if (r == 0) {
		assert(again.type == op->type);
		assert(again.n_fields == op->n_fields);
		for (size_t i = 0; i < op->n_fields; i++)
			assert(view_eq(again.fields[i], op->fields[i]));
	}
	arena_fini(&a);
}

static void
document(struct view text)
{
	size_t tokens = GQL_TOKENS_MAX;
	struct arena a = { 0 };
	struct gql_operation op;
	struct err e;

	if (gql_operation(text, VIEW(""), &a, &tokens, &op, &e) == 0) {
		assert(op.n_fields > 0);
		for (size_t i = 0; i < op.n_fields; i++)
			assert(within(op.fields[i], text));
		beside(&op, "#\n", text, "\n#");
		if (op.name.n > 0) {
			beside(&op, "mutation Zz {zz}\n", text, "");
			beside(&op, "", text, "\nmutation Zz {zz}");
		}
	}
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view in = { (const char *)p, n };
	struct view rest = view_slice(in, 1, in.n);
	struct gql_http g = { 0 };
	struct err e;
	int r = -1;

	if (n > 0 && p[0] == 'J')
		r = gql_http_post(VIEW(""), rest, &g, &e);
	else if (n > 0 && p[0] == 'Q')
		r = gql_http_get(rest, &g, &e);
	else if (n > 0 && p[0] == 'W')
		r = gql_ws_message(rest, &g, &e);
	else
		document(in);
	for (size_t i = 0; r == 0 && i < g.n; i++) {
		assert(g.v[i].has_document || g.v[i].id.n > 0);
		assert(g.v[i].has_document || g.v[i].op.n_fields == 0);
	}
	gql_http_fini(&g);
	return 0;
}
