/* Policies from text: what is read, bounded and told of faults. */
#include "endpoint.h"
#include "fixture.h"

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
	    "filesystem_policy, landlock, process, network_policies, "
	    "network_middlewares)\n"
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
	    "allow_credential_placeholders, credential_signing, "
	    "signing_service, signing_region, "
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

TEST(policy, P_06_name_survives)
{
	AUTO_POLICY struct policy *p = must_parse("P-06",
	    "version: 1\nnetwork_policies:\n  my_api:\n    name: "
	    "my-custom-api-name\n    endpoints: [{host: a.com, port: 1}]\n"
	    "    binaries: [{path: /a}]\n");

	CHECK_HAS(canonical(p), "  my_api:\n    name: my-custom-api-name\n");
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
}

TEST(policy, ids_are_kept_as_the_strings_they_are)
{
	AUTO_POLICY struct policy *p = must_parse("8.1",
	    "version: 1\nprocess: {run_as_user: '4242', run_as_group: "
	    "sandbox}\n");
	AUTO_POLICY struct policy *plain = policy_default();
	struct policy_ids ids;

	CHECK_HAS(canonical(p), "  run_as_user: '4242'\n");
	policy_identity(p, &ids);
	CHECK_INT(ids.user, ==, 4242);
	CHECK_INT(ids.group, ==, 0);
	policy_identity(plain, &ids);
	CHECK_INT(ids.user, ==, 0);
	CHECK_INT(ids.group, ==, 0);
}

TEST(policy, P_07_default)
{
	AUTO_POLICY struct policy *p = policy_default();
	struct policy_fs fs;

	CHECK_HAS(canonical(p), "\nfilesystem_policy:\n");
	CHECK(strstr(canonical(p), "\nfilesystem:") == NULL);
	check_round_trip(p, VIEW("P-07"), 0);
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

/* 1.6 (b): what is just within the bounds is taken. */
TEST(policy, paths_at_their_bounds)
{
	for (int extra = 0; extra < 2; extra++) {
		AUTO_BUF struct buf many = BUF_INIT(1 << 16),
				    lengthy = BUF_INIT(1 << 16);
		AUTO_PARSED struct parsed a = { 0 }, b = { 0 };

		buf_puts(
		    &many, "version: 1\nfilesystem_policy:\n  read_only:\n");
		for (int i = 0; i < PL_FS_PATHS_MAX + extra; i++)
			buf_printf(&many, "  - /p%d\n", i);
		a = parse_view(buf_view(&many));
		CHECK((a.p == NULL) == (extra == 1));
		buf_puts(&lengthy, "version: 1\nfilesystem_policy:\n  "
				   "read_only:\n  - /");
		for (int i = 1; i < PL_FS_PATH_MAX + extra; i++)
			buf_putc(&lengthy, 'a');
		buf_putc(&lengthy, '\n');
		b = parse_view(buf_view(&lengthy));
		CHECK((b.p == NULL) == (extra == 1));
	}
}

/* A path of more than 80 bytes is shown cut between characters. */
TEST(policy, paths_are_shown_cut_between_characters)
{
	static const struct {
		int before; /* ASCII bytes in front of two-byte characters */
		size_t shown;
	} v[] = { { 0, 76 }, { 1, 77 } };

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf text = BUF_INIT(4096), want = BUF_INIT(256);
		AUTO_PARSED struct parsed r = { 0 };

		buf_puts(&text, "version: 1\nfilesystem_policy:\n  read_only:\n"
				"  - '");
		buf_puts(&want, "path must be absolute (start with '/'): ");
		for (int k = 0; k < v[i].before; k++) {
			buf_putc(&text, 'a');
			buf_putc(&want, 'a');
		}
		for (int k = 0; k < 60; k++)
			buf_puts(&text, "\xc3\xa9");
		for (size_t n = (size_t)v[i].before; n < v[i].shown; n += 2)
			buf_puts(&want, "\xc3\xa9");
		buf_puts(&want, "...\n");
		buf_puts(&text, "'\n");
		r = parse_view(buf_view(&text));
		CHECK_HAS(buf_str(&r.text), buf_str(&want));
	}
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
