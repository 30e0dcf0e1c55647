/* The ambiguity check: pairs of endpoints that disagree. */
#include "fixture.h"

#define TWO(a, b) \
	"version: 1\nnetwork_policies:\n" \
	"  a: {endpoints: [" a "], binaries: [{path: /c}]}\n" \
	"  b: {endpoints: [" b "], binaries: [{path: /d}]}\n"

TEST(overlap, refuses_pairs_that_disagree)
{
	static const struct {
		const char *text, *what;
	} v[] = {
		{ TWO("{host: h.com, port: 443}",
		      "{host: h.com, port: 443, tls: skip}"),
		    "p:4:19: error: network policies 'a' endpoint[0] "
		    "(h.com:443) and 'b' endpoint[0] (h.com:443) overlap on "
		    "port(s) 443 with conflicting metadata: tls=auto vs "
		    "skip" },
		{ TWO("{host: H.com., port: 443}",
		      "{host: '*.com', ports: [80, 443], tls: skip}"),
		    "(H.com.:443) and 'b' endpoint[0] (*.com:80,443) overlap "
		    "on port(s) 443" },
		{ TWO("{host: '**.b.com', port: 443, tls: skip}",
		      "{host: x.a.b.com, port: 443}"),
		    "tls=skip vs auto" },
		{ TWO("{host: '**.b.com', port: 443, tls: skip}",
		      "{host: '*.b.com', port: 443}"),
		    "tls=skip vs auto" },
		{ TWO("{host: '**.b.com', port: 443, tls: skip}",
		      "{host: '*.a.b.com', port: 443}"),
		    "tls=skip vs auto" },
		{ TWO("{host: '**.b.com', port: 443, tls: skip}",
		      "{host: '**.a.b.com', port: 443}"),
		    "tls=skip vs auto" },
		{ TWO("{port: 443, allowed_ips: [10.1.0.0/16]}",
		      "{host: h.com, port: 443}"),
		    "(any host:443) and 'b' endpoint[0] (h.com:443) overlap on "
		    "port(s) 443 with conflicting metadata: "
		    "allowed_ips=[10.1.0.0/16] vs []" },
		{ TWO("{host: h.com, ports: [1, 2, 3], protocol: rest, access: "
		      "full}",
		      "{host: h.com, ports: [2, 3, 4], protocol: "
		      "rest, access: full, enforcement: audit, tls: skip}"),
		    "overlap on port(s) 2, 3 with conflicting metadata: "
		    "tls=auto vs skip; enforcement=enforce vs audit" },
		{ TWO("{host: h.com, port: 1, protocol: rest, access: full}",
		      "{host: h.com, port: 1, protocol: sql, access: full}"),
		    "protocol=rest vs sql" },
		/* the second that judges requests is not the first of all */
		{ TWO("{host: h.com, port: 1}, {host: h.com, port: 1, "
		      "protocol: rest, access: full}",
		      "{host: h.com, port: 1, protocol: rest, access: full, "
		      "enforcement: audit}"),
		    "'a' endpoint[1] (h.com:1) and 'b' endpoint[0]" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_PARSED struct parsed r = parse(v[i].text);

		if (r.p != NULL)
			fail_msg("accepted: %s", v[i].text);
		CHECK_INT(r.f.errors, ==, 1);
		CHECK_HAS(buf_str(&r.text), v[i].what);
		CHECK_STR(r.f.v[0].class, "network");
	}
}

TEST(overlap, accepts_pairs_that_agree_or_never_meet)
{
	static const char *const v[] = {
		TWO("{host: h.com, port: 443}",
		    "{host: h.com, port: 443, protocol: rest, access: full}"),
		TWO("{host: h.com, port: 443, protocol: rest, access: full}",
		    "{host: h.com, port: 443, protocol: REST, access: "
		    "read-only, enforcement: enforce}"),
		TWO("{host: h.com, port: 443}",
		    "{host: h.com, port: 80, tls: skip}"),
		TWO("{host: h.com, port: 443}",
		    "{host: g.com, port: 443, tls: skip}"),
		TWO("{host: b.com, port: 443}",
		    "{host: '*.b.com', port: 443, tls: skip}"),
		TWO("{host: x.y.b.com, port: 443}",
		    "{host: '*.b.com', port: 443, tls: skip}"),
		TWO("{host: '*.b.com', port: 443}",
		    "{host: '**.a.b.com', port: 443, tls: skip}"),
		TWO("{host: h.com, port: 443, allowed_ips: [10.1.0.0/16, "
		    "10.2.0.0/16]}",
		    "{host: h.com, port: 443, allowed_ips: [10.2.0.0/16, "
		    "10.1.9.9/16]}"),
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_PARSED struct parsed r = parse(v[i]);

		if (r.p == NULL)
			fail_msg("%s: %s", v[i], buf_str(&r.text));
	}
}

#define L7(path, more) \
	"{host: h.com, port: 1, protocol: rest, access: full, path: '" path \
	"'" more "}"

/* 8.2 for requests: only where paths overlap and none is more specific. */
TEST(overlap, of_paths)
{
	static const struct {
		const char *a, *b;
		const char *what; /* NULL: accepted */
	} v[] = {
		{ L7("/a/**", ""), L7("/a/**", ", enforcement: audit"),
		    "(h.com:1 /a/**) overlap on port(s) 1 with conflicting "
		    "metadata: enforcement=enforce vs audit" },
		{ L7("/a/*", ""), L7("/?/*", ", enforcement: audit"), NULL },
		{ L7("/a/*", ""), L7("/?/b", ", enforcement: audit"),
		    "enforcement=enforce vs audit" },
		{ L7("/a/*", ""), L7("/*/b", ", enforcement: audit"),
		    "enforcement=enforce vs audit" },
		{ L7("/a/*", ""), L7("/b/*", ", enforcement: audit"), NULL },
		{ L7("/a/**", ""), L7("/a/b", ", enforcement: audit"), NULL },
		{ L7("", ""), L7("/a", ", enforcement: audit"), NULL },
		{ L7("", ""), L7("/**", ", enforcement: audit"),
		    "enforcement=enforce vs audit" },
		{ L7("**", ""), L7("/**", ", h2c: true"), "h2c=false vs true" },
		{ L7("/x/{a,b}", ""), L7("/x/{b,c}", ", h2c: true"),
		    "h2c=false vs true" },
		{ L7("/x/{a,b}", ""), L7("/x/{c,d}", ", h2c: true"), NULL },
		{ L7("/x/[a-c]", ""), L7("/x/[c-d]", ", h2c: true"),
		    "h2c=false vs true" },
		{ L7("/x/[a-c]", ""), L7("/x/[!a-c]", ", h2c: true"), NULL },
		/* rules and deny rules may differ: they unite */
		{ L7("/a/**", ", deny_rules: [{method: PUT}]"), L7("/a/**", ""),
		    NULL },
		/* and other hosts are not concerned */
		{ L7("/a", ""),
		    "{host: g.com, port: 1, protocol: rest, "
		    "access: full, path: /a, h2c: true}",
		    NULL },
		{ L7("/a", ""),
		    "{host: '*.com', port: 1, protocol: rest, "
		    "access: full, path: /a, h2c: true}",
		    "h2c=false vs true" },
		{ L7("/a", ""),
		    "{host: '*.com', port: 1, protocol: rest, "
		    "access: full, path: /b, h2c: true}",
		    NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 14);
		AUTO_PARSED struct parsed r = { 0 };

		buf_printf(&b, TWO("%s", "%s"), v[i].a, v[i].b);
		r = parse_ahead(buf_str(&b));
		if ((r.p == NULL) != (v[i].what != NULL))
			fail_msg(
			    "%s and %s: %s", v[i].a, v[i].b, buf_str(&r.text));
		if (v[i].what == NULL)
			continue;
		CHECK_INT(r.f.errors, ==, 1);
		CHECK_HAS(buf_str(&r.text), v[i].what);
	}
}

/* Each thing that is said about requests is compared. */
TEST(overlap, of_every_kind)
{
#define E(more) "{host: h.com, port: 1, " more "}"
#define R(more) E("protocol: rest, access: full" more)
#define M(more) E("protocol: mcp, rules: [{allow: {method: x}}]" more)
	static const struct {
		const char *a, *b, *what;
	} v[] = {
		{ E("protocol: tcp"), E("tls: auto"),
		    "protocol=tcp vs not tcp" },
		{ E("protocol: tcp"), R(""), "protocol=tcp vs not tcp" },
		{ E("tls: skip"), E(""), "tls=skip vs auto" },
		{ E("advisor_proposed: true"), E(""),
		    "advisor_proposed=true vs false" },
		{ E("advisor_proposed: true"), "{host: H.com., port: 1}",
		    "advisor_proposed=true vs false" },
		{ R(""), E("protocol: graphql, access: full"),
		    "protocol=rest vs graphql" },
		{ R(", allow_encoded_slash: true"), R(""),
		    "allow_encoded_slash=true vs false" },
		{ R(", websocket_credential_rewrite: true"), R(""),
		    "websocket_credential_rewrite=true vs false" },
		{ R(", request_body_credential_rewrite: true"), R(""),
		    "request_body_credential_rewrite=true vs false" },
		{ R(", credential_signing: sigv4, signing_service: s3"), R(""),
		    "credential_signing=sigv4 vs none; signing_service=s3 vs "
		    "none" },
		{ R(", credential_signing: sigv4, signing_service: s3, "
		    "signing_region: a"),
		    R(", credential_signing: sigv4, signing_service: s3"),
		    "signing_region=a vs none" },
		{ R(", credential_binding: {provider: a}"),
		    R(", credential_binding: {provider: b}"),
		    "credential_binding=a vs b" },
		{ R(", allow_credential_placeholders: true"), R(""),
		    "allow_credential_placeholders=true vs false" },
		{ R(", allow_uninspected_credentials: true"), R(""),
		    "allow_uninspected_credentials=true vs false" },
		{ E("protocol: graphql, access: full"),
		    E("protocol: graphql, access: full, "
		      "graphql_max_body_bytes: 5"),
		    "max_body_bytes=65536 vs 5" },
		{ M(", mcp: {max_body_bytes: 5}"), M(""),
		    "max_body_bytes=5 vs 65536" },
		{ M(", mcp: {strict_tool_names: false}"), M(""),
		    "strict_tool_names=false vs true" },
		{ M(", mcp: {allow_all_known_mcp_methods: true}"), M(""),
		    "allow_all_known_mcp_methods=true vs false" },
		{ E("protocol: websocket, access: full"),
		    E("protocol: websocket, rules: [{allow: {operation_type: "
		      "query}}]"),
		    "messages=text vs GraphQL" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 14);
		AUTO_PARSED struct parsed r = { 0 };

		buf_printf(&b, TWO("%s", "%s"), v[i].a, v[i].b);
		r = parse_ahead(buf_str(&b));
		if (r.p != NULL)
			fail_msg("accepted: %s and %s", v[i].a, v[i].b);
		if (r.f.errors != 1)
			fail_msg("%s", buf_str(&r.text));
		CHECK_HAS(buf_str(&r.text), v[i].what);
	}
}

TEST(overlap, of_label_patterns)
{
#define S(host) "{host: '" host "', port: 443, tls: skip}"
#define A(host) "{host: '" host "', port: 443}"
	static const struct {
		const char *a, *b;
		bool meet;
	} v[] = {
		{ A("us-*.x.com"), S("us-1.x.com"), true },
		{ S("us-1.x.com"), A("us-*.x.com"), true },
		{ A("us-*.x.com"), S("eu-1.x.com"), false },
		{ A("us-*.x.com"), S("us-1.y.x.com"), false },
		{ A("us-*.x.com"), S("*.x.com"), true },
		{ A("us-*.x.com"), S("**.x.com"), true },
		{ A("us-*.x.com"), S("**.com"), true },
		{ A("us-*.x.com"), S("*.com"), false },
		{ A("us-*.x.com"), S("*-1.x.com"), true },
		{ A("*-1.x.com"), S("us-*.x.com"), true },
		{ A("us-*.x.com"), S("eu-*.x.com"), false },
		{ A("us-*.x.com"), S("us-*.y.com"), false },
		{ A("us-*.x.com"),
		    "{port: 443, allowed_ips: [10.1.0.0/16], tls: skip}",
		    true },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 14);
		AUTO_PARSED struct parsed r = { 0 };

		buf_printf(&b, TWO("%s", "%s"), v[i].a, v[i].b);
		r = parse(buf_str(&b));
		if ((r.p == NULL) != v[i].meet)
			fail_msg(
			    "%s and %s: %s", v[i].a, v[i].b, buf_str(&r.text));
	}
}

/* Attack: paths whose comparison would keep the gateway busy for minutes. */
TEST(overlap, costs_are_bounded)
{
	AUTO_BUF struct buf b = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_PARSED struct parsed r = { 0 };

	buf_puts(&b, "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n");
	for (unsigned i = 0; i < 250; i++) {
		buf_printf(&b,
		    "    - {host: h.com, port: 1, protocol: rest, access: "
		    "full, signing_service: s, credential_signing: sigv4, "
		    "signing_region: r%u, path: '/",
		    i);
		for (unsigned k = 0; k < 240; k++)
			buf_puts(&b, (i + k) % 7 == 0 ? "*a*b" : "*b*a");
		buf_puts(&b, i % 2 ? "x'}\n" : "y'}\n");
	}
	buf_puts(&b, "    binaries: [{path: /c}]\n");
	CHECK(!b.full);
	r = parse_ahead(buf_str(&b));
	CHECK(r.p == NULL);
	CHECK_HAS(buf_str(&r.text), "too many endpoint paths to compare");
}
