/* The vectors of decisions, and what the vectors leave open. */
#include "fixture.h"

#include "policy/compiled.h"

static const char fixture_a[] =
    "version: 1\n"
    "network_policies:\n"
    "  claude_code:\n"
    "    endpoints:\n"
    "    - {host: api.anthropic.com, port: 443}\n"
    "    - {host: statsig.anthropic.com, port: 443}\n"
    "    binaries: [{path: /usr/local/bin/claude}, {path: /usr/bin/node}]\n"
    "  github_ssh_over_https:\n"
    "    name: github-ssh-over-https\n"
    "    endpoints:\n"
    "    - host: github.com\n"
    "      port: 443\n"
    "      protocol: rest\n"
    "      enforcement: enforce\n"
    "      rules:\n"
    "      - allow: {method: GET, path: '/**/info/refs*'}\n"
    "      - allow: {method: POST, path: '/**/git-upload-pack'}\n"
    "    binaries: [{path: /usr/bin/git}]\n"
    "  copilot:\n"
    "    endpoints:\n"
    "    - {host: github.com, port: 443}\n"
    "    - {host: api.github.com, port: 443}\n"
    "    binaries:\n"
    "    - path: /usr/local/bin/copilot\n"
    "    - path: '/home/*/.local/bin/copilot'\n"
    "    - path: /usr/bin/node\n"
    "  gitlab:\n"
    "    endpoints: [{host: gitlab.com, port: 443}]\n"
    "    binaries: [{path: /usr/bin/glab}]\n";

static const char fixture_b[] =
    "version: 1\n"
    "network_policies:\n"
    "  rest_api:\n"
    "    endpoints:\n"
    "    - host: api.example.com\n"
    "      port: 8080\n"
    "      protocol: rest\n"
    "      enforcement: enforce\n"
    "      rules:\n"
    "      - allow: {method: GET, path: '/repos/**'}\n"
    "      - allow: {method: POST, path: '/repos/*/issues'}\n"
    "    - {host: api.readonly.com, port: 8080, protocol: rest, "
    "access: read-only}\n"
    "    - {host: api.full.com, port: 8080, protocol: rest, "
    "enforcement: audit, access: full}\n"
    "    - host: api.query.com\n"
    "      port: 8080\n"
    "      protocol: rest\n"
    "      rules:\n"
    "      - allow: {method: GET, path: /download, query: {tag: 'foo-*'}}\n"
    "      - allow:\n"
    "          method: GET\n"
    "          path: /search\n"
    "          query: {tag: {any: ['foo-*', 'bar-*']}}\n"
    "    binaries: [{path: /usr/bin/curl}]\n"
    "  l4:\n"
    "    endpoints: [{host: l4only.example.com, port: 443}]\n"
    "    binaries: [{path: /usr/bin/curl}]\n";

#define ONE(endpoint, binary) \
	"version: 1\nnetwork_policies: {p: {endpoints: [" endpoint \
	"], binaries: [{path: '" binary "'}]}}\n"

struct conn_vector {
	const char *id, *policy, *chain, *cmdline, *host;
	uint16_t port;
	const char *allow; /* the policy's key, or NULL for a refusal */
	const char *reason;
};

static void
check_conn(const struct conn_vector *v)
{
	struct snapshot *s = must_compile(v->id, v->policy);
	struct policy_who who = who_is(v->chain);
	struct policy_conn c;
	struct policy_reason why;

	who.cmdline = view_of(v->cmdline);
	policy_decide_conn(s, &who, view_of(v->host), v->port, &c, &why);
	if (c.allow != (v->allow != NULL))
		fail_msg("%s: %s:%u by %s: %s (%s)", v->id, v->host, v->port,
		    v->chain, c.allow ? "allowed" : "denied", why.text);
	if (c.allow && strcmp(c.policy, v->allow) != 0)
		fail_msg(
		    "%s: by policy %s, want %s", v->id, c.policy, v->allow);
	if (v->reason != NULL && strstr(why.text, v->reason) == NULL)
		fail_msg(
		    "%s: reason '%s' lacks '%s'", v->id, why.text, v->reason);
	snapshot_unref(s);
}

#define SUB "{host: '*.example.com', port: 443}"
#define UPPER "{host: '*.EXAMPLE.COM', port: 443}"
#define DEEP "{host: '**.example.com', port: 443}"
#define PLAIN "{host: example.com, port: 443}"
#define HOSTLESS "{ports: [80, 443], allowed_ips: [10.1.0.0/16]}"
#define PORTS "{host: example.com, ports: [443, 8443]}"

TEST(decide, vectors_of_connections)
{
	static const struct conn_vector v[] = {
		{ "D-01", fixture_a, "/usr/bin/node", "/usr/local/bin/claude",
		    "api.anthropic.com", 443, "claude_code", NULL },
		{ "D-02", fixture_a, "/usr/bin/python3", "",
		    "api.anthropic.com", 443, NULL, "not allowed" },
		{ "D-03", fixture_a, "/usr/bin/node", "", "evil.example.com",
		    443, NULL,
		    "endpoint evil.example.com:443 is not allowed "
		    "by any policy" },
		{ "D-05", fixture_a, "/usr/bin/git", "", "github.com", 443,
		    "github_ssh_over_https", NULL },
		{ "D-06", fixture_a, "/usr/bin/node", "", "API.ANTHROPIC.COM",
		    443, "claude_code", NULL },
		{ "D-07", fixture_a, "/usr/bin/node", "", "api.anthropic.com",
		    80, NULL, "endpoint" },
		{ "D-08", fixture_a, "/usr/bin/python3 < /usr/bin/git", "",
		    "github.com", 443, "github_ssh_over_https", NULL },
		{ "D-10", fixture_a,
		    "/usr/bin/python3 < /usr/bin/sh < /usr/bin/git", "",
		    "github.com", 443, "github_ssh_over_https", NULL },
		{ "D-11", "version: 1", "/usr/bin/node", "",
		    "api.anthropic.com", 443, NULL,
		    "network connections not allowed by policy" },
		{ "D-20", ONE(PLAIN, "/usr/bin/*"), "/usr/bin/node", "",
		    "example.com", 443, "p", NULL },
		{ "D-21", ONE(PLAIN, "/usr/bin/*"), "/usr/bin/subdir/node", "",
		    "example.com", 443, NULL, "not allowed" },
		{ "D-22", ONE(PLAIN, "/usr/local/bin/*"),
		    "/usr/bin/node < /usr/local/bin/claude", "", "example.com",
		    443, "p", NULL },
		{ "D-23", ONE(PLAIN, "/usr/local/bin/my-tool"), "/usr/bin/node",
		    "/usr/local/bin/my-tool", "example.com", 443, NULL,
		    "binary '/usr/bin/node' (ancestors: [], cmdline:"
		    " [/usr/local/bin/my-tool]) not allowed in policy 'p'" },
		{ "D-25", ONE(SUB, "/c"), "/c", "", "api.example.com", 443, "p",
		    NULL },
		{ "D-26", ONE(SUB, "/c"), "/c", "", "deep.sub.example.com", 443,
		    NULL, NULL },
		{ "D-28", ONE(UPPER, "/c"), "/c", "", "api.example.com", 443,
		    "p", NULL },
		{ "D-30", ONE(HOSTLESS, "/c"), "/c", "", "anything.internal",
		    443, "p", NULL },
		{ "D-30", ONE(HOSTLESS, "/c"), "/c", "", "anything.internal",
		    8080, NULL, NULL },
		{ "D-32", ONE(PORTS, "/c"), "/c", "", "example.com", 443, "p",
		    NULL },
		{ "D-32", ONE(PORTS, "/c"), "/c", "", "example.com", 8443, "p",
		    NULL },
		{ "D-32", ONE(PORTS, "/c"), "/c", "", "example.com", 80, NULL,
		    NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_conn(&v[i]);
}

TEST(decide, connections_beyond_the_vectors)
{
	static const struct conn_vector v[] = {
		{ "wildcard, apex", ONE(SUB, "/c"), "/c", "", "example.com",
		    443, NULL, NULL },
		{ "double wildcard", ONE(DEEP, "/c"), "/c", "",
		    "a.b.c.example.com", 443, "p", NULL },
		{ "double wildcard", ONE(DEEP, "/c"), "/c", "", "a.example.com",
		    443, "p", NULL },
		{ "double wildcard, apex", ONE(DEEP, "/c"), "/c", "",
		    "example.com", 443, NULL, NULL },
		{ "double wildcard, suffix only", ONE(DEEP, "/c"), "/c", "",
		    "notexample.com", 443, NULL, NULL },
		{ "A11", ONE("{host: '*.a.com', port: 443}", "/c"), "/c", "",
		    "x.y.a.com", 443, NULL, NULL },
		{ "trailing dot", ONE(PLAIN, "/c"), "/c", "", "example.com.",
		    443, "p", NULL },
		{ "trailing dot in policy",
		    ONE("{host: example.com., port: 443}", "/c"), "/c", "",
		    "example.com", 443, "p", NULL },
		{ "two trailing dots", ONE(PLAIN, "/c"), "/c", "",
		    "example.com..", 443, NULL, NULL },
		{ "empty label", ONE(SUB, "/c"), "/c", "", ".example.com", 443,
		    NULL, NULL },
		{ "A02", ONE(HOSTLESS, "/c"), "/c", "", "127.1", 443, NULL,
		    "not a valid name" },
		{ "A02", ONE(HOSTLESS, "/c"), "/c", "", "2130706433", 443, NULL,
		    "not a valid name" },
		{ "A08", ONE(HOSTLESS, "/c"), "/c", "",
		    "a\xe3\x80\x82"
		    "b",
		    443, NULL, "not a valid name" },
		{ "IPv6 in another spelling",
		    ONE("{host: '2001:DB8:0::1', port: 443}", "/c"), "/c", "",
		    "2001:db8::1", 443, "p", NULL },
		{ "pattern as program", ONE(PLAIN, "/usr/bin/*"),
		    "/usr/bin/x/*", "", "example.com", 443, NULL, NULL },
		{ "copilot's glob", fixture_a, "/home/u/.local/bin/copilot", "",
		    "api.github.com", 443, "copilot", NULL },
		{ "smallest key", fixture_a, "/usr/bin/node < /usr/bin/git", "",
		    "github.com", 443, "copilot", NULL },
		{ "no program", fixture_a, "", "", "github.com", 443, NULL,
		    "missing input.exec" },
		{ "no host", fixture_a, "/usr/bin/git", "", "", 443, NULL,
		    "missing input.network" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_conn(&v[i]);
}

/* An endpoint of one policy never combines with a binary of another. */
TEST(decide, policies_do_not_mix)
{
	struct snapshot *s = must_compile("mix", fixture_a);
	struct policy_who who = who_is("/usr/bin/glab");
	struct policy_conn c;
	struct policy_reason why;

	policy_decide_conn(s, &who, VIEW("github.com"), 443, &c, &why);
	CHECK(!c.allow);
	CHECK_STR(why.text,
	    "endpoint github.com:443 not in policy 'claude_code'; "
	    "endpoint github.com:443 not in policy 'gitlab'; "
	    "binary '/usr/bin/glab' (ancestors: [], cmdline: []) not allowed "
	    "in policy 'copilot'; "
	    "binary '/usr/bin/glab' (ancestors: [], cmdline: []) not allowed "
	    "in policy 'github_ssh_over_https'");
	snapshot_unref(s);
}

TEST(decide, reasons_show_the_chain_and_escape_it)
{
	struct snapshot *s = must_compile("chain", ONE(PLAIN, "/c"));
	struct policy_who who = who_is("/x\x1b[31m < /y\n < /z");
	struct policy_conn c;
	struct policy_reason why;

	who.cmdline = VIEW("/a, /b");
	policy_decide_conn(s, &who, VIEW("example.com"), 443, &c, &why);
	CHECK_STR(why.text, "binary '/x\\x1b[31m' (ancestors: [/y\\x0a -> /z],"
			    " cmdline: [/a, /b]) not allowed in policy 'p'");
	snapshot_unref(s);
}

TEST(decide, reasons_are_bounded_and_keep_what_matters)
{
	AUTO_BUF struct buf b = BUF_INIT(POLICY_TEXT_MAX);
	struct policy_who who = who_is("/usr/bin/curl");
	struct policy_conn c;
	struct policy_reason why;
	struct snapshot *s;

	buf_puts(&b, "version: 1\nnetwork_policies:\n");
	for (int i = 0; i < 100; i++)
		buf_printf(&b,
		    "  p%d: {endpoints: [{host: h%d.com, port: 443}]"
		    ", binaries: [{path: /x}]}\n",
		    i, i);
	s = must_compile("long", buf_str(&b));
	policy_decide_conn(s, &who, VIEW("h50.com"), 443, &c, &why);
	CHECK_STR(why.text, "binary '/usr/bin/curl' (ancestors: [], cmdline: "
			    "[]) not allowed in policy 'p50'");
	snapshot_unref(s);

	buf_reset(&b);
	buf_puts(&b, "version: 1\nnetwork_policies:\n");
	for (int i = 0; i < 100; i++)
		buf_printf(&b,
		    "  p%d: {endpoints: [{host: h.com, port: 443}], "
		    "binaries: [{path: /x}]}\n",
		    i);
	s = must_compile("long", buf_str(&b));
	policy_decide_conn(s, &who, VIEW("h.com"), 443, &c, &why);
	CHECK_INT(strlen(why.text), <, POLICY_REASON_MAX);
	CHECK(view_ends(view_of(why.text), VIEW("...")));
	snapshot_unref(s);
}

TEST(decide, D_31_allowed_ips_reach_the_connection)
{
	struct snapshot *s = must_compile(
	    "D-31", ONE("{host: my-service.corp.net, port: 8080, allowed_ips: "
			"[10.0.5.0/24]}",
			"/c"));
	struct policy_who who = who_is("/c");
	struct policy_conn c;
	struct policy_reason why;

	policy_decide_conn(
	    s, &who, VIEW("my-service.corp.net"), 8080, &c, &why);
	CHECK(c.allow);
	CHECK_INT(c.n_nets, ==, 1);
	CHECK_INT(c.nets[0].n, ==, 1);
	CHECK_INT(c.nets[0].v[0].family, ==, 4);
	CHECK_INT(c.nets[0].v[0].prefix, ==, 24);
	CHECK(memcmp(c.nets[0].v[0].addr, "\x0a\x00\x05\x00", 4) == 0);
	CHECK(c.exact_host);
	snapshot_unref(s);
}

TEST(decide, networks_are_masked_and_unmapped)
{
	struct policy_net n;

	CHECK_INT(p_net_parse(VIEW("10.1.2.3/16"), &n), ==, 0);
	CHECK(memcmp(n.addr, "\x0a\x01\x00\x00", 4) == 0);
	CHECK_INT(p_net_parse(VIEW("::ffff:10.1.2.3"), &n), ==, 0);
	CHECK_INT(n.family, ==, 4);
	CHECK_INT(n.prefix, ==, 32);
	CHECK_INT(p_net_parse(VIEW("2001:db8::/33"), &n), ==, 0);
	CHECK_INT(n.family, ==, 6);
	CHECK_INT(p_net_parse(VIEW("10.1.2"), &n), ==, -1);
	CHECK_INT(p_net_parse(VIEW("10.1.2.3/"), &n), ==, -1);
	CHECK_INT(p_net_parse(VIEW("fe80::1%eth0"), &n), ==, -1);
	CHECK_INT(p_net_parse(VIEW(""), &n), ==, -1);
}

struct request_vector {
	const char *id, *policy, *exe, *method, *host, *path, *query;
	bool allow;
	const char *reason;
};

static void
check_request(const struct request_vector *v)
{
	struct snapshot *s = must_compile(v->id, v->policy);
	struct policy_who who = who_is(v->exe);
	struct policy_request r = { view_of(v->method), view_of(v->path),
		view_of(v->query) };
	struct policy_verdict out;
	struct policy_reason why;

	policy_decide_request(s, &who, view_of(v->host), 8080, &r, &out, &why);
	if (out.allow != v->allow)
		fail_msg("%s: %s %s%s?%s: %s (%s)", v->id, v->method, v->host,
		    v->path, v->query != NULL ? v->query : "",
		    out.allow ? "allowed" : "denied", why.text);
	if (v->reason != NULL && strstr(why.text, v->reason) == NULL)
		fail_msg(
		    "%s: reason '%s' lacks '%s'", v->id, why.text, v->reason);
	snapshot_unref(s);
}

#define CURL "/usr/bin/curl"
#define WILD \
	ONE("{host: '*.example.com', port: 8080, protocol: rest, rules: " \
	    "[{allow: {method: GET, path: '/api/**'}}]}", \
	    CURL)
#define GETX(path, query) \
	ONE("{host: h.com, port: 8080, protocol: rest, rules: [{allow: " \
	    "{method: GET, path: '" path "'" query "}}]}", \
	    CURL)

TEST(decide, vectors_of_requests)
{
	static const struct request_vector v[] = {
		{ "D-40", fixture_b, CURL, "GET", "api.example.com",
		    "/repos/myorg/foo", NULL, true, NULL },
		{ "D-41", fixture_b, CURL, "POST", "api.example.com",
		    "/repos/myorg/issues", NULL, true, NULL },
		{ "D-42", fixture_b, CURL, "DELETE", "api.example.com",
		    "/repos/myorg/foo", NULL, false,
		    "DELETE /repos/myorg/foo not permitted by policy" },
		{ "D-43", fixture_b, CURL, "GET", "api.example.com",
		    "/admin/settings", NULL, false, "not permitted" },
		{ "D-44", fixture_b, CURL, "get", "api.example.com",
		    "/repos/myorg/foo", NULL, true, NULL },
		{ "D-45", fixture_b, CURL, "GET", "api.readonly.com",
		    "/anything", NULL, true, NULL },
		{ "D-45", fixture_b, CURL, "HEAD", "api.readonly.com",
		    "/anything", NULL, true, NULL },
		{ "D-45", fixture_b, CURL, "OPTIONS", "api.readonly.com",
		    "/anything", NULL, true, NULL },
		{ "D-46", fixture_b, CURL, "POST", "api.readonly.com",
		    "/anything", NULL, false, "not permitted" },
		{ "D-48", fixture_b, CURL, "GET", "api.full.com", "/any/path",
		    NULL, true, NULL },
		{ "D-48", fixture_b, CURL, "HEAD", "api.full.com", "/any/path",
		    NULL, true, NULL },
		{ "D-48", fixture_b, CURL, "POST", "api.full.com", "/any/path",
		    NULL, true, NULL },
		{ "D-48", fixture_b, CURL, "PUT", "api.full.com", "/any/path",
		    NULL, true, NULL },
		{ "D-48", fixture_b, CURL, "DELETE", "api.full.com",
		    "/any/path", NULL, true, NULL },
		{ "D-48", fixture_b, CURL, "PATCH", "api.full.com", "/any/path",
		    NULL, true, NULL },
		{ "D-48", fixture_b, CURL, "OPTIONS", "api.full.com",
		    "/any/path", NULL, true, NULL },
		{ "D-49", fixture_b, CURL, "GET", "api.query.com", "/download",
		    "tag=foo-a&tag=foo-b&extra=ignored", true, NULL },
		{ "D-50", fixture_b, CURL, "GET", "api.query.com", "/download",
		    "tag=foo-a&tag=evil", false, "not permitted" },
		{ "D-52", fixture_b, CURL, "GET", "api.query.com", "/download",
		    NULL, false, "not permitted" },
		{ "D-52", fixture_b, CURL, "GET", "api.query.com", "/download",
		    "other=foo-a", false, "not permitted" },
		{ "any", fixture_b, CURL, "GET", "api.query.com", "/search",
		    "tag=foo-a&tag=bar-b", true, NULL },
		{ "any", fixture_b, CURL, "GET", "api.query.com", "/search",
		    "tag=foo-a&tag=baz", false, NULL },
		{ "D-54", fixture_b, "/usr/bin/python3", "GET",
		    "api.example.com", "/repos/myorg/foo", NULL, false,
		    "not permitted" },
		{ "D-57", WILD, CURL, "GET", "api.example.com", "/api/foo",
		    NULL, true, NULL },
		{ "D-57", WILD, CURL, "DELETE", "api.example.com", "/api/foo",
		    NULL, false, NULL },
		{ "D-58", GETX("/x", ", query: {q: 'foo-*'}"), CURL, "GET",
		    "h.com", "/x", "q=foo-1.2", false, NULL },
		{ "D-59", GETX("/x", ", query: {q: 'foo-*'}"), CURL, "GET",
		    "h.com", "/x", "q=foo-a/b", true, NULL },
		{ "D-60", GETX("/repos/**", ""), CURL, "GET", "h.com", "/repos",
		    NULL, false, NULL },
		{ "D-60", GETX("/repos/**", ""), CURL, "GET", "h.com",
		    "/repos/", NULL, true, NULL },
		{ "D-76", fixture_b, CURL, "GET", "api.query.com", "/download",
		    "slug=bad%2", false, "percent-encoding" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_request(&v[i]);
}

TEST(decide, requests_beyond_the_vectors)
{
	static const struct request_vector v[] = {
		{ "HEAD by GET", GETX("/x", ""), CURL, "HEAD", "h.com", "/x",
		    NULL, true, NULL },
		{ "POST by GET", GETX("/x", ""), CURL, "POST", "h.com", "/x",
		    NULL, false, NULL },
		{ "A28", GETX("/x", ""), CURL, "TRACE", "h.com", "/x", NULL,
		    false, NULL },
		{ "case of names", GETX("/x", ", query: {q: a}"), CURL, "GET",
		    "h.com", "/x", "Q=a", false, NULL },
		{ "case of names", GETX("/x", ", query: {q: 'a'}"), CURL, "GET",
		    "h.com", "/x", "q=a&Q=evil", false, NULL },
		{ "case of names", GETX("/x", ", query: {q: 'a'}"), CURL, "GET",
		    "h.com", "/x", "Q=a&q=a", true, NULL },
		{ "encoded name", GETX("/x", ", query: {q: a}"), CURL, "GET",
		    "h.com", "/x", "%71=%61", true, NULL },
		{ "NUL in value", GETX("/x", ", query: {q: '**'}"), CURL, "GET",
		    "h.com", "/x", "q=a%00", false, NULL },
		{ "semicolon", GETX("/x", ", query: {q: a}"), CURL, "GET",
		    "h.com", "/x", "q=a;q=b", false, "';'" },
		{ "semicolon where none looks", GETX("/x", ""), CURL, "GET",
		    "h.com", "/x", "q=a;q=b", true, NULL },
		{ "no method", GETX("/x", ""), CURL, "", "h.com", "/x", NULL,
		    false, "request denied by policy" },
		{ "braces in a path", GETX("/{a,b}/c", ""), CURL, "GET",
		    "h.com", "/b/c", NULL, true, NULL },
		{ "literal longer than the path", GETX("/abc", ""), CURL, "GET",
		    "h.com", "/ab", NULL, false, NULL },
		{ "path longer than the literal", GETX("/abc", ""), CURL, "GET",
		    "h.com", "/abcd", NULL, false, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_request(&v[i]);
}

TEST(decide, D_53_connections_without_protocol_are_not_judged)
{
	struct snapshot *s = must_compile("D-53", fixture_b);
	struct policy_who who = who_is(CURL);
	struct policy_request r = { VIEW("GET"), VIEW("/"), { NULL, 0 } };
	struct policy_conn c;
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_conn(s, &who, VIEW("l4only.example.com"), 443, &c, &why);
	CHECK(c.allow);
	CHECK_INT(c.protocol, ==, POLICY_PROTO_NONE);
	CHECK_INT(c.n_nets, ==, 0);
	policy_decide_request(
	    s, &who, VIEW("l4only.example.com"), 443, &r, &v, &why);
	CHECK(!v.allow);
	CHECK_STR(v.policy, "l4");
	snapshot_unref(s);
}

TEST(decide, connection_tells_the_treatment)
{
	static const struct {
		const char *host;
		uint16_t port;
		enum policy_protocol protocol;
		enum policy_enforcement enforcement;
	} v[] = {
		{ "api.example.com", 8080, POLICY_PROTO_REST, POLICY_ENFORCE },
		{ "api.full.com", 8080, POLICY_PROTO_REST, POLICY_AUDIT },
		{ "l4only.example.com", 443, POLICY_PROTO_NONE,
		    POLICY_ENFORCE },
	};
	struct snapshot *s = must_compile("treatment", fixture_b);
	struct policy_who who = who_is(CURL);
	struct policy_conn c;
	struct policy_reason why;

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		policy_decide_conn(
		    s, &who, view_of(v[i].host), v[i].port, &c, &why);
		CHECK(c.allow);
		CHECK_INT(c.protocol, ==, v[i].protocol);
		CHECK_INT(c.enforcement, ==, v[i].enforcement);
		CHECK_INT(c.tls, ==, POLICY_TLS_AUTO);
	}
	snapshot_unref(s);
}

/* Two endpoints, here as one document and there as the backstop sees it. */
#define TWO(a, b) \
	"version: 1\nnetwork_policies:\n" \
	"  a: {endpoints: [" a "], binaries: [{path: " CURL "}]}\n" \
	"  b: {endpoints: [" b "], binaries: [{path: " CURL "}]}\n"

static struct snapshot *
compile_overlapping(const char *id, const char *yaml)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	struct snapshot *s = NULL;
	struct err e;

	if (p_parse_lenient(view_of(yaml), P_OVERLAPPING, &p, &f) < 0)
		fail_msg("%s: %s", id, f.v[0].text);
	CHECK_INT(snapshot_new(p, 1, &s, &e), ==, 0);
	return s;
}

#define GET_API \
	"protocol: rest, rules: [{allow: {method: GET, path: '/api/**'}}]"

/* 8.2 refuses the pair at load; should one arrive anyway, 2.6 decides. */
TEST(decide, D_55_backstop_decides_on_overlap)
{
	static const char text[] = TWO("{host: h.com, port: 8080, " GET_API "}",
	    "{host: h.com, port: 8080, " GET_API ", allowed_ips: "
	    "[10.0.5.0/24]}");
	AUTO_PARSED struct parsed r = parse(text);
	struct snapshot *s = compile_overlapping("D-55", text);
	struct policy_who who = who_is(CURL);
	struct policy_request get = { VIEW("GET"), VIEW("/api/x"),
		{ NULL, 0 } };
	struct policy_request del = { VIEW("DELETE"), VIEW("/api/x"),
		{ NULL, 0 } };
	struct policy_conn c;
	struct policy_verdict v;
	struct policy_reason why;

	CHECK(r.p == NULL);
	CHECK_HAS(buf_str(&r.text),
	    "network policies 'a' endpoint[0] (h.com:8080) and 'b' endpoint[0] "
	    "(h.com:8080) overlap on port(s) 8080 with conflicting metadata: "
	    "allowed_ips=[] vs [10.0.5.0/24]");
	policy_decide_conn(s, &who, VIEW("h.com"), 8080, &c, &why);
	CHECK(c.allow);
	CHECK_INT(c.protocol, ==, POLICY_PROTO_REST);
	CHECK_INT(c.n_nets, ==, 1);
	policy_decide_request(s, &who, VIEW("h.com"), 8080, &get, &v, &why);
	CHECK(v.allow);
	policy_decide_request(s, &who, VIEW("h.com"), 8080, &del, &v, &why);
	CHECK(!v.allow);
	snapshot_unref(s);
}

TEST(decide, backstop_takes_the_most_restrictive)
{
	struct snapshot *s = compile_overlapping("2.6",
	    TWO("{host: h.com, port: 8080, tls: skip, allowed_ips: "
		"[10.1.0.0/16]}",
		"{host: '*.com', port: 8080, protocol: rest, access: full, "
		"enforcement: audit}, {host: h.com, port: 8080, " GET_API
		", allowed_ips: [10.2.0.0/16]}"));
	struct policy_who who = who_is(CURL);
	struct policy_conn c;
	struct policy_reason why;

	policy_decide_conn(s, &who, VIEW("h.com"), 8080, &c, &why);
	CHECK(c.allow);
	CHECK_STR(c.policy, "a");
	CHECK_INT(c.protocol, ==, POLICY_PROTO_REST);
	CHECK_INT(c.enforcement, ==, POLICY_ENFORCE);
	CHECK_INT(c.tls, ==, POLICY_TLS_AUTO);
	CHECK_INT(c.n_nets, ==, 2);
	snapshot_unref(s);
}

/* Inspection is on for whoever shares the endpoint, in any order of names. */
TEST(decide, plain_endpoint_does_not_switch_inspection_off)
{
	struct snapshot *s = must_compile("2.6",
	    TWO("{host: h.com, port: 8080}",
		"{host: h.com, port: 8080, enforcement: audit, " GET_API "}"));
	struct policy_who who = who_is(CURL);
	struct policy_request r = { VIEW("POST"), VIEW("/api/x"), { NULL, 0 } };
	struct policy_conn c;
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_conn(s, &who, VIEW("h.com"), 8080, &c, &why);
	CHECK_STR(c.policy, "a");
	CHECK_INT(c.protocol, ==, POLICY_PROTO_REST);
	CHECK_INT(c.enforcement, ==, POLICY_AUDIT);
	policy_decide_request(s, &who, VIEW("h.com"), 8080, &r, &v, &why);
	CHECK(!v.allow);
	snapshot_unref(s);
}

TEST(decide, exact_host_is_not_claimed_by_wildcards)
{
	struct snapshot *s = must_compile("exact", ONE(SUB, "/c"));
	struct policy_who who = who_is("/c");
	struct policy_conn c;
	struct policy_reason why;

	policy_decide_conn(s, &who, VIEW("a.example.com"), 443, &c, &why);
	CHECK(c.allow);
	CHECK(!c.exact_host);
	snapshot_unref(s);
}

TEST(decide, verdict_names_the_first_rule_that_allows)
{
	struct snapshot *s = must_compile("place",
	    "version: 1\nnetwork_policies:\n"
	    "  b: {endpoints: [{host: h.com, port: 8080, protocol: rest, "
	    "access: read-only}], binaries: [{path: " CURL "}]}\n"
	    "  c:\n"
	    "    endpoints:\n"
	    "    - {host: x.com, port: 1}\n"
	    "    - host: h.com\n"
	    "      port: 8080\n"
	    "      protocol: rest\n"
	    "      rules:\n"
	    "      - allow: {method: POST, path: /no}\n"
	    "      - allow: {method: POST, path: '/y*'}\n"
	    "      - allow: {method: '*', path: /yes}\n"
	    "    binaries: [{path: " CURL "}]\n"
	    "  a: {endpoints: [{host: h.com, port: 8080, protocol: rest, "
	    "access: full}], binaries: [{path: /other}]}\n");
	struct policy_who who = who_is(CURL);
	struct policy_request r = { VIEW("POST"), VIEW("/yes"), { NULL, 0 } };
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_request(s, &who, VIEW("h.com"), 8080, &r, &v, &why);
	CHECK(v.allow);
	CHECK_STR(v.policy, "c");
	CHECK_INT(v.endpoint, ==, 1);
	CHECK_INT(v.rule, ==, 1);
	r.method = VIEW("HEAD");
	policy_decide_request(s, &who, VIEW("h.com"), 8080, &r, &v, &why);
	CHECK_STR(v.policy, "b");
	CHECK_INT(v.rule, ==, 0); /* GET admits HEAD */
	r.method = VIEW("OPTIONS");
	policy_decide_request(s, &who, VIEW("h.com"), 8080, &r, &v, &why);
	CHECK_INT(v.rule, ==, 2);
	snapshot_unref(s);
}

/*
 * The index over path beginnings against the plain reading of the rules: every
 * rule asked in turn.
 */
TEST(decide, index_agrees_with_asking_every_rule)
{
	static const char *const patterns[] = { "/", "/a", "/a/", "/a/b",
		"/a/*", "/a/**", "/a*", "/ab", "/ab/c", "/**", "**", "/b/*/c",
		"/b/x/c", "/b/", "/a/b/**", "/a/{b,c}", "?a", "/[ab]" };
	static const char *const paths[] = { "/", "/a", "/a/", "/a/b", "/a/b/",
		"/a/b/c", "/a/c", "/ab", "/ab/c", "/abc", "/b/x/c", "/b/y/c",
		"/b/", "/b", "/c", "/z/z/z" };
	struct policy_who who = who_is(CURL);

	/* Every subset of a few, walked by a fixed sequence. */
	for (unsigned seed = 1; seed < 400; seed++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		unsigned bits = seed * 2654435761u >> 7;
		struct snapshot *s;

		buf_puts(&b, "version: 1\nnetwork_policies: {p: {binaries: "
			     "[{path: " CURL "}], endpoints: [{host: h.com, "
			     "port: 8080, protocol: rest, rules: [{allow: "
			     "{method: PUT, path: /none}}");
		for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
			if (bits >> i & 1)
				buf_printf(&b,
				    ", {allow: {method: GET, path: "
				    "'%s'}}",
				    patterns[i]);
		buf_puts(&b, "]}]}}\n");
		s = must_compile("index", buf_str(&b));
		for (size_t k = 0; k < ARRAY_LEN(paths); k++) {
			struct policy_request r = { VIEW("GET"),
				view_of(paths[k]), { NULL, 0 } };
			struct policy_verdict v;
			struct policy_reason why;
			bool want = false;

			for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
				struct glob *g = NULL;
				struct err e;

				if (!(bits >> i & 1))
					continue;
				CHECK_INT(
				    glob_new(view_of(patterns[i]), '/', &g, &e),
				    ==, 0);
				want |= glob_match(g, r.path);
				glob_free(g);
			}
			policy_decide_request(
			    s, &who, VIEW("h.com"), 8080, &r, &v, &why);
			if (v.allow != want)
				fail_msg("%s: %d, want %d, rules %s", paths[k],
				    v.allow, want, buf_str(&b));
		}
		snapshot_unref(s);
	}
}

TEST(decide, more_policies_than_a_word_has_bits)
{
	AUTO_BUF struct buf b = BUF_INIT(POLICY_TEXT_MAX);
	struct snapshot *s;
	char exe[32], want[32];

	buf_puts(&b, "version: 1\nnetwork_policies:\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b,
		    "  p%04d: {endpoints: [{host: h.com, port: 443}]"
		    ", binaries: [{path: %s%d}]}\n",
		    i, i % 2 ? "/bin/" : "/*/", i);
	s = must_compile("words", buf_str(&b));
	for (int i = 0; i < 1000; i += 37) {
		struct policy_who who;
		struct policy_conn c;
		struct policy_reason why;

		snprintf(exe, sizeof(exe), "/bin/%d", i);
		snprintf(want, sizeof(want), "p%04d", i);
		who = who_is(exe);
		policy_decide_conn(s, &who, VIEW("h.com"), 443, &c, &why);
		CHECK(c.allow);
		CHECK_STR(c.policy, want);
	}
	snapshot_unref(s);
}

/* 8.9: a binary that is a link means its file as well, and no other one. */
TEST(decide, links_stand_for_the_files_they_lead_to)
{
	static const struct policy_link links[] = {
		{ VIEW("/usr/bin/py3"), VIEW("/usr/bin/py3.11") },
		{ VIEW("/bin/tool"), VIEW("/bin/*") }, /* never a pattern */
		{ VIEW("/not/named"), VIEW("/usr/bin/curl") },
	};
	static const struct {
		const char *chain;
		bool plain, linked;
	} v[] = {
		{ "/usr/bin/py3", true, true },
		{ "/usr/bin/py3.11", false, true },
		{ "/usr/bin/sh < /usr/bin/py3.11", false, true },
		{ "/usr/bin/py3.12", false, false },
		{ "/bin/tool", true, true },
		{ "/bin/other", false, false },
		{ "/usr/bin/curl", false, false },
	};
	struct snapshot *s = must_compile("links",
	    "version: 1\nnetwork_policies: {p: {endpoints: [{host: "
	    "example.com, port: 443}], binaries: [{path: /usr/bin/py3}, "
	    "{path: /bin/tool}]}}\n");
	struct snapshot *linked = NULL;
	struct policy_reason why;
	struct policy_conn c;
	struct err e;

	CHECK_INT(snapshot_new_with(snapshot_policy(s), 9,
		      &(const struct snapshot_options) {
			  .links = links, .n_links = ARRAY_LEN(links) },
		      &linked, &e),
	    ==, 0);
	CHECK_INT(snapshot_generation(linked), ==, 9);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct policy_who who = who_is(v[i].chain);

		policy_decide_conn(s, &who, VIEW("example.com"), 443, &c, &why);
		if (c.allow != v[i].plain)
			fail_msg("%s: without links", v[i].chain);
		policy_decide_conn(
		    linked, &who, VIEW("example.com"), 443, &c, &why);
		if (c.allow != v[i].linked)
			fail_msg("%s: with links", v[i].chain);
	}
	snapshot_unref(s);
	snapshot_unref(linked);
}

TEST(decide, judges_destinations_alone_when_binaries_are_ignored)
{
	static const struct {
		const char *host;
		bool plain, ignored;
	} v[] = {
		{ "one.test", true, true },
		{ "other.test", false, true },
		{ "none.test", false, false }, /* that policy is for nobody */
		{ "elsewhere.test", false, false },
	};
	struct snapshot *s = must_compile("any",
	    "version: 1\nnetwork_policies:\n"
	    "  a: {endpoints: [{host: one.test, port: 443}], "
	    "binaries: [{path: /usr/bin/curl}]}\n"
	    "  b: {endpoints: [{host: other.test, port: 443}], "
	    "binaries: [{path: /usr/bin/git}, {path: '/opt/*'}]}\n"
	    "  c: {endpoints: [{host: none.test, port: 443}]}\n");
	struct policy_who who = who_is(CURL), nobody = { .exe = VIEW("-") };
	struct snapshot *any = NULL;
	struct policy_reason why;
	struct policy_conn c;
	struct err e;

	CHECK_INT(snapshot_new_with(snapshot_policy(s), 2,
		      &(const struct snapshot_options) { .any_binary = true },
		      &any, &e),
	    ==, 0);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		policy_decide_conn(s, &who, view_of(v[i].host), 443, &c, &why);
		CHECK_INT(c.allow, ==, v[i].plain);
		policy_decide_conn(
		    s, &nobody, view_of(v[i].host), 443, &c, &why);
		CHECK_INT(c.allow, ==, false);
		policy_decide_conn(
		    any, &who, view_of(v[i].host), 443, &c, &why);
		CHECK_INT(c.allow, ==, v[i].ignored);
		policy_decide_conn(
		    any, &nobody, view_of(v[i].host), 443, &c, &why);
		CHECK_INT(c.allow, ==, v[i].ignored);
	}
	snapshot_unref(s);
	snapshot_unref(any);
}

TEST(decide, snapshots_outlive_their_policy)
{
	struct snapshot *s = must_compile("life", fixture_b), *again;
	struct policy_who who = who_is(CURL);
	struct policy_conn c;
	struct policy_reason why;

	again = snapshot_ref(s);
	snapshot_unref(s);
	policy_decide_conn(again, &who, VIEW("api.full.com"), 8080, &c, &why);
	CHECK(c.allow);
	CHECK_STR(c.policy, "rest_api");
	snapshot_unref(again);
}

/* --- ports ------------------------------------ */

static const char port_policy[] =
    "version: 1\n"
    "network_policies:\n"
    "  one:\n"
    "    endpoints:\n"
    "    - {host: api.example.com, ports: [443, 8443], protocol: rest, "
    "access: full}\n"
    "    - {host: db.example.com, port: 5432}\n"
    "    - {host: 20.0.0.9, port: 80}\n"
    "    binaries: [{path: /usr/bin/x}]\n";

TEST(ports, say_whether_somebody_inspects)
{
	struct snapshot *s = must_compile("ports", port_policy);
	bool inspected;

	CHECK(policy_names_port(s, 443, &inspected) && inspected);
	CHECK(policy_names_port(s, 8443, &inspected) && inspected);
	CHECK(policy_names_port(s, 5432, &inspected) && !inspected);
	CHECK(policy_names_port(s, 80, &inspected) && !inspected);
	CHECK(!policy_names_port(s, 22, &inspected));
	snapshot_unref(s);
}
