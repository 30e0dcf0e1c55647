/*
 * gql: recursive descent over the grammar of executable documents.  Nothing
 * is kept but, for each operation and fragment, what stands in its root
 * selection set: fields, and spreads of fragments.  Inline fragments are part
 * of the set they stand in.
 *
 * Attacks: a mutation behind an alias, in a fragment, or beside the operation
 * that is named; two definitions of one name; nesting and fragment cycles
 * that cost more than their bytes.
 */
#include "inspect/gql.h"

#include "inspect/gql_lex.h"

struct selection {
	struct view name;
	bool spread;
};

struct definition {
	struct definition *next;
	bool fragment;
	enum gql_type type;
	struct view name;
	size_t first, n; /* in items */
	bool visited;
};

struct parse {
	struct gql_lex lex;
	struct arena *a;
	struct definition *defs, **tail;
	/* Root selections of all definitions; at most one a token. */
	struct selection *items;
	size_t n_items, cap_items;
	unsigned depth;
	struct err *e;
};

static const char *const type_names[] = {
	[GQL_QUERY] = "query",
	[GQL_MUTATION] = "mutation",
	[GQL_SUBSCRIPTION] = "subscription",
};

const char *
gql_type_name(enum gql_type t)
{
	return type_names[t];
}

static int
bad(struct parse *p, const char *what)
{
	return err_set(p->e, ERR_PROTO, "GraphQL: %s at byte %zu", what,
	    p->lex.at - p->lex.lexeme.n + 1);
}

static int
next(struct parse *p)
{
	return gql_next(&p->lex, p->e);
}

static bool
at_punct(const struct parse *p, char c)
{
	return p->lex.token == GT_PUNCT && p->lex.punct == c;
}

static bool
at_word(const struct parse *p, const char *word)
{
	return p->lex.token == GT_NAME && view_eq(p->lex.lexeme, view_of(word));
}

static int
want_punct(struct parse *p, char c)
{
	char what[] = "expected 'x'";

	if (at_punct(p, c))
		return next(p);
	what[10] = c;
	return bad(p, what);
}

static int
want_name(struct parse *p, struct view *name)
{
	if (p->lex.token != GT_NAME)
		return bad(p, "expected a name");
	*name = p->lex.lexeme;
	return next(p);
}

static int
enter(struct parse *p)
{
	if (++p->depth > GQL_DEPTH_MAX)
		return err_set(p->e, ERR_LIMIT,
		    "GraphQL: nested more than %d deep", GQL_DEPTH_MAX);
	return 0;
}

/* ---- values, arguments, directives -------------------------------------- */

static int parse_value(struct parse *p, bool constant);

static int
parse_list(struct parse *p, bool constant)
{
	if (enter(p) < 0 || next(p) < 0)
		return -1;
	while (!at_punct(p, ']'))
		if (parse_value(p, constant) < 0)
			return -1;
	p->depth--;
	return next(p);
}

/* name: value pairs up to `close`. */
static int
parse_pairs(struct parse *p, char close, bool constant)
{
	struct view name;

	if (enter(p) < 0 || next(p) < 0)
		return -1;
	while (!at_punct(p, close))
		if (want_name(p, &name) < 0 || want_punct(p, ':') < 0 ||
		    parse_value(p, constant) < 0)
			return -1;
	p->depth--;
	return next(p);
}

static int
parse_value(struct parse *p, bool constant)
{
	struct view name;

	switch (p->lex.token) {
	case GT_NAME: /* true, false, null, an enum value */
	case GT_INT:
	case GT_FLOAT:
	case GT_STRING:
		return next(p);
	case GT_PUNCT:
		if (at_punct(p, '['))
			return parse_list(p, constant);
		if (at_punct(p, '{'))
			return parse_pairs(p, '}', constant);
		if (at_punct(p, '$') && !constant)
			return next(p) < 0 ? -1 : want_name(p, &name);
		break;
	case GT_SPREAD:
	case GT_END:
		break;
	}
	return bad(p, "expected a value");
}

static int
parse_arguments(struct parse *p, bool constant)
{
	size_t left = *p->lex.left;

	if (!at_punct(p, '('))
		return 0;
	if (parse_pairs(p, ')', constant) < 0)
		return -1;
	return left - *p->lex.left > 2 ? 0 : bad(p, "no arguments");
}

static int
parse_directives(struct parse *p, bool constant)
{
	struct view name;

	while (at_punct(p, '@'))
		if (next(p) < 0 || want_name(p, &name) < 0 ||
		    parse_arguments(p, constant) < 0)
			return -1;
	return 0;
}

static int
parse_type(struct parse *p)
{
	struct view name;

	if (enter(p) < 0)
		return -1;
	if (at_punct(p, '[')) {
		if (next(p) < 0 || parse_type(p) < 0 || want_punct(p, ']') < 0)
			return -1;
	} else if (want_name(p, &name) < 0) {
		return -1;
	}
	p->depth--;
	return at_punct(p, '!') ? next(p) : 0;
}

static int
parse_variables(struct parse *p)
{
	struct view name;

	if (!at_punct(p, '('))
		return 0;
	if (next(p) < 0)
		return -1;
	while (!at_punct(p, ')')) {
		if (want_punct(p, '$') < 0 || want_name(p, &name) < 0 ||
		    want_punct(p, ':') < 0 || parse_type(p) < 0)
			return -1;
		if (at_punct(p, '=') &&
		    (next(p) < 0 || parse_value(p, true) < 0))
			return -1;
		if (parse_directives(p, true) < 0)
			return -1;
	}
	return next(p);
}

/* ---- selections --------------------------------------------------------- */

static void
keep(struct parse *p, struct view name, bool spread)
{
	if (p->n_items == p->cap_items) {
		size_t cap = p->cap_items > 0 ? p->cap_items * 2 : 32;
		struct selection *v = ARENA_ARRAY(p->a, cap, struct selection);

		if (p->n_items > 0)
			memcpy(v, p->items, p->n_items * sizeof(*v));
		p->items = v;
		p->cap_items = cap;
	}
	p->items[p->n_items++] = (struct selection) { name, spread };
}

static int parse_selections(struct parse *p, bool root);

static int
parse_field(struct parse *p, bool root)
{
	struct view name;

	if (want_name(p, &name) < 0)
		return -1;
	if (at_punct(p, ':')) /* that was the alias */
		if (next(p) < 0 || want_name(p, &name) < 0)
			return -1;
	if (root)
		keep(p, name, false);
	if (parse_arguments(p, false) < 0 || parse_directives(p, false) < 0)
		return -1;
	return at_punct(p, '{') ? parse_selections(p, false) : 0;
}

/* Behind "...": a spread, or an inline fragment. */
static int
parse_fragment_use(struct parse *p, bool root)
{
	struct view name;

	if (next(p) < 0)
		return -1;
	if (p->lex.token == GT_NAME && !at_word(p, "on")) {
		if (want_name(p, &name) < 0)
			return -1;
		if (root)
			keep(p, name, true);
		return parse_directives(p, false);
	}
	if (at_word(p, "on") && (next(p) < 0 || want_name(p, &name) < 0))
		return -1;
	if (parse_directives(p, false) < 0)
		return -1;
	return parse_selections(p, root);
}

static int
parse_selections(struct parse *p, bool root)
{
	if (enter(p) < 0 || want_punct(p, '{') < 0)
		return -1;
	if (at_punct(p, '}'))
		return bad(p, "an empty selection set");
	while (!at_punct(p, '}')) {
		int r = p->lex.token == GT_SPREAD ? parse_fragment_use(p, root)
						  : parse_field(p, root);

		if (r < 0)
			return -1;
	}
	p->depth--;
	return next(p);
}

/* ---- definitions -------------------------------------------------------- */

static int
parse_fragment(struct parse *p, struct definition *d)
{
	struct view type;

	d->fragment = true;
	if (next(p) < 0)
		return -1;
	if (at_word(p, "on"))
		return bad(p, "a fragment cannot be named \"on\"");
	if (want_name(p, &d->name) < 0)
		return -1;
	if (!at_word(p, "on"))
		return bad(p, "expected \"on\"");
	if (next(p) < 0 || want_name(p, &type) < 0)
		return -1;
	return parse_directives(p, false);
}

static int
parse_head(struct parse *p, struct definition *d)
{
	if (at_punct(p, '{'))
		return 0; /* the short form of a query */
	if (at_word(p, "fragment"))
		return parse_fragment(p, d);
	for (size_t i = 0; i < ARRAY_LEN(type_names); i++) {
		if (!at_word(p, type_names[i]))
			continue;
		d->type = (enum gql_type)i;
		if (next(p) < 0)
			return -1;
		if (p->lex.token == GT_NAME && want_name(p, &d->name) < 0)
			return -1;
		if (parse_variables(p) < 0)
			return -1;
		return parse_directives(p, false);
	}
	return bad(p, "not an operation or fragment");
}

static struct definition *
find(const struct parse *p, struct view name, bool fragment)
{
	for (struct definition *d = p->defs; d != NULL; d = d->next)
		if (d->fragment == fragment && view_eq(d->name, name))
			return d;
	return NULL;
}

static int
parse_definition(struct parse *p)
{
	struct definition *d = ARENA_NEW(p->a, struct definition);

	if (parse_head(p, d) < 0)
		return -1;
	/* Anonymous ones too: two of them leave no way to say which. */
	if (find(p, d->name, d->fragment) != NULL)
		return bad(p, "two definitions of one name");
	d->first = p->n_items;
	if (parse_selections(p, true) < 0)
		return -1;
	d->n = p->n_items - d->first;
	*p->tail = d;
	p->tail = &d->next;
	return 0;
}

/* ---- which one runs, and what it reaches -------------------------------- */

static int
choose(struct parse *p, struct view name, struct definition **out)
{
	size_t n = 0;
	bool anonymous = false;

	*out = NULL;
	for (struct definition *d = p->defs; d != NULL; d = d->next) {
		if (d->fragment)
			continue;
		n++;
		anonymous = anonymous || d->name.n == 0;
		if (name.n == 0 || view_eq(d->name, name))
			*out = d;
	}
	if (n == 0)
		return err_set(p->e, ERR_PROTO, "GraphQL: no operation");
	if (anonymous && n > 1)
		return err_set(p->e, ERR_PROTO,
		    "GraphQL: an operation without name beside others");
	if (name.n == 0 && n > 1)
		return err_set(p->e, ERR_PROTO,
		    "GraphQL: several operations and no operationName");
	if (*out == NULL)
		return err_set(p->e, ERR_PROTO,
		    "GraphQL: no operation of the name operationName gives");
	return 0;
}

static int
add_field(struct parse *p, struct gql_operation *op, struct view name)
{
	for (size_t i = 0; i < op->n_fields; i++)
		if (view_eq(op->fields[i], name))
			return 0;
	if (op->n_fields == GQL_FIELDS_MAX)
		return err_set(p->e, ERR_LIMIT,
		    "GraphQL: more than %d root fields", GQL_FIELDS_MAX);
	op->fields[op->n_fields++] = name;
	return 0;
}

/* Each fragment once, so that cycles end. */
static int
collect(struct parse *p, struct definition *start, struct gql_operation *op)
{
	struct definition **work =
	    ARENA_ARRAY(p->a, p->n_items + 1, struct definition *);
	size_t n = 0;

	op->fields = ARENA_ARRAY(
	    p->a, MIN(p->n_items, (size_t)GQL_FIELDS_MAX), struct view);
	work[n++] = start;
	while (n > 0) {
		const struct definition *d = work[--n];

		for (size_t i = d->first; i < d->first + d->n; i++) {
			struct definition *f;

			if (!p->items[i].spread) {
				if (add_field(p, op, p->items[i].name) < 0)
					return -1;
				continue;
			}
			f = find(p, p->items[i].name, true);
			if (f == NULL)
				return err_set(p->e, ERR_PROTO,
				    "GraphQL: a fragment that is not defined");
			if (!f->visited) {
				f->visited = true;
				work[n++] = f;
			}
		}
	}
	/* Nothing but a cycle: no rule about fields would say no to it. */
	if (op->n_fields == 0)
		return err_set(p->e, ERR_PROTO,
		    "GraphQL: an operation that reaches no field");
	return 0;
}

int
gql_operation(struct view text, struct view name, struct arena *a,
    size_t *tokens, struct gql_operation *out, struct err *e)
{
	struct parse p = {
		.lex = { .text = text, .left = tokens }, .a = a, .e = e
	};
	struct definition *d;

	p.tail = &p.defs;
	*out = (struct gql_operation) { 0 };
	if (next(&p) < 0)
		return -1;
	while (p.lex.token != GT_END)
		if (parse_definition(&p) < 0)
			return -1;
	if (choose(&p, name, &d) < 0)
		return -1;
	out->type = d->type;
	out->name = d->name;
	return collect(&p, d, out);
}
