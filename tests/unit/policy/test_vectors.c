/* The vectors of the policy document, and what else a text may get wrong. */
#include "endpoint.h"
#include "fixture.h"

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

static void
check_documents(const struct vector *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		AUTO_PARSED struct parsed r = parse(v[i].text);

		check_vector(&v[i], &r);
	}
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
		{ "8.1",
		    "version: 1\nprocess: {run_as_user: '1', "
		    "run_as_group: '4294967294'}",
		    OK, 0, NULL, NULL },
		{ "8.1",
		    "version: 1\nprocess: {run_as_user: '4294967295', "
		    "run_as_group: '01'}",
		    REFUSED, 2,
		    "run_as_user must be 'sandbox', got '4294967295'",
		    "safety" },
		{ "8.1",
		    "version: 1\nprocess: {run_as_user: '-1', run_as_group: "
		    "'1000 '}",
		    REFUSED, 2, "run_as_group must be 'sandbox', got '1000 '",
		    "safety" },
		{ "8.1", "version: 1\nprocess: {run_as_user: 1000}", REFUSED, 1,
		    "expected a string, got a number", "parse" },
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

	check_documents(v, ARRAY_LEN(v));
}

static void
check_endpoints(const struct vector *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		AUTO_PARSED struct parsed r = parse_endpoint(v[i].text);

		check_vector(&v[i], &r);
	}
}

/* P-22 to P-40, 1.6 (c) by row, 2.2. */
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
		{ "P-40", "{host: h.example.com, port: 443}", OK, 0, NULL,
		    NULL },
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
		{ "warn", "{host: h.example.com}", OK_WARNED, 1, "no port",
		    NULL },
	};

	check_endpoints(v, ARRAY_LEN(v));
}

TEST(policy, vectors_of_queries)
{
	static const struct vector v[] = {
		{ "P-34", QUERY("{tag: {any: []}}"), REFUSED, 1,
		    "t.endpoints[0].rules[0].allow.query.tag.any: list must "
		    "not be empty",
		    "parse" },
		{ "P-36", QUERY("{tag: '[unclosed'}"), REFUSED, 1,
		    "glob pattern '[unclosed' has unclosed '['", "network" },
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
		{ "query-9", QUERY("{\"a\\u0001\": x}"), REFUSED, 1,
		    "name has control characters", "parse" },
	};

	check_endpoints(v, ARRAY_LEN(v));
}

/* The further load errors of 1.6 (c). */
TEST(policy, vectors_of_words_and_hosts)
{
	static const struct vector v[] = {
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
		{ "improve", "{host: 'fd00::1', port: 443}", OK, 0, NULL,
		    NULL },
		{ "improve", "{host: '::1', port: 443}", OK_WARNED, 1,
		    "never reached", NULL },
		{ "improve", "{host: 169.254.169.254, port: 80}", OK_WARNED, 1,
		    "never reached", NULL },
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
	};

	check_endpoints(v, ARRAY_LEN(v));
}

/* 1.6 (c), 3.6. */
TEST(policy, vectors_of_allowed_ips)
{
	static const struct vector v[] = {
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
	};

	check_endpoints(v, ARRAY_LEN(v));
}

/* 1.2. */
TEST(policy, vectors_of_types)
{
	static const struct vector v[] = {
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

	check_endpoints(v, ARRAY_LEN(v));
}

TEST(policy, refuses_documents_by_their_form)
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
		{ "leading zero", "version: 01", REFUSED, 1,
		    "version: a number must not begin with 0", "parse" },
		{ "version 0x1", "version: 0x1", OK, 0, NULL, NULL },
		{ "version 2^32", "version: 4294967296", REFUSED, 1,
		    "must be a number from 0 to 4294967295", "parse" },
		{ "version 1.0", "version: 1.0", REFUSED, 1,
		    "expected a whole number, got a floating-point number",
		    "parse" },
	};

	check_documents(v, ARRAY_LEN(v));
}

TEST(policy, refuses_documents_by_their_values)
{
	static const struct vector v[] = {
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

	check_documents(v, ARRAY_LEN(v));
}
