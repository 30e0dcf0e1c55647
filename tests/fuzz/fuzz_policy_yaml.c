/*
 * fuzz_policy_yaml: whatever parses has one canonical text, which parses to
 * itself with the same hash, and compiles.  What does not parse says why.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decide.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The first policy's first endpoint, or some host, is asked about. */
static void
ask(const struct policy *p)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	struct policy_who who = { .exe = VIEW("/usr/bin/curl") };
	struct policy_request r = { VIEW("GET"), VIEW("/a/b"), VIEW("q=1") };
	struct view host = VIEW("a.example.com");
	struct snapshot *s = NULL;
	struct policy_reason why;
	struct policy_conn conn;
	struct policy_verdict v;
	struct err e;

	if (snapshot_new(p, 1, &s, &e) < 0)
		abort();
	who.ancestors[who.n_ancestors++] = VIEW("/usr/bin/bash");
	policy_decide_conn(s, &who, host, 443, &conn, &why);
	assert(conn.allow || why.text[0] != '\0');
	policy_decide_request(s, &who, host, 443, &r, &v, &why);
	/* No request passes on a connection that does not. */
	assert(conn.allow || !v.allow);
	assert(v.allow || v.bad_query || why.text[0] != '\0');
	policy_suggest(s, &who, host, 443, r.method, r.path, &out);
	assert(!out.full);
	snapshot_unref(s);
}

static void
check_round_trip(const struct policy *p)
{
	AUTO_BUF struct buf text = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_BUF struct buf again = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *q = NULL;
	char a[65], b[65];

	policy_canonical(p, &text);
	assert(!text.full);
	if (policy_parse(buf_view(&text), &q, &f) < 0)
		abort();
	policy_canonical(q, &again);
	assert(view_eq(buf_view(&text), buf_view(&again)));
	policy_hash(p, a);
	policy_hash(q, b);
	assert(strcmp(a, b) == 0);
	assert(policy_static_check(p, q, &f) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *policy = NULL;
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	int rc =
	    policy_parse((struct view) { (const char *)p, n }, &policy, &f);

	assert((rc < 0) == (f.errors > 0));
	policy_findings_print(&f, "p", &out);
	assert(rc == 0 || out.n > 0);
	if (rc < 0)
		return 0;
	check_round_trip(policy);
	ask(policy);
	return 0;
}
