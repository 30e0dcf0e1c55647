/* Suggestions must be small, and must work when pasted. */
#include "fixture.h"

#include "policy/decide.h"

static const char base[] =
    "version: 1\n"
    "network_policies:\n"
    "  gh:\n"
    "    endpoints:\n"
    "    - {host: api.github.com, port: 443, protocol: rest, "
    "access: read-only}\n"
    "    - host: '*.example.com'\n"
    "      port: 443\n"
    "      protocol: rest\n"
    "      rules:\n"
    "      - allow: {method: GET, path: /zen}\n"
    "    binaries: [{path: /usr/bin/curl}]\n";

static void
suggest(const char *policy, const char *exe, const char *host,
    const char *method, const char *path, struct buf *out)
{
	struct snapshot *s = must_compile("suggest", policy);
	struct policy_who who = who_is(exe);

	policy_suggest(
	    s, &who, view_of(host), 443, view_of(method), view_of(path), out);
	snapshot_unref(s);
}

TEST(suggest, new_policy_for_an_unknown_host)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	AUTO_BUF struct buf whole = BUF_INIT(8192);
	struct policy_who who = who_is("/usr/bin/curl");
	struct policy_conn c;
	struct policy_reason why;
	struct snapshot *s;

	suggest("version: 1\n", "/usr/bin/curl", "API.github.com", "", "", &b);
	CHECK_STR(buf_str(&b), "  allow_api_github_com_443:\n"
			       "    endpoints:\n"
			       "    - host: api.github.com\n"
			       "      port: 443\n"
			       "      protocol: rest\n"
			       "      access: read-only\n"
			       "    binaries:\n"
			       "    - path: /usr/bin/curl\n");
	buf_puts(&whole, "version: 1\nnetwork_policies:\n");
	buf_put(&whole, buf_view(&b));
	s = must_compile("pasted", buf_str(&whole));
	policy_decide_conn(s, &who, VIEW("api.github.com"), 443, &c, &why);
	CHECK(c.allow);
	snapshot_unref(s);
}

TEST(suggest, a_write_gets_a_rule_not_a_preset)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest("version: 1\n", "/c", "h.com", "POST", "/a*b", &b);
	CHECK_HAS(buf_str(&b), "          method: POST\n"
			       "          path: ");
	CHECK(strstr(buf_str(&b), "access") == NULL);
}

TEST(suggest, a_binary_for_a_known_endpoint)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest(base, "/usr/bin/wget", "api.github.com", "", "", &b);
	CHECK_STR(buf_str(&b), "  # add to the binaries of this policy\n"
			       "  gh:\n"
			       "    binaries:\n"
			       "    - path: /usr/bin/wget\n");
}

TEST(suggest, a_rule_where_there_are_rules)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest(base, "/usr/bin/curl", "x.example.com", "POST", "/a", &b);
	CHECK_STR(buf_str(&b), "  # add to the rules of endpoint 1\n"
			       "  gh:\n"
			       "    endpoints:\n"
			       "    - host: '*.example.com'\n"
			       "      port: 443\n"
			       "      rules:\n"
			       "      - allow:\n"
			       "          method: POST\n"
			       "          path: /a\n");
}

/* What the request failed by was the query, which the rule would drop. */
TEST(suggest, says_that_a_query_condition_is_set_aside)
{
	static const char text[] =
	    "version: 1\nnetwork_policies: {q: {endpoints: [{host: h.com, "
	    "port: 443, protocol: rest, rules: [{allow: {method: POST, path: "
	    "/x, query: {a: b}}}, {allow: {method: GET, path: '/**', query: "
	    "{a: b}}}]}], binaries: [{path: /usr/bin/curl}]}}\n";
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest(text, "/usr/bin/curl", "h.com", "GET", "/x", &b);
	CHECK_HAS(buf_str(&b),
	    "      rules:\n"
	    "      # rule 1 allows this with another query; this one allows "
	    "any\n"
	    "      - allow:\n");
	buf_reset(&b);
	suggest(text, "/usr/bin/curl", "h.com", "PUT", "/x", &b);
	CHECK(strstr(buf_str(&b), "query") == NULL);
}

/* Put beside the preset, the suggestion allows that request and no other. */
TEST(suggest, an_endpoint_where_there_is_a_preset)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	AUTO_BUF struct buf whole = BUF_INIT(8192);
	struct policy_who who = who_is("/usr/bin/curl");
	struct policy_request r = { VIEW("POST"), VIEW("/repos/a/*/i"),
		{ NULL, 0 } };
	struct policy_verdict v;
	struct policy_reason why;
	struct snapshot *s;
	const char *at;

	suggest(base, "/usr/bin/curl", "api.github.com", "POST", "/repos/a/*/i",
	    &b);
	CHECK_STR(buf_str(&b), "  # add to the endpoints of this policy\n"
			       "  gh:\n"
			       "    endpoints:\n"
			       "    - host: api.github.com\n"
			       "      port: 443\n"
			       "      protocol: rest\n"
			       "      rules:\n"
			       "      - allow:\n"
			       "          method: POST\n"
			       "          path: /repos/a/\\*/i\n");
	at = strstr(base, "    - host: '*");
	buf_put(&whole, (struct view) { base, (size_t)(at - base) });
	buf_puts(&whole, strstr(buf_str(&b), "    - host"));
	buf_puts(&whole, at);
	s = must_compile("pasted", buf_str(&whole));
	policy_decide_request(
	    s, &who, VIEW("api.github.com"), 443, &r, &v, &why);
	CHECK(v.allow);
	r.path = VIEW("/repos/a/b/i");
	policy_decide_request(
	    s, &who, VIEW("api.github.com"), 443, &r, &v, &why);
	CHECK(!v.allow);
	snapshot_unref(s);
}

TEST(suggest, says_nothing_where_nothing_would_help)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest(base, "/usr/bin/curl", "127.1", "", "", &b);
	suggest(base, "", "h.com", "", "", &b);
	suggest(base, "/usr/bin/curl", "api.github.com", "", "", &b);
	CHECK_INT(b.n, ==, 0);
}

TEST(suggest, key_is_free)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest("version: 1\nnetwork_policies: {allow_h_com_443: {endpoints: "
		"[{host: x.com, port: 1}], binaries: [{path: /c}]}}\n",
	    "/c", "h.com", "", "", &b);
	CHECK_HAS(buf_str(&b), "  allow_h_com_443_2:\n");
}
