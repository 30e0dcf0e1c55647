/* A rule into a policy and out of it: what comes out says what both said. */
#include "fixture.h"

#include "policy/extent.h"
#include "policy/merge.h"

#define V "version: 1\n"
#define NP V "network_policies:\n"
#define CURL "binaries: [{path: /usr/bin/curl}]"
#define GIT "binaries: [{path: /usr/bin/git}]"
#define BOTH "binaries: [{path: /usr/bin/curl}, {path: /usr/bin/git}]"

static void
no_findings(const struct policy_findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->v[i].warning)
			fail_msg("%s", f->v[i].text);
}

/* `base` with `rule` beside its own, whatever the two disagree on. */
static struct policy *
beside(const struct policy *base, const struct policy *rule)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_BUF struct buf b = BUF_INIT(POLICY_TEXT_MAX);
	struct p_policy v[16] = { 0 };
	struct policy both = { .top = base->top };
	struct policy *out = NULL;
	size_t n = base->top.network_policies.n;

	CHECK_INT(n, <, 16);
	if (n > 0)
		memcpy(v, p_policies(base), n * sizeof(*v));
	v[n] = *p_policies(rule);
	v[n].m.key.v = VIEW("zzz");
	both.top.network_policies.v = v;
	both.top.network_policies.n = n + 1;
	both.top.network_policies.h.set = true;
	policy_canonical(&both, &b);
	if (p_parse_lenient(buf_view(&b), P_OVERLAPPING, &out, &f) < 0)
		no_findings(&f);
	return out;
}

static void
check_same_extent(const struct policy *a, const struct policy *b)
{
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	struct err e;

	if (extent_compare(a, b, &d, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < d.n; i++)
		if (d.v[i].kind != EXTENT_CHANGES)
			fail_msg("%d: %s %s:%u %s %s", (int)d.v[i].kind,
			    d.v[i].request.program.p, d.v[i].request.host.p,
			    d.v[i].request.port, d.v[i].request.method.p,
			    d.v[i].request.path.p);
}

/* Merges; the result, and what it takes to undo it, are the caller's. */
static struct policy *
merged(const char *base, const char *rule, struct policy_merged *m)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_PARSED struct parsed a = parse(base), r = parse(rule);
	struct policy *next = NULL;

	if (a.p == NULL || r.p == NULL)
		fail_msg("%s%s", buf_str(&a.text), buf_str(&r.text));
	if (policy_merge(a.p, r.p, &next, m, &f) < 0)
		no_findings(&f);
	return next;
}

TEST(merge, says_what_both_say_and_can_be_taken_back)
{
	static const struct {
		const char *id, *base, *rule, *target, *want;
	} v[] = {
		{ "none", V,
		    NP "  g: {endpoints: [{host: google.com, port: 443}], " CURL
		       "}",
		    "g",
		    NP "  g: {endpoints: [{host: google.com, port: 443}], " CURL
		       "}" },
		{ "static sections stay",
		    V "filesystem_policy: {read_only: [/usr]}\nprocess: "
		      "{run_as_user: sandbox}\n",
		    NP "  g: {endpoints: [{host: google.com, port: 443}], " CURL
		       "}",
		    "g",
		    V "filesystem_policy: {read_only: [/usr]}\nprocess: "
		      "{run_as_user: sandbox}\n"
		      "network_policies:\n  g: {endpoints: [{host: google.com, "
		      "port: 443}], " CURL "}" },
		{ "an endpoint that never matches",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    NP "  a: {endpoints: [{host: b.com}], " GIT "}", "a_2",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL
		       "}\n  a_2: {endpoints: [{host: b.com}], " GIT "}" },
		{ "addresses of the same place",
		    NP "  test_server: {endpoints: [{host: 192.168.1.100, "
		       "port: 8567}], " CURL "}",
		    NP "  allow_192_168_1_100_8567: {endpoints: [{host: "
		       "192.168.1.100, port: 8567, allowed_ips: "
		       "[192.168.1.100]}], " CURL "}",
		    "test_server",
		    NP "  test_server: {endpoints: [{host: 192.168.1.100, "
		       "port: 8567, allowed_ips: [192.168.1.100]}], " CURL
		       "}" },
		{ "another host of the same programs, by key",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    NP "  a: {endpoints: [{host: b.com, port: 443}], " CURL "}",
		    "a",
		    NP "  a: {endpoints: [{host: a.com, port: 443}, {host: "
		       "b.com, port: 443}], " CURL "}" },
		{ "another program of the same endpoints",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    NP "  b: {endpoints: [{host: A.com, port: 443}], " GIT "}",
		    "a",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " BOTH
		       "}" },
		{ "a program of one of the endpoints gets a rule of its own",
		    NP "  a: {endpoints: [{host: a.com, port: 443}, {host: "
		       "b.com, port: 443}], " CURL "}",
		    NP "  n: {endpoints: [{host: a.com, port: 443}], " GIT "}",
		    "n",
		    NP "  a: {endpoints: [{host: a.com, port: 443}, {host: "
		       "b.com, port: 443}], " CURL "}\n"
		       "  n: {endpoints: [{host: a.com, port: 443}], " GIT
		       "}" },
		{ "a key that is taken by another",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " BOTH "}",
		    NP "  a: {endpoints: [{host: b.com, port: 443}], " CURL "}",
		    "a_2",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " BOTH
		       "}\n"
		       "  a_2: {endpoints: [{host: b.com, port: 443}], " CURL
		       "}" },
		{ "the first in the order of keys",
		    NP "  b: {endpoints: [{host: a.com, port: 443}], " CURL
		       "}\n"
		       "  a: {endpoints: [{host: a.com, port: 443, path: /x, "
		       "protocol: rest, access: read-only}], " CURL "}",
		    NP "  n: {endpoints: [{host: a.com, port: 443}, {host: "
		       "c.com, port: 80}], " CURL "}",
		    "a",
		    NP "  b: {endpoints: [{host: a.com, port: 443}], " CURL
		       "}\n"
		       "  a: {endpoints: [{host: a.com, port: 443, path: /x, "
		       "protocol: rest, access: read-only}, {host: a.com, "
		       "port: 443}, {host: c.com, port: 80}], " CURL "}" },
		{ "rules of the same place",
		    NP
		    "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		    "rest, rules: [{allow: {method: GET, path: /x}}]}], " CURL
		    "}",
		    NP "  n: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, advisor_proposed: true, rules: [{allow: {method: "
		       "GET, path: /x}}, {allow: {method: POST, path: "
		       "/y}}]}], " CURL "}",
		    "a",
		    NP "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, rules: [{allow: {method: GET, path: /x}}, "
		       "{allow: {method: POST, path: /y}}]}], " CURL "}" },
		{ "a preset is no list of rules",
		    NP "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, access: read-only}], " CURL "}",
		    NP "  n: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, advisor_proposed: true, rules: [{allow: {method: "
		       "POST, path: /y}}]}], " CURL "}",
		    "n",
		    NP
		    "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		    "rest, access: read-only}], " CURL "}\n"
		    "  n: {endpoints: [{host: a.com, port: 443, protocol: "
		    "rest, rules: [{allow: {method: POST, path: /y}}]}], " CURL
		    "}" },
		{ "under a wildcard",
		    NP "  a: {endpoints: [{host: '*.a.com', port: 443, "
		       "protocol: rest, access: read-only}], " CURL "}",
		    NP "  n: {endpoints: [{host: x.a.com, port: 443, protocol: "
		       "rest, advisor_proposed: true, rules: [{allow: {method: "
		       "POST, path: /y}}]}], " CURL "}",
		    "n",
		    NP "  a: {endpoints: [{host: '*.a.com', port: 443, "
		       "protocol: rest, access: read-only}], " CURL "}\n"
		       "  n: {endpoints: [{host: x.a.com, port: 443, protocol: "
		       "rest, advisor_proposed: true, rules: [{allow: {method: "
		       "POST, path: /y}}]}], " CURL "}" },
		{ "what the owner says of the host",
		    NP "  a: {endpoints: [{host: a.com, port: 443, "
		       "allowed_ips: [10.0.0.1], tls: skip}], " BOTH "}",
		    NP "  n: {endpoints: [{host: a.com, ports: [443, 444], "
		       "advisor_proposed: true}], " CURL "}",
		    "n",
		    NP "  a: {endpoints: [{host: a.com, port: 443, "
		       "allowed_ips: [10.0.0.1], tls: skip}], " BOTH "}\n"
		       "  n: {endpoints: [{host: a.com, ports: [443, 444], "
		       "allowed_ips: [10.0.0.1], tls: skip}], " CURL "}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_FINDINGS struct policy_findings f = { 0 };
		AUTO_MERGED struct policy_merged m = { 0 }, ignored = { 0 };
		AUTO_POLICY struct policy *again = NULL,
					  *base = must_parse("base", v[i].base),
					  *rule = must_parse("rule", v[i].rule),
					  *want = must_parse("want", v[i].want),
					  *next =
					      merged(v[i].base, v[i].rule, &m),
					  *both = beside(base, rule),
					  *back = NULL;
		AUTO_BUF struct buf is = BUF_INIT(1 << 20),
				    was = BUF_INIT(1 << 20);

		if (next == NULL)
			fail_msg("%s: nothing", v[i].id);
		policy_canonical(next, &is);
		CHECK_STR(buf_str(&is), canonical(want));
		CHECK_STR(m.target, v[i].target);
		check_same_extent(next, both);
		/* A second time there is nothing to add. */
		if (policy_merge(next, rule, &again, &ignored, &f) < 0)
			no_findings(&f);
		if (again != NULL)
			fail_msg("%s: added twice", v[i].id);
		if (policy_unmerge(next, &m, &back, &f) < 0)
			no_findings(&f);
		if (back == NULL)
			fail_msg("%s: not taken back", v[i].id);
		policy_canonical(back, &was);
		CHECK_STR(buf_str(&was), canonical(base));
	}
}

TEST(merge, of_what_is_there_already_is_nothing)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_MERGED struct policy_merged m = { 0 };
	static const char text[] =
	    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}";
	AUTO_POLICY struct policy *base = must_parse("base", text),
				  *back = NULL;

	CHECK(merged(text, text, &m) == NULL);
	CHECK_STR(m.target, "a");
	CHECK_STR(m.added, "");
	CHECK_INT(policy_unmerge(base, &m, &back, &f), ==, 0);
	CHECK(back == NULL);
}

/* Two that disagree about the connection cannot both be in force. */
TEST(merge, into_what_is_no_policy_says_why)
{
	static const struct {
		const char *base, *rule, *why;
	} v[] = {
		{ NP "  a: {endpoints: [{host: a.com, port: 443, tls: "
		     "skip}], " CURL "}",
		    NP "  n: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, rules: [{allow: {method: GET, path: /}}]}], " CURL
		       "}",
		    "tls=skip vs auto" },
		{ NP "  a: {endpoints: [{host: a.com, port: 443}], " BOTH "}",
		    NP "  n: {endpoints: [{host: a.com, port: 443, "
		       "allowed_ips: [10.0.0.1]}], " CURL "}",
		    "allowed_ips" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_FINDINGS struct policy_findings f = { 0 };
		AUTO_MERGED struct policy_merged m = { 0 };
		AUTO_POLICY struct policy *base = must_parse("base", v[i].base),
					  *rule = must_parse("rule", v[i].rule),
					  *next = NULL;

		CHECK_INT(policy_merge(base, rule, &next, &m, &f), ==, -1);
		CHECK(next == NULL);
		CHECK_HAS(f.v[0].text, v[i].why);
	}
}

/* What came to the same rule later stays. */
TEST(merge, is_taken_back_from_between_others)
{
	static const struct {
		const char *id, *base, *rule, *later, *want;
	} v[] = {
		{ "another program of the same endpoints", V,
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " GIT "}",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " GIT
		       "}" },
		{ "another endpoint of the same programs", V,
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    NP "  a: {endpoints: [{host: b.com, port: 443}], " CURL "}",
		    NP "  a: {endpoints: [{host: b.com, port: 443}], " CURL
		       "}" },
		{ "another path of the same place", V,
		    NP
		    "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		    "rest, rules: [{allow: {method: GET, path: /x}}]}], " CURL
		    "}",
		    NP
		    "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		    "rest, rules: [{allow: {method: GET, path: /y}}]}], " CURL
		    "}",
		    NP
		    "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		    "rest, rules: [{allow: {method: GET, path: /y}}]}], " CURL
		    "}" },
		{ "a rule that its owner wrote",
		    NP
		    "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		    "rest, rules: [{allow: {method: GET, path: /x}}]}], " CURL
		    "}",
		    NP "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, allowed_ips: [10.0.0.1], rules: [{allow: "
		       "{method: GET, path: /y}}]}], " CURL "}",
		    NP "  b: {endpoints: [{host: b.com, port: 443}], " GIT "}",
		    NP
		    "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		    "rest, rules: [{allow: {method: GET, path: /x}}]}], " CURL
		    "}\n"
		    "  b: {endpoints: [{host: b.com, port: 443}], " GIT "}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_FINDINGS struct policy_findings f = { 0 };
		AUTO_MERGED struct policy_merged m = { 0 }, n = { 0 };
		AUTO_POLICY struct policy *one =
					      merged(v[i].base, v[i].rule, &m),
					  *later =
					      must_parse("later", v[i].later),
					  *want = must_parse("want", v[i].want),
					  *two = NULL, *back = NULL,
					  *again = NULL;
		AUTO_BUF struct buf was = BUF_INIT(1 << 20);

		CHECK_INT(policy_merge(one, later, &two, &n, &f), ==, 0);
		CHECK(two != NULL);
		CHECK_INT(policy_unmerge(two, &m, &back, &f), ==, 0);
		if (back == NULL)
			fail_msg("%s: not taken back", v[i].id);
		policy_canonical(back, &was);
		CHECK_STR(buf_str(&was), canonical(want));
		/* Once is enough. */
		CHECK_INT(policy_unmerge(back, &m, &again, &f), ==, 0);
		CHECK(again == NULL);
	}
}

/* (B x E) without (b x e), when its owner has put both together since. */
TEST(merge, is_taken_back_from_a_rule_that_others_share)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_MERGED struct policy_merged m = { 0 };
	AUTO_POLICY struct policy *
	    one = merged(V,
	       NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}", &m),
	   *since = must_parse("since",
	       NP "  a: {endpoints: [{host: a.com, port: 443}, {host: "
		  "b.com, port: 443}], " BOTH "}"),
	   *want = must_parse("want",
	       NP "  a: {endpoints: [{host: a.com, port: 443}, {host: b.com, "
		  "port: 443}], " GIT "}\n"
		  "  a_2: {endpoints: [{host: b.com, port: 443}], " CURL "}"),
	   *gone = must_parse("gone", V), *back = NULL, *none = NULL;
	AUTO_BUF struct buf was = BUF_INIT(1 << 20);

	CHECK(one != NULL);
	CHECK_INT(policy_unmerge(since, &m, &back, &f), ==, 0);
	CHECK(back != NULL);
	policy_canonical(back, &was);
	CHECK_STR(buf_str(&was), canonical(want));
	CHECK_INT(policy_unmerge(gone, &m, &none, &f), ==, 0);
	CHECK(none == NULL);
}
