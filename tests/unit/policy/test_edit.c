/* A policy changed by operations. */
#include "fixture.h"

#include "policy/edit.h"
#include "policy/extent.h"

#define V "version: 1\n"
#define NP V "network_policies:\n"
#define CURL "binaries: [{path: /usr/bin/curl}]"
#define GIT "binaries: [{path: /usr/bin/git}]"
#define BOTH "binaries: [{path: /usr/bin/curl}, {path: /usr/bin/git}]"
#define WITH(what) \
	NP "  w: {endpoints: [{host: w, port: 1, protocol: rest, " what "}]}"

struct change {
	const char *id, *base, *what; /* what: a policy, or NULL */
	struct policy_edit op;
	const char *want; /* a policy, or what the error says */
	enum err_code code;
};

static void
check(const struct change *v)
{
	AUTO_POLICY struct policy *base = must_parse(v->id, v->base),
				  *what = NULL, *want = NULL, *next = NULL;
	AUTO_BUF struct buf is = BUF_INIT(1 << 20);
	struct policy_edit op = v->op;
	struct err e = { 0 };
	int rc;

	if (v->what != NULL)
		op.what = what = must_parse(v->id, v->what);
	rc = policy_edit(base, &op, 1, &next, &e);
	if (v->code != ERR_NONE) {
		CHECK_INT(rc, ==, -1);
		CHECK_INT(e.code, ==, v->code);
		CHECK_HAS(e.text, v->want);
		return;
	}
	if (rc < 0)
		fail_msg("%s: %s", v->id, e.text);
	want = must_parse(v->id, v->want);
	policy_canonical(next != NULL ? next : base, &is);
	CHECK_STR(buf_str(&is), canonical(want));
}

TEST(edit, changes_what_is_meant_and_nothing_else)
{
	static const struct change v[] = {
		{ "a rule more", V,
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    { .kind = EDIT_ADD_RULE },
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    ERR_NONE },
		{ "a rule less",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    NULL, { .kind = EDIT_REMOVE_RULE, .rule = VIEW("a") }, V,
		    ERR_NONE },
		{ "no such rule", V, NULL,
		    { .kind = EDIT_REMOVE_RULE, .rule = VIEW("a") },
		    "the policy has no rule 'a'", ERR_NOT_FOUND },
		{ "one port of several",
		    NP "  a: {endpoints: [{host: a.com, ports: [80, 443]}, "
		       "{host: b.com, port: 443}], " CURL "}",
		    NULL,
		    { .kind = EDIT_REMOVE_ENDPOINT,
			.host = VIEW("A.com"),
			.port = 80 },
		    NP "  a: {endpoints: [{host: a.com, port: 443}, {host: "
		       "b.com, port: 443}], " CURL "}",
		    ERR_NONE },
		{ "the last endpoint takes its rule along",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL
		       "}\n  b: {endpoints: [{host: a.com, port: 443}, {host: "
		       "b.com, port: 1}], " GIT "}",
		    NULL,
		    { .kind = EDIT_REMOVE_ENDPOINT,
			.host = VIEW("a.com"),
			.port = 443 },
		    NP "  b: {endpoints: [{host: b.com, port: 1}], " GIT "}",
		    ERR_NONE },
		{ "of one rule",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL
		       "}\n  b: {endpoints: [{host: a.com, port: 443}], " GIT
		       "}",
		    NULL,
		    { .kind = EDIT_REMOVE_ENDPOINT,
			.rule = VIEW("b"),
			.host = VIEW("a.com"),
			.port = 443 },
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    ERR_NONE },
		{ "no such endpoint",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    NULL,
		    { .kind = EDIT_REMOVE_ENDPOINT,
			.host = VIEW("a.com"),
			.port = 80 },
		    "the policy has no endpoint a.com:80", ERR_NOT_FOUND },
		{ "a program less",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " BOTH "}",
		    NULL,
		    { .kind = EDIT_REMOVE_BINARY,
			.rule = VIEW("a"),
			.binary = VIEW("/usr/bin/git") },
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    ERR_NONE },
		{ "the last program takes its rule along",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    NULL,
		    { .kind = EDIT_REMOVE_BINARY,
			.rule = VIEW("a"),
			.binary = VIEW("/usr/bin/curl") },
		    V, ERR_NONE },
		{ "no such program",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    NULL,
		    { .kind = EDIT_REMOVE_BINARY,
			.rule = VIEW("a"),
			.binary = VIEW("/bin/x") },
		    "rule 'a' has no binary '/bin/x'", ERR_NOT_FOUND },
		{ "rules more",
		    NP
		    "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		    "rest, rules: [{allow: {method: GET, path: /x}}]}], " CURL
		    "}",
		    WITH("rules: [{allow: {method: GET, path: /x}}, {allow: "
			 "{method: POST, path: /y}}]"),
		    { .kind = EDIT_ADD_ALLOW_RULES,
			.host = VIEW("a.com"),
			.port = 443 },
		    NP "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, rules: [{allow: {method: GET, path: /x}}, "
		       "{allow: {method: POST, path: /y}}]}], " CURL "}",
		    ERR_NONE },
		{ "deny rules beside a preset",
		    NP "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, access: full}], " CURL "}",
		    WITH("access: full, deny_rules: [{method: DELETE, path: "
			 "'/**'}]"),
		    { .kind = EDIT_ADD_DENY_RULES,
			.host = VIEW("a.com"),
			.port = 443 },
		    NP "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, access: full, deny_rules: [{method: DELETE, "
		       "path: '/**'}]}], " CURL "}",
		    ERR_NONE },
		{ "where nothing looks",
		    NP "  a: {endpoints: [{host: a.com, port: 443}], " CURL "}",
		    WITH("rules: [{allow: {method: POST, path: /y}}]"),
		    { .kind = EDIT_ADD_ALLOW_RULES,
			.host = VIEW("a.com"),
			.port = 443 },
		    "requests to a.com:443 are not looked into", ERR_INVALID },
		{ "which of two",
		    NP "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, access: full}], " CURL "}\n"
		       "  b: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, access: full}], " GIT "}",
		    WITH("rules: [{allow: {method: POST, path: /y}}]"),
		    { .kind = EDIT_ADD_ALLOW_RULES,
			.host = VIEW("a.com"),
			.port = 443 },
		    "more than one endpoint is a.com:443: name the rule",
		    ERR_EXISTS },
		{ "what is no policy",
		    NP "  a: {endpoints: [{host: a.com, port: 443, tls: "
		       "skip}], " CURL "}",
		    NP "  b: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, access: full}], " GIT "}",
		    { .kind = EDIT_ADD_RULE }, "tls=skip vs auto",
		    ERR_INVALID },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check(&v[i]);
}

/* What a preset allowed stays allowed, and the rule is one more. */
TEST(edit, a_preset_becomes_the_rules_it_stands_for)
{
	static const char *const presets[] = { "read-only", "read-write",
		"full" };
	AUTO_POLICY struct policy *what = must_parse(
	    "what", WITH("rules: [{allow: {method: PROPFIND, path: /y}}]"));

	for (size_t i = 0; i < ARRAY_LEN(presets); i++) {
		AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
		AUTO_BUF struct buf b = BUF_INIT(1024);
		AUTO_POLICY struct policy *base = NULL, *next = NULL;
		const struct policy_edit op = { .kind = EDIT_ADD_ALLOW_RULES,
			.host = VIEW("a.com"),
			.port = 443,
			.what = what };
		struct err e;

		buf_printf(&b,
		    NP "  a: {endpoints: [{host: a.com, port: 443, protocol: "
		       "rest, access: %s}], " CURL "}",
		    presets[i]);
		base = must_parse("base", buf_str(&b));
		CHECK_INT(policy_edit(base, &op, 1, &next, &e), ==, 0);
		CHECK_INT(extent_compare(base, next, &d, &e), ==, 0);
		CHECK_INT(d.n, ==, strcmp(presets[i], "full") == 0 ? 0 : 1);
		if (d.n > 0) {
			CHECK_INT(d.v[0].kind, ==, EXTENT_WIDENS);
			CHECK_STR(d.v[0].request.method.p, "PROPFIND");
		}
	}
}

/* All of them or none. */
TEST(edit, several_are_one_change)
{
	AUTO_POLICY struct policy
	    *base = must_parse("base",
		NP "  a: {endpoints: [{host: a.com, port: 443}], " BOTH "}"),
	    *next = NULL;
	struct policy_edit ops[] = {
		{ .kind = EDIT_REMOVE_BINARY,
		    .rule = VIEW("a"),
		    .binary = VIEW("/usr/bin/git") },
		{ .kind = EDIT_REMOVE_BINARY,
		    .rule = VIEW("a"),
		    .binary = VIEW("/usr/bin/curl") },
		{ .kind = EDIT_REMOVE_RULE, .rule = VIEW("a") },
	};
	struct err e;

	CHECK_INT(policy_edit(base, ops, 2, &next, &e), ==, 0);
	CHECK_INT(policy_network_count(next), ==, 0);
	policy_free(next);
	next = NULL;
	CHECK_INT(policy_edit(base, ops, 3, &next, &e), ==, -1);
	CHECK(next == NULL);
	CHECK_INT(policy_edit(base, ops, 0, &next, &e), ==, 0);
	CHECK(next == NULL);
}
