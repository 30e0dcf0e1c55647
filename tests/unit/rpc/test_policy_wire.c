#include "rpc/policy_wire.h"

#include "base/fd.h"
#include "base/mem.h"
#include "policy/model.h"
#include "test.h"

static struct policy *
parsed(const char *yaml)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct policy *p = NULL;

	CHECK_INT(policy_parse(view_of(yaml), &p, &f), ==, 0);
	return p;
}

/* YAML, message, bytes, message, YAML: the canonical text comes back. */
static void
check_round_trip(const char *yaml)
{
	AUTO_POLICY struct policy *p = parsed(yaml), *q = NULL;
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_BUF struct buf a = BUF_INIT(POLICY_TEXT_MAX),
			    b = BUF_INIT(POLICY_TEXT_MAX),
			    bytes = BUF_INIT(1 << 20);
	policy_wire_msg *m = policy_wire_from(p), *n;

	policy_wire_pack(m, &bytes);
	policy_wire_free(m);
	n = openshell__sandbox__v1__sandbox_policy__unpack(
	    NULL, bytes.n, (const uint8_t *)bytes.p);
	CHECK(n != NULL);
	CHECK_INT(policy_wire_to(n, &q, &f), ==, 0);
	policy_wire_free(n);
	policy_canonical(p, &a);
	policy_canonical(q, &b);
	CHECK_STR(buf_str(&b), buf_str(&a));
}

TEST(policy_wire, gives_every_field_back)
{
	check_round_trip("version: 1\n");
	check_round_trip(
	    "version: 1\n"
	    "filesystem_policy:\n"
	    "  include_workdir: true\n"
	    "  read_only: [/usr, '/opt/a b']\n"
	    "  read_write: [/tmp]\n"
	    "landlock: {compatibility: hard_requirement}\n"
	    "process: {run_as_user: sandbox, run_as_group: sandbox}\n"
	    "network_policies:\n"
	    "  api:\n"
	    "    name: the api\n"
	    "    endpoints:\n"
	    "    - host: api.example.com\n"
	    "      ports: [443, 8443]\n"
	    "      protocol: rest\n"
	    "      enforcement: audit\n"
	    "      rules:\n"
	    "      - allow:\n"
	    "          method: GET\n"
	    "          path: /v1/**\n"
	    "          query: {q: 'a*', lang: {any: [c, 'no']}}\n"
	    "      - allow: {method: POST, path: /v1/x}\n"
	    "    - host: 'other.example.com'\n"
	    "      port: 22\n"
	    "      tls: skip\n"
	    "      allowed_ips: [10.0.0.0/8]\n"
	    "    binaries:\n"
	    "    - path: /usr/bin/curl\n"
	    "    - path: /usr/lib/**\n"
	    "  'other: one': {endpoints: [{host: a.example.com, port: 80}], "
	    "binaries: [{path: '/**'}]}\n");
	check_round_trip("version: 1\n"
			 "network_middlewares:\n"
			 "  m:\n"
			 "    middleware: acme/guard\n"
			 "    order: -2147483648\n"
			 "    config: {a: [1, -9007199254740992, true, {b: "
			 "'x\\ty'}], c: {}, d: \"\\u00e9\\n\"}\n"
			 "    on_error: fail_open\n"
			 "    endpoints: {include: ['**'], exclude: "
			 "['*.a.example.com', 10.0.0.1]}\n"
			 "  n:\n"
			 "    middleware: openshell/regex\n"
			 "    endpoints: {include: [a.example.com]}\n");
}

/* Also what is not enforced yet; through bytes, at the agreed numbers. */
TEST(policy_wire, gives_the_later_keys_back)
{
	static const char yaml[] =
	    "version: 1\n"
	    "network_policies:\n"
	    "  a:\n"
	    "    endpoints:\n"
	    "    - host: a.example.com\n"
	    "      port: 443\n"
	    "      path: /graphql\n"
	    "      protocol: graphql\n"
	    "      rules:\n"
	    "      - allow: {operation_type: query, operation_name: 'Q*', "
	    "fields: [a, 'b*']}\n"
	    "      deny_rules:\n"
	    "      - {operation_type: mutation, fields: [c]}\n"
	    "      persisted_queries: allow_registered\n"
	    "      graphql_persisted_queries:\n"
	    "        h1: {operation_type: query, operation_name: N, fields: "
	    "[a]}\n"
	    "        h2: {operation_type: mutation}\n"
	    "      graphql_max_body_bytes: 1234\n"
	    "      allow_encoded_slash: true\n"
	    "      h2c: true\n"
	    "      advisor_proposed: true\n"
	    "      request_body_credential_rewrite: true\n"
	    "      websocket_credential_rewrite: true\n"
	    "      credential_binding: {provider: gh}\n"
	    "      allow_uninspected_credentials: true\n"
	    "      allow_credential_placeholders: true\n"
	    "    - {host: b.example.com, port: 443, protocol: rest, access: "
	    "full, credential_signing: 'sigv4:body', signing_service: s3, "
	    "signing_region: eu-west-1, deny_rules: [{method: GET, path: /x, "
	    "query: {q: 'a*'}}]}\n"
	    "    - {host: c.example.com, port: 443, protocol: json-rpc, rules: "
	    "[{allow: {method: m}}], json_rpc: {max_body_bytes: 77}}\n"
	    "    - {host: d.example.com, port: 443, protocol: mcp, rules: "
	    "[{allow: {method: tools/call, tool: {any: [x, y]}, params: "
	    "{arguments: {a: b}}}}], deny_rules: [{tool: z}], mcp: "
	    "{max_body_bytes: 88, strict_tool_names: false, "
	    "allow_all_known_mcp_methods: true}}\n"
	    "    - {host: e.example.com, port: 443, protocol: mcp, mcp: "
	    "{allow_all_known_mcp_methods: true}}\n"
	    "    - {host: f.example.com, port: 443, protocol: mcp, rules: "
	    "[{allow: {method: x}}], mcp: {max_body_bytes: 5}}\n"
	    "    - {host: g.example.com, port: 443, protocol: grpc, rules: "
	    "[{allow: {service: a.B, rpc: C}}], deny_rules: [{rpc: D}]}\n"
	    "    - {host: 'h-*.example.com', port: 443}\n"
	    "    binaries: [{path: /bin/x}]\n";
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL, *q = NULL;
	AUTO_BUF struct buf a = BUF_INIT(POLICY_TEXT_MAX),
			    b = BUF_INIT(POLICY_TEXT_MAX),
			    text = BUF_INIT(POLICY_TEXT_MAX),
			    bytes = BUF_INIT(1 << 20);
	policy_wire_msg *m, *n;
	const Openshell__Sandbox__V1__NetworkEndpoint *e;

	if (p_parse_lenient(view_of(yaml), P_UNENFORCED, &p, &f) < 0)
		fail_msg("%s", f.v[0].text);
	m = policy_wire_from(p);
	e = m->network_policies[0]->value->endpoints[3];
	CHECK_INT(e->json_rpc_max_body_bytes, ==, 88);
	CHECK_INT(e->mcp->strict_case, ==,
	    OPENSHELL__SANDBOX__V1__MCP_OPTIONS__STRICT_STRICT_TOOL_NAMES);
	CHECK(!e->mcp->strict_tool_names);
	CHECK_STR(e->rules[0]->allow->params[1]->key, "name");
	policy_wire_pack(m, &bytes);
	policy_wire_free(m);
	n = openshell__sandbox__v1__sandbox_policy__unpack(
	    NULL, bytes.n, (const uint8_t *)bytes.p);
	CHECK(n != NULL);
	policy_wire_yaml(n, &text);
	policy_wire_free(n);
	if (p_parse_lenient(buf_view(&text), P_UNENFORCED, &q, &f) < 0)
		fail_msg("%s\n%s", buf_str(&text), f.v[0].text);
	policy_canonical(p, &a);
	policy_canonical(q, &b);
	CHECK_STR(buf_str(&b), buf_str(&a));
}

/* A policy with a field, number 25 or so, that some message does not have. */
static void
put_stranger(struct buf *b, unsigned at)
{
	/* policies { key: "a", value: { <stranger> } } and the like */
	static const struct {
		const char *bytes;
		size_t n;
	} v[] = {
		{ "\x08\x01\xc8\x01\x01", 5 }, /* of the policy: 25 */
		{ "\x08\x01\x2a\x08\x0a\x01"
		  "a\x12\x03\xc8\x01\x01",
		    12 },
		{ "\x08\x01\x2a\x0a\x0a\x01"
		  "a\x12\x05\x12\x03\xc8\x03\x01",
		    14 },
		/* mcp: {max_body_bytes: 5, stranger} of an endpoint */
		{ "\x08\x01\x2a\x15\x0a\x01"
		  "a\x12\x10\x12\x0e\x1a\x03mcp"
		  "\xb0\x01\x05\xba\x01\x03\xc8\x01\x01",
		    25 },
	};

	buf_put(b, (struct view) { v[at].bytes, v[at].n });
}

/* What this version does not know is refused, wherever it is. */
TEST(policy_wire, refuses_fields_it_does_not_know)
{
	for (unsigned i = 0; i < 4; i++) {
		AUTO_BUF struct buf b = BUF_INIT(256);
		AUTO_FINDINGS struct policy_findings f = { 0 };
		struct policy *p = NULL;
		policy_wire_msg *m;

		put_stranger(&b, i);
		m = openshell__sandbox__v1__sandbox_policy__unpack(
		    NULL, b.n, (const uint8_t *)b.p);
		if (m == NULL)
			fail_msg("message %u does not unpack", i);
		CHECK_INT(policy_wire_to(m, &p, &f), ==, -1);
		if (strstr(f.v[0].text, "unknown key 'field_") == NULL)
			fail_msg("message %u: %s", i, f.v[0].text);
		policy_wire_free(m);
	}
}

/* A name for each number of section 8.1, and ours from 50 on. */
TEST(policy_wire, has_the_agreed_numbers)
{
	static const struct {
		const char *name;
		unsigned id;
	} v[] = {
		{ "deny_rules", 10 },
		{ "allow_encoded_slash", 11 },
		{ "persisted_queries", 12 },
		{ "graphql_persisted_queries", 13 },
		{ "graphql_max_body_bytes", 14 },
		{ "path", 15 },
		{ "websocket_credential_rewrite", 16 },
		{ "request_body_credential_rewrite", 17 },
		{ "advisor_proposed", 18 },
		{ "credential_signing", 19 },
		{ "signing_service", 20 },
		{ "signing_region", 21 },
		{ "json_rpc_max_body_bytes", 22 },
		{ "mcp", 23 },
		{ "credential_binding", 24 },
		{ "allow_uninspected_credentials", 25 },
		{ "provider_credentialed", 26 },
		{ "h2c", 50 },
		{ "allow_credential_placeholders", 51 },
	};
	const ProtobufCMessageDescriptor *d =
	    &openshell__sandbox__v1__network_endpoint__descriptor;

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		const ProtobufCFieldDescriptor *f =
		    protobuf_c_message_descriptor_get_field(d, v[i].id);

		CHECK(f != NULL);
		CHECK_STR(f->name, v[i].name);
	}
}

/* Every key of the text has a field, or is one of the shapes told above. */
TEST(policy_wire, has_a_field_for_every_key)
{
	static const struct {
		enum p_owner owner;
		const ProtobufCMessageDescriptor *d;
	} v[] = {
		{ P_policy,
		    &openshell__sandbox__v1__network_policy_rule__descriptor },
		{ P_endpoint,
		    &openshell__sandbox__v1__network_endpoint__descriptor },
		{ P_allow, &openshell__sandbox__v1__l7_allow__descriptor },
		{ P_allow, &openshell__sandbox__v1__l7_deny_rule__descriptor },
		{ P_operation,
		    &openshell__sandbox__v1__graphql_operation__descriptor },
		{ P_binding,
		    &openshell__sandbox__v1__credential_binding__descriptor },
		{ P_mcp, &openshell__sandbox__v1__mcp_options__descriptor },
		{ P_binary,
		    &openshell__sandbox__v1__network_binary__descriptor },
	};
	static const char *const shaped[] = { "json_rpc", "max_body_bytes",
		"tool" };

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct p_rows rows = p_rows_of(v[i].owner);

		for (size_t k = 0; k < rows.n; k++) {
			const char *key = rows.v[k].key.p;
			bool found =
			    protobuf_c_message_descriptor_get_field_by_name(
				v[i].d, key) != NULL;

			for (size_t m = 0; m < ARRAY_LEN(shaped); m++)
				found |= strcmp(key, shaped[m]) == 0;
			if (!found)
				fail_msg("%s has no field", key);
		}
	}
}

TEST(policy_wire, reads_strings_that_look_like_yaml)
{
	AUTO_POLICY struct policy *p = NULL,
				  *from =
				      parsed("version: 1\nfilesystem_policy: "
					     "{read_only: ['/a: b', '/#c', "
					     "'/\"d']}\n");
	policy_wire_msg *m = policy_wire_from(from);
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct policy_fs fs;

	CHECK_INT(policy_wire_to(m, &p, &f), ==, 0);
	policy_filesystem(p, &fs);
	CHECK_INT(fs.n_read_only, ==, 3);
	CHECK_STR(fs.read_only[0], "/a: b");
	CHECK_STR(fs.read_only[1], "/#c");
	CHECK_STR(fs.read_only[2], "/\"d");
	policy_wire_free(m);
}

TEST(policy_wire, refuses_a_message_as_the_parser_would)
{
	Openshell__Sandbox__V1__FilesystemPolicy fs =
	    OPENSHELL__SANDBOX__V1__FILESYSTEM_POLICY__INIT;
	policy_wire_msg m = OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__INIT;
	char *paths[] = { (char[]) { "/usr/../etc/shadow" },
		(char[]) { "relative\nread_write: [/]" } };
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct policy *p = NULL;

	m.version = 1;
	m.filesystem = &fs;
	fs.n_read_only = 2;
	fs.read_only = paths;
	CHECK_INT(policy_wire_to(&m, &p, &f), ==, -1);
	CHECK_INT(f.errors, >=, 2);
	CHECK_HAS(f.v[0].text, "traversal");
}

/* An endpoint may name its ports twice on the wire; the list wins. */
TEST(policy_wire, lets_ports_win_over_port)
{
	AUTO_POLICY struct policy *p =
	    parsed("version: 1\nnetwork_policies: {a: {endpoints: [{host: "
		   "a.example.com, ports: [1, 2]}], binaries: [{path: "
		   "/bin/x}]}}\n");
	AUTO_POLICY struct policy *q = NULL;
	AUTO_FINDINGS struct policy_findings f = { 0 };
	policy_wire_msg *m = policy_wire_from(p);
	AUTO_BUF struct buf b = BUF_INIT(65536);

	m->network_policies[0]->value->endpoints[0]->port = 77;
	CHECK_INT(policy_wire_to(m, &q, &f), ==, 0);
	policy_canonical(q, &b);
	CHECK(strstr(buf_str(&b), "77") == NULL);
	policy_wire_free(m);
}

TEST(policy_wire, hashes_as_the_reference_does)
{
	AUTO_POLICY struct policy *p =
	    parsed("version: 1\n"
		   "filesystem_policy:\n"
		   "  include_workdir: true\n"
		   "  read_only: [/usr, /lib, /proc, /dev/urandom, /app, /etc, "
		   "/var/log]\n"
		   "  read_write: [/sandbox, /tmp, /dev/null]\n"
		   "landlock: {compatibility: best_effort}\n"
		   "process: {run_as_user: sandbox, run_as_group: sandbox}\n");
	policy_wire_msg none = OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__INIT;
	policy_wire_msg *m = policy_wire_from(p);
	char hash[65];

	policy_wire_hash(&none, hash);
	CHECK_STR(hash, "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524"
			"c014b81119");
	policy_wire_hash(m, hash);
	CHECK_STR(hash, "21ca0b7c8c0ee3fe71660bb18960bdb2d572b6904f6a22338eba72"
			"7ca26add43");
	policy_wire_free(m);
}

TEST(policy_wire, hashes_maps_in_the_order_of_their_keys)
{
	AUTO_POLICY struct policy *p =
	    parsed("version: 1\nnetwork_policies:\n"
		   "  b: {endpoints: [{host: b.example.com, port: 1}], "
		   "binaries: [{path: /bin/x}]}\n"
		   "  a: {endpoints: [{host: a.example.com, port: 1}], "
		   "binaries: [{path: /bin/x}]}\n");
	policy_wire_msg *m = policy_wire_from(p);
	char one[65], two[65];
	void *first = m->network_policies[0];

	policy_wire_hash(m, one);
	m->network_policies[0] = m->network_policies[1];
	m->network_policies[1] = first;
	policy_wire_hash(m, two);
	CHECK_STR(two, one);
	policy_wire_free(m);
}
