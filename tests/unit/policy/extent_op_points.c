#include "extent_op_points.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/glob.h"
#include "policy/model.h"
#include "policy/extent.h"

/* --- choices from bytes ------------------------------------------------ */

struct dice {
	const uint8_t *p;
	size_t n;
};

/* 0 once the bytes are used up, which is always the plainest choice. */
static unsigned
roll(struct dice *d, unsigned sides)
{
	if (d->n == 0)
		return 0;
	d->n--;
	return *d->p++ % sides;
}

#define PICK(d, menu) ((menu)[roll((d), (unsigned)ARRAY_LEN(menu))])

static const char *const globs[] = { "a", "a*", "**", "{a,b}", "b", "?" };
static const char *const services[] = { "a", "a*", "**", "{a,b}", "b", "?", "*",
	"*.b", "**.b", "a%2Fb" };
static const char *const scopes[] = { "", "", "/a", "/*", "/a/**", "/a/b",
	"/**/b", "/[!a]*/**", "/?/{a,b}", "/**" };
static const char *const paths[] = { "/**", "**", "/a", "/a/*", "/*/b",
	"/{a,ab}/**", "/a/b" };

/* --- policies ------------------------------------------------------------ */

static void
put_call(struct dice *d, struct buf *y, bool mcp)
{
	static const char *const exact[] = { "'*'", "x", "tools/call" };
	static const char *const tools[] = { "'*'", "x", "tools/call",
		"'tools/*'", "tools/call" };
	const char *method = mcp ? PICK(d, tools) : PICK(d, exact);

	buf_printf(y, "{method: %s", method);
	if (mcp && strcmp(method, "tools/call") == 0 && roll(d, 2) == 1)
		buf_printf(y, ", tool: '%s'", PICK(d, globs));
	else if (mcp && roll(d, 4) == 3)
		buf_printf(y, ", params: {name: '%s'}", PICK(d, globs));
	else if (mcp && roll(d, 3) == 2)
		buf_printf(y, ", params: {p: {any: ['%s', '%s']}}",
		    PICK(d, globs), PICK(d, globs));
	buf_putc(y, '}');
}

static void
put_graphql(struct dice *d, struct buf *y)
{
	static const char *const types[] = { "query", "mutation", "'*'" };

	buf_printf(y, "{operation_type: %s", PICK(d, types));
	if (roll(d, 2) == 1)
		buf_printf(y, ", operation_name: '%s'", PICK(d, globs));
	if (roll(d, 2) == 1)
		buf_printf(y, ", fields: ['%s']", PICK(d, globs));
	buf_putc(y, '}');
}

static void
put_grpc(struct dice *d, struct buf *y)
{
	buf_printf(y, "{service: '%s'", PICK(d, services));
	if (roll(d, 3) > 0)
		buf_printf(y, ", rpc: '%s'", PICK(d, services));
	buf_putc(y, '}');
}

static void
put_request(struct dice *d, struct buf *y)
{
	static const char *const methods[] = { "POST", "'*'", "GET", "GET" };
	static const char *const queries[] = { "", "", "{p: a}", "{p: 'a*'}",
		"{q: '*'}", "{p: b, q: a}" };
	const char *method = PICK(d, methods), *path = PICK(d, paths),
		   *query = PICK(d, queries);

	buf_printf(y, "{method: %s, path: '%s'", method, path);
	if (*query != '\0')
		buf_printf(y, ", query: %s", query);
	buf_putc(y, '}');
}

/* Of a WebSocket: the upgrade first; then messages, of either kind. */
static void
put_message(struct dice *d, struct buf *y, unsigned i)
{
	static const char *const texts[] = { "/**", "/a", "/*/b" };

	if (i > 0 && roll(d, 4) > 0)
		put_graphql(d, y);
	else if (i > 0 && roll(d, 2) == 1)
		buf_printf(y, "{method: WEBSOCKET_TEXT, path: '%s'%s}",
		    PICK(d, texts), roll(d, 2) == 1 ? ", query: {p: a}" : "");
	else
		put_request(d, y);
}

static void
put_rule(struct dice *d, struct buf *y, char protocol, unsigned i)
{
	switch (protocol) {
	case 'w':
		put_message(d, y, i);
		break;
	case 'g':
		put_graphql(d, y);
		break;
	case 'r':
		put_grpc(d, y);
		break;
	case 'h':
		put_request(d, y);
		break;
	default:
		put_call(d, y, protocol == 'm');
	}
}

static void
put_endpoint(struct dice *d, struct buf *y)
{
	static const struct {
		const char *name;
		char letter;
	} protocols[] = { { "grpc", 'r' }, { "mcp", 'm' }, { "graphql", 'g' },
		{ "json-rpc", 'j' }, { "rest", 'h' }, { "grpc", 'r' },
		{ "websocket", 'w' }, { "websocket", 'w' } };
	unsigned which = roll(d, (unsigned)ARRAY_LEN(protocols));
	char letter = protocols[which].letter;
	const char *scope = PICK(d, scopes);
	unsigned n = 1 + roll(d, 3), more = roll(d, 16);

	buf_printf(y, "    - {host: h.t, port: 1, protocol: %s",
	    protocols[which].name);
	if (*scope != '\0')
		buf_printf(y, ", path: '%s'", scope);
	if (more == 7)
		buf_puts(y, ", enforcement: audit");
	if (more > 11)
		buf_puts(y, ", allow_encoded_slash: true");
	if (more == 8 && (letter == 'g' || letter == 'w'))
		buf_printf(y,
		    ", persisted_queries: allow_registered, "
		    "graphql_persisted_queries: {one: {operation_type: %s, "
		    "fields: [%s]}}",
		    roll(d, 2) == 1 ? "mutation" : "query",
		    roll(d, 2) == 1 ? "b" : "a");
	if (letter == 'm')
		buf_printf(y,
		    ", mcp: {strict_tool_names: %s, "
		    "allow_all_known_mcp_methods: %s}",
		    roll(d, 2) == 1 ? "true" : "false",
		    roll(d, 4) == 3 ? "true" : "false");
	for (unsigned deny = 0; deny < 2; deny++) {
		if (deny && roll(d, 2) == 1)
			break;
		buf_puts(y, deny ? ", deny_rules: [" : ", rules: [");
		for (unsigned i = 0; i < n; i++) {
			buf_puts(y, i > 0 ? ", " : "");
			buf_puts(y, deny ? "" : "{allow: ");
			put_rule(d, y, letter, i + deny);
			buf_puts(y, deny ? "" : "}");
		}
		buf_putc(y, ']');
	}
	buf_puts(y, "}\n");
}

static void
put_policy(struct dice *d, struct buf *y)
{
	unsigned n = 1 + roll(d, 3);

	buf_puts(y, "version: 1\nnetwork_policies:\n  p:\n"
		    "    binaries: [{path: /x}]\n    endpoints:\n");
	for (unsigned i = 0; i < n; i++)
		put_endpoint(d, y);
}

/* --- the engine ---------------------------------------------------------- */

/* In a message of the WebSocket that a GET opens. */
static bool
message_passes(const struct snapshot *s, const struct policy_who *who,
    const struct extent_request *q, const struct policy_treatment *t)
{
	struct policy_request r = { VIEW("GET"), q->path, q->query };
	struct policy_op text = { .kind = POLICY_OP_TEXT };
	bool in = t->graphql_messages && q->carries == EXTENT_OPERATION_IN;
	struct policy_reason why;
	struct policy_verdict v;

	policy_decide_request(s, who, VIEW("h.t"), 1, &r, &v, &why);
	if (v.bad_query || (!v.allow && v.enforcement != POLICY_AUDIT))
		return false;
	if (t->protocol == POLICY_PROTO_REST)
		return true;
	if (t->protocol != POLICY_PROTO_WEBSOCKET &&
	    t->protocol != POLICY_PROTO_GRAPHQL)
		return t->enforcement == POLICY_AUDIT; /* opens none else */
	policy_decide_op(
	    s, who, VIEW("h.t"), 1, &r, in ? &q->op : &text, &v, &why);
	return v.allow || v.enforcement == POLICY_AUDIT;
}

static bool
passes(const struct snapshot *s, const struct extent_request *q)
{
	struct policy_who who = { .exe = VIEW("/x") };
	struct policy_request r = { q->method, q->path, q->query };
	struct policy_reason why;
	struct policy_treatment t;
	struct policy_verdict v;

	(void)policy_treat_request(s, &who, VIEW("h.t"), 1, q->path, &t);
	if (!t.allow_encoded_slash && memmem(q->path.p, q->path.n, "%2F", 3))
		return false;
	if (view_eq(q->method, VIEW("WEBSOCKET_TEXT")))
		return message_passes(s, &who, q, &t);
	policy_decide_request(s, &who, VIEW("h.t"), 1, &r, &v, &why);
	if (v.bad_query || v.enforcement == POLICY_AUDIT || !v.allow ||
	    !v.operations)
		return v.allow ||
		       (!v.bad_query && v.enforcement == POLICY_AUDIT);
	if (q->carries != EXTENT_OPERATION_IN)
		return q->carries == EXTENT_NOTHING &&
		       v.protocol == POLICY_PROTO_MCP;
	policy_decide_op(s, &who, VIEW("h.t"), 1, &r, &q->op, &v, &why);
	return v.allow;
}

/* --- questions ----------------------------------------------------------- */

struct question {
	const char *text;
	/* 'm': a tool; 'r': a call of gRPC; 'g': GraphQL; 'p': a path */
	char about;
	const char *method, *first, *second;
};

static const struct question questions[] = {
	{ "mcp tools/call a* h.t", 'm', "POST", "a*", "" },
	{ "grpc a h.t", 'r', "POST", "a", "**" },
	{ "grpc ** b h.t", 'r', "POST", "**", "b" },
	{ "grpc * {a,c} h.t", 'r', "POST", "*", "{a,c}" },
	{ "grpc **.b [!a]* h.t", 'r', "POST", "**.b", "[!a]*" },
	{ "POST h.t/a/*", 'p', "POST", "/a/*", "" },
	{ "POST h.t/**/b", 'p', "POST", "/**/b", "" },
	{ "GET h.t/*", 'p', "GET", "/*", "" },
	{ "graphql mutation wss://h.t:1", 'g', "WEBSOCKET_TEXT", "mutation",
	    "**" },
	{ "graphql * a* ws://h.t:1", 'g', "WEBSOCKET_TEXT", "*", "a*" },
	{ "graphql query b https://h.t:1", 'g', "GET", "query", "b" },
	{ "graphql mutation h.t", 'g', "GET", "mutation", "**" },
	{ "WEBSOCKET_TEXT h.t/**", 'p', "WEBSOCKET_TEXT", "/**", "" },
};

static bool
globbed(const char *pattern, struct view v, char delim)
{
	struct glob *g = NULL;
	struct err e;
	bool yes;

	if (glob_new(view_of(pattern), delim, &g, &e) < 0)
		abort();
	yes = glob_match(g, v);
	glob_free(g);
	return yes;
}

static bool
asks_graphql(const struct question *a, const struct policy_op *op)
{
	bool some = false;

	if (op->kind != POLICY_OP_GRAPHQL ||
	    (*a->first != '*' && !view_eq(op->type, view_of(a->first))))
		return false;
	for (size_t i = 0; i < op->n_fields; i++)
		some |= globbed(a->second, op->fields[i], '.');
	return some;
}

/* Where nobody looks, whatever is asked about may be in it. */
static bool
asked(const struct question *a, const struct extent_request *q)
{
	bool in = q->carries == EXTENT_OPERATION_IN;
	struct view service, method;

	if (!view_eq(q->method, view_of(a->method)) &&
	    !(*a->method == 'G' && a->about == 'g' &&
		view_eq(q->method, VIEW("POST"))))
		return false;
	if (a->about == 'p')
		return globbed(a->first, q->path, '/');
	if (q->carries == EXTENT_NOTHING)
		return false;
	if (a->about == 'g')
		return !in || asks_graphql(a, &q->op);
	if (a->about == 'm') {
		if (!in)
			return true;
		return q->op.kind == POLICY_OP_CALL &&
		       view_eq(q->op.method, VIEW("tools/call")) &&
		       q->op.n_params > 0 &&
		       view_eq(q->op.params[0].name, VIEW("name")) &&
		       globbed(a->first, q->op.params[0].value, '/');
	}
	if (in && q->op.kind != POLICY_OP_GRPC)
		return false;
	service = view_cut(view_slice(q->path, 1, q->path.n), '/', &method);
	return service.n > 0 && method.n > 0 && view_find(method, '/') < 0 &&
	       globbed(a->first, service, '.') &&
	       globbed(a->second, method, '.');
}

/* --- the points ---------------------------------------------------------- */

struct world {
	struct buf yaml[2];
	struct policy *p[2];
	struct snapshot *s[2];
	const struct question *ask;
	bool queries; /* some rule looks at one */
	bool more, less, asked;
};

static void
see(struct world *w, const struct extent_request *q)
{
	bool a = passes(w->s[0], q), b = passes(w->s[1], q);

	w->more |= b && !a;
	w->less |= a && !b;
	w->asked |= a && asked(w->ask, q);
}

static void
see_params(
    struct world *w, struct extent_request q, const char *tool, const char *v)
{
	static const char *const values[] = { "a", "b", "ab", "-" };

	for (size_t z = 0; z < ARRAY_LEN(values); z++) {
		struct policy_param p[3];
		size_t n = 0;

		if (tool != NULL)
			p[n++] = (struct policy_param) { VIEW("name"),
				view_of(tool) };
		if (v != NULL) {
			p[n++] =
			    (struct policy_param) { VIEW("p"), view_of(v) };
			p[n++] = (struct policy_param) { VIEW("p"),
				view_of(values[z]) };
		}
		q.op.params = p;
		q.op.n_params = n;
		see(w, &q);
		if (v == NULL)
			return;
	}
}

static void
see_calls(struct world *w, struct extent_request q)
{
	static const char *const methods[] = { "x", "y", "tools/call",
		"tools/list" };
	static const char *const values[] = { NULL, "a", "b", "ab", "-", "c!" };
	size_t n = q.query.p == NULL ? ARRAY_LEN(values) : 1;

	q.op.kind = POLICY_OP_CALL;
	for (size_t m = 0; m < ARRAY_LEN(methods); m++)
		for (size_t t = 0; t < ARRAY_LEN(values); t++)
			for (size_t v = 0; v < n; v++) {
				q.op.method = view_of(methods[m]);
				see_params(w, q, values[t], values[v]);
			}
}

static void
see_graphql(struct world *w, struct extent_request q)
{
	static const char *const types[] = { "query", "mutation",
		"subscription" };
	static const char *const names[] = { "", "a", "b", "ab", "c" };

	q.op = (struct policy_op) { .kind = POLICY_OP_GRAPHQL,
		.persisted = VIEW("one") };
	see(w, &q);
	q.op.persisted = VIEW("");
	for (size_t t = 0; t < ARRAY_LEN(types); t++)
		for (size_t n = 0; n < ARRAY_LEN(names); n++)
			for (size_t f = 1; f < ARRAY_LEN(names); f++)
				for (size_t g = f; g < ARRAY_LEN(names); g++) {
					struct view fields[] = {
						view_of(names[f]),
						view_of(names[g]),
					};

					q.op.type = view_of(types[t]);
					q.op.name = view_of(names[n]);
					q.op.fields = fields;
					q.op.n_fields = f == g ? 1 : 2;
					see(w, &q);
				}
}

static void
see_grpc(struct world *w, struct extent_request q)
{
	static const char *const names[] = { "a", "b", "ab", "c", "a.b", "ac.b",
		"a%2Fb" };

	q.carries = EXTENT_OPERATION_IN;
	q.op = (struct policy_op) { .kind = POLICY_OP_GRPC };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			char path[32];

			(void)snprintf(
			    path, sizeof(path), "/%s/%s", names[i], names[k]);
			q.path = view_of(path);
			q.op.service = view_of(names[i]);
			q.op.method = view_of(names[k]);
			see(w, &q);
		}
}

/* Some side looks for such operations there. */
static bool
is_treated(const struct world *w, struct view path, enum policy_op_kind kind)
{
	struct policy_who who = { .exe = VIEW("/x") };
	struct policy_treatment t;
	bool yes = false;

	for (unsigned i = 0; i < 2; i++) {
		(void)policy_treat_request(
		    w->s[i], &who, VIEW("h.t"), 1, path, &t);
		yes |= kind == POLICY_OP_GRAPHQL
			   ? t.graphql_messages
			   : t.protocol == POLICY_PROTO_MCP ||
				 t.protocol == POLICY_PROTO_JSON_RPC;
	}
	return yes;
}

static void
see_requests(struct world *w, struct view query)
{
	static const char *const methods[] = { "POST", "GET", "WEBSOCKET_TEXT",
		"DELETE", "PUT" };
	static const char *const at[] = { "/", "/a", "/b", "/b/c", "/a/b",
		"/a/c", "/a%2Fb" };

	for (size_t m = 0; m < ARRAY_LEN(methods); m++)
		for (size_t i = 0; i < ARRAY_LEN(at); i++) {
			struct extent_request q = { .method =
							view_of(methods[m]),
				.path = view_of(at[i]),
				.query = query };

			see(w, &q);
			q.carries = EXTENT_NOTHING;
			see(w, &q);
			q.carries = EXTENT_OPERATION_IN;
			if (m == 0 && is_treated(w, q.path, POLICY_OP_CALL))
				see_calls(w, q);
			if (m < 3 && is_treated(w, q.path, POLICY_OP_GRAPHQL))
				see_graphql(w, q);
			if (m == 0 && i == 0)
				see_grpc(w, q);
		}
}

static void
see_all(struct world *w)
{
	static const char *const queries[] = { NULL, "p=a", "p=b", "p=ab",
		"q=c", "p=b&q=a", "p=a&q=a" };

	for (size_t i = 0; i < (w->queries ? ARRAY_LEN(queries) : 1); i++)
		see_requests(w, view_of(queries[i]));
}

/* --- what must agree ----------------------------------------------------- */

static void
fail_at(const struct world *w, const char *what)
{
	fprintf(stderr, "%s\n--- A\n%s--- B\n%s--- never %s\n", what,
	    buf_str((struct buf *)&w->yaml[0]),
	    buf_str((struct buf *)&w->yaml[1]), w->ask->text);
	abort();
}

#define MUST(w, cond, what) \
	do { \
		if (!(cond)) \
			fail_at(w, what); \
	} while (0)

static void
check_proof(const struct world *w)
{
	AUTO_PROOF struct extent_proof r = { 0 };
	AUTO_NEVER struct extent_never *n = NULL;
	struct err e;

	if (extent_never_parse(view_of(w->ask->text), &n, &e) < 0 ||
	    extent_prove(w->p[0], n, NULL, 0, &r, &e) < 0)
		fail_at(w, e.text);
	MUST(w, !r.holds || !w->asked, "proved what is not so");
	if (r.holds)
		return;
	MUST(w, passes(w->s[0], &r.request), "the example does not pass");
	MUST(w, asked(w->ask, &r.request), "the example is not in the set");
}

static void
check_diff(const struct world *w)
{
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	bool more = false, less = false;
	struct err e;

	if (extent_compare(w->p[0], w->p[1], &d, &e) < 0) {
		/* The corner that is said not to be answered. */
		MUST(w, strstr(e.text, "json-rpc cannot be compared") != NULL,
		    e.text);
		return;
	}
	for (size_t i = 0; i < d.n; i++) {
		bool wider = d.v[i].kind == EXTENT_WIDENS;

		more |= wider;
		less |= !wider;
		MUST(w,
		    passes(w->s[0], &d.v[i].request) == !wider &&
			passes(w->s[1], &d.v[i].request) == wider,
		    "no difference");
	}
	MUST(w, more || !w->more, "a wider point was not seen");
	MUST(w, less || !w->less, "a narrower point was not seen");
}

static bool
make_policy(struct dice *d, struct world *w, unsigned i)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct err e;

	w->yaml[i] = BUF_INIT(1 << 16);
	put_policy(d, &w->yaml[i]);
	if (p_parse_lenient(buf_view(&w->yaml[i]), P_OVERLAPPING | P_UNENFORCED,
		&w->p[i], &f) < 0) {
		w->p[i] = NULL;
		return false;
	}
	if (snapshot_new(w->p[i], 1, &w->s[i], &e) < 0)
		abort();
	w->queries |= strstr(buf_str(&w->yaml[i]), "query: {") != NULL;
	return true;
}

/* Two of their own kind, or one and an edit of it: the same dice but one. */
static bool
make_policies(struct dice *d, struct world *w)
{
	unsigned kind = roll(d, 2), at = roll(d, 128), other = roll(d, 64);
	uint8_t same[128];
	struct dice edited = { same, MIN(d->n, sizeof(same)) };

	if (edited.n > 0) {
		memcpy(same, d->p, edited.n);
		same[at % edited.n] = (uint8_t)other;
	}
	return make_policy(d, w, 0) &&
	       make_policy(kind == 0 ? d : &edited, w, 1);
}

bool
extent_op_points_check(const uint8_t *p, size_t n)
{
	struct dice d = { p, n };
	struct world w = { .ask = &PICK(&d, questions) };

	if (make_policies(&d, &w)) {
		see_all(&w);
		check_proof(&w);
		check_diff(&w);
	}
	for (unsigned k = 0; k < 2; k++) {
		snapshot_unref(w.s[k]);
		policy_free(w.p[k]);
		buf_fini(&w.yaml[k]);
	}
	return w.more || w.less;
}
