/* What policies let out, as sets: prove and diff. */
#include "fixture.h"

#include "extent_points.h"
#include "base/mem.h"
#include "http/target.h"
#include "policy/extent.h"

static const char base[] =
    "version: 1\n"
    "network_policies:\n"
    "  github:\n"
    "    endpoints:\n"
    "    - {host: api.github.com, port: 443, protocol: rest, "
    "access: read-only}\n"
    "    - host: '*.github.com'\n"
    "      port: 443\n"
    "      protocol: rest\n"
    "      rules:\n"
    "      - allow: {method: GET, path: '/repos/**'}\n"
    "      - allow: {method: POST, path: '/repos/*/issues', "
    "query: {draft: 'true'}}\n"
    "    binaries: [{path: /usr/bin/gh}]\n"
    "  mirror:\n"
    "    endpoints: [{host: mirror.test, ports: [443, 8443]}]\n"
    "    binaries: [{path: '/usr/bin/*'}]\n"
    "  raw:\n"
    "    endpoints: [{host: raw.test, port: 22, tls: skip}]\n"
    "    binaries: [{path: /usr/bin/ssh}]\n"
    "  audit:\n"
    "    endpoints: [{host: audit.test, port: 80, protocol: rest, "
    "enforcement: audit, access: read-only}]\n"
    "    binaries: [{path: /usr/bin/curl}]\n"
    "  addresses:\n"
    "    endpoints: [{host: 10.1.2.3, port: 5432}, "
    "{host: '[fd00::1]', port: 5432}]\n"
    "    binaries: [{path: /usr/bin/psql}]\n";

/* "yes", or the example: "POST a.b:443/p?q by /exe". */
static const char *
proved(const char *yaml, const char *never, const char *program)
{
	static struct buf out = BUF_INIT(1 << 16);
	AUTO_POLICY struct policy *p = must_parse("prove", yaml);
	AUTO_NEVER struct extent_never *n = NULL;
	AUTO_PROOF struct extent_proof r = { 0 };
	struct view who = program != NULL ? view_of(program) : VIEW("");
	struct target t;
	struct err e;

	if (extent_never_parse(view_of(never), &n, &e) < 0)
		fail_msg("%s: %s", never, e.text);
	if (extent_prove(p, n, &who, program != NULL, &r, &e) < 0)
		fail_msg("%s: %s", never, e.text);
	buf_reset(&out);
	if (r.holds)
		return "yes";
	/* A path that a request can have, spelled as it is judged. */
	if (!view_eq(r.request.path, VIEW("*"))) {
		CHECK_INT(
		    target_canonical(r.request.path, true, &t, &e), ==, 0);
		CHECK(view_eq(buf_view(&t.path), r.request.path));
		target_fini(&t);
	}
	buf_printf(&out, "%s %s:%u%s", r.request.method.p, r.request.host.p,
	    r.request.port, r.request.path.p);
	if (r.request.query.p != NULL)
		buf_printf(&out, "?%s", r.request.query.p);
	buf_printf(&out, " by %s (%s)", r.request.program.p,
	    extent_how_word(r.cause.how));
	return buf_str(&out);
}

TEST(extent, prove_answers_yes_or_an_example)
{
	static const struct {
		const char *never, *program, *answer;
	} rows[] = {
		{ "POST https://*.github.com/**", NULL,
		    "POST a.github.com:443/repos/a/issues?draft=true by "
		    "/usr/bin/gh (rule)" },
		{ "POST https://api.github.com/**", NULL,
		    "POST api.github.com:443/repos/a/issues?draft=true by "
		    "/usr/bin/gh (rule)" },
		{ "POST https://*.github.com/repos/*/issues/**", NULL, "yes" },
		{ "PUT,DELETE,PATCH **.github.com", NULL, "yes" },
		{ "https://**.a.github.com", NULL, "yes" },
		{ "https://github.com", NULL, "yes" },
		{ "http://*.github.com", NULL, "yes" },
		{ "*.github.com:8443", NULL, "yes" },
		/* GET is HEAD too. */
		{ "HEAD https://a.github.com/**", NULL,
		    "HEAD a.github.com:443/repos/ by /usr/bin/gh (rule)" },
		{ "HEAD https://a.github.com/repos", NULL, "yes" },
		{ "OPTIONS https://a.github.com", NULL, "yes" },
		{ "OPTIONS https://api.github.com/[!/]*", NULL,
		    "OPTIONS api.github.com:443/a by /usr/bin/gh (rule)" },
		/* By programs. */
		{ "*.github.com", "/usr/bin/gh", NULL },
		{ "*.github.com", "/usr/bin/curl", "yes" },
		{ "*.github.com", "/usr/**", NULL },
		{ "*.github.com", "/opt/**", "yes" },
		{ "mirror.test", "/usr/bin/**/x", NULL },
		{ "mirror.test", "/usr/bin/x/**", "yes" },
		/* Where nobody looks at requests. */
		{ "DELETE mirror.test/simple/x", NULL,
		    "DELETE mirror.test:443/simple/x by /usr/bin/a "
		    "(uninspected)" },
		{ "DELETE mirror.test:8443", NULL,
		    "DELETE mirror.test:8443/ by /usr/bin/a (uninspected)" },
		{ "PUT raw.test:22/a", NULL,
		    "PUT raw.test:22/a by /usr/bin/ssh (tls_skip)" },
		{ "PUT http://audit.test/a", NULL,
		    "PUT audit.test:80/a by /usr/bin/curl (audit)" },
		{ "FOO *", "/usr/bin/curl",
		    "FOO audit.test:80/ by /usr/bin/curl (audit)" },
		/* Addresses: no pattern of names takes them. */
		{ "10.1.2.3", NULL,
		    "GET 10.1.2.3:5432/ by /usr/bin/psql (uninspected)" },
		{ "[FD00:0::1]:*", NULL,
		    "GET fd00::1:5432/ by /usr/bin/psql (uninspected)" },
		{ "*", "/usr/bin/psql", NULL },
		{ "10.1.2.4", NULL, "yes" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = proved(base, rows[i].never, rows[i].program);

		if (rows[i].answer != NULL)
			CHECK_STR(got, rows[i].answer);
		else if (strcmp(got, "yes") == 0)
			fail_msg(
			    "%s by %s: proved", rows[i].never, rows[i].program);
	}
}

TEST(extent, a_question_that_nothing_can_match_is_refused)
{
	static const struct {
		const char *never, *why;
	} rows[] = {
		{ "POST https://a.com/x//y", "no canonical path" },
		{ "POST https://a.com/x/../y", "no canonical path" },
		{ "POST https://a.com/%2f", "no canonical path" },
		{ "POST https://a.com/%7e", "no canonical path" },
		{ "https://a_b.com/", "no host name" },
		{ "https://*.4/", "no host name" }, /* nor an address */
		{ "https://[0-9]/", "no host name" },
		{ "ftp://a.com/", "neither http nor https" },
		{ "https://a.com:0/", "the port" },
		{ "https://a.com:65536/", "the port" },
		{ "https://:443/", "host is missing" },
		{ "", "host is missing" },
		{ "GET,* a.com", "stands alone" },
		{ "G(T a.com", "not a method" },
		{ "CONNECT a.com", "not a method" },
		{ "GET a.com b", "more than" },
		{ "https://a.com/[x", "unclosed" },
		{ "https://{a.com/", "unclosed" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_NEVER struct extent_never *n = NULL;
		struct err e;

		if (extent_never_parse(view_of(rows[i].never), &n, &e) == 0)
			fail_msg("%s: taken", rows[i].never);
		CHECK_HAS(e.text, rows[i].why);
	}
}

TEST(extent, a_program_that_cannot_be_is_refused)
{
	static const char *const bad[] = { "", "curl", "/a//b", "/a/../b",
		"/a/", "*/x/", "/*[" };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(extent_program_check(view_of(bad[i]), &e), ==, -1);
	CHECK_INT(extent_program_check(VIEW("/usr/**/x"), &e), ==, 0);
}

/* A line a change: "widens path github.0.1 GET a.b:443/p by /exe". */
static const char *
differences(const char *from, const char *to)
{
	static const char *const kinds[] = { "widens", "narrows", "changes" };
	static struct buf out = BUF_INIT(1 << 16);
	AUTO_POLICY struct policy *a = must_parse("from", from);
	AUTO_POLICY struct policy *b = must_parse("to", to);
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	struct err e;

	if (extent_compare(a, b, &d, &e) < 0)
		fail_msg("%s", e.text);
	buf_reset(&out);
	for (size_t i = 0; i < d.n; i++) {
		const struct extent_change *c = &d.v[i];
		const struct extent_request *q = &c->request;

		buf_printf(&out, "%s %s %s.%u", kinds[c->kind],
		    extent_dim_word(c->dim), c->cause.policy.p,
		    c->cause.endpoint);
		if (c->cause.rule != EXTENT_NONE)
			buf_printf(&out, ".%u", c->cause.rule);
		buf_printf(&out, " %s %s:%u%s%s%s by %s\n",
		    q->method.n > 0 ? q->method.p : "-", q->host.p, q->port,
		    q->path.n > 0 ? q->path.p : "",
		    q->query.p != NULL ? "?" : "",
		    q->query.p != NULL ? q->query.p : "", q->program.p);
	}
	return buf_str(&out);
}

TEST(extent, diff_says_what_an_edit_widens_and_narrows)
{
	static const struct {
		const char *from, *to, *changes;
	} rows[] = {
		{ "'/repos/**'", "'/repos/**'", "" },
		/* Other spellings of the same set. */
		{ "'/repos/**'", "'/{repos,repos}/**'", "" },
		{ "- allow: {method: GET, path: '/repos/**'}",
		    "- allow: {method: get, path: '/repos/**'}\n"
		    "      - allow: {method: HEAD, path: '/repos/a'}",
		    "" },
		{ "'/repos/**'", "'/**'",
		    "widens path github.1.0 GET a.github.com:443/ by "
		    "/usr/bin/gh\n" },
		{ "'/repos/**'", "'/repos/*'",
		    "narrows method github.1.0 GET "
		    "a.github.com:443/repos/a/issues by /usr/bin/gh\n"
		    "narrows path github.1.0 GET a.github.com:443/repos/a/ by "
		    "/usr/bin/gh\n" },
		{ "{method: GET, path: '/repos/**'}",
		    "{method: '*', path: '/repos/**'}",
		    "widens method github.1.0 POST a.github.com:443/repos/ by "
		    "/usr/bin/gh\n"
		    "widens query github.1.0 POST "
		    "a.github.com:443/repos/a/issues by /usr/bin/gh\n" },
		{ ", query: {draft: 'true'}", "",
		    "widens query github.1.1 POST "
		    "a.github.com:443/repos/a/issues by /usr/bin/gh\n" },
		{ "host: '*.github.com'", "host: '**.github.com'",
		    "widens host github.1.0 GET a.a.github.com:443/repos/ by "
		    "/usr/bin/gh\n" },
		{ "ports: [443, 8443]", "ports: [443]",
		    "narrows port mirror.0 GET mirror.test:8443/ by "
		    "/usr/bin/a\n" },
		{ "path: '/usr/bin/*'", "path: '/usr/**'",
		    "widens program mirror.0 GET mirror.test:443/ by "
		    "/usr/a\n" },
		{ "tls: skip", "tls: auto", "" }, /* uninspected still */
		{ "enforcement: audit", "enforcement: enforce",
		    "narrows inspection audit.0 POST audit.test:80/ by "
		    "/usr/bin/curl\n" },
		{ "  raw:\n", "  renamed:\n", "" },
		{ "host: 10.1.2.3, port: 5432",
		    "host: 10.1.2.3, port: 5432, allowed_ips: [10.1.2.3]",
		    "changes address addresses.0 - 10.1.2.3:5432 by "
		    "/usr/bin/psql\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *to = edited(base, rows[i].from, rows[i].to);

		CHECK_STR(differences(base, to), rows[i].changes);
	}
}

/*
 * Each value alone is allowed by both; a query with two values, one for each
 * rule of the other, is not.
 */
TEST(extent, values_count_together)
{
	static const char head[] =
	    "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n"
	    "    - host: a.test\n      port: 1\n      protocol: rest\n"
	    "      rules:\n";
	static const char tail[] = "    binaries: [{path: /x}]\n";
	AUTO_BUF struct buf one = BUF_INIT(4096), two = BUF_INIT(4096);

	buf_printf(&one,
	    "%s      - allow: {method: GET, path: /a, query: {t: "
	    "{any: [u, v]}}}\n%s",
	    head, tail);
	buf_printf(&two,
	    "%s      - allow: {method: GET, path: /a, query: {t: "
	    "u}}\n      - allow: {method: GET, path: /a, query: "
	    "{t: v}}\n%s",
	    head, tail);
	CHECK_STR(differences(buf_str(&one), buf_str(&two)),
	    "narrows query p.0.0 GET a.test:1/a?t=u&t=v by /x\n");
}

static const char later[] =
    "version: 1\n"
    "network_policies:\n"
    "  denies:\n"
    "    endpoints:\n"
    "    - host: api.test.example\n"
    "      port: 1\n"
    "      protocol: rest\n"
    "      access: full\n"
    "      deny_rules:\n"
    "      - {method: DELETE}\n"
    "      - {path: '/admin/**'}\n"
    "      - {method: POST, query: {force: 'yes', all: '**'}}\n"
    "    binaries: [{path: /x}]\n"
    "  scopes:\n"
    "    endpoints:\n"
    "    - {host: scope.test.example, port: 1, path: '/a/**', protocol: "
    "rest, access: read-only, allow_encoded_slash: true}\n"
    "    - {host: scope.test.example, port: 1, path: '/b/**', protocol: "
    "rest, access: full}\n"
    "    - {host: scope.test.example, port: 1, path: '/c/**', protocol: "
    "rest, access: read-only, enforcement: audit}\n"
    "    binaries: [{path: /x}]\n"
    "  labels:\n"
    "    endpoints:\n"
    "    - {host: 'eu-*.api.example', port: 1, protocol: rest, access: "
    "read-only}\n"
    "    - {host: db.test.example, port: 2, protocol: tcp}\n"
    "    binaries: [{path: /x}]\n";

TEST(extent, prove_knows_deny_rules_scopes_and_labels)
{
	static const struct {
		const char *never, *answer;
	} rows[] = {
		{ "DELETE api.test.example", "yes" },
		{ "api.test.example/admin/**", "yes" },
		{ "api.test.example/admin",
		    "GET api.test.example:1/admin by /x (rule)" },
		{ "api.test.example/adm[i]n/x", "yes" },
		{ "api.test.example/adm?n/x",
		    "GET api.test.example:1/adman/x by /x (rule)" },
		{ "POST api.test.example/a",
		    "POST api.test.example:1/a by /x (rule)" },
		{ "GET scope.test.example/d/**", "yes" },
		{ "scope.test.example/", "yes" },
		{ "POST scope.test.example/a/**", "yes" },
		{ "POST scope.test.example/b/**",
		    "POST scope.test.example:1/b/ by /x (rule)" },
		{ "POST scope.test.example/c/x",
		    "POST scope.test.example:1/c/x by /x (audit)" },
		{ "GET scope.test.example/a/x%2Fy",
		    "GET scope.test.example:1/a/x%2Fy by /x (rule)" },
		{ "scope.test.example/b/x%2Fy", "yes" },
		{ "scope.test.example/c/x%2Fy", "yes" },
		{ "**.api.example", "GET eu-a.api.example:1/ by /x (rule)" },
		{ "us-*.api.example", "yes" },
		{ "*.eu-a.api.example", "yes" },
		{ "PUT db.test.example:2",
		    "PUT db.test.example:2/ by /x (tcp)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(proved(later, rows[i].never, NULL), rows[i].answer);
}

/* One GET rule with a query, and what else the endpoint says. */
static const char *
one_rule(const char *query, const char *more)
{
	static char text[2][1024];
	static unsigned at;
	char *to = text[at++ % 2];

	(void)snprintf(to, sizeof(text[0]),
	    "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n"
	    "    - host: a.test\n      port: 1\n      protocol: rest\n"
	    "      rules: [{allow: {method: GET, path: /a, query: %s}}]\n%s"
	    "    binaries: [{path: /x}]\n",
	    query, more);
	return to;
}

/* What is said under a name in another case counts. */
TEST(extent, knows_names_in_any_case)
{
	static const char text[] =
	    "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n"
	    "    - host: a.test\n      port: 1\n      protocol: rest\n"
	    "      rules:\n"
	    "      - allow: {method: GET, path: /a, query: {p: 'x'}}\n"
	    "      - allow: {method: GET, path: /b, query: {p: '{x,y}'}}\n"
	    "      deny_rules: [{query: {P: x}}]\n"
	    "    binaries: [{path: /x}]\n";
	static const char without[] =
	    "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n"
	    "    - host: a.test\n      port: 1\n      protocol: rest\n"
	    "      rules:\n"
	    "      - allow: {method: GET, path: /b, query: {p: '{x,y}'}}\n"
	    "    binaries: [{path: /x}]\n";

	CHECK_STR(proved(text, "GET a.test/a", NULL), "yes");
	CHECK_STR(proved(text, "GET a.test/b", NULL),
	    "GET a.test:1/b?p=y by /x (rule)");
	/* The other way round: what the deny rule takes away, in any case. */
	CHECK_HAS(differences(without, text),
	    "narrows query p.0.0 GET a.test:1/b?p=x");
	/* P=ok&p=bad is refused without the deny rule as well. */
	CHECK_STR(
	    differences(one_rule("{P: ok}", ""),
		one_rule("{P: ok}", "      deny_rules: [{query: {p: bad}}]\n")),
	    "");
	CHECK_HAS(
	    differences(one_rule("{q: ok}", ""),
		one_rule("{q: ok}", "      deny_rules: [{query: {p: bad}}]\n")),
	    "narrows query p.0.0 GET a.test:1/a?q=ok&p=bad");
}

/* A deny rule takes one value, an allow rule every one. */
TEST(extent, diff_knows_deny_rules)
{
	static const char head[] =
	    "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n"
	    "    - host: a.test\n      port: 1\n      protocol: rest\n"
	    "      rules: [{allow: {method: GET, path: /a}}]\n";
	static const char tail[] = "    binaries: [{path: /x}]\n";
	static const struct {
		const char *from, *to, *changes;
	} rows[] = {
		{ "", "      deny_rules: [{path: /b}]\n", "" },
		{ "", "      deny_rules: [{path: '/?'}]\n",
		    "narrows path p.0.0 GET a.test:1/a by /x\n" },
		{ "", "      deny_rules: [{path: /a, query: {q: 'b*'}}]\n",
		    "narrows query p.0.0 GET a.test:1/a?q=b by /x\n" },
		{ "      deny_rules: [{path: /a, query: {q: 'b*'}}]\n",
		    "      deny_rules: [{path: /a, query: {q: 'bb*'}}]\n",
		    "widens query p.0.0 GET a.test:1/a?q=b by /x\n" },
		{ "      deny_rules: [{path: /a, query: {q: b, r: c}}]\n",
		    "      deny_rules: [{path: /a, query: {q: b}}]\n",
		    "narrows query p.0.0 GET a.test:1/a?q=b by /x\n" },
		/* One that no glob is asked about is denied. */
		{ "", "      deny_rules: [{path: /a, query: {q: '[.]'}}]\n",
		    "narrows query p.0.0 GET a.test:1/a?q=%00 by /x\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf a = BUF_INIT(4096), b = BUF_INIT(4096);

		buf_printf(&a, "%s%s%s", head, rows[i].from, tail);
		buf_printf(&b, "%s%s%s", head, rows[i].to, tail);
		CHECK_STR(
		    differences(buf_str(&a), buf_str(&b)), rows[i].changes);
	}
}

/* "*" is no "/a", and the only path outside of the deny rule that is shorter.
 */
TEST(extent, the_whole_server_does_not_stand_for_paths)
{
	CHECK_STR(
	    proved("version: 1\nnetwork_policies:\n  p:\n    endpoints:\n"
		   "    - {host: a.test, port: 1, protocol: rest, access: "
		   "full, deny_rules: [{path: '/*'}]}\n"
		   "    binaries: [{path: /x}]\n",
		"POST a.test", NULL),
	    "POST a.test:1/a/ by /x (rule)");
}

static const char sockets[] =
    "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n"
    "    - {host: ws.test, port: 443, protocol: websocket, rules: [{allow: "
    "{method: GET, path: '/a/**', query: {k: 'x*'}}}, {allow: {method: "
    "WEBSOCKET_TEXT, path: '/a/b', query: {m: '1'}}}, {allow: {method: "
    "WEBSOCKET_TEXT, path: '/c'}}], deny_rules: [{method: WEBSOCKET_TEXT, "
    "path: '/a/b', query: {m: '1', k: 'xx'}}]}\n"
    "    - {host: full.test, port: 443, protocol: websocket, access: full, "
    "deny_rules: [{path: '/no/**'}]}\n"
    "    - {host: half.test, port: 443, protocol: websocket, access: "
    "read-only}\n"
    "    - {host: mix.test, port: 443, protocol: websocket, path: /ws, rules: "
    "[{allow: {method: GET, path: /ws}}]}\n"
    "    - {host: mix.test, port: 443, protocol: rest, access: read-only}\n"
    "    - {host: gql.test, port: 443, protocol: websocket, rules: [{allow: "
    "{method: GET, path: /g}}, {allow: {operation_type: query}}]}\n"
    "    - {host: rec.test, port: 443, protocol: websocket, enforcement: "
    "audit, access: read-only}\n"
    "    - {host: raw.test, port: 443}\n"
    "    - {host: star.test, port: 443, protocol: rest, access: read-only, "
    "deny_rules: [{path: '/*'}]}\n"
    "    - {host: two.test, port: 443, protocol: websocket, rules: [{allow: "
    "{method: GET, path: /t, query: {k: a}}}, {allow: {method: "
    "WEBSOCKET_TEXT, path: /t, query: {k: b}}}]}\n"
    "    binaries: [{path: /x}]\n";

TEST(extent, messages_of_websockets_need_the_upgrade_and_a_rule_of_their_own)
{
	static const struct {
		const char *never, *answer;
	} rows[] = {
		{ "WEBSOCKET_TEXT wss://ws.test",
		    "WEBSOCKET_TEXT ws.test:443/a/b?k=x&m=1 by /x (rule)" },
		{ "WEBSOCKET_TEXT wss://ws.test/c", "yes" },
		{ "WEBSOCKET_TEXT wss://ws.test/a/c", "yes" },
		{ "GET wss://ws.test/a/c",
		    "GET ws.test:443/a/c?k=x by /x (rule)" },
		{ "POST https://ws.test", "yes" },
		{ "ws.test:80", "yes" },
		{ "WEBSOCKET_TEXT full.test/no/x", "yes" },
		{ "WEBSOCKET_TEXT full.test",
		    "WEBSOCKET_TEXT full.test:443/ by /x (rule)" },
		{ "WEBSOCKET_TEXT half.test", "yes" },
		{ "GET half.test", "GET half.test:443/ by /x (rule)" },
		{ "WEBSOCKET_TEXT mix.test/ws", "yes" },
		{ "WEBSOCKET_TEXT mix.test",
		    "WEBSOCKET_TEXT mix.test:443/ by /x (rule)" },
		{ "WEBSOCKET_TEXT gql.test",
		    "WEBSOCKET_TEXT gql.test:443/g by /x (rule)" },
		{ "WEBSOCKET_TEXT gql.test/h", "yes" },
		{ "POST gql.test", "yes" },
		{ "WEBSOCKET_TEXT rec.test",
		    "WEBSOCKET_TEXT rec.test:443/ by /x (audit)" },
		/* "*", which is no path of an upgrade, stands for none. */
		{ "WEBSOCKET_TEXT star.test",
		    "WEBSOCKET_TEXT star.test:443/a/ by /x (rule)" },
		{ "WEBSOCKET_TEXT star.test/*", "yes" },
		{ "WEBSOCKET_TEXT two.test", "yes" },
		{ "WEBSOCKET_TEXT raw.test",
		    "WEBSOCKET_TEXT raw.test:443/ by /x (uninspected)" },
	};
	AUTO_NEVER struct extent_never *n = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(proved(sockets, rows[i].never, NULL), rows[i].answer);
	CHECK_INT(extent_never_parse(VIEW("GET,WEBSOCKET_TEXT a.test"), &n, &e),
	    ==, -1);
}

/* Random policies, and every request of a small world. */
TEST(extent, agrees_with_the_engine_on_every_point)
{
	enum { ROUNDS = 60 };
	uint64_t x = 0x9e3779b97f4a7c15u;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t bytes[160];

		for (size_t k = 0; k < sizeof(bytes); k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			bytes[k] = (uint8_t)(x >> 24);
		}
		extent_points_check(bytes, sizeof(bytes));
	}
}

/*
 * A glob for each letter, which overlap in every way: the pieces are too many
 * to go through, and no answer is given.
 */
TEST(extent, gives_up_rather_than_guess)
{
	AUTO_BUF struct buf a = BUF_INIT(1 << 16), b = BUF_INIT(1 << 16);
	AUTO_POLICY struct policy *p = NULL, *q = NULL;
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	static const char head[] =
	    "version: 1\nnetwork_policies:\n  p:\n    binaries: [{path: /x}]\n"
	    "    endpoints:\n    - host: a.test\n      port: 1\n"
	    "      protocol: rest\n      rules:\n";
	struct err e;

	buf_puts(&a, head);
	buf_puts(&b, head);
	buf_puts(&a, "      - allow: {method: GET, path: '/**'}\n");
	for (char c = 'a'; c <= 'z'; c++)
		buf_printf(&b,
		    "      - allow: {method: GET, path: '/*%c*????????%c*'}\n",
		    c, c);
	p = must_parse("a", buf_str(&a));
	q = must_parse("b", buf_str(&b));
	CHECK_INT(extent_compare(q, p, &d, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_HAS(e.text, "not known");
}

/* One endpoint of a WebSocket, and what it says; another one behind it. */
static void
put_socket(struct buf *out, const char *says, const char *more)
{
	buf_printf(out,
	    "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n"
	    "    - {host: ws.test, port: 1, protocol: %s}\n%s"
	    "    binaries: [{path: /x}]\n",
	    says, more);
}

#define UP "{allow: {method: GET, path: '/**'}}"
#define TEXT(path, more) \
	"{allow: {method: WEBSOCKET_TEXT, path: '" path "'" more "}}"

TEST(extent, messages_of_websockets_are_compared)
{
	static const struct {
		const char *from, *to, *more, *told;
	} v[] = {
		{ "websocket, access: read-write",
		    "websocket, access: read-write",
		    "    - {host: a.test, port: 1, protocol: rest, access: "
		    "read-only}\n",
		    "widens host p.1.0 GET a.test:1/ by /x\n" },
		{ "websocket, access: read-only",
		    "websocket, access: read-write", "",
		    "widens method p.0.1 WEBSOCKET_TEXT ws.test:1/ by /x\n" },
		{ "websocket, access: read-write",
		    "websocket, access: read-only", "",
		    "narrows method p.0.1 WEBSOCKET_TEXT ws.test:1/ by /x\n" },
		{ "websocket, rules: [" UP ", " TEXT("/a", "") "]",
		    "websocket, rules: [" UP ", " TEXT("/b", "") "]", "",
		    "widens method p.0.1 WEBSOCKET_TEXT ws.test:1/b by /x\n"
		    "narrows method p.0.1 WEBSOCKET_TEXT ws.test:1/a by "
		    "/x\n" },
		{ "websocket, rules: [" UP
		  ", " TEXT("/a", ", query: {k: '1'}") "]",
		    "websocket, rules: [" UP ", " TEXT("/a", "") "]", "",
		    "widens query p.0.1 WEBSOCKET_TEXT ws.test:1/a by /x\n" },
		{ "websocket, access: read-write, deny_rules: [{method: "
		  "WEBSOCKET_TEXT, path: /no}]",
		    "websocket, access: read-write", "",
		    "widens path p.0.1 WEBSOCKET_TEXT ws.test:1/no by /x\n" },
		/* Nobody looks into it there. */
		{ "websocket, access: read-only", "rest, access: read-only", "",
		    "widens method p.0.0 WEBSOCKET_TEXT ws.test:1/ by /x\n"
		    "widens method p.0.2 OPTIONS ws.test:1/ by /x\n" },
		/* What no rule allows is only recorded. */
		{ "websocket, access: read-only",
		    "websocket, access: read-only, enforcement: audit", "",
		    "widens inspection p.0 POST ws.test:1/ by /x\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf a = BUF_INIT(4096), b = BUF_INIT(4096);

		put_socket(&a, v[i].from, "");
		put_socket(&b, v[i].to, v[i].more);
		CHECK_STR(differences(buf_str(&a), buf_str(&b)), v[i].told);
	}
}

/* Names of parameters are the same in any case, also across two rules. */
TEST(extent, two_rules_about_one_parameter_both_have_to_hold)
{
	static const struct {
		const char *upgrade, *text, *answer;
	} rows[] = {
		{ "k: a", "k: b", "yes" },
		{ "k: a", "K: b", "yes" },
		{ "k: 'a*'", "k: '*b'",
		    "WEBSOCKET_TEXT ws.test:1/?k=ab by /x (rule)" },
		{ "k: '{x,y}'", "K: '{y,z}'",
		    "WEBSOCKET_TEXT ws.test:1/?k=y&K=y by /x (rule)" },
		{ "k: a", "m: b, k: {any: [b, a]}",
		    "WEBSOCKET_TEXT ws.test:1/?k=a&m=b by /x (rule)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf rules = BUF_INIT(4096), a = BUF_INIT(4096);

		buf_printf(&rules,
		    "websocket, rules: [{allow: {method: GET, path: '/**', "
		    "query: {%s}}}, {allow: {method: WEBSOCKET_TEXT, path: "
		    "'/**', query: {%s}}}]",
		    rows[i].upgrade, rows[i].text);
		put_socket(&a, buf_str(&rules), "");
		CHECK_STR(proved(buf_str(&a), "WEBSOCKET_TEXT ws.test", NULL),
		    rows[i].answer);
	}
}
#undef UP
#undef TEXT
