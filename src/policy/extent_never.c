/* extent_never: reads a set of requests, as extent.h writes them. */
#include "policy/extent_impl.h"

#include <stdlib.h>

#include "base/mem.h"

struct reader {
	struct extent_never *n;
	struct err *e;
};

static int
invalid(struct reader *r, const char *what, struct view v)
{
	return err_set(r->e, ERR_INVALID, "%s: '%s'", what, p_show(v).text);
}

/* A copy with ASCII letters in the other case. */
static struct view
folded(struct reader *r, struct view v, char from, char to)
{
	struct view out = arena_view(&r->n->arena, v);
	char *p = (char *)out.p;

	for (size_t i = 0; i < out.n; i++)
		if (p[i] >= from && p[i] <= to)
			p[i] ^= 0x20;
	return out;
}

static int
read_methods(struct reader *r, struct view v)
{
	struct view rest = v;

	if (view_eq(v, VIEW("*")))
		return 0;
	r->n->methods = ARENA_ARRAY(&r->n->arena, v.n, struct view);
	while (rest.p != NULL) {
		struct view m = view_cut(rest, ',', &rest);

		if (view_eq(m, VIEW("*")))
			return invalid(
			    r, "'*' stands alone, for any method", v);
		if (!extent_method_valid(m))
			return invalid(
			    r, "not a method that the proxy passes on", m);
		r->n->methods[r->n->n_methods++] = folded(r, m, 'a', 'z');
		r->n->messages |= view_eq(
		    r->n->methods[r->n->n_methods - 1], VIEW(EXTENT_TEXT));
	}
	if (r->n->messages && r->n->n_methods > 1)
		return invalid(r, EXTENT_TEXT " stands alone", v);
	return 0;
}

/* Of GraphQL: what messages carry, instead of requests. */
static void
ask_messages(struct extent_never *n)
{
	n->messages = true;
	n->methods[0] = VIEW(EXTENT_TEXT); /* there are carriers */
	n->n_methods = 1;
}

static int
read_scheme(struct reader *r, struct view *v)
{
	static const struct {
		struct view prefix;
		uint16_t port;
		bool socket;
	} schemes[] = { { { "https://", 8 }, 443, false },
		{ { "http://", 7 }, 80, false }, { { "wss://", 6 }, 443, true },
		{ { "ws://", 5 }, 80, true } };

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (view_eq_nocase(view_slice(*v, 0, schemes[i].prefix.n),
			schemes[i].prefix)) {
			*v = view_slice(*v, schemes[i].prefix.n, v->n);
			r->n->port = schemes[i].port;
			if (schemes[i].socket && r->n->op &&
			    r->n->kind == POLICY_OP_GRAPHQL)
				ask_messages(r->n);
			return 0;
		}
	if (memmem(v->p, v->n, "://", 3) != NULL)
		return invalid(r, "the scheme is neither http nor https", *v);
	return 0;
}

static int
read_port(struct reader *r, struct view v)
{
	uint64_t n;

	if (view_eq(v, VIEW("*"))) {
		r->n->port = 0;
		return 0;
	}
	if (!view_u64(v, UINT16_MAX, &n) || n == 0)
		return invalid(r, "the port is not 1 to 65535, or '*'", v);
	r->n->port = (uint16_t)n;
	return 0;
}

static bool
stop_at_first(void *ctx, struct view word UNUSED, const uint64_t *in UNUSED)
{
	*(bool *)ctx = true;
	return true;
}

/* Does any string of `rules` match? */
static int
check_possible(const struct automaton_rules *rules, struct automaton *a,
    size_t longest, const char *what, struct view v, struct err *e)
{
	struct automaton *all = automaton_of_rules(rules);
	struct atoms_set sets[] = { { all, ATOMS_MUST }, { a, ATOMS_MUST } };
	struct atoms_query q = { sets, ARRAY_LEN(sets), longest };
	struct atoms_budget budget = { 1 << 24 };
	bool found = false;
	int rc = atoms_find(&q, &budget, stop_at_first, &found, e);

	automaton_free(all);
	if (rc < 0)
		return err_wrap(e, "pattern '%s'", p_show(v).text);
	if (!found)
		return err_set(
		    e, ERR_INVALID, "%s: '%s'", what, p_show(v).text);
	return 0;
}

static int
read_glob(struct reader *r, struct view v, char delim, struct glob **g,
    struct automaton **a)
{
	if (glob_new(v, delim, g, r->e) < 0)
		return err_wrap(r->e, "pattern '%s'", p_show(v).text);
	*a = automaton_of_glob(*g);
	return 0;
}

/* "**.a.com" is one label or more, as in a policy. */
static int
read_host_glob(struct reader *r, struct view v)
{
	AUTO_BUF struct buf text = BUF_INIT(GLOB_MAX + 8);

	if (view_starts(v, VIEW("**.")))
		buf_puts(&text, "*.");
	buf_put(&text, v);
	r->n->host = NEVER_NAMES;
	if (read_glob(r, buf_view(&text), '.', &r->n->host_glob, &r->n->names) <
	    0)
		return -1;
	return check_possible(&extent_names, r->n->names, P_HOST_MAX,
	    "no host name can match", v, r->e);
}

static int
read_host(struct reader *r, struct view v)
{
	struct view host = folded(r, v, 'A', 'Z');
	struct p_host *h = &r->n->literal;
	struct view text;

	if (v.n == 0)
		return err_set(r->e, ERR_INVALID, "the host is missing");
	if (view_eq(v, VIEW("*")) || view_eq(v, VIEW("**")))
		return 0;
	if (p_host_normalise(v, h) < 0)
		return read_host_glob(r, host);
	text = (struct view) { h->text, h->n };
	r->n->host = p_host_is_address(text) ? NEVER_ADDRESS : NEVER_NAMES;
	if (r->n->host == NEVER_NAMES)
		r->n->names = automaton_of_word(text);
	return 0;
}

static int
read_authority(struct reader *r, struct view v)
{
	const char *end =
	    v.n > 0 && v.p[0] == '[' ? memchr(v.p, ']', v.n) : NULL;
	const char *colon = memrchr(v.p, ':', v.n);
	struct view host = v;

	/* Inside of brackets colons belong to an address. */
	if (colon != NULL && (end == NULL || colon > end)) {
		host = view_slice(v, 0, (size_t)(colon - v.p));
		if (read_port(r, view_slice(v, host.n + 1, v.n)) < 0)
			return -1;
	}
	return read_host(r, host);
}

/* --- operations ------------------------------------------------------- */

static const struct form {
	struct view word;
	enum policy_op_kind kind;
	const char *carriers;
	bool second; /* takes a tool, a field or a method */
	char delim;
} forms[] = {
	{ { "json-rpc", 8 }, POLICY_OP_CALL, "POST", false, '/' },
	{ { "mcp", 3 }, POLICY_OP_CALL, "POST", true, '/' },
	{ { "graphql", 7 }, POLICY_OP_GRAPHQL, "POST,GET", true, '.' },
	{ { "grpc", 4 }, POLICY_OP_GRPC, "POST", true, '.' },
};

static const struct form *
form_of(struct view word)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (view_eq(word, forms[i].word))
			return &forms[i];
	return NULL;
}

/* A pattern of an operation; "*" and "**" are any. */
static int
read_pattern(struct reader *r, const struct automaton_rules *words,
    size_t longest, char delim, const char *what, struct view v,
    struct glob **g, struct automaton **a)
{
	/* A service has dots, which only "**" may stand for. */
	if ((view_eq(v, VIEW("*")) && words != &extent_segments) ||
	    view_eq(v, VIEW("**")))
		return 0;
	if (read_glob(r, v, delim, g, a) < 0)
		return -1;
	return check_possible(words, *a, longest, what, v, r->e);
}

static int
read_type(struct reader *r, struct view v)
{
	if (view_eq(v, VIEW("*")))
		return 0;
	if (!view_eq(v, VIEW("query")) && !view_eq(v, VIEW("mutation")) &&
	    !view_eq(v, VIEW("subscription")))
		return invalid(r,
		    "the type of a GraphQL operation is query, mutation, "
		    "subscription or *",
		    v);
	r->n->type = arena_view(&r->n->arena, v);
	return 0;
}

/* "mcp tools/call delete_* TARGET"; *target is what is left. */
static int
read_operation(struct reader *r, const struct form *form, struct view v,
    struct view *target)
{
	bool graphql = form->kind == POLICY_OP_GRAPHQL;
	bool grpc = form->kind == POLICY_OP_GRPC;
	struct view rest, word = view_cut(view_trim(v), ' ', &rest);

	r->n->op = true;
	r->n->kind = form->kind;
	if (rest.p == NULL)
		return invalid(r,
		    "an operation and a target are needed "
		    "('mcp tools/call delete_* https://HOST')",
		    v);
	if (read_methods(r, view_of(form->carriers)) < 0)
		return -1;
	if (graphql ? read_type(r, word) < 0
		    : read_pattern(r, grpc ? &extent_segments : &extent_calls,
			  EXTENT_CALL_MAX, form->delim,
			  grpc ? "no service can match" : "no method can match",
			  word, &r->n->call_glob, &r->n->call) < 0)
		return -1;
	*target = view_trim(rest);
	word = view_cut(*target, ' ', &rest);
	if (rest.p == NULL)
		return 0;
	if (!form->second)
		return invalid(r, "json-rpc takes a method and a target", v);
	*target = view_trim(rest);
	if (grpc && view_eq(word, VIEW("*"))) /* any, as it is of an rpc */
		return 0;
	return read_pattern(r,
	    graphql ? &extent_graphql
	    : grpc  ? &extent_segments
		    : &extent_strings,
	    EXTENT_VALUE_MAX, form->delim,
	    graphql ? "no field can match"
	    : grpc  ? "no method can match"
		    : "no tool can match",
	    word, &r->n->tool_glob, &r->n->tool);
}

/* Of a tool, the method must be able to be the one that calls it. */
static int
check_tool(struct reader *r)
{
	struct extent_never *n = r->n;

	if (n->kind != POLICY_OP_CALL || n->tool == NULL ||
	    n->call_glob == NULL ||
	    glob_match(n->call_glob, VIEW("tools/call")))
		return 0;
	return err_set(r->e, ERR_INVALID,
	    "a tool is only of method tools/call, which the pattern before it "
	    "does not match");
}

static int
read_all(struct reader *r, struct view text)
{
	struct view rest, method = view_cut(view_trim(text), ' ', &rest);
	struct view target = view_trim(rest);
	const struct form *form = form_of(method);
	ssize_t slash;

	if (rest.p == NULL)
		target = method;
	else if (form != NULL) {
		if (read_operation(r, form, rest, &target) < 0 ||
		    check_tool(r) < 0)
			return -1;
	} else if (read_methods(r, method) < 0)
		return -1;
	if (p_has_control(target) || view_find(target, ' ') >= 0)
		return invalid(r, "more than a method and a target", text);
	if (read_scheme(r, &target) < 0)
		return -1;
	if (r->n->op && r->n->kind == POLICY_OP_GRPC)
		r->n->paths = automaton_of_pair(r->n->call, r->n->tool);
	slash = view_find(target, '/');
	if (slash < 0)
		return read_authority(r, target);
	if (read_authority(r, view_slice(target, 0, (size_t)slash)) < 0)
		return -1;
	target = view_slice(target, (size_t)slash, target.n);
	if (r->n->op && r->n->kind == POLICY_OP_GRPC)
		return invalid(r,
		    "the path of a gRPC call is its service and method", text);
	if (read_glob(r, target, '/', &r->n->path_glob, &r->n->paths) < 0)
		return -1;
	return check_possible(&extent_paths, r->n->paths, EXTENT_PATH_MAX,
	    "no canonical path can match", target, r->e);
}

int
extent_never_parse(struct view text, struct extent_never **out, struct err *e)
{
	AUTO_NEVER struct extent_never *n = NEW(struct extent_never);
	struct reader r = { n, e };

	if (text.n > GLOB_MAX)
		return err_set(e, ERR_LIMIT, "longer than %d bytes", GLOB_MAX);
	if (read_all(&r, text) < 0)
		return -1;
	*out = take_ptr(n);
	return 0;
}

int
extent_program_check(struct view v, struct err *e)
{
	struct glob *g = NULL;
	struct automaton *a;
	int rc;

	if (view_find(v, '*') < 0) {
		a = automaton_of_word(v);
	} else {
		if (glob_new(v, '/', &g, e) < 0)
			return err_wrap(e, "pattern '%s'", p_show(v).text);
		a = automaton_of_glob(g);
	}
	rc = check_possible(&extent_programs, a, EXTENT_PROGRAM_MAX,
	    "no program can have that path", v, e);
	automaton_free(a);
	glob_free(g);
	return rc;
}

void
extent_never_free(struct extent_never *n)
{
	if (n == NULL)
		return;
	automaton_free(n->names);
	automaton_free(n->paths);
	automaton_free(n->call);
	automaton_free(n->tool);
	glob_free(n->call_glob);
	glob_free(n->tool_glob);
	glob_free(n->host_glob);
	glob_free(n->path_glob);
	arena_fini(&n->arena);
	free(n);
}

void
extent_never_free_at(struct extent_never **n)
{
	extent_never_free(*n);
}
