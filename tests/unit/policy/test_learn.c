/* From what was asked for to the narrowest policy that allows it. */
#include "fixture.h"

#include "base/mem.h"
#include "policy/learn.h"

#define CURL "/usr/bin/curl"
#define GH "api.github.com"

static const char base[] =
    "version: 1\n"
    "network_policies:\n"
    "  gh:\n"
    "    endpoints:\n"
    "    - {host: api.github.com, port: 443, protocol: rest, "
    "access: read-only}\n"
    "    binaries: [{path: /usr/bin/git}]\n";

struct ask {
	const char *exe, *host;
	uint16_t port;
	const char *method, *path;
};

static struct policy_seen
seen_of(const struct ask *a)
{
	return (struct policy_seen) { view_of(a->exe), view_of(a->host),
		view_of(a->method), view_of(a->path), a->port, VIEW(""),
		VIEW("") };
}

static bool
allows(struct snapshot *s, const struct ask *a)
{
	struct policy_who who = { .exe = view_of(a->exe) };
	struct policy_request r = { view_of(a->method), view_of(a->path),
		{ NULL, 0 } };
	struct policy_conn c;
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_conn(s, &who, view_of(a->host), a->port, &c, &why);
	if (!c.allow || a->method[0] == '\0' || c.protocol == POLICY_PROTO_NONE)
		return c.allow;
	policy_decide_request(s, &who, view_of(a->host), a->port, &r, &v, &why);
	return v.allow;
}

struct learned {
	struct buf text;
	struct snapshot *s;
};

static void
learned_fini(struct learned *r)
{
	buf_fini(&r->text);
	if (r->s != NULL)
		snapshot_unref(r->s);
}
#define AUTO_LEARNED CLEANUP(learned_fini) struct learned

/* Learns, loads what came of it without a word, and asks it again. */
static struct learned
learn_as(const char *policy, const struct ask *v, size_t n, bool enforce)
{
	AUTO_POLICY struct policy *p = must_parse("base", policy);
	AUTO_LEARNER struct learner *l = NULL;
	struct learned out = { .text = BUF_INIT(POLICY_TEXT_MAX) };
	AUTO_PARSED struct parsed again = { 0 };
	struct err e;

	CHECK_INT(learner_new(p, LEARN_DISTINCT, enforce, &l, &e), ==, 0);
	for (size_t i = 0; i < n; i++) {
		struct policy_seen seen = seen_of(&v[i]);

		CHECK_INT(learner_add(l, &seen), ==, LEARN_TAKEN);
	}
	if (learner_yaml(l, VIEW("head\nline"), &out.text, &e) < 0)
		fail_msg("%s\n%s", e.text, buf_str(&out.text));
	again = parse(buf_str(&out.text));
	CHECK_STR(buf_str(&again.text), "");
	out.s = must_compile("learned", buf_str(&out.text));
	for (size_t i = 0; i < n; i++)
		if (!allows(out.s, &v[i]))
			fail_msg("not allowed: %s %s in\n%s", v[i].method,
			    v[i].path, buf_str(&out.text));
	return out;
}

static struct learned
learn(const char *policy, const struct ask *v, size_t n)
{
	return learn_as(policy, v, n, false);
}

TEST(learn, a_request_becomes_just_its_rule)
{
	static const struct ask asked[] = {
		{ CURL, "API.github.com", 443, "POST", "/repos/a/b/issues" },
		{ CURL, GH, 443, "POST", "/repos/a/b/issues" },
	};
	static const struct ask beside[] = {
		{ CURL, GH, 443, "PUT", "/repos/a/b/issues" },
		{ CURL, GH, 443, "POST", "/repos/a/c/issues" },
		{ CURL, GH, 443, "POST", "/repos/a/b/issues/1" },
		{ CURL, GH, 80, "POST", "/repos/a/b/issues" },
		{ CURL, "github.com", 443, "POST", "/repos/a/b/issues" },
		{ "/usr/bin/wget", GH, 443, "POST", "/repos/a/b/issues" },
	};
	AUTO_LEARNED r = learn("version: 1\n", asked, ARRAY_LEN(asked));

	CHECK_STR(buf_str(&r.text),
	    "# head\n# line\nversion: 1\nnetwork_policies:\n"
	    "  learned_curl:\n"
	    "    binaries:\n"
	    "    - path: /usr/bin/curl\n"
	    "    endpoints:\n"
	    "    - host: api.github.com\n"
	    "      port: 443\n"
	    "      protocol: rest\n"
	    "      rules:\n"
	    "      - allow:\n"
	    "          method: POST\n"
	    "          path: /repos/a/b/issues\n");
	for (size_t i = 0; i < ARRAY_LEN(beside); i++)
		CHECK(!allows(r.s, &beside[i]));
}

TEST(learn, identifiers_become_a_star_only_when_there_are_enough)
{
	static const struct ask two[] = {
		{ CURL, GH, 443, "GET", "/items/1/x" },
		{ CURL, GH, 443, "GET", "/items/22/x" },
	};
	static const struct ask three[] = {
		{ CURL, GH, 443, "GET", "/items/1/x" },
		{ CURL, GH, 443, "GET", "/items/22/x" },
		{ CURL, GH, 443, "GET", "/items/333/x" },
		{ CURL, GH, 443, "GET", "/items/feedface/x" },
	};
	static const struct ask other = { CURL, GH, 443, "GET", "/items/4/x" };
	static const struct ask deeper = { CURL, GH, 443, "GET",
		"/items/4/5/x" };
	AUTO_LEARNED a = learn("version: 1\n", two, ARRAY_LEN(two));
	AUTO_LEARNED b = learn("version: 1\n", three, ARRAY_LEN(three));

	CHECK(strstr(buf_str(&a.text), "generalised") == NULL);
	CHECK(!allows(a.s, &other));
	CHECK_HAS(buf_str(&b.text),
	    "      # generalised: segment 2: * stands for a number, 3 seen "
	    "(1, 22, 333)\n"
	    "      - allow:\n"
	    "          method: GET\n"
	    "          path: /items/*/x\n");
	CHECK_HAS(buf_str(&b.text), "path: /items/feedface/x\n");
	CHECK(strstr(buf_str(&b.text), "**") == NULL);
	CHECK(allows(b.s, &other));
	CHECK(!allows(b.s, &deeper));
}

TEST(learn, each_kind_of_identifier_is_its_own)
{
	static const struct ask asked[] = {
		{ CURL, GH, 443, "GET", "/c/0123abc" },
		{ CURL, GH, 443, "GET", "/c/0123abd" },
		{ CURL, GH, 443, "GET", "/c/0123abe" },
		{ CURL, GH, 443, "GET",
		    "/c/123e4567-e89b-12d3-a456-426614174000" },
		{ CURL, GH, 443, "GET", "/c/7" },
		{ CURL, GH, 443, "GET", "/c/words" },
	};
	AUTO_LEARNED r = learn("version: 1\n", asked, ARRAY_LEN(asked));

	CHECK_HAS(buf_str(&r.text), "a hexadecimal id, 3 seen");
	CHECK_HAS(buf_str(&r.text),
	    "path: /c/123e4567-e89b-12d3-a456-426614174000\n");
	CHECK_HAS(buf_str(&r.text), "path: /c/7\n");
	CHECK_HAS(buf_str(&r.text), "path: /c/words\n");
}

TEST(learn, signs_of_patterns_and_yaml_stay_what_they_were)
{
	static const struct ask asked[] = {
		{ CURL, GH, 443, "GET", "/a*b/%7Bc%7D/%5Bd%5D%3F%5C" },
		{ CURL, GH, 443, "GET", "/x:%20y%20%23z,&!'()" },
		{ "/opt/my tool: #1/run", GH, 443, "GET", "/" },
	};
	static const struct ask other = { CURL, GH, 443, "GET",
		"/aXb/%7Bc%7D/%5Bd%5D%3F%5C" };
	AUTO_LEARNED r = learn("version: 1\n", asked, ARRAY_LEN(asked));

	CHECK(!allows(r.s, &other));
}

TEST(learn, a_connection_alone_is_allowed_to_read_and_says_so)
{
	static const struct ask asked[] = { { CURL, "h.test", 443, "", "" } };
	static const struct ask get = { CURL, "h.test", 443, "GET", "/x" };
	static const struct ask post = { CURL, "h.test", 443, "POST", "/x" };
	AUTO_LEARNED r = learn("version: 1\n", asked, ARRAY_LEN(asked));

	CHECK_HAS(buf_str(&r.text), "# only connections were seen");
	CHECK(allows(r.s, &get));
	CHECK(!allows(r.s, &post));
}

TEST(learn, adds_to_the_current_policy_and_keeps_it)
{
	static const struct ask asked[] = {
		{ CURL, GH, 443, "GET", "/zen" },
	};
	static const struct ask old = { "/usr/bin/git", GH, 443, "GET", "/a" };
	static const struct ask wide = { CURL, GH, 443, "GET", "/a" };
	AUTO_LEARNED r = learn(base, asked, ARRAY_LEN(asked));

	CHECK(allows(r.s, &old));
	CHECK(!allows(r.s, &wide));
}

TEST(learn, what_overlaps_agrees_with_what_is_there)
{
	static const char audited[] =
	    "version: 1\n"
	    "network_policies:\n"
	    "  a:\n"
	    "    endpoints:\n"
	    "    - {host: '*.lan.test', port: 443, protocol: rest, "
	    "enforcement: audit, access: read-only, "
	    "allowed_ips: [10.1.0.0/16]}\n"
	    "    binaries: [{path: /usr/bin/curl}]\n";
	static const struct ask asked[] = {
		{ CURL, "a.lan.test", 443, "POST", "/zen" },
	};
	AUTO_LEARNED r = learn(audited, asked, ARRAY_LEN(asked));
	AUTO_LEARNED strict = learn_as(audited, asked, ARRAY_LEN(asked), true);

	CHECK_HAS(buf_str(&r.text), "      enforcement: audit\n"
				    "      allowed_ips:\n"
				    "      - 10.1.0.0/16\n"
				    "      rules:\n");
	CHECK(strstr(buf_str(&strict.text), "audit") == NULL);
}

TEST(learn, an_endpoint_about_some_paths_leaves_the_others)
{
	static const char scoped[] =
	    "version: 1\n"
	    "network_policies:\n"
	    "  a:\n"
	    "    endpoints:\n"
	    "    - {host: a.test, port: 443, path: '/v1/**', protocol: rest, "
	    "enforcement: audit, access: read-only, "
	    "allowed_ips: [10.1.0.0/16]}\n"
	    "    binaries: [{path: /usr/bin/git}]\n";
	static const struct ask asked[] = {
		{ CURL, "a.test", 443, "POST", "/v1/x" },
		{ CURL, "a.test", 443, "POST", "/other" },
	};
	AUTO_LEARNED r = learn(scoped, asked, ARRAY_LEN(asked));

	/* What is of the connection is shared, what is of requests is not. */
	CHECK_HAS(buf_str(&r.text), "      protocol: rest\n"
				    "      allowed_ips:\n"
				    "      - 10.1.0.0/16\n"
				    "      rules:\n");
}

TEST(learn, what_deny_rules_refuse_is_not_learned)
{
	static const char denied[] =
	    "version: 1\n"
	    "network_policies:\n"
	    "  gh:\n"
	    "    endpoints:\n"
	    "    - host: api.github.com\n"
	    "      port: 443\n"
	    "      protocol: rest\n"
	    "      access: read-only\n"
	    "      deny_rules:\n"
	    "      - {method: '*', path: '/admin/**'}\n"
	    "    binaries: [{path: /usr/bin/curl}]\n";
	static const struct ask no = { CURL, GH, 443, "GET", "/admin/x" };
	static const struct ask yes[] = { { CURL, GH, 443, "POST", "/x" } };
	AUTO_POLICY struct policy *p = must_parse("denied", denied);
	AUTO_LEARNER struct learner *l = NULL;
	struct policy_seen seen = seen_of(&no);
	AUTO_LEARNED r = learn(denied, yes, ARRAY_LEN(yes));
	struct err e;

	CHECK_INT(learner_new(p, 3, false, &l, &e), ==, 0);
	CHECK_INT(learner_add(l, &seen), ==, LEARN_REFUSED);
	CHECK(!allows(r.s, &no));
}

TEST(learn, a_policy_key_is_never_taken_twice)
{
	static const char taken[] = "version: 1\n"
				    "network_policies:\n"
				    "  learned_curl:\n"
				    "    endpoints:\n"
				    "    - {host: a.test, port: 443}\n"
				    "    binaries: [{path: /usr/bin/curl}]\n";
	static const struct ask asked[] = {
		{ CURL, "b.test", 443, "GET", "/" },
		{ "/opt/curl", "b.test", 443, "GET", "/" },
	};
	AUTO_LEARNED r = learn(taken, asked, ARRAY_LEN(asked));

	CHECK_HAS(buf_str(&r.text), "\n  learned_curl:\n");
	CHECK_HAS(buf_str(&r.text), "\n  learned_curl_2:\n");
	CHECK_HAS(buf_str(&r.text), "\n  learned_curl_3:\n");
}

TEST(learn, what_cannot_be_learned_is_told_apart)
{
	static const struct {
		struct ask a;
		enum learn_skip want;
	} rows[] = {
		{ { "-", GH, 443, "GET", "/" }, LEARN_NO_PROGRAM },
		{ { "", GH, 443, "GET", "/" }, LEARN_NO_PROGRAM },
		{ { "/usr/bin/*", GH, 443, "GET", "/" }, LEARN_NO_PROGRAM },
		{ { "/a\nb", GH, 443, "GET", "/" }, LEARN_NO_PROGRAM },
		{ { CURL, "a b", 443, "GET", "/" }, LEARN_BAD_HOST },
		{ { CURL, GH, 0, "GET", "/" }, LEARN_BAD_HOST },
		{ { CURL, GH, 443, "get", "/" }, LEARN_BAD_REQUEST },
		{ { CURL, GH, 443, "GET", "x" }, LEARN_BAD_REQUEST },
		{ { CURL, GH, 443, "GET", "/{c}" }, LEARN_BAD_REQUEST },
		{ { CURL, GH, 443, "GET", "/%7bc" }, LEARN_BAD_REQUEST },
		{ { CURL, GH, 443, "GET", "/%41" }, LEARN_BAD_REQUEST },
		{ { CURL, GH, 443, "GET", "/%4" }, LEARN_BAD_REQUEST },
		{ { CURL, GH, 443, "GET", "/a\x1b[2J" }, LEARN_BAD_REQUEST },
		{ { CURL, GH, 443, "", "/" }, LEARN_BAD_REQUEST },
		{ { "/usr/bin/git", GH, 443, "GET", "/" }, LEARN_ALLOWED },
		{ { "/usr/bin/git", GH, 443, "", "" }, LEARN_ALLOWED },
	};
	AUTO_POLICY struct policy *p = must_parse("base", base);
	AUTO_LEARNER struct learner *l = NULL;
	struct err e;

	CHECK_INT(learner_new(p, 3, false, &l, &e), ==, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_seen seen = seen_of(&rows[i].a);

		CHECK_STR(learn_skip_text(learner_add(l, &seen)),
		    learn_skip_text(rows[i].want));
	}
	CHECK_INT(learner_count(l), ==, 0);
}

TEST(learn, floods_are_bounded_and_still_load)
{
	AUTO_POLICY struct policy *p = must_parse("base", base);
	AUTO_LEARNER struct learner *l = NULL;
	AUTO_BUF struct buf out = BUF_INIT(POLICY_TEXT_MAX);
	size_t taken = 0;
	struct err e;

	CHECK_INT(learner_new(p, 3, false, &l, &e), ==, 0);
	for (unsigned i = 0; i < LEARN_SEEN_MAX + 100; i++) {
		char path[64], host[64];
		struct policy_seen seen = { VIEW(CURL), { host, 0 },
			VIEW("GET"), { path, 0 }, 443 };

		seen.host.n =
		    (size_t)snprintf(host, sizeof(host), "h%u.test", i % 400);
		seen.path.n = (size_t)snprintf(
		    path, sizeof(path), "/w%cx%u", 'a' + (int)(i % 26), i);
		taken += learner_add(l, &seen) == LEARN_TAKEN;
	}
	CHECK_INT(taken, ==, LEARN_SEEN_MAX);
	if (learner_yaml(l, VIEW(""), &out, &e) < 0)
		fail_msg("%s", e.text);
	CHECK_HAS(buf_str(&out), "\n  learned_curl_2:\n");
}

static const char tools[] =
    "version: 1\n"
    "network_policies:\n"
    "  tools:\n"
    "    endpoints:\n"
    "    - host: tools.test\n"
    "      port: 443\n"
    "      path: /mcp\n"
    "      protocol: mcp\n"
    "      mcp: {max_body_bytes: 1000, strict_tool_names: false}\n"
    "      rules:\n"
    "      - allow: {method: initialize}\n"
    "      - allow: {method: tools/call, tool: read}\n"
    "      - allow: {method: tools/call, tool: write, "
    "params: {arguments: {dir: '/tmp/**'}}}\n"
    "      deny_rules: [{method: tools/call, tool: secret}]\n"
    "    - {host: calls.test, port: 443, protocol: json-rpc, "
    "rules: [{allow: {method: a}}]}\n"
    "    - {host: graph.test, port: 443, protocol: graphql, "
    "access: read-only}\n"
    "    binaries: [{path: /usr/bin/curl}]\n";

struct call {
	const char *host, *path, *operation, *tool;
	enum learn_skip skip;
};

static enum learn_skip
add_call(struct learner *l, const struct call *c)
{
	const struct policy_seen seen = { VIEW(CURL), view_of(c->host),
		VIEW("POST"), view_of(c->path), 443, view_of(c->operation),
		view_of(c->tool) };

	return learner_add(l, &seen);
}

static bool
call_passes(const struct snapshot *s, const struct call *c)
{
	struct policy_who who = { .exe = VIEW(CURL) };
	struct policy_request r = { VIEW("POST"), view_of(c->path),
		{ NULL, 0 } };
	struct policy_param p = { VIEW("name"), view_of(c->tool) };
	struct policy_op op = { .kind = POLICY_OP_CALL,
		.method = view_of(c->operation),
		.params = &p,
		.n_params = p.value.n > 0 };
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_op(s, &who, view_of(c->host), 443, &r, &op, &v, &why);
	return v.allow;
}

TEST(learn, a_call_becomes_the_rule_of_its_method_and_tool)
{
	static const struct call calls[] = {
		{ "tools.test", "/mcp", "tools/call", "delete", LEARN_TAKEN },
		{ "tools.test", "/mcp", "tools/call", "delete", LEARN_TAKEN },
		{ "tools.test", "/mcp", "tools/call", "create", LEARN_TAKEN },
		{ "tools.test", "/mcp", "tools/list", "", LEARN_TAKEN },
		{ "calls.test", "/x", "b", "", LEARN_TAKEN },
		{ "calls.test", "/y", "b", "", LEARN_TAKEN },
		{ "tools.test", "/mcp", "tools/call", "read", LEARN_ALLOWED },
		{ "tools.test", "/mcp", "tools/call", "write",
		    LEARN_ARGUMENTS },
		{ "tools.test", "/mcp", "tools/call", "secret", LEARN_REFUSED },
		{ "tools.test", "/mcp", "tools/call", "a*", LEARN_BAD_REQUEST },
		{ "tools.test", "/mcp", "tools/call", "", LEARN_BAD_REQUEST },
		{ "calls.test", "/", "*", "", LEARN_BAD_REQUEST },
		{ "tools.test", "/other", "tools/list", "", LEARN_PROTOCOL },
		/* A record of before root fields were in records. */
		{ "graph.test", "/", "mutation Drop", "", LEARN_GRAPHQL },
	};
	static const struct call beside[] = {
		{ "tools.test", "/mcp", "tools/call", "deleted", 0 },
		{ "tools.test", "/mcp", "resources/list", "", 0 },
		{ "calls.test", "/x", "c", "", 0 },
	};
	AUTO_POLICY struct policy *p = must_parse("tools", tools);
	AUTO_LEARNER struct learner *l = NULL;
	AUTO_BUF struct buf text = BUF_INIT(POLICY_TEXT_MAX);
	struct snapshot *s;
	struct err e;

	CHECK_INT(learner_new(p, LEARN_DISTINCT, false, &l, &e), ==, 0);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		CHECK_INT(add_call(l, &calls[i]), ==, calls[i].skip);
	CHECK_INT(learner_count(l), ==, 4);
	if (learner_yaml(l, VIEW("head"), &text, &e) < 0)
		fail_msg("%s\n%s", e.text, buf_str(&text));
	s = must_compile("learned", buf_str(&text));
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		CHECK(call_passes(s, &calls[i]) ==
		      (calls[i].skip == LEARN_TAKEN ||
			  calls[i].skip == LEARN_ALLOWED));
	for (size_t i = 0; i < ARRAY_LEN(beside); i++)
		CHECK(!call_passes(s, &beside[i]));
	CHECK_HAS(buf_str(&text),
	    "      rules:\n"
	    "      # generalised: any arguments; those of the calls are in no "
	    "record\n"
	    "      - allow:\n"
	    "          method: tools/call\n"
	    "          tool: create\n"
	    "      - allow:\n"
	    "          method: tools/call\n"
	    "          tool: delete\n"
	    "      - allow:\n"
	    "          method: tools/list\n");
	snapshot_unref(s);
}

static const char sockets[] =
    "version: 1\n"
    "network_policies:\n"
    "  p:\n"
    "    endpoints:\n"
    "    - {host: graph.test, port: 443, protocol: graphql, access: "
    "read-only, graphql_max_body_bytes: 1000, deny_rules: "
    "[{fields: [secret]}]}\n"
    "    - {host: ws.test, port: 443, protocol: websocket, rules: "
    "[{allow: {method: GET, path: /chat}}], deny_rules: "
    "[{method: GET, path: /shut}]}\n"
    "    - {host: sub.test, port: 443, protocol: websocket, rules: "
    "[{allow: {method: GET, path: /g}}, {allow: {operation_type: query}}]}\n"
    "    - {host: rest.test, port: 443, protocol: rest, access: read-only}\n"
    "    binaries: [{path: /usr/bin/curl}]\n";

struct message {
	const char *host, *method, *path, *operation, *fields;
	enum learn_skip skip;
};

static enum learn_skip
add_message(struct learner *l, const struct message *m)
{
	const struct policy_seen seen = { VIEW(CURL), view_of(m->host),
		view_of(m->method), view_of(m->path), 443,
		view_of(m->operation), VIEW(""), view_of(m->fields) };

	return learner_add(l, &seen);
}

static bool
message_passes(const struct snapshot *s, const struct message *m)
{
	struct policy_who who = { .exe = VIEW(CURL) };
	struct policy_request r = { view_of(m->method), view_of(m->path),
		{ NULL, 0 } };
	struct view rest = view_of(m->fields), fields[8], name;
	struct policy_op op = { .kind = POLICY_OP_TEXT, .fields = fields };
	struct policy_verdict v;
	struct policy_reason why;

	if (view_eq(r.method, VIEW("GET"))) {
		policy_decide_request(
		    s, &who, view_of(m->host), 443, &r, &v, &why);
		return v.allow;
	}
	if (m->operation[0] != '\0') {
		op.kind = POLICY_OP_GRAPHQL;
		op.type = view_cut(view_of(m->operation), ' ', &name);
		op.name = name;
	}
	while (rest.n > 0)
		fields[op.n_fields++] = view_trim(view_cut(rest, ',', &rest));
	policy_decide_op(s, &who, view_of(m->host), 443, &r, &op, &v, &why);
	return v.allow;
}

TEST(learn, operations_of_graphql_and_messages_of_websockets)
{
	static const struct message seen[] = {
		{ "graph.test", "POST", "/q", "mutation Drop", "drop, log",
		    LEARN_TAKEN },
		{ "graph.test", "POST", "/q", "mutation Other", "log, drop",
		    LEARN_TAKEN },
		{ "graph.test", "POST", "/q", "subscription", "news",
		    LEARN_TAKEN },
		{ "graph.test", "POST", "/q", "query A", "x", LEARN_ALLOWED },
		{ "graph.test", "POST", "/q", "mutation A", "secret",
		    LEARN_REFUSED },
		{ "graph.test", "POST", "/q", "mutation A", "a*",
		    LEARN_BAD_REQUEST },
		{ "graph.test", "POST", "/q", "merge A", "a",
		    LEARN_BAD_REQUEST },
		{ "ws.test", "WEBSOCKET_TEXT", "/chat", "", "", LEARN_TAKEN },
		{ "ws.test", "GET", "/news", "", "", LEARN_TAKEN },
		{ "ws.test", "GET", "/chat", "", "", LEARN_ALLOWED },
		{ "ws.test", "GET", "/shut", "", "", LEARN_REFUSED },
		{ "ws.test", "POST", "/chat", "", "", LEARN_PROTOCOL },
		{ "sub.test", "WEBSOCKET_TEXT", "/g", "subscription S", "feed",
		    LEARN_TAKEN },
		{ "sub.test", "WEBSOCKET_TEXT", "/g", "", "", LEARN_PROTOCOL },
		{ "rest.test", "WEBSOCKET_TEXT", "/g", "", "", LEARN_PROTOCOL },
		{ "rest.test", "POST", "/g", "query", "a", LEARN_PROTOCOL },
	};
	static const struct message beside[] = {
		{ "graph.test", "POST", "/q", "mutation", "drop, more", 0 },
		{ "graph.test", "POST", "/q", "subscription", "drop", 0 },
		{ "ws.test", "WEBSOCKET_TEXT", "/news", "", "", 0 },
		{ "ws.test", "GET", "/other", "", "", 0 },
		{ "sub.test", "WEBSOCKET_TEXT", "/g", "subscription", "x", 0 },
	};
	AUTO_POLICY struct policy *p = must_parse("sockets", sockets);
	AUTO_LEARNER struct learner *l = NULL;
	AUTO_BUF struct buf text = BUF_INIT(POLICY_TEXT_MAX);
	struct snapshot *s;
	struct err e;

	CHECK_INT(learner_new(p, LEARN_DISTINCT, false, &l, &e), ==, 0);
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		if (add_message(l, &seen[i]) != seen[i].skip)
			fail_msg("%s %s %s %s", seen[i].host, seen[i].method,
			    seen[i].operation, seen[i].fields);
	if (learner_yaml(l, VIEW("head"), &text, &e) < 0)
		fail_msg("%s\n%s", e.text, buf_str(&text));
	s = must_compile("learned", buf_str(&text));
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		if (message_passes(s, &seen[i]) !=
			(seen[i].skip == LEARN_TAKEN ||
			    seen[i].skip == LEARN_ALLOWED) &&
		    seen[i].skip != LEARN_BAD_REQUEST &&
		    seen[i].skip != LEARN_PROTOCOL)
			fail_msg("%s %s %s\n%s", seen[i].host, seen[i].method,
			    seen[i].fields, buf_str(&text));
	for (size_t i = 0; i < ARRAY_LEN(beside); i++)
		if (message_passes(s, &beside[i]))
			fail_msg("%s %s", beside[i].host, beside[i].fields);
	CHECK_HAS(buf_str(&text), "      rules:\n"
				  "      - allow:\n"
				  "          operation_type: mutation\n"
				  "          fields:\n"
				  "          - drop\n"
				  "          - log\n"
				  "      - allow:\n"
				  "          operation_type: subscription\n"
				  "          fields:\n"
				  "          - news\n");
	snapshot_unref(s);
}
