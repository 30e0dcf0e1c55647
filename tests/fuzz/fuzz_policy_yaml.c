/*
 * fuzz_policy_yaml: whatever parses has one canonical text, which parses to
 * itself with the same hash, and compiles.  What does not parse says why.
 * Nothing inside a connection passes on one that does not; what is refused by
 * a deny rule is not allowed.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decide.h"
#include "policy/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The question, put to everything that answers one. */
struct ask {
	const struct snapshot *s;
	struct policy_who who;
	struct view host;
	uint16_t port;
	struct policy_request r;
	struct policy_conn conn;
	struct buf out;
};

static void
ask_op(struct ask *a, const struct policy_op *op)
{
	struct policy_reason why;
	struct policy_treatment t;
	struct policy_verdict v;
	bool treated = policy_treat_request(
	    a->s, &a->who, a->host, a->port, a->r.path, &t);

	policy_decide_op(a->s, &a->who, a->host, a->port, &a->r, op, &v, &why);
	assert(!v.allow || (a->conn.allow && treated));
	assert(!v.allow || !v.by_deny_rule);
	assert(v.allow == (why.text[0] == '\0'));
	buf_reset(&a->out);
	policy_suggest_op(a->s, &a->who, a->host, a->port, &a->r, op, &a->out);
	assert(!a->out.full);
	assert(!v.allow || a->out.n == 0);
}

static void
ask_ops(struct ask *a)
{
	static const struct policy_param params[] = {
		{ VIEW("name"), VIEW("get_me") },
		{ VIEW("arguments.path"), VIEW("/a/b") },
	};
	static const struct view fields[] = { VIEW("viewer"), VIEW("b") };
	const struct policy_op ops[] = {
		{ .kind = POLICY_OP_CALL,
		    .method = VIEW("tools/call"),
		    .params = params,
		    .n_params = 2 },
		{ .kind = POLICY_OP_CALL, .method = VIEW("initialize") },
		{ .kind = POLICY_OP_GRAPHQL,
		    .type = VIEW("query"),
		    .name = VIEW("Q"),
		    .fields = fields,
		    .n_fields = 2 },
		{ .kind = POLICY_OP_GRAPHQL, .persisted = VIEW("abc") },
		{ .kind = POLICY_OP_GRPC,
		    .service = VIEW("a.B"),
		    .method = VIEW("Get") },
		{ .kind = POLICY_OP_TEXT },
	};

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		ask_op(a, &ops[i]);
}

static void
ask_request(struct ask *a)
{
	struct policy_reason why;
	struct policy_verdict v;

	policy_decide_conn(a->s, &a->who, a->host, a->port, &a->conn, &why);
	assert(a->conn.allow || why.text[0] != '\0');
	policy_decide_request(a->s, &a->who, a->host, a->port, &a->r, &v, &why);
	assert(a->conn.allow || !v.allow);
	assert(v.allow || v.bad_query || why.text[0] != '\0');
	assert(!v.allow || !v.by_deny_rule);
	assert(!v.operations ||
	       policy_protocol_judged(v.protocol) == POLICY_BY_OPERATION);
	policy_suggest(
	    a->s, &a->who, a->host, a->port, a->r.method, a->r.path, &a->out);
	assert(!a->out.full);
	ask_ops(a);
	/* Whoever may connect to a name may ask for it. */
	assert(
	    !a->conn.allow || policy_names(a->s, a->host) != POLICY_NAME_NONE);
}

/* At what the endpoint is about; false when it is about nothing. */
static bool
aim(struct ask *a, const struct p_policy *q, const struct p_endpoint *e)
{
	struct view host = e->host.v;

	if (e->ports.n == 0 || q->binaries.n == 0)
		return false;
	a->host = host.n > 2 && host.p[0] == '*' && host.p[1] == '.'
		      ? view_slice(host, 2, host.n)
		      : host;
	a->port = (uint16_t)e->ports.v[0].v;
	a->who.exe = p_binaries(q)[0].path.v;
	a->r.path = e->path.v.n > 0 ? e->path.v : VIEW("/");
	return true;
}

/* Some host, and one that each endpoint is about. */
static void
ask(const struct policy *p)
{
	struct ask a = { .who = { .exe = VIEW("/usr/bin/curl") },
		.host = VIEW("a.example.com"),
		.port = 443,
		.r = { VIEW("GET"), VIEW("/a/b"), VIEW("q=1") },
		.out = BUF_INIT(1 << 21) };
	const struct p_list *all = &p->top.network_policies;
	struct snapshot *s = NULL;
	struct err err;
	unsigned n = 0;

	if (snapshot_new(p, 1, &s, &err) < 0)
		abort();
	a.s = s;
	a.who.ancestors[a.who.n_ancestors++] = VIEW("/usr/bin/bash");
	ask_request(&a);
	for (size_t i = 0; i < all->n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		for (size_t k = 0; k < q->endpoints.n && n < 8; k++, n++)
			if (aim(&a, q, &p_endpoints(q)[k]))
				ask_request(&a);
	}
	buf_fini(&a.out);
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
	if (p_parse_lenient(buf_view(&text), P_UNENFORCED, &q, &f) < 0)
		abort();
	policy_canonical(q, &again);
	assert(view_eq(buf_view(&text), buf_view(&again)));
	policy_hash(p, a);
	policy_hash(q, b);
	assert(strcmp(a, b) == 0);
	assert(policy_static_check(p, q, &f) == 0);
}

/* What is not enforced is refused, and that is the only difference. */
static void
check_strict(struct view text, const struct policy *p)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *q = NULL;
	char a[65], b[65];

	if (policy_parse(text, &q, &f) < 0)
		return;
	policy_hash(p, a);
	policy_hash(q, b);
	assert(strcmp(a, b) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *policy = NULL;
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	struct view text = { (const char *)p, n };
	int rc = p_parse_lenient(text, P_UNENFORCED, &policy, &f);

	assert((rc < 0) == (f.errors > 0));
	policy_findings_print(&f, "p", &out);
	assert(rc == 0 || out.n > 0);
	if (rc < 0) {
		AUTO_FINDINGS struct policy_findings g = { 0 };
		AUTO_POLICY struct policy *q = NULL;

		assert(policy_parse(text, &q, &g) < 0);
		return 0;
	}
	check_strict(text, policy);
	check_round_trip(policy);
	ask(policy);
	return 0;
}
