/*
 * bench_policy: what one decision costs.  A line of JSON for each shape:
 *
 *	{"shape":S,"decisions":N,"rules":R,"ns_per_decision":X}
 *
 * shape	connection, or request: the judging of one HTTP request, which
 *		repeats the connection's.
 *		policies: R policies with a rule each, all for hosts of their
 *		own; same-host: all for one host; one-policy: R rules in one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "policy/decide.h"

enum { TEXT_MAX = POLICY_TEXT_MAX, ROUNDS = 400000 };

enum shape { SHAPE_POLICIES, SHAPE_SAME_HOST, SHAPE_ONE_POLICY, SHAPES };

static const char *const names[SHAPES] = { "policies", "same-host",
	"one-policy" };

static void
put_rule(struct buf *b, unsigned i)
{
	buf_printf(
	    b, "      - allow: {method: GET, path: '/repos/org%u/**'}\n", i);
}

static void
put_endpoint(struct buf *b, const char *host, unsigned i)
{
	buf_printf(b, "    - host: %s%u.example.com\n", host, i);
	buf_puts(b, "      port: 443\n      protocol: rest\n      rules:\n");
}

static void
put_policy(struct buf *b, enum shape shape, unsigned rules)
{
	static const char binaries[] =
	    "    binaries:\n    - path: /usr/bin/curl\n"
	    "    - path: /usr/local/*/agent\n";
	unsigned i;

	buf_puts(b, "version: 1\nnetwork_policies:\n");
	if (shape == SHAPE_ONE_POLICY) {
		buf_puts(b, "  p0:\n    endpoints:\n");
		for (i = 0; i < rules; i++) {
			/* An endpoint has at most 512. */
			if (i % 500 == 0)
				put_endpoint(b, "host", 0);
			put_rule(b, i);
		}
		buf_puts(b, binaries);
		return;
	}
	for (i = 0; i < rules; i++) {
		buf_printf(b, "  p%u:\n    endpoints:\n", i);
		put_endpoint(b, "host", shape == SHAPE_SAME_HOST ? 0 : i);
		put_rule(b, i);
		buf_puts(b, binaries);
	}
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
	if (policy_parse(buf_view(&text), &p, &f) < 0) {
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

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
report(enum shape shape, const char *what, unsigned rules, double ns)
{
	printf("{\"shape\":\"%s\",\"kind\":\"%s\",\"decisions\":%d,"
	       "\"rules\":%u,\"ns_per_decision\":%.0f}\n",
	    names[shape], what, ROUNDS, rules, ns / ROUNDS);
}

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_policy: wrong verdict for %s\n", what);
	exit(1);
}

static void
measure(enum shape shape, unsigned rules)
{
	static const char *const ancestors[] = { "/usr/bin/bash",
		"/usr/local/bin/agent", "/usr/bin/node" };
	struct snapshot *s = compile(shape, rules);
	struct policy_who who = { .exe = VIEW("/usr/bin/curl") };
	char hosts[16][32], paths[16][64];
	struct policy_conn conn;
	struct policy_verdict v;
	struct policy_reason why;
	double start;

	for (size_t i = 0; i < ARRAY_LEN(ancestors); i++)
		who.ancestors[who.n_ancestors++] = view_of(ancestors[i]);
	for (unsigned i = 0; i < 16; i++) {
		unsigned n = i * 61 % rules;

		snprintf(hosts[i], sizeof(hosts[i]), "host%u.example.com",
		    shape == SHAPE_POLICIES ? n : 0);
		snprintf(paths[i], sizeof(paths[i]),
		    "/repos/org%u/hello-world/issues/%u", n, i);
	}
	start = now_ns();
	for (unsigned i = 0; i < ROUNDS; i++) {
		policy_decide_conn(
		    s, &who, view_of(hosts[i % 16]), 443, &conn, &why);
		must(conn.allow, "a connection");
	}
	report(shape, "connection", rules, now_ns() - start);
	start = now_ns();
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct policy_request r = { .method = VIEW("GET"),
			.path = view_of(paths[i % 16]) };

		policy_decide_request(
		    s, &who, view_of(hosts[i % 16]), 443, &r, &v, &why);
		must(v.allow, "a request");
	}
	report(shape, "request", rules, now_ns() - start);
	start = now_ns();
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct policy_request r = { .method = VIEW("POST"),
			.path = view_of(paths[i % 16]) };

		policy_decide_request(
		    s, &who, view_of(hosts[i % 16]), 443, &r, &v, &why);
		must(!v.allow, "a refused request");
	}
	report(shape, "refusal", rules, now_ns() - start);
	snapshot_unref(s);
}

int
main(void)
{
	static const unsigned sizes[] = { 10, 1000 };

	for (unsigned shape = 0; shape < SHAPES; shape++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			measure((enum shape)shape, sizes[i]);
	return 0;
}
