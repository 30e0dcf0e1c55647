/*
 * bench_policy [SHAPE]: what one decision costs, in CPU time; of all shapes,
 * or of one.  A line of JSON each:
 *
 *	{"shape":S,"kind":K,"decisions":N,"rules":R,"ns_per_decision":X}
 *
 * kind	connection, or request: the judging of one HTTP request, which
 *		repeats the connection's; refusal: of one that no rule allows
 * shape	policies: R rules in up to 1,000 policies, each for a host of
 *		its own; same-host: all for one host; one-policy: R rules in
 *		one; deny: R entries of deny_rules beside one rule; paths: R
 *		endpoints of one host, each for a path; tools: R rules that
 *		each name a tool, asked about calls (also of MCP); graphql,
 *		grpc: the same with operation names and services
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "policy/decide.h"
#include "policy/model.h"

enum { TEXT_MAX = POLICY_TEXT_MAX, ROUNDS = 400000 };

enum shape {
	SHAPE_POLICIES,
	SHAPE_SAME_HOST,
	SHAPE_ONE_POLICY,
	SHAPE_DENY,
	SHAPE_PATHS,
	SHAPE_TOOLS,
	SHAPE_GRAPHQL,
	SHAPE_GRPC,
	SHAPES
};

enum { POLICIES_MAX = 1000, RULES_MAX = 500, ENDPOINTS_MAX = 250 };

static const struct {
	const char *name, *endpoint, *rule;
} shapes[SHAPES] = {
	[SHAPE_POLICIES] = { "policies", "protocol: rest",
	    "allow: {method: GET, path: '/repos/org%u/**'}" },
	[SHAPE_SAME_HOST] = { "same-host", "protocol: rest",
	    "allow: {method: GET, path: '/repos/org%u/**'}" },
	[SHAPE_ONE_POLICY] = { "one-policy", "protocol: rest",
	    "allow: {method: GET, path: '/repos/org%u/**'}" },
	[SHAPE_DENY] = { "deny", "protocol: rest\n      access: read-only",
	    "{method: GET, path: '/secret/org%u/**'}" },
	[SHAPE_PATHS] = { "paths", "protocol: rest", NULL },
	[SHAPE_TOOLS] = { "tools", "protocol: mcp",
	    "allow: {method: tools/call, tool: org%u}" },
	[SHAPE_GRAPHQL] = { "graphql", "protocol: graphql",
	    "allow: {operation_type: query, operation_name: org%u}" },
	[SHAPE_GRPC] = { "grpc", "protocol: grpc",
	    "allow: {service: a.org%u}" },
};

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void
put_head(struct buf *b, unsigned host, enum shape shape)
{
	buf_printf(
	    b, "    - host: host%u.example.com\n      port: 443\n", host);
	buf_printf(b, "      %s\n", shapes[shape].endpoint);
	if (shape != SHAPE_PATHS)
		buf_printf(b, "      %s:\n",
		    shape == SHAPE_DENY ? "deny_rules" : "rules");
}

static void
put_rule(struct buf *b, enum shape shape, unsigned i)
{
	buf_puts(b, "      - ");
	buf_printf(b, shapes[shape].rule, i);
	buf_putc(b, '\n');
}

static void
put_end(struct buf *b)
{
	buf_puts(b, "    binaries:\n    - path: /usr/bin/curl\n"
		    "    - path: /usr/local/*/agent\n");
}

/* One rule or more in each of many policies. */
static void
put_spread(struct buf *b, enum shape shape, unsigned rules)
{
	unsigned n = rules < POLICIES_MAX ? rules : POLICIES_MAX;

	for (unsigned i = 0; i < n; i++) {
		buf_printf(b, "  p%u:\n    endpoints:\n", i);
		put_head(b, shape == SHAPE_SAME_HOST ? 0 : i, shape);
		for (unsigned k = i; k < rules; k += n)
			put_rule(b, shape, k);
		put_end(b);
	}
}

static void
put_paths(struct buf *b, unsigned rules)
{
	for (unsigned i = 0; i < rules; i++) {
		if (i % ENDPOINTS_MAX == 0) {
			if (i > 0)
				put_end(b);
			buf_printf(b, "  p%u:\n    endpoints:\n", i);
		}
		put_head(b, 0, SHAPE_PATHS);
		buf_printf(b,
		    "      path: '/repos/org%u/**'\n      access: read-only\n",
		    i);
	}
	put_end(b);
}

static void
put_policy(struct buf *b, enum shape shape, unsigned rules)
{
	buf_puts(b, "version: 1\nnetwork_policies:\n");
	if (shape == SHAPE_POLICIES || shape == SHAPE_SAME_HOST) {
		put_spread(b, shape, rules);
		return;
	}
	if (shape == SHAPE_PATHS) {
		put_paths(b, rules);
		return;
	}
	buf_puts(b, "  p0:\n    endpoints:\n");
	for (unsigned i = 0; i < rules; i++) {
		if (i % RULES_MAX == 0)
			put_head(b, 0, shape);
		put_rule(b, shape, i);
	}
	put_end(b);
}

static struct snapshot *
compile(enum shape shape, unsigned rules)
{
	AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	struct snapshot *s = NULL;
	struct err e;

	put_policy(&text, shape, rules);
	/* Also of protocols that the proxy does not enforce yet. */
	if (p_parse_lenient(buf_view(&text), P_UNENFORCED, &p, &f) < 0) {
		AUTO_BUF struct buf out = BUF_INIT(TEXT_MAX);

		policy_findings_print(&f, "bench", &out);
		fputs(buf_str(&out), stderr);
		exit(1);
	}
	if (snapshot_new(p, 1, &s, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	return s;
}

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
report(enum shape shape, const char *what, unsigned rules, double ns)
{
	printf("{\"shape\":\"%s\",\"kind\":\"%s\",\"decisions\":%d,"
	       "\"rules\":%u,\"ns_per_decision\":%.0f}\n",
	    shapes[shape].name, what, ROUNDS, rules, ns / ROUNDS);
}

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_policy: wrong verdict for %s\n", what);
	exit(1);
}

/* What is asked: sixteen questions in turn. */
struct questions {
	struct snapshot *s;
	struct policy_who who;
	char hosts[16][32], paths[16][64], words[16][32];
	enum shape shape;
	unsigned rules;
};

static void
ask_conn(struct questions *q)
{
	double start = now_ns();
	struct policy_reason why;
	struct policy_conn conn;

	for (unsigned i = 0; i < ROUNDS; i++) {
		policy_decide_conn(
		    q->s, &q->who, view_of(q->hosts[i % 16]), 443, &conn, &why);
		must(conn.allow, "a connection");
	}
	report(q->shape, "connection", q->rules, now_ns() - start);
}

static void
ask_requests(struct questions *q, bool allow)
{
	double start = now_ns();
	struct policy_reason why;
	struct policy_verdict v;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct policy_request r = { .method = allow ? VIEW("GET")
							    : VIEW("DELETE"),
			.path = view_of(q->paths[i % 16]) };

		policy_decide_request(q->s, &q->who, view_of(q->hosts[i % 16]),
		    443, &r, &v, &why);
		must(v.allow == allow, "a request");
	}
	report(q->shape, allow ? "request" : "refusal", q->rules,
	    now_ns() - start);
}

static void
ask_ops(struct questions *q, bool allow)
{
	double start = now_ns();
	struct policy_reason why;
	struct policy_verdict v;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct policy_request r = { .path = VIEW("/") };
		struct view word =
		    allow ? view_of(q->words[i % 16]) : VIEW("none");
		struct policy_param param = { VIEW("name"), word };
		struct policy_op op = { .kind = POLICY_OP_CALL,
			.method = VIEW("tools/call"),
			.params = &param,
			.n_params = 1 };

		if (q->shape == SHAPE_GRAPHQL)
			op = (struct policy_op) { .kind = POLICY_OP_GRAPHQL,
				.type = VIEW("query"),
				.name = word };
		else if (q->shape == SHAPE_GRPC)
			op = (struct policy_op) { .kind = POLICY_OP_GRPC,
				.service = word,
				.method = VIEW("Get") };
		policy_decide_op(q->s, &q->who, view_of(q->hosts[i % 16]), 443,
		    &r, &op, &v, &why);
		must(v.allow == allow, "an operation");
	}
	report(q->shape, allow ? "operation" : "refusal", q->rules,
	    now_ns() - start);
}

static void
measure(enum shape shape, unsigned rules)
{
	static const char *const ancestors[] = { "/usr/bin/bash",
		"/usr/local/bin/agent", "/usr/bin/node" };
	struct questions q = { .s = compile(shape, rules),
		.who = { .exe = VIEW("/usr/bin/curl") },
		.shape = shape,
		.rules = rules };

	for (size_t i = 0; i < ARRAY_LEN(ancestors); i++)
		q.who.ancestors[q.who.n_ancestors++] = view_of(ancestors[i]);
	for (unsigned i = 0; i < 16; i++) {
		unsigned n = i * 61 % rules;

		snprintf(q.hosts[i], sizeof(q.hosts[i]), "host%u.example.com",
		    shape == SHAPE_POLICIES ? n % POLICIES_MAX : 0);
		snprintf(q.paths[i], sizeof(q.paths[i]),
		    "/repos/org%u/hello-world/issues/%u", n, i);
		snprintf(q.words[i], sizeof(q.words[i]), "%sorg%u",
		    shape == SHAPE_GRPC ? "a." : "", n);
	}
	ask_conn(&q);
	if (shape < SHAPE_TOOLS) {
		ask_requests(&q, true);
		ask_requests(&q, false);
	} else {
		ask_ops(&q, true);
		ask_ops(&q, false);
	}
	snapshot_unref(q.s);
}

int
main(int argc, char **argv)
{
	static const unsigned sizes[] = { 10, 1000, 10000 };
	bool known = argc < 2;

	for (unsigned shape = 0; shape < SHAPES; shape++) {
		if (argc > 1 && strcmp(argv[1], shapes[shape].name) != 0)
			continue;
		known = true;
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			if (shape != SHAPE_PATHS || sizes[i] <= 1000)
				measure((enum shape)shape, sizes[i]);
	}
	if (!known)
		fprintf(stderr, "bench_policy: no shape %s\n", argv[1]);
	return known ? 0 : 2;
}
