/* The later keys of the language: what each takes, and where it has a say. */
#include "fixture.h"

#define WITH(endpoint) \
	"version: 1\nnetwork_policies:\n  t:\n    endpoints:\n    - " endpoint \
	"\n    binaries: [{path: /usr/bin/curl}]\n"
#define AT "host: h.example.com, port: 443, "
#define REST AT "protocol: rest, "

static void
check_refused(const char *endpoint, const char *has)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	AUTO_PARSED struct parsed r = { 0 };

	buf_printf(&b, WITH("%s"), endpoint);
	r = parse_ahead(buf_str(&b));
	if (r.p != NULL)
		fail_msg("accepted: %s", endpoint);
	CHECK_HAS(buf_str(&r.text), has);
}

/* Accepted, with a warning that says `has`, or without any. */
static void
check_taken(const char *endpoint, const char *has)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	AUTO_PARSED struct parsed r = { 0 };
	struct snapshot *s = NULL;
	struct err e;

	buf_printf(&b, WITH("%s"), endpoint);
	r = parse_ahead(buf_str(&b));
	if (r.p == NULL)
		fail_msg("%s: %s", endpoint, buf_str(&r.text));
	if ((has != NULL) != (r.f.warnings > 0))
		fail_msg("%s: %s", endpoint, buf_str(&r.text));
	if (has != NULL)
		CHECK_HAS(buf_str(&r.text), has);
	/* Whatever passes the checks compiles. */
	if (snapshot_new(r.p, 1, &s, &e) < 0)
		fail_msg("%s: %s", endpoint, e.text);
	snapshot_unref(s);
}

TEST(keys, are_taken)
{
	static const char *const v[] = {
		"{" REST "access: full, path: /repos/**}",
		"{" REST "access: full, deny_rules: [{method: DELETE}]}",
		"{" REST "access: full, deny_rules: [{path: /admin/**}]}",
		"{" REST "access: full, deny_rules: [{query: {a: b}}]}",
		"{" REST "access: full, allow_encoded_slash: true, h2c: true}",
		"{" REST "access: full, websocket_credential_rewrite: true, "
		"request_body_credential_rewrite: true}",
		"{" REST "access: full, credential_signing: 'sigv4:body', "
		"signing_service: bedrock, signing_region: eu-west-1}",
		"{" REST "access: full, credential_binding: {provider: gh}}",
		"{" REST "access: full, allow_credential_placeholders: true}",
		"{" AT "credential_binding: {provider: gh}, "
		"allow_uninspected_credentials: true}",
		"{" AT "advisor_proposed: true, provider_credentialed: true}",
		"{" AT "protocol: websocket, rules: [{allow: {method: GET, "
		"path: /ws}}, {allow: {method: WEBSOCKET_TEXT, path: /ws}}]}",
		"{" AT "protocol: websocket, rules: [{allow: {method: GET, "
		"path: /ws}}, {allow: {operation_type: subscription}}], "
		"deny_rules: [{fields: [secret*]}], graphql_max_body_bytes: "
		"1000}",
		"{" AT "protocol: websocket, access: read-write}",
		"{" AT "protocol: graphql, access: read-only}",
		"{" AT "protocol: graphql, path: /graphql, rules: [{allow: "
		"{operation_type: '*', operation_name: 'Get*', fields: [viewer,"
		" 'repo*']}}], deny_rules: [{operation_type: mutation}], "
		"persisted_queries: allow_registered, "
		"graphql_persisted_queries: {abc: {operation_type: query, "
		"operation_name: Q, fields: [viewer]}}, "
		"graphql_max_body_bytes: 4096}",
		"{" AT "protocol: graphql, access: full, persisted_queries: "
		"deny}",
		"{" AT "protocol: json-rpc, rules: [{allow: {method: "
		"eth_call}}, {allow: {method: '*'}}], json_rpc: "
		"{max_body_bytes: 1000}}",
		"{" AT "protocol: JSON-RPC, rules: [{allow: {method: x}}]}",
		"{" AT "protocol: mcp, rules: [{allow: {method: tools/call, "
		"tool: {any: [get_*, list]}, params: {arguments: {owner: me, "
		"'deep.er': {glob: 'x*'}}}}}, {allow: {method: 'tools/*'}}]}",
		"{" AT "protocol: mcp, mcp: {allow_all_known_mcp_methods: "
		"true, strict_tool_names: false, max_body_bytes: 10}, "
		"deny_rules: [{tool: delete_*}]}",
		"{" AT "protocol: grpc, access: full, h2c: true}",
		"{" AT "protocol: grpc, rules: [{allow: {service: "
		"'helloworld.*', rpc: 'Say*'}}], deny_rules: [{rpc: SayBye}]}",
		"{" AT "protocol: tcp}",
		"{" AT "protocol: tcp, allowed_ips: [10.1.0.0/16]}",
		"{host: '*-aiplatform.googleapis.com', port: 443}",
		"{host: 'us-*.A.example.com', port: 443}",
		"{host: 'a*b*.x.example.com', port: 443}",
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_taken(v[i], NULL);
}

TEST(keys, are_warned_about)
{
	check_taken("{host: '*.example.com', port: 22, protocol: tcp}",
	    "lets a program send what it likes");
	check_taken("{" AT "protocol: graphql, access: full, "
		    "graphql_persisted_queries: {a: {operation_type: query}}}",
	    "is without effect");
	check_taken("{" AT "protocol: graphql, access: full, "
		    "persisted_queries: allow_registered}",
	    "no query is registered");
	check_taken("{" REST "rules: [{allow: {method: GET, path: /a, "
		    "command: SELECT}}]}",
	    "command has no meaning for protocol 'rest'");
	check_taken("{" AT "protocol: mcp, tls: skip, rules: [{allow: "
		    "{method: '*'}}]}",
	    "no request is judged");
}

TEST(keys, of_endpoints_are_refused_where_they_say_nothing)
{
	static const struct {
		const char *endpoint, *has;
	} v[] = {
		{ "{" AT "path: /a}", "path needs a protocol" },
		{ "{" AT "deny_rules: [{method: GET}]}",
		    "deny_rules needs a protocol" },
		{ "{" AT "allow_encoded_slash: true}",
		    "allow_encoded_slash needs a protocol" },
		{ "{" AT "h2c: true}", "h2c needs a protocol" },
		{ "{" AT "protocol: sql, access: full, path: /a}",
		    "path has no meaning for protocol 'sql'" },
		{ "{" REST "access: full, mcp: {strict_tool_names: false}}",
		    "mcp has no meaning for protocol 'rest'" },
		{ "{" REST "access: full, json_rpc: {max_body_bytes: 9}}",
		    "json_rpc has no meaning" },
		{ "{" AT "protocol: mcp, rules: [{allow: {method: x}}], "
		  "json_rpc: {max_body_bytes: 9}}",
		    "json_rpc has no meaning for protocol 'mcp'" },
		{ "{" REST "access: full, graphql_max_body_bytes: 9}",
		    "graphql_max_body_bytes has no meaning" },
		{ "{" REST "access: full, persisted_queries: deny}",
		    "persisted_queries has no meaning" },
		{ "{" AT "protocol: grpc, access: full, "
		  "request_body_credential_rewrite: true}",
		    "request_body_credential_rewrite has no meaning for "
		    "protocol 'grpc'" },
		{ "{" AT "protocol: tcp, access: full}",
		    "access has no meaning for protocol 'tcp'" },
		{ "{" AT "protocol: tcp, tls: skip}",
		    "tls has no meaning for protocol 'tcp'" },
		{ "{" AT "protocol: tcp, enforcement: audit}",
		    "enforcement has no meaning for protocol 'tcp'" },
		{ "{" AT "protocol: tcp, rules: [{allow: {method: GET, path: "
		  "/}}]}",
		    "rules has no meaning for protocol 'tcp'" },
		{ "{" AT "protocol: tcp, deny_rules: [{method: GET}]}",
		    "deny_rules has no meaning for protocol 'tcp'" },
		{ "{host: 10.1.2.3, port: 22, protocol: tcp}",
		    "needs a name, not an address" },
		{ "{host: h.example.com., port: 22, protocol: tcp}",
		    "without a dot at its end" },
		{ "{port: 22, allowed_ips: [10.1.0.0/16], protocol: tcp}",
		    "protocol 'tcp' needs a host" },
		{ "{host: h.example.com, protocol: tcp}",
		    "protocol 'tcp' needs ports" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_refused(v[i].endpoint, v[i].has);
}

TEST(keys, of_endpoints_are_refused_where_they_say_too_little)
{
	static const struct {
		const char *endpoint, *has;
	} v[] = {
		{ "{" AT "protocol: mcp, access: full}",
		    "access has no meaning for protocol 'mcp'; use rules" },
		{ "{" AT "protocol: json-rpc, access: full}",
		    "protocol requires rules" },
		{ "{" AT "protocol: mcp}", "protocol requires rules, or "
					   "mcp.allow_all_known_mcp_methods" },
		{ "{" AT "protocol: mcp, deny_rules: [{tool: x}]}",
		    "protocol requires rules, or mcp" },
		{ "{" REST "deny_rules: [{method: GET}]}",
		    "protocol requires rules or access" },
		{ "{" REST "access: full, deny_rules: []}",
		    "deny_rules list cannot be empty" },
		{ "{" REST "access: full, deny_rules: [{}]}",
		    "must say what it refuses" },
		{ "{" AT "protocol: grpc, access: read-only}",
		    "do not say whether they read" },
		{ "{" REST "access: full, path: '[a'}", "unclosed '['" },
		{ "{" REST "access: full, path: repos}",
		    "path 'repos' does not begin with '/'" },
		{ "{" AT "protocol: graphql, access: full, persisted_queries: "
		  "allow}",
		    "unknown persisted_queries 'allow'" },
		{ "{" AT "protocol: graphql, access: full, persisted_queries: "
		  "allow_registered, graphql_persisted_queries: {a: {fields: "
		  "[x]}}}",
		    "operation_type of 'a' must be query" },
		{ "{" AT "protocol: graphql, access: full, "
		  "graphql_max_body_bytes: 16777217}",
		    "must be a number from 0 to 16777216" },
		{ "{host: 'a*.com', port: 443}", "a name of two labels" },
		{ "{host: 'a-*-.x.com', port: 443}", "a name of two labels" },
		{ "{host: 'a_*.x.com', port: 443}", "a name of two labels" },
		{ "{host: 'api.x*.com', port: 443}", "must start with" },
		{ "{host: 'a*.b*.x.com', port: 443}", "must start with" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_refused(v[i].endpoint, v[i].has);
}

/* Policy sees one spelling of a path; a pattern in another never matches. */
TEST(keys, of_paths_are_in_the_canonical_spelling)
{
	static const struct {
		const char *path, *fault; /* NULL: fine */
	} v[] = {
		{ "/a%2Fb", NULL },
		{ "/a%20b", NULL },
		{ "/a%25", NULL },
		{ "/~a/@b:c/d;e=f,g", NULL },
		{ "/a%*", NULL },
		{ "/a%2?", NULL },
		{ "/[%a-z]/{b,c}/\\\\*", NULL },
		{ "/\\\\*", NULL },
		{ "/a%2fb", "an escape in lower case" },
		{ "/%c3%A9", "an escape in lower case" },
		{ "/%40x", "an escape of a byte that needs none" },
		{ "/%7Ex", "an escape of a byte that needs none" },
		{ "/100%", "a '%' that begins no escape" },
		{ "/a%2", "a '%' that begins no escape" },
		{ "/a%zz", "a '%' that begins no escape" },
		{ "/a b", "a byte that has to be an escape" },
		{ "/caf\u00e9", "a byte that has to be an escape" },
		{ "/\\\\[x", "a byte that has to be an escape" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf allow = BUF_INIT(4096),
				    deny = BUF_INIT(4096),
				    scope = BUF_INIT(4096);

		buf_printf(&allow,
		    "{" REST "rules: [{allow: {method: GET, path: \"%s\"}}]}",
		    v[i].path);
		buf_printf(&deny,
		    "{" REST "access: full, deny_rules: [{path: \"%s\"}]}",
		    v[i].path);
		buf_printf(
		    &scope, "{" REST "access: full, path: \"%s\"}", v[i].path);
		check_taken(buf_str(&allow), v[i].fault);
		if (v[i].fault == NULL) {
			check_taken(buf_str(&deny), NULL);
			check_taken(buf_str(&scope), NULL);
			continue;
		}
		check_refused(buf_str(&deny), v[i].fault);
		check_refused(buf_str(&deny), "nothing is refused");
		check_refused(buf_str(&scope), v[i].fault);
	}
}

TEST(keys, of_credentials_need_each_other)
{
	check_refused("{" REST "access: full, credential_signing: sigv5, "
		      "signing_service: s3}",
	    "unknown credential_signing 'sigv5'");
	check_refused("{" REST "access: full, credential_signing: sigv4}",
	    "credential_signing needs signing_service");
	check_refused("{" REST "access: full, signing_region: eu-west-1}",
	    "need credential_signing");
	check_refused("{" REST "access: full, credential_signing: sigv4, "
		      "signing_service: s3, request_body_credential_rewrite: "
		      "true}",
	    "mutually exclusive");
	check_refused("{" REST "access: full, credential_binding: {}}",
	    "credential_binding needs a provider");
	check_refused("{" AT "credential_binding: {provider: gh}}",
	    "only go where requests are judged");
	check_refused("{" REST "access: full, tls: skip, credential_binding: "
		      "{provider: gh}}",
	    "only go where requests are judged");
}

TEST(keys, of_rules_are_refused_where_they_say_nothing)
{
	static const struct {
		const char *endpoint, *has;
	} v[] = {
		{ "{" REST "rules: [{allow: {method: GET, path: /, tool: x}}]}",
		    "t.endpoints[0].rules[0].allow: tool has no meaning for "
		    "protocol 'rest'" },
		{ "{" REST "rules: [{allow: {method: GET, path: /, service: "
		  "x}}]}",
		    "service has no meaning" },
		{ "{" REST "rules: [{allow: {method: WEBSOCKET_TEXT, path: "
		  "/}}]}",
		    "WEBSOCKET_TEXT needs protocol 'websocket'" },
		{ "{" REST "access: full, deny_rules: [{fields: [a]}]}",
		    "t.endpoints[0].deny_rules[0]: fields has no meaning" },
		{ "{" REST "access: full, deny_rules: [{query: {tag: a, x: b, "
		  "Tag: c}}]}",
		    "deny_rules[0]: query 'Tag' and 'tag' are one: what is "
		    "said under a name in another case counts" },
		{ "{" REST "rules: [{allow: {method: GET, path: /, query: {a: "
		  "x1, A: x2}}}]}",
		    "rules[0].allow: query 'A' and 'a' are one" },
		{ "{" REST "access: full, deny_rules: [{path: admin}]}",
		    "nothing is refused" },
		{ "{" AT "protocol: graphql, rules: [{allow: {method: POST, "
		  "path: /, operation_type: query}}]}",
		    "path has no meaning for protocol 'graphql'" },
		{ "{" AT "protocol: graphql, rules: [{allow: {fields: [a]}}]}",
		    "operation_type is missing" },
		{ "{" AT "protocol: graphql, rules: [{allow: {operation_type: "
		  "read}}]}",
		    "unknown operation_type 'read'" },
		{ "{" AT "protocol: graphql, rules: [{allow: {operation_type: "
		  "query, fields: []}}]}",
		    "fields list cannot be empty" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_refused(v[i].endpoint, v[i].has);
}

TEST(keys, of_rules_for_messages_are_refused_where_they_say_nothing)
{
	static const struct {
		const char *endpoint, *has;
	} v[] = {
		{ "{" AT "protocol: json-rpc, rules: [{allow: {}}]}",
		    "method is missing" },
		{ "{" AT "protocol: json-rpc, rules: [{allow: {method: "
		  "'eth_*'}}]}",
		    "must be exact or '*'" },
		{ "{" AT "protocol: json-rpc, rules: [{allow: {method: x, "
		  "params: {a: b}}}]}",
		    "params has no meaning for protocol 'json-rpc'" },
		{ "{" AT "protocol: mcp, rules: [{allow: {method: "
		  "'prompts/*'}}]}",
		    "only under tools/ may it be a pattern" },
		{ "{" AT "protocol: mcp, rules: [{allow: {tool: x}}]}",
		    "'tools/call' for tools" },
		{ "{" AT "protocol: mcp, rules: [{allow: {method: '*', tool: "
		  "x}}]}",
		    "tool is only of method 'tools/call'" },
		{ "{" AT "protocol: mcp, rules: [{allow: {method: tools/call, "
		  "tool: x, params: {name: y}}}]}",
		    "tool and params.name are the same" },
		{ "{" AT "protocol: mcp, rules: [{allow: {method: tools/call, "
		  "params: {a: {b: x}, a.b: y}}}]}",
		    "parameter 'a.b' has two matchers" },
		{ "{" AT "protocol: mcp, rules: [{allow: {method: tools/call, "
		  "params: {a: {b: '[x'}}}}]}",
		    "allow.params.a.b: glob pattern '[x' has unclosed '['" },
		{ "{" AT "protocol: mcp, rules: [{allow: {method: tools/call, "
		  "params: {a: {glob: x, b: y}}}}]}",
		    "unknown matcher keys" },
		{ "{" AT "protocol: mcp, rules: [{allow: {method: tools/call, "
		  "params: [x]}}]}",
		    "expected map of params matchers" },
		{ "{" AT "protocol: grpc, rules: [{allow: {rpc: Say}}]}",
		    "service is missing" },
		{ "{" AT "protocol: grpc, rules: [{allow: {service: a.B/C}}]}",
		    "both without '/'" },
		{ "{" AT "protocol: websocket, rules: [{allow: {method: GET, "
		  "path: /, operation_type: query}}]}",
		    "make it two" },
		{ "{" AT "protocol: websocket, rules: [{allow: {method: "
		  "WEBSOCKET_TEXT, path: /}}, {allow: {operation_type: "
		  "query}}]}",
		    "messages are either text" },
		{ "{" AT "protocol: websocket, access: full, deny_rules: "
		  "[{operation_type: mutation}]}",
		    "this refuses nothing" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_refused(v[i].endpoint, v[i].has);
}

/* Every protocol and key that nobody enforces is refused, and only those. */
TEST(keys, that_are_not_enforced_are_refused)
{
	static const char *const protocols[POLICY_PROTOCOLS] = {
		[POLICY_PROTO_NONE] = "{" AT "access: full}",
		[POLICY_PROTO_TCP] = "{" AT "protocol: tcp}",
		[POLICY_PROTO_SQL] =
		    "{" AT "protocol: sql, enforcement: audit, access: full}",
		[POLICY_PROTO_REST] = "{" REST "access: full}",
		[POLICY_PROTO_WEBSOCKET] =
		    "{" AT "protocol: websocket, access: full}",
		[POLICY_PROTO_GRPC] = "{" AT "protocol: grpc, access: full}",
		[POLICY_PROTO_GRAPHQL] =
		    "{" AT "protocol: graphql, access: full}",
		[POLICY_PROTO_JSON_RPC] = "{" AT "protocol: json-rpc, rules: "
					  "[{allow: {method: x}}]}",
		[POLICY_PROTO_MCP] = "{" AT "protocol: mcp, rules: [{allow: "
				     "{method: x}}]}",
	};
	enum { NO, YES };
	static const bool enforced[POLICY_PROTOCOLS] = {
		[POLICY_PROTO_NONE] = true,
#define PROTOCOL(id, word, judged, enforced_) [POLICY_PROTO_##id] = (enforced_),
#include "policy/protocols.def"
#undef PROTOCOL
	};

	for (int i = 0; i < POLICY_PROTOCOLS; i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		AUTO_PARSED struct parsed r = { 0 };

		buf_printf(&b, WITH("%s"), protocols[i]);
		r = parse(buf_str(&b));
		if ((r.p != NULL) != enforced[i])
			fail_msg("%s: %s", protocols[i], buf_str(&r.text));
		if (r.p == NULL)
			CHECK_HAS(buf_str(&r.text),
			    "is not enforced by this version");
	}
}

TEST(keys, flagged_unenforced_are_refused_when_they_say_something)
{
	static const struct {
		const char *key, *value, *off;
	} v[] = {
		{ "allow_encoded_slash", "true", "false" },
		{ "h2c", "true", "false" },
		{ "websocket_credential_rewrite", "true", "false" },
		{ "request_body_credential_rewrite", "true", "false" },
		{ "credential_binding", "{provider: gh}", NULL },
		{ "allow_uninspected_credentials", "true", "false" },
		{ "allow_credential_placeholders", "true", "false" },
		{ "credential_signing", "sigv4, signing_service: s3", "''" },
	};
	struct p_rows rows = p_rows_of(P_endpoint);

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf on = BUF_INIT(4096), off = BUF_INIT(4096);
		AUTO_PARSED struct parsed a = { 0 }, b = { 0 };
		bool unenforced = false;

		for (size_t k = 0; k < rows.n; k++)
			if (view_eq(rows.v[k].key, view_of(v[i].key)))
				unenforced = rows.v[k].flags & UNENFORCED;
		buf_printf(&on, WITH("{" REST "access: full, %s: %s}"),
		    v[i].key, v[i].value);
		a = parse(buf_str(&on));
		if ((a.p == NULL) != unenforced)
			fail_msg("%s: %s", v[i].key, buf_str(&a.text));
		if (v[i].off == NULL)
			continue;
		buf_printf(&off, WITH("{" REST "access: full, %s: %s}"),
		    v[i].key, v[i].off);
		b = parse(buf_str(&off));
		if (b.p == NULL)
			fail_msg("%s: %s", v[i].key, buf_str(&b.text));
	}
}

/* Every key of a rule is known to check_rules, which looks it up. */
TEST(keys, of_rules_are_all_asked_for)
{
	struct p_rows rows = p_rows_of(P_allow);

	CHECK_INT(rows.n, ==, 11);
}

TEST(keys, are_written_in_one_way)
{
	AUTO_PARSED struct parsed r = parse_ahead(WITH(
	    "{" AT "protocol: mcp, path: /mcp, mcp: {strict_tool_names: true, "
	    "allow_all_known_mcp_methods: false, max_body_bytes: 70000}, "
	    "rules: [{allow: {method: tools/call, tool: 'get_*', params: "
	    "{arguments: {owner: {any: [me, you]}, a: {b: {glob: x}}}}}}], "
	    "deny_rules: [{tool: get_all}], h2c: false, signing_region: ''}"));

	CHECK_STR(canonical(r.p), "version: 1\n"
				  "network_policies:\n"
				  "  t:\n"
				  "    name: t\n"
				  "    endpoints:\n"
				  "    - host: h.example.com\n"
				  "      port: 443\n"
				  "      path: /mcp\n"
				  "      protocol: mcp\n"
				  "      rules:\n"
				  "      - allow:\n"
				  "          method: tools/call\n"
				  "          params:\n"
				  "            arguments.a.b: x\n"
				  "            arguments.owner:\n"
				  "              any:\n"
				  "              - me\n"
				  "              - you\n"
				  "            name: get_*\n"
				  "      deny_rules:\n"
				  "      - params:\n"
				  "          name: get_all\n"
				  "      mcp:\n"
				  "        max_body_bytes: 70000\n"
				  "    binaries:\n"
				  "    - path: /usr/bin/curl\n");
}

TEST(keys, that_are_ignored_leave_nothing)
{
	AUTO_PARSED struct parsed r = parse_ahead(
	    WITH("{" REST "access: full, provider_credentialed: true, mcp: {}, "
		 "credential_binding: {provider: gh}}"));

	CHECK(r.p == NULL); /* mcp is not of rest, however empty */
}

/* The same in all but one key is not the same policy. */
TEST(keys, all_count_in_the_hash)
{
	static const char *const v[] = {
		"{" REST "access: full}",
		"{" REST "access: full, path: /a}",
		"{" REST "access: full, path: /b}",
		"{" REST "access: full, deny_rules: [{path: /a}]}",
		"{" REST "access: full, deny_rules: [{path: /b}]}",
		"{" REST "access: full, allow_encoded_slash: true}",
		"{" REST "access: full, h2c: true}",
		"{" REST "access: full, credential_binding: {provider: a}}",
		"{" REST "access: full, credential_binding: {provider: b}}",
		"{" AT "protocol: mcp, rules: [{allow: {method: x}}]}",
		"{" AT "protocol: mcp, rules: [{allow: {method: x}}], mcp: "
		"{strict_tool_names: false}}",
		"{" AT "protocol: mcp, rules: [{allow: {method: x}}], mcp: "
		"{max_body_bytes: 5}}",
		"{" AT "protocol: mcp, rules: [{allow: {method: x, params: "
		"{a: b}}}]}",
		"{" AT "protocol: mcp, rules: [{allow: {method: x, params: "
		"{a: {any: [b]}}}}]}",
	};
	char hash[ARRAY_LEN(v)][65];

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		AUTO_PARSED struct parsed r = { 0 };

		buf_printf(&b, WITH("%s"), v[i]);
		r = parse_ahead(buf_str(&b));
		if (r.p == NULL)
			fail_msg("%s: %s", v[i], buf_str(&r.text));
		policy_hash(r.p, hash[i]);
		for (size_t k = 0; k < i; k++)
			if (strcmp(hash[i], hash[k]) == 0)
				fail_msg("%s hashes as %s", v[i], v[k]);
	}
}
