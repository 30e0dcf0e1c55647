/* One text and one hash for one meaning, and what may not change live. */
#include "fixture.h"

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
		{ "version: 1\nfilesystem_policy: {include_workdir: true, "
		  "read_only: [/usr, /opt/a], read_write: [/tmp]}\n"
		  "process: {run_as_group: '7'}\n",
		    "process policy cannot be changed on a live sandbox "
		    "(applied at startup)",
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
