/* Operations inside of requests, as sets: prove and diff. */
#include "fixture.h"

#include "base/mem.h"
#include "policy/extent.h"

static const char base[] =
    "version: 1\n"
    "network_policies:\n"
    "  tools:\n"
    "    endpoints:\n"
    "    - host: tools.test\n"
    "      port: 443\n"
    "      path: /mcp\n"
    "      protocol: mcp\n"
    "      rules:\n"
    "      - allow: {method: initialize}\n"
    "      - allow: {method: 'tools/list'}\n"
    "      - allow: {method: tools/call, tool: {any: ['read_*', search]}}\n"
    "      - allow: {method: tools/call, tool: write, "
    "params: {arguments: {dir: '/tmp/**'}}}\n"
    "      deny_rules:\n"
    "      - {method: tools/call, tool: read_secret}\n"
    "    - {host: tools.test, port: 443, path: '/api/**', protocol: rest, "
    "access: read-only}\n"
    "    binaries: [{path: /a}]\n"
    "  graph:\n"
    "    endpoints:\n"
    "    - host: graph.test\n"
    "      port: 443\n"
    "      protocol: graphql\n"
    "      rules:\n"
    "      - allow: {operation_type: query}\n"
    "      - allow: {operation_type: mutation, fields: [addStar, 'add*']}\n"
    "      deny_rules:\n"
    "      - {operation_type: '*', fields: [secret]}\n"
    "    binaries: [{path: /a}]\n"
    "  calls:\n"
    "    endpoints:\n"
    "    - host: calls.test\n"
    "      port: 443\n"
    "      protocol: json-rpc\n"
    "      rules:\n"
    "      - allow: {method: eth_call}\n"
    "      - allow: {method: eth_chainId}\n"
    "    binaries: [{path: /a}]\n"
    "  known:\n"
    "    endpoints:\n"
    "    - host: known.test\n"
    "      port: 443\n"
    "      protocol: mcp\n"
    "      mcp: {allow_all_known_mcp_methods: true}\n"
    "      rules:\n"
    "      - allow: {method: tools/call, tool: one}\n"
    "    binaries: [{path: /a}]\n"
    "  rpc:\n"
    "    endpoints:\n"
    "    - host: rpc.test\n"
    "      port: 443\n"
    "      protocol: grpc\n"
    "      rules:\n"
    "      - allow: {service: a.v1.Store, rpc: 'Get*'}\n"
    "      - allow: {service: 'a.*.Log'}\n"
    "      deny_rules: [{service: a.v2.Log, rpc: Drop}]\n"
    "    binaries: [{path: /a}]\n"
    "  raw:\n"
    "    endpoints: [{host: raw.test, port: 443}]\n"
    "    binaries: [{path: /a}]\n";

/* "tools/call name=read_ dir=/tmp/", "mutation f(addStar)", "-" */
static void
put_op(struct buf *out, const struct extent_request *q)
{
	const struct policy_op *op = &q->op;

	if (q->carries != EXTENT_OPERATION_IN) {
		buf_puts(out, q->carries == EXTENT_NOTHING ? " nothing" : "");
		return;
	}
	buf_printf(
	    out, " %s", op->kind == POLICY_OP_CALL ? op->method.p : op->type.p);
	for (size_t i = 0; i < op->n_params; i++)
		buf_printf(
		    out, " %s=%s", op->params[i].name.p, op->params[i].value.p);
	if (op->kind == POLICY_OP_GRAPHQL)
		buf_printf(out, " %s(", op->name.p);
	for (size_t i = 0; i < op->n_fields; i++)
		buf_printf(out, "%s%s", i > 0 ? "," : "", op->fields[i].p);
	if (op->kind == POLICY_OP_GRAPHQL)
		buf_putc(out, ')');
	if (op->persisted.n > 0)
		buf_printf(out, " as %s", op->persisted.p);
}

static const char *
proved(const char *yaml, const char *never)
{
	static struct buf out = BUF_INIT(1 << 16);
	AUTO_POLICY struct policy *p = must_parse("prove", yaml);
	AUTO_NEVER struct extent_never *n = NULL;
	AUTO_PROOF struct extent_proof r = { 0 };
	struct err e;

	if (extent_never_parse(view_of(never), &n, &e) < 0 ||
	    extent_prove(p, n, NULL, 0, &r, &e) < 0)
		fail_msg("%s: %s", never, e.text);
	buf_reset(&out);
	if (r.holds)
		return "yes";
	buf_printf(&out, "%s %s%s", r.request.method.p, r.request.host.p,
	    r.request.path.p);
	put_op(&out, &r.request);
	buf_printf(
	    &out, " (%s %d)", extent_how_word(r.cause.how), (int)r.cause.rule);
	return buf_str(&out);
}

TEST(extent_ops, prove_answers_for_operations)
{
	static const struct {
		const char *never, *answer;
	} rows[] = {
		{ "mcp tools/call delete_* https://tools.test", "yes" },
		{ "mcp tools/call read_secret https://tools.test/**", "yes" },
		{ "mcp tools/call read_s* https://tools.test/mcp",
		    "POST tools.test/mcp tools/call name=read_s (rule 2)" },
		{ "mcp tools/call write https://tools.test",
		    "POST tools.test/mcp tools/call name=write "
		    "arguments.dir=/tmp/ (rule 3)" },
		{ "mcp tools/call * https://tools.test/api/**", "yes" },
		{ "mcp tools/call https://tools.test/mcp",
		    "POST tools.test/mcp tools/call name=read_ (rule 2)" },
		{ "mcp resources/* https://tools.test", "yes" },
		{ "json-rpc tools/list https://tools.test",
		    "POST tools.test/mcp tools/list (rule 1)" },
		{ "graphql * https://tools.test/mcp", "yes" },
		{ "PUT https://tools.test", "yes" },
		{ "POST https://tools.test/api/**", "yes" },
		{ "POST https://tools.test/mcp",
		    "POST tools.test/mcp nothing (stream -1)" },
		{ "DELETE https://tools.test/mcp",
		    "DELETE tools.test/mcp nothing (stream -1)" },
		{ "DELETE https://tools.test/api/**", "yes" },
		{ "graphql mutation https://graph.test",
		    "POST graph.test/ mutation (add) (rule 1)" },
		{ "graphql mutation delete* https://graph.test", "yes" },
		{ "graphql subscription https://graph.test", "yes" },
		{ "graphql * secret https://graph.test", "yes" },
		{ "graphql query s* https://graph.test",
		    "POST graph.test/ query (s) (rule 0)" },
		{ "PUT https://graph.test", "yes" },
		{ "json-rpc eth_send* https://calls.test", "yes" },
		{ "json-rpc eth_* https://calls.test",
		    "POST calls.test/ eth_call (rule 0)" },
		{ "GET https://calls.test", "yes" },
		{ "mcp tools/call two https://known.test", "yes" },
		{ "mcp tools/call one https://known.test",
		    "POST known.test/ tools/call name=one (rule 0)" },
		{ "mcp prompts/* https://known.test",
		    "POST known.test/ prompts/ (known -1)" },
		{ "grpc a.v1.Store Delete* https://rpc.test", "yes" },
		{ "grpc a.v2.Log Drop https://rpc.test", "yes" },
		{ "grpc a.v1.Log Drop https://rpc.test",
		    "POST rpc.test/a.v1.Log/Drop  (rule 1)" },
		{ "grpc **.Store https://rpc.test",
		    "POST rpc.test/a.v1.Store/Get  (rule 0)" },
		{ "grpc b.** https://rpc.test", "yes" },
		{ "GET https://rpc.test", "yes" },
		{ "grpc ** https://graph.test", "yes" },
		/* Where nobody looks, an operation passes as all else does. */
		{ "mcp tools/call delete https://raw.test",
		    "POST raw.test/ (uninspected -1)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *is = proved(base, rows[i].never);

		if (strcmp(is, rows[i].answer) != 0)
			fail_msg("%s: %s", rows[i].never, is);
	}
}

TEST(extent_ops, refuses_questions_that_ask_nothing)
{
	static const struct {
		const char *never, *why;
	} rows[] = {
		{ "mcp https://a.test", "an operation and a target" },
		{ "mcp tools/list read_* a.test", "only of method tools/call" },
		{ "json-rpc a b a.test", "takes a method and a target" },
		{ "grpc a.B c https://a.test/x", "the path of a gRPC call" },
		{ "graphql create a.test", "query, mutation, subscription" },
		{ "graphql query a-b a.test", "no field can match" },
		{ "mcp tools/call [a a.test", "unclosed" },
		{ "mcp a b c a.test", "only of method" },
		{ "mcp tools/call b c a.test", "more than" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_NEVER struct extent_never *n = NULL;
		struct err e;

		if (extent_never_parse(view_of(rows[i].never), &n, &e) == 0)
			fail_msg("%s: taken", rows[i].never);
		CHECK_HAS(e.text, rows[i].why);
	}
}

static const char *
differences(const char *from, const char *to)
{
	static const char *const kinds[] = { "widens", "narrows", "changes" };
	static struct buf out = BUF_INIT(1 << 16);
	AUTO_POLICY struct policy *a = must_parse("from", from);
	AUTO_POLICY struct policy *b = must_parse("to", to);
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	struct err e;

	buf_reset(&out);
	if (extent_compare(a, b, &d, &e) < 0)
		buf_puts(&out, e.text);
	for (size_t i = 0; i < d.n; i++) {
		const struct extent_change *c = &d.v[i];

		buf_printf(&out, "%s %s %s.%u.%d %s %s%s", kinds[c->kind],
		    extent_dim_word(c->dim), c->cause.policy.p,
		    c->cause.endpoint, (int)c->cause.rule, c->request.method.p,
		    c->request.host.p, c->request.path.p);
		put_op(&out, &c->request);
		buf_putc(&out, '\n');
	}
	return buf_str(&out);
}

TEST(extent_ops, diff_compares_operations)
{
	static const struct {
		const char *from, *to, *changes;
	} rows[] = {
		{ "read_*", "read_*", "" },
		{ "{any: ['read_*', search]}", "{any: [search, 'read_*']}",
		    "" },
		{ "      - allow: {method: 'tools/list'}\n", "",
		    "narrows operation tools.0.1 POST tools.test/mcp "
		    "tools/list\n" },
		{ "'read_*', search", "'read_*', search, 'write_?'",
		    "widens operation tools.0.2 POST tools.test/mcp tools/call "
		    "name=write_a\n" },
		{ "tool: read_secret", "tool: 'read_s*'",
		    "narrows operation tools.0.2 POST tools.test/mcp "
		    "tools/call name=read_s\n" },
		{ "'/tmp/**'", "'/tmp/*'",
		    "narrows operation tools.0.3 POST tools.test/mcp "
		    "tools/call name=write arguments.dir=/tmp//\n" },
		{ "path: /mcp", "path: /mcp2", NULL },
		{ "[addStar, 'add*']", "['add*']", "" },
		{ "[addStar, 'add*']", "[addStar]",
		    "narrows operation graph.0.1 POST graph.test/ mutation "
		    "(add)\n" },
		{ "[secret]", "['s*']",
		    "narrows operation graph.0.0 POST graph.test/ query "
		    "(s)\n" },
		{ "eth_chainId", "eth_send",
		    "widens operation calls.0.1 POST calls.test/ eth_send\n"
		    "narrows operation calls.0.1 POST calls.test/ "
		    "eth_chainId\n" },
		{ "'Get*'", "'*'",
		    "widens operation rpc.0.0 POST rpc.test/a.v1.Store/a \n" },
		{ ", rpc: Drop}", ", rpc: 'D*'}",
		    "narrows operation rpc.0.1 POST rpc.test/a.v2.Log/D \n" },
		{ "tool: one", "tool: '*'",
		    "widens operation known.0.0 POST known.test/ tools/call "
		    "name=a\n" },
		/* What is not inspected lets more pass. */
		{ "protocol: json-rpc\n      rules:\n"
		  "      - allow: {method: eth_call}\n"
		  "      - allow: {method: eth_chainId}\n",
		    "protocol: rest\n      access: full\n", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *to = edited(base, rows[i].from, rows[i].to);
		const char *is = differences(base, to);

		if (rows[i].changes == NULL)
			CHECK(*is != '\0');
		else if (strcmp(is, rows[i].changes) != 0)
			fail_msg("%s -> %s:\n%s", rows[i].from, rows[i].to, is);
	}
}

/* What an id stands for is judged; but it must be known, too. */
TEST(extent_ops, diff_compares_registered_queries)
{
#define HEAD \
	"version: 1\nnetwork_policies:\n  p:\n    binaries: [{path: " \
	"/x}]\n    endpoints:\n    - {host: g.test, port: 1, protocol: " \
	"graphql, rules: [{allow: {operation_type: query}}]"
#define IDS(ids) \
	HEAD ", persisted_queries: allow_registered, " \
	     "graphql_persisted_queries: {" ids "}}\n"
#define ONE "one: {operation_type: query, operation_name: A, fields: [a]}"
#define TWO "two: {operation_type: query, fields: [b, c]}"
#define DROP "three: {operation_type: mutation}"
	static const struct {
		const char *from, *to, *changes;
	} rows[] = {
		{ IDS(ONE), IDS(ONE), "" },
		{ HEAD "}\n", IDS(ONE ", " TWO),
		    "widens operation p.0.-1 POST g.test/ query A(a) as "
		    "one\n" },
		{ IDS(ONE ", " TWO), IDS(ONE),
		    "narrows operation p.0.-1 POST g.test/ query (b,c) as "
		    "two\n" },
		/* No rule allows it, on either side. */
		{ IDS(ONE), IDS(ONE ", " DROP), "" },
		/* Another operation under its name is the server's to choose.
		 */
		{ IDS("one: {operation_type: query, fields: [z]}"), IDS(ONE),
		    "" },
		{ IDS("one: {operation_type: mutation}"), IDS(ONE),
		    "widens operation p.0.-1 POST g.test/ query A(a) as "
		    "one\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *is = differences(rows[i].from, rows[i].to);

		if (strcmp(is, rows[i].changes) != 0)
			fail_msg("%zu:\n%s", i, is);
	}
#undef HEAD
#undef IDS
#undef ONE
#undef TWO
#undef DROP
}

/* --- against the engine, on every operation of a small world -------------- */

static uint64_t dice = 0x2545f4914f6cdd1du;

static unsigned
roll(unsigned sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice >> 24) % sides;
}

#define PICK(menu) ((menu)[roll((unsigned)ARRAY_LEN(menu))])

static const char *const globs[] = { "a", "a*", "**", "{a,b}", "b", "?" };

static void
put_call(struct buf *y, bool mcp)
{
	static const char *const exact[] = { "'*'", "x", "tools/call" };
	static const char *const tools[] = { "'*'", "x", "tools/call",
		"'tools/*'", "tools/call" };
	const char *method = mcp ? PICK(tools) : PICK(exact);

	buf_printf(y, "{method: %s", method);
	if (mcp && strcmp(method, "tools/call") == 0 && roll(2) == 1)
		buf_printf(y, ", tool: '%s'", PICK(globs));
	else if (mcp && roll(4) == 3)
		buf_printf(y, ", params: {name: '%s'}", PICK(globs));
	else if (mcp && roll(3) == 2)
		buf_printf(y, ", params: {p: {any: ['%s', '%s']}}", PICK(globs),
		    PICK(globs));
	buf_putc(y, '}');
}

static void
put_graphql(struct buf *y)
{
	static const char *const types[] = { "query", "mutation", "'*'" };

	buf_printf(y, "{operation_type: %s", PICK(types));
	if (roll(2) == 1)
		buf_printf(y, ", operation_name: '%s'", PICK(globs));
	if (roll(2) == 1)
		buf_printf(y, ", fields: ['%s']", PICK(globs));
	buf_putc(y, '}');
}

static void
put_endpoint(struct buf *y)
{
	static const char *const protocols[] = { "mcp", "mcp", "graphql",
		"json-rpc", "rest", "grpc" };
	static const char *const paths[] = { "", "", ", path: /a",
		", path: '/*'" };
	const char *protocol = PICK(protocols);
	unsigned n = 1 + roll(3);

	buf_printf(y, "    - {host: h.t, port: 1, protocol: %s%s", protocol,
	    PICK(paths));
	if (roll(8) == 7)
		buf_puts(y, ", enforcement: audit");
	if (protocol[1] == 'r' && protocol[2] == 'p') {
		buf_printf(y,
		    ", rules: [{allow: {service: '%s', rpc: '%s'}}], "
		    "deny_rules: [{service: '%s', rpc: '%s'}]}\n",
		    PICK(globs), PICK(globs), PICK(globs), PICK(globs));
		return;
	}
	if (*protocol == 'r') {
		buf_puts(y, ", access: full}\n");
		return;
	}
	if (*protocol == 'm')
		buf_printf(y,
		    ", mcp: {strict_tool_names: %s, "
		    "allow_all_known_mcp_methods: %s}",
		    roll(2) == 1 ? "true" : "false",
		    roll(4) == 3 ? "true" : "false");
	for (unsigned deny = 0; deny < 2; deny++) {
		if (deny && roll(2) == 1)
			break;
		buf_puts(y, deny ? ", deny_rules: [" : ", rules: [");
		for (unsigned i = 0; i < n; i++) {
			buf_puts(y, i > 0 ? ", " : "");
			buf_puts(y, deny ? "" : "{allow: ");
			if (*protocol == 'g')
				put_graphql(y);
			else
				put_call(y, *protocol == 'm');
			buf_puts(y, deny ? "" : "}");
		}
		buf_putc(y, ']');
	}
	buf_puts(y, "}\n");
}

static struct policy *
make_policy(struct buf *y)
{
	for (;;) {
		AUTO_FINDINGS struct policy_findings f = { 0 };
		struct policy *p = NULL;
		unsigned n = 1 + roll(2);

		buf_reset(y);
		buf_puts(y, "version: 1\nnetwork_policies:\n  p:\n"
			    "    binaries: [{path: /x}]\n    endpoints:\n");
		for (unsigned i = 0; i < n; i++)
			put_endpoint(y);
		if (p_parse_lenient(
			buf_view(y), P_OVERLAPPING | P_UNENFORCED, &p, &f) == 0)
			return p;
	}
}

static bool
passes(const struct snapshot *s, const struct extent_request *q)
{
	struct policy_who who = { .exe = VIEW("/x") };
	struct policy_request r = { q->method, q->path, { NULL, 0 } };
	struct policy_reason why;
	struct policy_verdict v;

	policy_decide_request(s, &who, VIEW("h.t"), 1, &r, &v, &why);
	if (v.enforcement == POLICY_AUDIT || !v.allow || !v.operations)
		return v.allow || v.enforcement == POLICY_AUDIT;
	if (q->carries != EXTENT_OPERATION_IN)
		return q->carries == EXTENT_NOTHING &&
		       v.protocol == POLICY_PROTO_MCP;
	policy_decide_op(s, &who, VIEW("h.t"), 1, &r, &q->op, &v, &why);
	return v.allow;
}

struct world {
	struct buf yaml[2];
	struct policy *p[2];
	struct snapshot *s[2];
	bool more, less, asked; /* asked: a tool that begins with a */
};

static void
see(struct world *w, const struct extent_request *q, bool asked)
{
	bool a = passes(w->s[0], q), b = passes(w->s[1], q);

	w->more |= b && !a;
	w->less |= a && !b;
	w->asked |= a && asked;
}

static void
see_calls(struct world *w, struct extent_request q)
{
	static const char *const methods[] = { "x", "y", "tools/call",
		"tools/list" };
	static const char *const values[] = { "a", "b", "ab", "-", "c!" };

	q.op.kind = POLICY_OP_CALL;
	for (size_t m = 0; m < ARRAY_LEN(methods); m++)
		for (size_t t = 0; t <= ARRAY_LEN(values); t++)
			for (size_t v = 0; v <= ARRAY_LEN(values); v++)
				for (size_t z = 0; z < ARRAY_LEN(values); z++) {
					struct policy_param p[3];
					size_t n = 0;

					if (t < ARRAY_LEN(values))
						p[n++] = (struct policy_param) {
							VIEW("name"),
							view_of(values[t])
						};
					if (v < ARRAY_LEN(values)) {
						p[n++] = (struct policy_param) {
							VIEW("p"),
							view_of(values[v])
						};
						p[n++] = (struct policy_param) {
							VIEW("p"),
							view_of(values[z])
						};
					}
					q.op.method = view_of(methods[m]);
					q.op.params = p;
					q.op.n_params = n;
					see(w, &q,
					    m == 2 && t < ARRAY_LEN(values) &&
						*values[t] == 'a');
				}
}

static void
see_graphql(struct world *w, struct extent_request q)
{
	static const char *const types[] = { "query", "mutation",
		"subscription" };
	static const char *const names[] = { "", "a", "b", "ab", "c" };

	q.op = (struct policy_op) { .kind = POLICY_OP_GRAPHQL };
	for (size_t t = 0; t < ARRAY_LEN(types); t++)
		for (size_t n = 0; n < ARRAY_LEN(names); n++)
			for (size_t f = 1; f < ARRAY_LEN(names); f++)
				for (size_t g = 1; g < ARRAY_LEN(names); g++) {
					struct view fields[] = {
						view_of(names[f]),
						view_of(names[g]),
					};

					q.op.type = view_of(types[t]);
					q.op.name = view_of(names[n]);
					q.op.fields = fields;
					q.op.n_fields = f == g ? 1 : 2;
					see(w, &q, false);
				}
}

static void
see_grpc(struct world *w, struct extent_request q)
{
	static const char *const names[] = { "a", "b", "ab", "c" };

	q.carries = EXTENT_OPERATION_IN;
	q.op = (struct policy_op) { .kind = POLICY_OP_GRPC };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			char path[16];

			(void)snprintf(
			    path, sizeof(path), "/%s/%s", names[i], names[k]);
			q.path = view_of(path);
			q.op.service = view_of(names[i]);
			q.op.method = view_of(names[k]);
			see(w, &q, false);
		}
}

static void
see_all(struct world *w)
{
	static const char *const methods[] = { "POST", "GET", "DELETE", "PUT" };
	static const char *const paths[] = { "/", "/a", "/b", "/b/c" };

	for (size_t m = 0; m < ARRAY_LEN(methods); m++)
		for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
			struct extent_request q = { .method =
							view_of(methods[m]),
				.path = view_of(paths[i]) };

			see(w, &q, false);
			q.carries = EXTENT_NOTHING;
			see(w, &q, false);
			q.carries = EXTENT_OPERATION_IN;
			if (m == 0)
				see_calls(w, q);
			if (m < 2)
				see_graphql(w, q);
			if (m == 0 && i == 0)
				see_grpc(w, q);
		}
}

static void
check_world(struct world *w)
{
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	AUTO_PROOF struct extent_proof r = { 0 };
	AUTO_NEVER struct extent_never *n = NULL;
	bool more = false, less = false;
	struct err e;

	CHECK_INT(
	    extent_never_parse(VIEW("mcp tools/call a* h.t"), &n, &e), ==, 0);
	if (extent_prove(w->p[0], n, NULL, 0, &r, &e) < 0)
		fail_msg("%s\n%s", e.text, buf_str(&w->yaml[0]));
	if (w->asked && r.holds)
		fail_msg("proved what is not so\n%s", buf_str(&w->yaml[0]));
	if (!r.holds)
		CHECK(passes(w->s[0], &r.request));
	if (extent_compare(w->p[0], w->p[1], &d, &e) < 0) {
		/* The corners that are said not to be answered. */
		CHECK(strstr(e.text, "json-rpc cannot be compared") != NULL ||
		      strstr(e.text, "gRPC may call there cannot") != NULL);
		return;
	}
	for (size_t i = 0; i < d.n; i++) {
		more |= d.v[i].kind == EXTENT_WIDENS;
		less |= d.v[i].kind == EXTENT_NARROWS;
		CHECK(passes(w->s[0], &d.v[i].request) ==
		      (d.v[i].kind == EXTENT_NARROWS));
		CHECK(passes(w->s[1], &d.v[i].request) ==
		      (d.v[i].kind == EXTENT_WIDENS));
	}
	if ((w->more && !more) || (w->less && !less))
		fail_msg("a difference was not seen\n%s\n%s",
		    buf_str(&w->yaml[0]), buf_str(&w->yaml[1]));
}

TEST(extent_ops, agrees_with_the_engine_on_every_operation)
{
	enum { ROUNDS = 150 };
	unsigned differ = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct world w = { .yaml = {
				       BUF_INIT(1 << 16), BUF_INIT(1 << 16) } };
		struct err e;

		for (unsigned k = 0; k < 2; k++) {
			w.p[k] = make_policy(&w.yaml[k]);
			CHECK_INT(snapshot_new(w.p[k], 1, &w.s[k], &e), ==, 0);
		}
		see_all(&w);
		differ += w.more || w.less;
		check_world(&w);
		for (unsigned k = 0; k < 2; k++) {
			snapshot_unref(w.s[k]);
			policy_free(w.p[k]);
			buf_fini(&w.yaml[k]);
		}
	}
	CHECK(differ > ROUNDS / 4);
}
