/* Who looks at requests: the language, whom it is about, what it cannot see. */
#include "fixture.h"

#include "policy/extent.h"
#include "policy/middleware.h"

#define RULES \
	"version: 1\n" \
	"network_policies:\n" \
	"  a:\n" \
	"    endpoints:\n" \
	"    - {host: api.example.com, port: 443, protocol: rest, access: " \
	"full}\n" \
	"    - {host: '*.open.example', port: 443}\n" \
	"    - {host: skip.example.com, port: 443, tls: skip}\n" \
	"    binaries: [{path: /usr/bin/curl}]\n"
#define ONE(entry) RULES "network_middlewares: {m: {" entry "}}\n"
#define REST \
	"middleware: openshell/regex, endpoints: {include: [api.example.com]}"

static void
check_refused(const char *yaml, const char *why)
{
	AUTO_PARSED struct parsed r = parse(yaml);

	if (r.p != NULL || strstr(buf_str(&r.text), why) == NULL)
		fail_msg("%s\nwants: %s\nhas: %s", yaml, why, buf_str(&r.text));
}

TEST(middleware, is_written_in_one_form)
{
	AUTO_POLICY struct policy *p = must_parse("one", RULES
	    "network_middlewares:\n"
	    "  z: {order: -16, middleware: acme/guard, on_error: fail_open, "
	    "config: {b: [1, -2, {y: true, x: 'a\"b'}], a: {}, 'k: ': yes}, "
	    "endpoints: {include: ['**'], exclude: [b.example.com]}}\n"
	    "  m: {" REST ", config: {mode: redact}}\n");

	CHECK(strstr(canonical(p),
		  "network_middlewares:\n"
		  "  m:\n"
		  "    name: m\n"
		  "    middleware: openshell/regex\n"
		  "    config: {\"mode\": \"redact\"}\n"
		  "    endpoints:\n"
		  "      include:\n"
		  "      - api.example.com\n"
		  "  z:\n"
		  "    name: z\n"
		  "    middleware: acme/guard\n"
		  "    order: -16\n"
		  "    config: {\"a\": {}, \"b\": [1, -2, {\"x\": \"a\\\"b\", "
		  "\"y\": true}], \"k: \": \"yes\"}\n"
		  "    on_error: fail_open\n"
		  "    endpoints:\n"
		  "      include:\n"
		  "      - '**'\n"
		  "      exclude:\n"
		  "      - b.example.com\n") != NULL);
}

TEST(middleware, counts_in_the_hash)
{
	static const char *const others[] = { RULES, ONE(REST),
		ONE(REST ", order: 1"), ONE(REST ", config: {mode: redact}"),
		ONE(REST ", on_error: fail_open"),
		ONE("middleware: acme/x, endpoints: {include: "
		    "[api.example.com]}"),
		ONE("middleware: openshell/regex, endpoints: {include: "
		    "[api.example.com, b.example.com]}") };
	char hash[ARRAY_LEN(others)][65];

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		AUTO_POLICY struct policy *p = must_parse("hash", others[i]);

		policy_hash(p, hash[i]);
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(hash[i], hash[k]) != 0);
	}
}

TEST(middleware, refuses_what_has_no_meaning)
{
	static const struct {
		const char *yaml, *why;
	} rows[] = {
		{ ONE("endpoints: {include: [a.example.com]}"),
		    "missing key 'middleware'" },
		{ ONE("middleware: openshell/regex"),
		    "missing key 'endpoints'" },
		{ ONE("middleware: openshell/regex, endpoints: {}"),
		    "endpoints.include must name at least one host" },
		{ ONE("middleware: openshell/nothing, endpoints: {include: "
		      "[a.example.com]}"),
		    "no built-in middleware 'openshell/nothing' (known: "
		    "openshell/regex)" },
		{ ONE("middleware: 'Acme x', endpoints: {include: "
		      "[a.example.com]}"),
		    "cannot be the name of a middleware" },
		{ ONE("middleware: openshell/regex, endpoints: {include: "
		      "['{a,b}.example.com']}"),
		    "braces are not understood here" },
		{ ONE("middleware: openshell/regex, endpoints: {include: "
		      "['*']}"),
		    "write ** for every host" },
		{ ONE("middleware: openshell/regex, endpoints: {include: "
		      "['*.com*']}"),
		    "is no host" },
		{ ONE(REST ", order: 2147483648"),
		    "must be a number from -2147483648 to 2147483647" },
		{ ONE(REST ", order: 1.5"), "expected a whole number" },
		{ ONE(REST ", on_error: ignore"), "unknown on_error 'ignore'" },
		{ ONE(REST ", config: {mode: shout}"),
		    "nothing but 'mode: redact' is known" },
		{ ONE(REST ", config: [a]"), "expected a mapping" },
		{ ONE(REST ", config: {a: 0.5}"), "a number with a fraction" },
		{ ONE(REST ", config: {a: null}"), "got null" },
		{ ONE(REST ", config: {a: 9007199254740993}"), "at most 2^53" },
		{ ONE(REST ", config: {a: [[[[[[[[1]]]]]]]]}"),
		    "nested deeper than 8" },
		{ RULES "network_middlewares: {m: {" REST "}, n: {" REST "}}\n",
		    "order 0 is that of 'm' too" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_refused(rows[i].yaml, rows[i].why);
}

/* So many, and one more. */
TEST(middleware, is_bounded)
{
	for (size_t n = POLICY_MIDDLEWARES_MAX; n <= 11; n++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		AUTO_PARSED struct parsed r = { 0 };

		buf_puts(&b, RULES "network_middlewares:\n");
		for (size_t i = 0; i < n; i++)
			buf_printf(
			    &b, "  m%zu: {order: %zu, " REST "}\n", i, i);
		r = parse(buf_str(&b));
		CHECK_INT(r.p != NULL, ==, n == POLICY_MIDDLEWARES_MAX);
	}
	for (size_t n = 32; n <= 33; n++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		AUTO_PARSED struct parsed r = { 0 };

		buf_puts(&b,
		    RULES "network_middlewares: {m: {middleware: a/b, "
			  "endpoints: {include: [x.example.com], exclude: [");
		for (size_t i = 1; i < n; i++)
			buf_printf(&b, "h%zu.example.com,", i);
		buf_puts(&b, "]}}}\n");
		r = parse(buf_str(&b));
		CHECK_INT(r.p != NULL, ==, n == 32);
	}
}

/* Attack: an endpoint for the same host into which nobody looks. */
TEST(middleware, refuses_what_it_could_not_see)
{
	static const struct {
		const char *hosts, *why;
	} rows[] = {
		{ "include: ['**']", "a.endpoints[1]" },
		{ "include: ['**']", "a.endpoints[2]" },
		{ "include: [x.open.example]", "a.endpoints[1]" },
		{ "include: ['**.example']", "a.endpoints[1]" },
		{ "include: ['*.open.example'], exclude: [x.open.example]",
		    "a.endpoints[1]" },
		{ "include: ['s*.example.com']",
		    "tls: skip leaves TLS closed" },
		{ "include: ['*.example.com']", "tls: skip leaves TLS closed" },
	};
	static const char *const fine[] = {
		"include: ['**'], exclude: ['**.example', skip.example.com]",
		"include: [x.open.example], exclude: ['*.open.example']",
		"include: [x.open.example], exclude: [x.open.example]",
		"include: ['a*.example.com']",
		"include: ['*.a.open.example']",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		AUTO_PARSED struct parsed r = { 0 };

		buf_printf(&b,
		    RULES "network_middlewares: {m: {middleware: a/b, "
			  "endpoints: {%s}}}\n",
		    rows[i].hosts);
		check_refused(buf_str(&b), rows[i].why);
		buf_reset(&b);
		buf_printf(&b,
		    RULES "network_middlewares: {m: {middleware: a/b, "
			  "on_error: fail_open, endpoints: {%s}}}\n",
		    rows[i].hosts);
		r = parse(buf_str(&b));
		CHECK(r.p != NULL);
		CHECK(strstr(buf_str(&r.text), "does not see what goes to") !=
		      NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		AUTO_PARSED struct parsed r = { 0 };

		buf_printf(&b,
		    RULES "network_middlewares: {m: {middleware: a/b, "
			  "endpoints: {%s}}}\n",
		    fine[i]);
		r = parse(buf_str(&b));
		if (r.p == NULL || r.f.warnings > 0)
			fail_msg("%s: %s", fine[i], buf_str(&r.text));
	}
}

TEST(middleware, sees_the_hosts_it_names_in_its_order)
{
	static const struct {
		const char *host, *keys;
	} rows[] = {
		{ "api.example.com", "c b a" },
		{ "API.Example.com.", "c b a" },
		{ "x.api.example.com", "b a" },
		{ "example.com", "a" },
		{ "not.example.com", "c b" },
		{ "other.test", "a" },
		{ "10.0.0.1", "d a" },
	};
	struct snapshot *s = must_compile("order",
	    "version: 1\n"
	    "network_middlewares:\n"
	    "  a: {middleware: x/a, order: 3, endpoints: {include: ['**'], "
	    "exclude: [not.example.com]}}\n"
	    "  b: {middleware: x/b, order: 0, endpoints: {include: "
	    "['**.example.com']}}\n"
	    "  c: {middleware: x/c, order: -7, endpoints: {include: "
	    "['*.example.com']}}\n"
	    "  d: {middleware: x/d, order: 2, endpoints: {include: "
	    "[10.0.0.1]}}\n");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct policy_middleware *v[POLICY_MIDDLEWARES_MAX];
		AUTO_BUF struct buf keys = BUF_INIT(256);
		size_t n = policy_middlewares(s, view_of(rows[i].host), v);

		for (size_t k = 0; k < n; k++) {
			buf_puts(&keys, k > 0 ? " " : "");
			buf_put(&keys, v[k]->key);
		}
		CHECK_STR(buf_str(&keys), rows[i].keys);
	}
	snapshot_unref(s);
}

TEST(middleware, must_be_one_that_is_there)
{
	static const char *const names[] = { "acme/guard", "other" };
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = must_parse("names",
	    RULES "network_middlewares:\n"
		  "  m: {" REST "}\n"
		  "  n: {middleware: acme/guard, order: 1, endpoints: "
		  "{include: [api.example.com]}}\n");

	CHECK_INT(policy_check_services(p, names, 2, &f), ==, 0);
	CHECK_INT(policy_check_services(p, names + 1, 1, &f), ==, -1);
	CHECK_STR(f.v[0].text,
	    "network_middlewares.n: no middleware 'acme/guard' is registered "
	    "here (known: openshell/regex, other)");
}

TEST(middleware, differences_say_which_way_they_go)
{
	static const struct {
		const char *from, *to;
		enum extent_kind kind;
		const char *what;
	} rows[] = {
		{ ONE(REST), RULES, EXTENT_WIDENS, "it is gone" },
		{ RULES, ONE(REST), EXTENT_NARROWS, "it is new" },
		{ ONE(REST), ONE(REST ", on_error: fail_open"), EXTENT_WIDENS,
		    "on_error fail_open" },
		{ ONE(REST),
		    ONE("middleware: x/y, endpoints: {include: "
			"[api.example.com]}"),
		    EXTENT_CHANGES, "another middleware" },
		{ ONE(REST),
		    ONE("middleware: openshell/regex, endpoints: "
			"{include: ['a*.example.com']}"),
		    EXTENT_NARROWS, "more hosts" },
		{ ONE("middleware: openshell/regex, endpoints: "
		      "{include: ['a*.example.com']}"),
		    ONE(REST), EXTENT_WIDENS, "fewer hosts" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_POLICY struct policy *a = must_parse("a", rows[i].from);
		AUTO_POLICY struct policy *b = must_parse("b", rows[i].to);
		AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
		struct err e;

		CHECK_INT(extent_compare(a, b, &d, &e), ==, 0);
		CHECK_INT(d.n, ==, 0);
		CHECK_INT(d.n_middlewares, ==, 1);
		CHECK_INT(d.middlewares[0].kind, ==, rows[i].kind);
		CHECK(strstr(d.middlewares[0].what, rows[i].what) != NULL);
	}
}

TEST(middleware, another_name_is_no_difference)
{
	AUTO_POLICY struct policy *a = must_parse("a", ONE(REST));
	AUTO_POLICY struct policy *b = must_parse(
	    "b", RULES "network_middlewares: {n: {order: 7, " REST "}}\n");
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	struct err e;

	CHECK_INT(extent_compare(a, b, &d, &e), ==, 0);
	CHECK_INT(d.n_middlewares, ==, 0);
}
