/* The vectors of the policy document, and what else a text may get wrong. */
#include "fixture.h"

/* Wraps an endpoint, in flow style, into a whole policy. */
static struct parsed
parse_endpoint(const char *endpoint)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);

	buf_puts(&b, "version: 1\nnetwork_policies:\n  t:\n    endpoints:\n");
	buf_printf(&b, "    - %s\n", endpoint);
	buf_puts(&b, "    binaries: [{path: /usr/bin/curl}]\n");
	return parse_view(buf_view(&b));
}

enum verdict { OK, OK_WARNED, REFUSED };

struct vector {
	const char *id, *text;
	enum verdict want;
	unsigned count; /* of errors or warnings; 0: any number */
	const char *has; /* in the findings; NULL for no matter what */
	const char *class; /* of the first error */
};

static void
check_vector(const struct vector *v, const struct parsed *r)
{
	const char *text = buf_str((struct buf *)(uintptr_t)&r->text);
	size_t count = v->want == REFUSED ? r->f.errors : r->f.warnings;

	if ((r->p == NULL) != (v->want == REFUSED))
		fail_msg("%s: %s: %s", v->id,
		    r->p != NULL ? "accepted" : "refused", text);
	if (v->want == OK && r->f.warnings > 0)
		fail_msg("%s: warned: %s", v->id, text);
	if (v->want == OK_WARNED && r->f.warnings == 0)
		fail_msg("%s: no warning", v->id);
	if (v->count > 0 && count != v->count)
		fail_msg("%s: %zu findings: %s", v->id, count, text);
	if (v->has != NULL && strstr(text, v->has) == NULL)
		fail_msg("%s: '%s' lacks '%s'", v->id, text, v->has);
	if (v->class != NULL && strcmp(r->f.v[0].class, v->class) != 0)
		fail_msg("%s: class %s", v->id, r->f.v[0].class);
}

TEST(policy, vectors_of_documents)
{
	static const struct vector v[] = {
		{ "P-01", "version: 1", OK, 0, NULL, NULL },
		{ "P-02", "version: 1\nbogus_field: true", REFUSED, 1,
		    "p:2:1: error: unknown key 'bogus_field'", "parse" },
		{ "P-10",
		    "version: 1\nprocess: {run_as_user: root, "
		    "run_as_group: sandbox}",
		    REFUSED, 1, "run_as_user must be 'sandbox', got 'root'",
		    "safety" },
		{ "P-11",
		    "version: 1\nprocess: {run_as_user: '0', "
		    "run_as_group: '0'}",
		    REFUSED, 2, "run_as_group must be 'sandbox', got '0'",
		    "safety" },
		{ "P-13",
		    "version: 1\nprocess: {run_as_user: '', "
		    "run_as_group: ''}",
		    REFUSED, 2, "run_as_user must be 'sandbox', got ''",
		    "safety" },
		{ "P-14", "version: 1\nnetwork_policies: {}", OK, 0, NULL,
		    NULL },
		{ "P-15",
		    "version: 1\nfilesystem_policy: {read_only: "
		    "[/usr/../etc/shadow]}",
		    REFUSED, 1,
		    "path contains '..' traversal component: "
		    "/usr/../etc/shadow",
		    "safety" },
		{ "P-16",
		    "version: 1\nfilesystem_policy: {read_only: "
		    "[usr/lib]}",
		    REFUSED, 1,
		    "path must be absolute (start with '/'): usr/lib",
		    "safety" },
		{ "P-17", "version: 1\nfilesystem_policy: {read_write: [/]}",
		    REFUSED, 1, "read-write path is overly broad: /",
		    "safety" },
		{ "P-44", "version: 1\nfilesystem_policy: {read_write: [/.]}",
		    REFUSED, 1, "read-write path is overly broad: /",
		    "safety" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_PARSED struct parsed r = parse(v[i].text);

		check_vector(&v[i], &r);
	}
}

#define REST "host: h.example.com, port: 8080, protocol: rest"
#define QUERY_HEAD "{" REST ", rules: [{allow: {method: GET, path: /x, query: "
#define QUERY(q) \
	"{" REST ", rules: [{allow: {method: GET, path: /x, query: " q "}}]}"

TEST(policy, vectors_of_endpoints)
{
	static const struct vector v[] = {
		{ "P-22",
		    "{" REST ", access: read-only, rules: [{allow: "
		    "{method: GET, path: /x}}]}",
		    REFUSED, 1,
		    "t.endpoints[0]: rules and access are mutually exclusive",
		    "network" },
		{ "P-23", "{" REST "}", REFUSED, 1,
		    "protocol requires rules or access", "network" },
		{ "P-24",
		    "{host: db.example.com, port: 5432, protocol: sql, "
		    "enforcement: enforce, rules: [{allow: {command: "
		    "SELECT}}]}",
		    REFUSED, 1,
		    "SQL enforcement requires full "
		    "SQL parsing",
		    "network" },
		{ "P-25",
		    "{host: h.example.com, port: 8443, tls: terminate, "
		    "protocol: rest, access: full}",
		    OK_WARNED, 1, "'tls: terminate' is deprecated", NULL },
		{ "P-27",
		    "{host: h.example.com, port: 443, protocol: rest, "
		    "access: full}",
		    OK, 0, NULL, NULL },
		{ "P-28", "{host: '*', port: 443}", REFUSED, 1,
		    "host wildcard '*' matches all hosts", "network" },
		{ "P-28", "{host: '**', port: 443}", REFUSED, 1,
		    "host wildcard '**' matches all hosts", "network" },
		{ "P-30", "{host: '*com', port: 443}", REFUSED, 1,
		    "host wildcard must start with '*.' or '**.'", "network" },
		{ "P-31", "{host: '*.com', port: 443}", OK_WARNED, 1,
		    "is very broad (covers all subdomains of a TLD)", NULL },
		{ "P-33",
		    "{host: h.example.com, port: 443, ports: [443, "
		    "8443]}",
		    REFUSED, 1,
		    "t.endpoints[0]: port and ports are mutually exclusive",
		    "network" },
		{ "P-34", QUERY("{tag: {any: []}}"), REFUSED, 1,
		    "t.endpoints[0].rules[0].allow.query.tag.any: list must "
		    "not be empty",
		    "parse" },
		{ "P-36", QUERY("{tag: '[unclosed'}"), REFUSED, 1,
		    "glob pattern '[unclosed' has unclosed '['", "network" },
		{ "P-40", "{host: h.example.com, port: 443}", OK, 0, NULL,
		    NULL },
		/* 1.6 (c), by row */
		{ "1.6c-8",
		    "{host: h.example.com, port: 443, tls: skip, "
		    "protocol: rest, access: full}",
		    OK_WARNED, 1, "'tls: skip' with L7 rules on port 443",
		    NULL },
		{ "1.6c-8, other port",
		    "{host: h.example.com, port: 80, tls: skip, "
		    "protocol: rest, access: full}",
		    OK_WARNED, 1, "'tls: skip' with L7 rules: the tunnel",
		    NULL },
		{ "1.6c-10", "{" REST ", rules: []}", REFUSED, 1,
		    "rules list cannot be empty (would deny all traffic). Use "
		    "`access: full` or remove rules.",
		    "network" },
		{ "1.6c-11",
		    "{" REST ", rules: [{allow: {method: PURGE, path: "
		    "/x}}]}",
		    OK_WARNED, 1,
		    "Unknown HTTP method 'PURGE'. "
		    "Standard methods: GET, HEAD, POST",
		    NULL },
		{ "query-1", QUERY("x"), REFUSED, 1,
		    "allow.query: expected map of query matchers", "parse" },
		{ "query-2", QUERY("{a: 1}"), REFUSED, 1,
		    "expected string glob or object with `any`", "parse" },
		{ "query-2", QUERY("{a: [x]}"), REFUSED, 1,
		    "expected string glob or object with `any`", "parse" },
		{ "query-3", QUERY("{a: {all: x}}"), REFUSED, 1,
		    "unknown matcher keys; only `glob` or `any` are supported",
		    "parse" },
		{ "query-4", QUERY("{a: {any: [x], glob: x}}"), REFUSED, 1,
		    "matcher cannot specify both `glob` and `any`", "parse" },
		{ "query-5", QUERY("{a: {}}"), REFUSED, 1,
		    "object matcher requires `glob` string or non-empty `any` "
		    "list",
		    "parse" },
		{ "query-6", QUERY("{a: {glob: [x]}}"), REFUSED, 1,
		    ".a.glob: expected glob string", "parse" },
		{ "query-6", QUERY("{a: {any: x}}"), REFUSED, 1,
		    ".a.any: expected array of glob strings", "parse" },
		{ "query-6", QUERY("{a: {any: [x, 1]}}"), REFUSED, 1,
		    ".a.any: all values must be strings", "parse" },
		{ "query-7", QUERY("{a: 'x]'}"), OK_WARNED, 1,
		    "glob pattern 'x]' has unmatched ']'", NULL },
		{ "query-7", QUERY("{a: '{x'}"), REFUSED, 1, "has unclosed '{'",
		    "network" },
		{ "query-7", QUERY("{a: 'x}'}"), REFUSED, 1,
		    "has unmatched '}'", "network" },
		{ "query-8", QUERY("{a: 'foo-*'}"), OK_WARNED, 1,
		    "'*' does not match '.' in a query value", NULL },
		/* the further load errors of 1.6 (c) */
		{ "improve",
		    "{host: h.example.com, port: 80, protocol: http, "
		    "access: full}",
		    REFUSED, 1,
		    "unknown protocol 'http' (expected tcp, sql, rest, ",
		    "network" },
		{ "improve", "{host: h.example.com, port: 80, tls: off-ish}",
		    REFUSED, 1, "unknown tls 'off-ish'", "network" },
		{ "improve", "{" REST ", access: full, enforcement: warn}",
		    REFUSED, 1, "unknown enforcement 'warn'", "network" },
		/* Only a protocol may be in any case. */
		{ "1.2",
		    "{host: h.example.com, port: 80, protocol: REST, "
		    "access: full}",
		    OK, 0, NULL, NULL },
		{ "improve", "{host: h.example.com, port: 80, tls: SKIP}",
		    REFUSED, 1, "unknown tls 'SKIP'", "network" },
		{ "improve", "{" REST ", access: full, enforcement: Audit}",
		    REFUSED, 1, "unknown enforcement 'Audit'", "network" },
		{ "improve", "{" REST ", access: FULL}", REFUSED, 1,
		    "unknown access preset 'FULL'", "network" },
		{ "improve", "{" REST ", access: admin}", REFUSED, 1,
		    "unknown access preset 'admin' (expected read-only, "
		    "read-write, or full)",
		    "network" },
		{ "improve", "{host: '*.*.example.com', port: 443}", REFUSED, 1,
		    "must be followed by a plain name", "network" },
		{ "improve", "{host: 'a.{b,c}.com', port: 443}", REFUSED, 1,
		    "not a valid name or address", "network" },
		{ "improve", "{host: '127.1', port: 443}", REFUSED, 1, NULL,
		    NULL },
		{ "improve", "{host: '0x7f.1', port: 443}", REFUSED, 1,
		    "not a valid name or address", "network" },
		{ "improve", "{host: 'b\\u00fccher.example', port: 443}",
		    REFUSED, 1, "not a valid name or address", "network" },
		{ "improve", "{host: xn--bcher-kva.example, port: 443}", OK, 0,
		    NULL, NULL },
		{ "improve", "{host: '::1', port: 443}", OK, 0, NULL, NULL },
		{ "improve", "{" REST ", rules: [{allow: {path: /x}}]}",
		    REFUSED, 1, "method is missing", "network" },
		{ "improve", "{" REST ", rules: [{allow: {method: GET}}]}",
		    REFUSED, 1, "path is missing", "network" },
		{ "improve", "{" REST ", rules: [{}]}", REFUSED, 1,
		    "missing key 'allow'", "parse" },
		{ "improve",
		    "{" REST ", rules: [{allow: {method: GET, path: "
		    "'/[z-a]'}}]}",
		    REFUSED, 1, "has reversed range", "network" },
		{ "improve",
		    "{host: h.example.com, port: 443, allowed_ips: "
		    "[10.0.0.0/33]}",
		    REFUSED, 1, "invalid CIDR/IP in allowed_ips: 10.0.0.0/33",
		    "network" },
		{ "improve",
		    "{host: h.example.com, port: 443, allowed_ips: "
		    "[127.0.0.1]}",
		    REFUSED, 1, "always blocked", "network" },
		{ "improve",
		    "{host: h.example.com, port: 443, allowed_ips: "
		    "['0.0.0.0/0']}",
		    REFUSED, 1, "always blocked", "network" },
		{ "improve",
		    "{host: h.example.com, port: 443, allowed_ips: "
		    "['::ffff:169.254.169.254']}",
		    REFUSED, 1, "always blocked", "network" },
		{ "improve",
		    "{host: h.example.com, port: 443, allowed_ips: "
		    "['100.100.100.200']}",
		    REFUSED, 1, "always blocked", "network" },
		{ "3.6",
		    "{host: h.example.com, port: 443, allowed_ips: "
		    "['64:ff9b::a9fe:a9fe', '2002:7f00::/24', "
		    "'2001:0:1:2:3:4:80ff:fffe']}",
		    REFUSED, 3, "always blocked", "network" },
		{ "3.6",
		    "{host: h.example.com, port: 443, allowed_ips: "
		    "['64:ff9b::a01:203', '2002:a01::/32', "
		    "'2001:0:1:2:3:4:f5fe:fdfc', '64:ff9b::/96']}",
		    OK, 0, NULL, NULL },
		{ "3.6",
		    "{host: h.example.com, port: 443, allowed_ips: "
		    "[10.0.0.0/8]}",
		    OK_WARNED, 1, "is very broad", NULL },
		{ "improve", "{port: 443}", REFUSED, 1,
		    "an endpoint without host needs allowed_ips", "network" },
		{ "improve", "{host: h.example.com, port: 0}", REFUSED, 1,
		    "from 1 to 65535, got 0", "parse" },
		{ "improve", "{host: h.example.com, ports: [443, 65536]}",
		    REFUSED, 1, "from 1 to 65535, got 65536", "parse" },
		{ "improve",
		    "{host: h.example.com, port: 443, access: "
		    "read-only}",
		    REFUSED, 1, "need a protocol", "network" },
		{ "improve",
		    "{host: h.example.com, port: 443, rules: [{allow: "
		    "{method: GET, path: /x}}]}",
		    REFUSED, 1, "need a protocol", "network" },
		/* says what no protocol means anyway */
		{ "1.2", "{host: h.example.com, port: 443, access: full}", OK,
		    0, NULL, NULL },
		{ "2.2",
		    "{" REST ", rules: [{allow: {method: GET, path: '*'}}]}",
		    OK_WARNED, 1, "path '*' does not begin with '/'", NULL },
		{ "2.2",
		    "{" REST ", rules: [{allow: {method: GET, path: "
		    "repos/**}}]}",
		    OK_WARNED, 1, "path 'repos/**' does not begin", NULL },
		{ "2.2",
		    "{" REST ", rules: [{allow: {method: GET, path: '**'}}, "
		    "{allow: {method: GET, path: '**/x'}}, {allow: {method: "
		    "GET, path: '{/a,/b}'}}]}",
		    OK, 0, NULL, NULL },
		{ "query-9", QUERY("{\"a\\u0001\": x}"), REFUSED, 1,
		    "name has control characters", "parse" },
		{ "warn", "{host: h.example.com}", OK_WARNED, 1, "no port",
		    NULL },
		/* 1.2, types */
		{ "1.2", "{host: 12, port: 443}", REFUSED, 1,
		    "t.endpoints[0].host: expected a string, got a number",
		    "parse" },
		{ "1.2", "{host: true, port: 443}", REFUSED, 1,
		    "expected a string, got a boolean", "parse" },
		{ "1.2", "{host: ~, port: 443}", REFUSED, 1,
		    "expected a string, got null", "parse" },
		{ "1.2", "{host: h.example.com, port: '443'}", REFUSED, 1,
		    "expected a whole number, got a string", "parse" },
		{ "1.2", "{host: h.example.com, port: 443.0}", REFUSED, 1,
		    "expected a whole number, got a floating-point number",
		    "parse" },
		{ "1.2", "{host: h.example.com, port: 0x1BB}", OK, 0, NULL,
		    NULL },
		{ "1.2", "{host: h.example.com, port: 0o673}", OK, 0, NULL,
		    NULL },
		{ "1.2", "{host: h.example.com, port: +443}", OK, 0, NULL,
		    NULL },
		{ "1.2", "{host: h.example.com, port: 0x10000}", REFUSED, 1,
		    "port: must be a number from 1 to 65535, got 0x10000",
		    "parse" },
		{ "1.2", "{host: h.example.com, port: -443}", REFUSED, 1,
		    "from 1 to 65535, got -443", "parse" },
		/* three readers, three ports */
		{ "1.2", "{host: h.example.com, port: 0443}", REFUSED, 1,
		    "a number must not begin with 0, got 0443", "parse" },
		{ "1.2", "{host: h.example.com, port: 443, allowed_ips: ~}",
		    REFUSED, 1, "expected a list of strings, got null",
		    "parse" },
		{ "1.2", "{" REST ", rules: [{allow: ~}]}", REFUSED, 1,
		    "expected a mapping, got null", "parse" },
		{ "1.2", "{host: h.example.com, port: 443, prot: rest}",
		    REFUSED, 1, "unknown key 'prot'", "parse" },
		{ "1.2", "{host: h.example.com, port: 443, host: b.com}",
		    REFUSED, 1, "duplicate key 'host'", "parse" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_PARSED struct parsed r = parse_endpoint(v[i].text);

		check_vector(&v[i], &r);
	}
}

TEST(policy, refuses_documents)
{
	static const struct vector v[] = {
		{ "empty", "", REFUSED, 1, "missing key 'version'", "parse" },
		{ "comment", "# nothing\n", REFUSED, 1, "missing key 'version'",
		    "parse" },
		{ "no version", "network_policies: {}", REFUSED, 1,
		    "missing key 'version'", "parse" },
		{ "version 2", "version: 2", REFUSED, 1,
		    "unsupported policy version 2 (supported: 1)", "parse" },
		{ "version string", "version: '1'", REFUSED, 1,
		    "expected a whole number, got a string", "parse" },
		{ "list", "- 1", REFUSED, 1, "expected a mapping, got a list",
		    "parse" },
		{ "wire name", "version: 1\nfilesystem: {}", REFUSED, 1,
		    "unknown key 'filesystem'", "parse" },
		{ "inference", "version: 1\ninference: {}", REFUSED, 1,
		    "unknown key 'inference'", "parse" },
		{ "null map", "version: 1\nnetwork_policies:\n", REFUSED, 1,
		    "expected a mapping, got null", "parse" },
		{ "null sections",
		    "version: 1\nfilesystem_policy:\nlandlock:\n"
		    "process:\n",
		    OK, 0, NULL, NULL },
		{ "two names",
		    "version: 1\nnetwork_policies:\n  a: {}\n  a: "
		    "{}\n",
		    REFUSED, 1, "p:4:3: error: duplicate key 'a'", "parse" },
		{ "number name", "version: 1\nnetwork_policies: {1: {}}",
		    REFUSED, 1, "a name must be a string, got a number",
		    "parse" },
		{ "CR in name",
		    "version: 1\nnetwork_policies: {\"a\\r\\nb\": "
		    "{endpoints: [{host: a.com, port: 1}], binaries: [{path: "
		    "/a}]}}",
		    REFUSED, 1, "name has control characters", "network" },
		{ "C1 in name",
		    "version: 1\nnetwork_policies: {a: {name: \"\\x9b\", "
		    "endpoints: [{host: a.com, port: 1}], binaries: [{path: "
		    "/a}]}}",
		    REFUSED, 1, "a: name has control characters", "network" },
		{ "leading zero", "version: 01", REFUSED, 1,
		    "version: a number must not begin with 0", "parse" },
		{ "version 0x1", "version: 0x1", OK, 0, NULL, NULL },
		{ "version 2^32", "version: 4294967296", REFUSED, 1,
		    "must be a number from 0 to 4294967295", "parse" },
		{ "version 1.0", "version: 1.0", REFUSED, 1,
		    "expected a whole number, got a floating-point number",
		    "parse" },
		{ "landlock",
		    "version: 1\nlandlock: {compatibility: "
		    "best-effort}",
		    REFUSED, 1, "unknown landlock compatibility 'best-effort'",
		    "safety" },
		{ "landlock", "version: 1\nlandlock: {compatibility: ''}", OK,
		    0, NULL, NULL },
		{ "relative binary",
		    "version: 1\nnetwork_policies: {a: "
		    "{endpoints: [{host: a.com, port: 1}], binaries: [{path: "
		    "curl}]}}",
		    REFUSED, 1,
		    "a.binaries[0]: path must be "
		    "absolute: 'curl'",
		    "network" },
		{ "bad binary glob",
		    "version: 1\nnetwork_policies: {a: "
		    "{endpoints: [{host: a.com, port: 1}], binaries: [{path: "
		    "'/usr/*/[x'}]}}",
		    REFUSED, 1, "has unclosed '['", "network" },
		{ "literal brackets",
		    "version: 1\nnetwork_policies: {a: "
		    "{endpoints: [{host: a.com, port: 1}], binaries: [{path: "
		    "'/usr/[x'}]}}",
		    OK, 0, NULL, NULL },
		{ "empty lists", "version: 1\nnetwork_policies: {a: {}}",
		    OK_WARNED, 2, "no endpoints: the policy never matches",
		    NULL },
		{ "control in path",
		    "version: 1\nfilesystem_policy: "
		    "{read_only: [\"/a\\nb\"]}",
		    REFUSED, 1, "path contains control characters: /a\\x0ab",
		    "safety" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_PARSED struct parsed r = parse(v[i].text);

		check_vector(&v[i], &r);
	}
}

TEST(policy, names_every_fault_at_once)
{
	AUTO_PARSED struct parsed r = parse("version: 3\n"
					    "bogus: 1\n"
					    "filesystem_policy:\n"
					    "  read_write: [/, usr]\n"
					    "network_policies:\n"
					    "  a:\n"
					    "    endpoints:\n"
					    "    - host: 7\n"
					    "      port: 99999\n"
					    "    - host: '*'\n"
					    "      port: 443\n"
					    "    binaries: [{path: x}]\n");

	CHECK(r.p == NULL);
	CHECK_STR(buf_str(&r.text),
	    "p:1:10: error: unsupported policy version 3 (supported: 1)\n"
	    "p:2:1: error: unknown key 'bogus' (known here: version, "
	    "filesystem_policy, landlock, process, network_policies)\n"
	    "p:4:16: error: read-write path is overly broad: /\n"
	    "p:4:19: error: path must be absolute (start with '/'): usr\n"
	    "p:8:13: error: a.endpoints[0].host: expected a string, got a "
	    "number\n"
	    "p:9:13: error: a.endpoints[0].port: must be a number from 1 "
	    "to 65535, got 99999\n"
	    "p:10:13: error: a.endpoints[1]: host wildcard '*' matches all "
	    "hosts; use specific patterns like '*.example.com'\n"
	    "p:12:23: error: a.binaries[0]: path must be absolute: 'x'\n");
}

/* One that is at fault itself is not held against another. */
TEST(policy, names_overlaps_beside_other_faults)
{
	AUTO_PARSED struct parsed r =
	    parse("version: 1\n"
		  "network_policies:\n"
		  "  a:\n"
		  "    endpoints:\n"
		  "    - {host: h.com, port: 443}\n"
		  "    - {host: h.com, port: 443, tls: Skip}\n"
		  "    - {host: h.com, port: 443, tls: skip, bogus: 1}\n"
		  "    - {host: h.com, port: 443, tls: skip}\n"
		  "    binaries: [{path: /x}]\n");

	CHECK_STR(buf_str(&r.text),
	    "p:6:37: error: a.endpoints[1]: unknown tls 'Skip' (expected "
	    "skip)\n"
	    "p:7:43: error: a.endpoints[2]: unknown key 'bogus' (known here: "
	    "host, port, ports, path, protocol, tls, enforcement, access, "
	    "rules, deny_rules, allowed_ips, allow_encoded_slash, h2c, "
	    "persisted_queries, graphql_persisted_queries, "
	    "graphql_max_body_bytes, json_rpc, mcp, "
	    "websocket_credential_rewrite, request_body_credential_rewrite, "
	    "credential_signing, signing_service, signing_region, "
	    "credential_binding, allow_uninspected_credentials, "
	    "advisor_proposed, provider_credentialed)\n"
	    "p:8:7: error: network policies 'a' endpoint[0] (h.com:443) and "
	    "'a' endpoint[3] (h.com:443) overlap on port(s) 443 with "
	    "conflicting metadata: tls=auto vs skip\n");
}

#define HEADER \
	"Version:      3\nHash:         ab\nStatus:       Failed\nError:    " \
	"    a: [b\n---\n"

TEST(policy, passes_over_the_header_of_policy_get)
{
	AUTO_PARSED struct parsed ok = parse(HEADER "version: 1\n");
	AUTO_PARSED struct parsed crlf =
	    parse("Scope: global\r\n---\r\nversion: 1\r\n");
	AUTO_PARSED struct parsed place = parse(HEADER "version: 1\nx: 1\n");
	AUTO_PARSED struct parsed other =
	    parse("Version: 3\nbogus: 1\n---\nversion: 1\n");
	AUTO_PARSED struct parsed two = parse(HEADER "version: 1\n---\n");

	CHECK(ok.p != NULL);
	CHECK(crlf.p != NULL);
	CHECK_HAS(buf_str(&place.text), "p:7:1: error: unknown key 'x'");
	CHECK(other.p == NULL);
	CHECK_HAS(buf_str(&two.text), "more than one document");
}

TEST(policy, syntax_error_ends_but_keeps_what_was_found)
{
	AUTO_PARSED struct parsed r = parse("version: 1\nbogus: 1\n"
					    "landlock: [\n}\n");

	CHECK(r.p == NULL);
	CHECK_INT(r.f.errors, ==, 3);
	CHECK_HAS(buf_str(&r.text), "p:2:1: error: unknown key 'bogus'");
	CHECK_HAS(buf_str(&r.text), "invalid YAML");
}

TEST(policy, P_03_P_04_ports)
{
	AUTO_PARSED struct parsed two =
	    parse_endpoint("{host: a.com, ports: [80, 443]}");
	AUTO_PARSED struct parsed one =
	    parse_endpoint("{host: a.com, port: 443}");
	AUTO_PARSED struct parsed list =
	    parse_endpoint("{host: a.com, ports: [443]}");
	const struct p_endpoint *e = p_endpoints(p_policies(two.p));

	CHECK_INT(e->ports.n, ==, 2);
	CHECK_INT(e->ports.v[0].v, ==, 80);
	CHECK_INT(e->ports.v[1].v, ==, 443);
	CHECK_HAS(canonical(two.p), "ports:\n      - 80\n      - 443\n");
	e = p_endpoints(p_policies(one.p));
	CHECK_INT(e->ports.n, ==, 1);
	CHECK_INT(e->ports.v[0].v, ==, 443);
	CHECK_HAS(canonical(one.p), "      port: 443\n");
	CHECK(strstr(canonical(one.p), "ports:") == NULL);
	CHECK_HAS(canonical(list.p), "      port: 443\n");
}

static void
check_round_trip(const char *id, const struct policy *p)
{
	AUTO_BUF struct buf first = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_POLICY struct policy *again = NULL;
	char a[65], b[65];

	buf_puts(&first, canonical(p));
	again = must_parse(id, buf_str(&first));
	CHECK_STR(canonical(again), buf_str(&first));
	policy_hash(p, a);
	policy_hash(again, b);
	CHECK_STR(a, b);
}

TEST(policy, P_06_name_survives)
{
	AUTO_POLICY struct policy *p = must_parse("P-06",
	    "version: 1\nnetwork_policies:\n  my_api:\n    name: "
	    "my-custom-api-name\n    endpoints: [{host: a.com, port: 1}]\n"
	    "    binaries: [{path: /a}]\n");

	CHECK_HAS(canonical(p), "  my_api:\n    name: my-custom-api-name\n");
	check_round_trip("P-06", p);
}

/* 1.4: the first parse fills it, and it is not empty then. */
TEST(policy, name_is_the_key_when_there_is_none)
{
	AUTO_POLICY struct policy *p = must_parse(
	    "1.4", "version: 1\nnetwork_policies: {a: {}, b: {name: ''}}\n");

	CHECK_STR(canonical(p), "version: 1\n"
				"network_policies:\n"
				"  a:\n"
				"    name: a\n"
				"  b:\n"
				"    name: b\n");
	check_round_trip("1.4", p);
}

TEST(policy, P_07_default)
{
	AUTO_POLICY struct policy *p = policy_default();
	struct policy_fs fs;

	CHECK_HAS(canonical(p), "\nfilesystem_policy:\n");
	CHECK(strstr(canonical(p), "\nfilesystem:") == NULL);
	check_round_trip("P-07", p);
	policy_filesystem(p, &fs);
	CHECK(fs.include_workdir);
	CHECK_INT(fs.n_read_only, ==, 7);
	CHECK_INT(fs.n_read_write, ==, 3);
	CHECK_STR(fs.read_only[0], "/usr");
	CHECK(fs.read_only[7] == NULL);
	CHECK_INT(policy_landlock_mode(p), ==, POLICY_LANDLOCK_BEST_EFFORT);
	CHECK_INT(policy_network_count(p), ==, 0);
}

TEST(policy, P_08_query_matchers)
{
	AUTO_PARSED struct parsed r = parse_endpoint(
	    QUERY("{slug: 'my-*', tag: {any: ['foo-*', 'bar-*']}}"));
	const struct p_query *q;

	CHECK(r.p != NULL);
	q = &p_rules(p_endpoints(p_policies(r.p)))->allow.query;
	CHECK_INT(q->n, ==, 2);
	CHECK(!q->v[0].any);
	CHECK_VIEW(q->v[0].globs.v[0].v, "my-*");
	CHECK(q->v[1].any);
	CHECK_INT(q->v[1].globs.n, ==, 2);
	check_round_trip("P-08", r.p);
}

TEST(policy, glob_matcher_is_written_as_a_string)
{
	AUTO_PARSED struct parsed r =
	    parse_endpoint(QUERY("{slug: {glob: x1}}"));

	CHECK_HAS(canonical(r.p), "query:\n            slug: x1\n");
}

TEST(policy, P_18_too_many_paths)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	struct parsed r;

	buf_puts(&b, "version: 1\nfilesystem_policy:\n  read_write: [/tmp]\n"
		     "  read_only:\n");
	for (int i = 0; i < 300; i++)
		buf_printf(&b, "  - /p%d\n", i);
	r = parse_view(buf_view(&b));
	CHECK(r.p == NULL);
	CHECK_HAS(buf_str(&r.text), "too many filesystem paths (301 > 256)");
	parsed_fini(&r);
}

TEST(policy, P_19_path_too_long)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	struct parsed r;

	buf_puts(&b, "version: 1\nfilesystem_policy:\n  read_only:\n  - /");
	for (int i = 0; i < 5000; i++)
		buf_putc(&b, 'a');
	buf_putc(&b, '\n');
	r = parse_view(buf_view(&b));
	CHECK(r.p == NULL);
	CHECK_INT(r.f.errors, ==, 1);
	CHECK_HAS(buf_str(&r.text),
	    "path exceeds maximum length (5001 > 4096): /aaaa");
	CHECK_HAS(buf_str(&r.text), "aaa...\n");
	parsed_fini(&r);
}

TEST(policy, P_20_paths_are_normalised)
{
	static const char *const want[] = { "/usr/lib", "/usr/lib", "/tmp",
		"/x" };
	AUTO_POLICY struct policy *p = must_parse("P-20",
	    "version: 1\nfilesystem_policy:\n  read_only: [/usr//lib, "
	    "/usr/./lib, /tmp/, //x/./]\n");
	AUTO_PARSED struct parsed up =
	    parse("version: 1\nfilesystem_policy: {read_only: "
		  "[/usr/../etc]}\n");
	struct policy_fs fs;

	policy_filesystem(p, &fs);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		CHECK_STR(fs.read_only[i], want[i]);
	/* ".." stays, and is refused as it stands. */
	CHECK_HAS(buf_str(&up.text), "component: /usr/../etc");
}

TEST(policy, P_38_presets)
{
	static const struct {
		const char *preset, *methods;
	} v[] = {
		{ "read-only", "GET HEAD OPTIONS " },
		{ "read-write", "GET HEAD OPTIONS POST PUT PATCH " },
		{ "full", "* " },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf b = BUF_INIT(256);
		const char *const *m =
		    p_preset(POLICY_PROTO_REST, view_of(v[i].preset));

		for (; *m != NULL; m++)
			buf_printf(&b, "%s ", *m);
		CHECK_STR(buf_str(&b), v[i].methods);
	}
	CHECK(p_preset(POLICY_PROTO_REST, VIEW("other")) == NULL);
	CHECK(p_preset(POLICY_PROTO_REST, VIEW("")) == NULL);
}

/*
 * P-41 and P-43 are about a file on disk, which is not this library's; what it
 * falls back to is policy_default, and that a root policy is refused is P-10.
 */
TEST(policy, P_41_P_43_fallback_denies_everything)
{
	AUTO_PARSED struct parsed root = parse("version: 1\nprocess: "
					       "{run_as_user: root}\n");
	AUTO_POLICY struct policy *p = policy_default();
	struct snapshot *s = NULL;
	struct policy_conn c;
	struct policy_reason why;
	struct policy_who who = who_is("/usr/bin/curl");
	struct err e;

	CHECK(root.p == NULL);
	CHECK_INT(snapshot_new(p, 7, &s, &e), ==, 0);
	CHECK_INT(snapshot_generation(s), ==, 7);
	policy_decide_conn(s, &who, VIEW("a.com"), 443, &c, &why);
	CHECK(!c.allow);
	CHECK_STR(why.text, "network connections not allowed by policy");
	snapshot_unref(s);
}

TEST(policy, system_directories_are_not_writable)
{
	static const char *const bad[] = { "/etc", "/etc/ssl", "/usr",
		"/usr/lib/x", "/bin", "/sbin", "/lib", "/lib64", "/boot",
		"/proc", "/proc/self", "/sys", "/dev", "/dev/mem", "/dev/sda",
		"//etc/.", "/run", "/var", "/var/lib/",
		"/var/lib/openshell/x" };
	static const char *const good[] = { "/tmp", "/dev/null", "/dev/pts",
		"/dev/shm", "/dev/nvidia0", "/home/u", "/usr/local/share",
		"/etcetera", "/var/tmp", "/var/log", "/var/lib/x" };
	char text[256];

	for (size_t i = 0; i < ARRAY_LEN(bad) + ARRAY_LEN(good); i++) {
		bool is_bad = i < ARRAY_LEN(bad);
		const char *path = is_bad ? bad[i] : good[i - ARRAY_LEN(bad)];
		struct parsed r;

		snprintf(text, sizeof(text),
		    "version: 1\nfilesystem_policy: {read_write: [%s]}\n",
		    path);
		r = parse(text);
		if ((r.p == NULL) != is_bad)
			fail_msg("read_write %s: %s", path, buf_str(&r.text));
		parsed_fini(&r);
	}
}

TEST(policy, bounds_what_a_text_may_hold)
{
	static const struct {
		const char *head, *item, *what;
		unsigned n;
	} v[] = {
		{ "version: 1\nnetwork_policies:\n", "  p%u: {}\n",
		    "more than 1024 entries", 1025 },
		{ "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n",
		    "    - {host: h%u.com, port: 1}\n", "more than 256 entries",
		    257 },
		{ "version: 1\nnetwork_policies:\n  p:\n    binaries:\n",
		    "    - {path: /b%u}\n", "more than 256 entries", 257 },
		{ "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n    - "
		  "host: h.com\n      port: 1\n      protocol: rest\n      "
		  "rules:\n",
		    "      - allow: {method: GET, path: /%u}\n",
		    "more than 512 entries", 513 },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf b = BUF_INIT(POLICY_TEXT_MAX);
		struct parsed r;

		for (unsigned extra = 0; extra < 2; extra++) {
			buf_reset(&b);
			buf_puts(&b, v[i].head);
			for (unsigned k = 0; k < v[i].n - 1 + extra; k++) {
				char line[128];
				struct view rest,
				    head = view_cut(
					view_of(v[i].item), '%', &rest);

				snprintf(line, sizeof(line), "%.*s%u%s",
				    (int)head.n, head.p, k, rest.p + 1);
				buf_puts(&b, line);
			}
			r = parse_view(buf_view(&b));
			CHECK_INT(r.p == NULL, ==, extra);
			if (extra)
				CHECK_HAS(buf_str(&r.text), v[i].what);
			parsed_fini(&r);
		}
	}
}

/* Each at its bound and one above. */
TEST(policy, bounds_strings_and_alternates)
{
	static const struct {
		const char *before, *unit, *after;
		unsigned n;
		const char *what;
	} v[] = {
		{ "{" REST ", rules: [{allow: {method: GET, path: '/", "a",
		    "'}}]}", PL_PATTERN_MAX - 1, "longer than 1024 bytes" },
		{ QUERY_HEAD "{q: '", "a", "'}}}]}", PL_PATTERN_MAX,
		    "longer than 1024 bytes" },
		{ QUERY_HEAD "{q: {any: [", "a,", "]}}}}]}", PL_ALTERNATES_MAX,
		    "more than 64 alternates" },
		{ QUERY_HEAD "{q: '{", "a,", "}'}}}]}", PL_ALTERNATES_MAX,
		    "more than 64 alternates" },
		{ QUERY_HEAD "{\"", "\\\\", "\": x}}}]}", PL_NAME_MAX,
		    "longer than 256 bytes" },
		{ "{host: a.com, port: 443, allowed_ips: [", "10.1.0.0/16, ",
		    "]}", PL_NETS_MAX, "more than 64 entries" },
		{ "{host: a.com, ports: [", "443, ", "]}", 256,
		    "more than 256 entries" },
		{ "{host: ", "a.", "com, port: 443}", 125,
		    "not a valid name or address" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		for (unsigned extra = 0; extra < 2; extra++) {
			AUTO_BUF struct buf b = BUF_INIT(1 << 16);
			AUTO_PARSED struct parsed r = { 0 };

			buf_puts(&b, v[i].before);
			for (unsigned k = 0; k < v[i].n + extra; k++)
				buf_puts(&b, v[i].unit);
			buf_puts(&b, v[i].after);
			r = parse_endpoint(buf_str(&b));
			if ((r.p == NULL) != extra)
				fail_msg("%s + %u: %s", v[i].before, extra,
				    buf_str(&r.text));
			if (extra)
				CHECK_HAS(buf_str(&r.text), v[i].what);
		}
}

/* As documents for the reference are written. */
TEST(policy, takes_documents_as_the_reference_does)
{
	AUTO_PARSED struct parsed r = parse(
	    "version: 1\n"
	    "filesystem_policy:\n"
	    "  include_workdir: true\n"
	    "  read_only: [/usr, /lib, /proc, /dev/urandom, /app, /etc, "
	    "/var/log]\n"
	    "  read_write: [/sandbox, /tmp, /dev/null]\n"
	    "landlock: {compatibility: best_effort}\n"
	    "process: {run_as_user: sandbox, run_as_group: sandbox}\n"
	    "network_policies:\n"
	    "  claude_code:\n"
	    "    name: claude-code\n"
	    "    endpoints:\n"
	    "      - { host: api.anthropic.com, port: 443, protocol: rest, "
	    "enforcement: enforce, access: full, tls: terminate }\n"
	    "      - { host: statsig.anthropic.com, port: 443 }\n"
	    "      - { host: \"*.vo.msecnd.net\", port: 443, access: full }\n"
	    "    binaries:\n"
	    "      - { path: /usr/local/bin/claude, harness: true }\n"
	    "      - { path: \"/sandbox/.venv/**\" }\n"
	    "  internal:\n"
	    "    name: internal\n"
	    "    endpoints:\n"
	    "      - port: 8080\n"
	    "        allowed_ips: [\"10.42.0.0/16\"]\n"
	    "      - { host: db.corp.net, port: 5432, protocol: sql, "
	    "enforcement: audit, access: full, allowed_ips: [10.0.5.7] }\n"
	    "    binaries: [{ path: /usr/bin/curl }]\n");

	CHECK(r.p != NULL);
	CHECK_STR(buf_str(&r.text),
	    "p:12:104: warning: "
	    "claude_code.endpoints[0]: 'tls: terminate' is deprecated; TLS "
	    "termination is now automatic. Use 'tls: skip' to disable.\n");
}

TEST(policy, bounds_the_size_of_the_text)
{
	AUTO_BUF struct buf b = BUF_INIT(POLICY_TEXT_MAX + 1);
	struct parsed r;

	buf_puts(&b, "version: 1\n#");
	while (b.n < POLICY_TEXT_MAX)
		buf_putc(&b, 'x');
	r = parse_view(buf_view(&b));
	CHECK(r.p != NULL);
	parsed_fini(&r);
	buf_putc(&b, 'x');
	r = parse_view(buf_view(&b));
	CHECK(r.p == NULL);
	CHECK_HAS(buf_str(&r.text), "document larger than 1048576 bytes");
	parsed_fini(&r);
}

/* Attack: a short text that compiles to gigabytes. */
TEST(policy, bounds_what_ports_multiply)
{
	AUTO_BUF struct buf b = BUF_INIT(POLICY_TEXT_MAX);
	struct parsed r;

	buf_puts(&b, "version: 1\nnetwork_policies:\n  p:\n    binaries: "
		     "[{path: /a}]\n    endpoints:\n");
	for (int e = 0; e < 2; e++) {
		buf_puts(&b, "    - {host: h.com, ports: [");
		for (int i = 1; i <= 256; i++)
			buf_printf(&b, "%d,", i);
		buf_puts(&b, "], protocol: rest, rules: [");
		for (int i = 0; i < 300; i++)
			buf_puts(&b, "{allow: {method: GET, path: /}},");
		buf_puts(&b, "]}\n");
	}
	r = parse_view(buf_view(&b));
	CHECK(r.p == NULL);
	CHECK_HAS(buf_str(&r.text), "counted once for each port");
	parsed_fini(&r);
}

TEST(policy, findings_are_bounded_but_counted)
{
	AUTO_BUF struct buf b = BUF_INIT(POLICY_TEXT_MAX);
	struct parsed r;

	buf_puts(&b, "version: 1\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "k%d: 1\n", i);
	r = parse_view(buf_view(&b));
	CHECK_INT(r.f.n, ==, POLICY_FINDINGS_MAX);
	CHECK_INT(r.f.errors, ==, 1000);
	CHECK_HAS(buf_str(&r.text), "p: 744 more not shown\n");
	parsed_fini(&r);
}

TEST(policy, canonical_form_is_stable)
{
	AUTO_POLICY struct policy *p = must_parse("canonical",
	    "network_policies:\n"
	    "  z: {binaries: [{harness: true, path: /z}], endpoints: "
	    "[{port: 1, host: Z.com}]}\n"
	    "  a:\n"
	    "    endpoints:\n"
	    "    - {allowed_ips: [10.1.0.0/16], rules: [{allow: {query: {b: "
	    "x.*, a: y}, path: '/**', method: GET}}], protocol: rest, ports: "
	    "[443], host: '*.a.com', tls: '', enforcement: audit}\n"
	    "    binaries: [{path: '/usr/*'}]\n"
	    "landlock: {compatibility: ''}\n"
	    "process: {}\n"
	    "filesystem_policy: {read_write: []}\n"
	    "version: 1\n");

	CHECK_STR(canonical(p), "version: 1\n"
				"filesystem_policy:\n"
				"  include_workdir: false\n"
				"landlock: {}\n"
				"network_policies:\n"
				"  a:\n"
				"    name: a\n"
				"    endpoints:\n"
				"    - host: '*.a.com'\n"
				"      port: 443\n"
				"      protocol: rest\n"
				"      enforcement: audit\n"
				"      rules:\n"
				"      - allow:\n"
				"          method: GET\n"
				"          path: /**\n"
				"          query:\n"
				"            a: 'y'\n"
				"            b: x.*\n"
				"      allowed_ips:\n"
				"      - 10.1.0.0/16\n"
				"    binaries:\n"
				"    - path: /usr/*\n"
				"  z:\n"
				"    name: z\n"
				"    endpoints:\n"
				"    - host: Z.com\n"
				"      port: 1\n"
				"    binaries:\n"
				"    - path: /z\n");
	check_round_trip("canonical", p);
}

TEST(policy, hash_changes_with_meaning_only)
{
	static const char *const same[] = {
		"version: 1\nnetwork_policies: {a: {endpoints: [{host: a.com, "
		"port: 1}], binaries: [{path: /a}]}}\n",
		"network_policies:\n  a:\n    name: a\n    binaries: [{path: "
		"'/a'}]\n    endpoints: [{ports: [1], host: a.com}]\nversion: "
		"1\n",
	};
	static const char *const other[] = {
		"version: 1\nnetwork_policies: {a: {endpoints: [{host: a.com, "
		"port: 2}], binaries: [{path: /a}]}}\n",
		"version: 1\nnetwork_policies: {a: {endpoints: [{host: a.com, "
		"port: 1}], binaries: [{path: /b}]}}\n",
		"version: 1\nnetwork_policies: {b: {endpoints: [{host: a.com, "
		"port: 1}], binaries: [{path: /a}]}}\n",
		"version: 1\nlandlock: {}\nnetwork_policies: {a: {endpoints: "
		"[{host: a.com, port: 1}], binaries: [{path: /a}]}}\n",
		/* the boundary between parts counts */
		"version: 1\nnetwork_policies: {a: {endpoints: [{host: a.co, "
		"port: 1}], binaries: [{path: /ma}]}}\n",
	};
	char want[65], hash[65];

	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		AUTO_POLICY struct policy *p = must_parse("hash", same[i]);

		policy_hash(p, i == 0 ? want : hash);
		if (i > 0)
			CHECK_STR(hash, want);
	}
	CHECK_INT(strlen(want), ==, 64);
	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		AUTO_POLICY struct policy *p = must_parse("hash", other[i]);

		policy_hash(p, hash);
		CHECK(strcmp(hash, want) != 0);
	}
}

TEST(policy, static_fields_cannot_change_live)
{
	static const char now_text[] =
	    "version: 1\nfilesystem_policy: {include_workdir: true, read_only: "
	    "[/usr, /opt/a], read_write: [/tmp]}\nlandlock: {compatibility: "
	    "best_effort}\n";
	static const struct {
		const char *next, *what; /* NULL: may be applied */
		size_t n;
	} v[] = {
		{ now_text, NULL, 0 },
		{ "version: 1\nfilesystem_policy: {include_workdir: true, "
		  "read_only: [/usr/, /opt/a, /opt/b], read_write: [/tmp, "
		  "/w]}\nprocess: {run_as_user: sandbox}\n"
		  "network_policies: {a: {endpoints: [{host: a.com, port: "
		  "1}], binaries: [{path: /a}]}}\n",
		    NULL, 0 },
		{ "version: 1\n",
		    "filesystem policy cannot be removed on a live sandbox",
		    1 },
		{ "version: 1\nfilesystem_policy: {read_only: [/usr, /opt/a], "
		  "read_write: [/tmp]}\n",
		    "filesystem include_workdir cannot "
		    "be changed on a live sandbox",
		    1 },
		{ "version: 1\nfilesystem_policy: {include_workdir: true, "
		  "read_only: [/usr], read_write: [/tmp]}\n",
		    "filesystem "
		    "read_only path '/opt/a' cannot be removed on a live "
		    "sandbox",
		    1 },
		{ "version: 1\nfilesystem_policy: {include_workdir: true, "
		  "read_only: [/usr, /opt/a]}\n",
		    "filesystem read_write path "
		    "'/tmp' cannot be removed on a live sandbox",
		    1 },
		{ "version: 1\nfilesystem_policy: {read_only: [/usr]}\n"
		  "landlock: {compatibility: hard_requirement}\n",
		    "landlock "
		    "policy cannot be changed on a live sandbox (applied at "
		    "startup)",
		    4 },
	};
	AUTO_POLICY struct policy *now = must_parse("static", now_text);

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_FINDINGS struct policy_findings f = { 0 };
		AUTO_POLICY struct policy *next =
		    must_parse("static", v[i].next);
		AUTO_BUF struct buf out = BUF_INIT(8192);

		CHECK_INT(policy_static_check(now, next, &f), ==,
		    v[i].what == NULL ? 0 : -1);
		CHECK_INT(f.errors, ==, v[i].n);
		policy_findings_print(&f, "p", &out);
		if (v[i].what == NULL)
			continue;
		CHECK_HAS(buf_str(&out), v[i].what);
		CHECK_STR(f.v[0].class, "static");
	}
}

TEST(policy, section_that_appears_may_not_drop_the_workdir)
{
	AUTO_POLICY struct policy *now = must_parse("static", "version: 1\n");
	AUTO_POLICY struct policy *next = must_parse(
	    "static", "version: 1\nfilesystem_policy: {read_only: [/usr]}\n");
	AUTO_FINDINGS struct policy_findings f = { 0 };

	CHECK_INT(policy_static_check(now, next, &f), ==, -1);
	CHECK_HAS(f.v[0].text, "include_workdir");
}

TEST(policy, quickstart_example_is_valid)
{
	static char text[1 << 16];
	AUTO_PARSED struct parsed r = { 0 };
	FILE *in = fopen(QUICKSTART, "r");
	size_t n;

	CHECK(in != NULL);
	n = fread(text, 1, sizeof(text), in);
	fclose(in);
	r = parse_view((struct view) { text, n });
	CHECK(r.p != NULL);
	CHECK_INT(r.f.warnings, ==, 0);
	CHECK_VIEW(p_policies(r.p)->m.key.v, "github-api-readonly");
}
