#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "cli/policy_file.h"
#include "test.h"

static const char good[] = "version: 1\n"
			   "network_policies:\n"
			   "  github:\n"
			   "    endpoints:\n"
			   "    - host: api.github.com\n"
			   "      port: 443\n"
			   "      protocol: rest\n"
			   "      enforcement: enforce\n"
			   "      access: read-only\n"
			   "    - host: raw.example.com\n"
			   "      port: 443\n"
			   "    - host: watched.example.com\n"
			   "      port: 443\n"
			   "      protocol: rest\n"
			   "      enforcement: audit\n"
			   "      access: read-only\n"
			   "    binaries:\n"
			   "    - path: /usr/bin/curl\n";

TEST(policy_cmds, check_says_valid_with_count_and_hash)
{
	const char *path = scratch_file(good);
	struct captured c;

	CAPTURE(&c, NULL, "policy", "check", path);
	CHECK_INT(c.status, ==, 0);
	CHECK_HAS(c.out, ": valid (1 policy, hash ");
	CAPTURE(&c, good, "policy", "check", "-", "-o", "json");
	CHECK_INT(c.status, ==, 0);
	CHECK_HAS(c.out, "\"valid\":true,\"policies\":1");
	CHECK_INT(unlink(path), ==, 0);
}

TEST(policy_cmds, check_reports_every_error_with_its_place)
{
	static const char bad[] = "version: 1\nbogus: 1\nnetwork_policies:\n"
				  "  a:\n    endpoints:\n    - host: '*'\n"
				  "      prt: 1\n    binaries: [{path: /x}]\n";
	struct captured c;

	CAPTURE(&c, bad, "policy", "check", "-");
	CHECK_INT(c.status, ==, CLI_FAILED);
	CHECK_HAS(c.err, "<stdin>:2:1: error: ");
	CHECK_HAS(c.err, "<stdin>:7:7: error: ");
	CHECK_HAS(c.err, "<stdin>: invalid (");
	CHECK_STR(c.out, "");
	CAPTURE(&c, bad, "policy", "check", "-", "--output=json");
	CHECK_INT(c.status, ==, CLI_FAILED);
	CHECK_HAS(c.out, "\"valid\":false");
	CHECK_HAS(c.out, "\"line\":2,\"column\":1");
}

TEST(policy_cmds, show_is_a_fixed_point)
{
	static struct captured first, second;

	CAPTURE(&first, good, "policy", "show", "-");
	CHECK_INT(first.status, ==, 0);
	CHECK_INT(strncmp(first.out, "version: 1\n", 11), ==, 0);
	CAPTURE(&second, first.out, "policy", "show", "-");
	CHECK_STR(second.out, first.out);
	CAPTURE(&second, good, "policy", "show", "-", "-o", "json");
	CHECK_HAS(second.out, "\"hash\":\"");
	CAPTURE(&second, "version: 1\nx: 1\n", "policy", "show", "-");
	CHECK_INT(second.status, ==, CLI_FAILED);
	CHECK_STR(second.out, "");
}

#define ASK(c, ...) \
	CAPTURE((c), good, "policy", "test", "-", "--binary", __VA_ARGS__)

TEST(policy_cmds, test_gives_verdict_policy_rule_and_reason)
{
	struct captured c;

	ASK(&c, "/usr/bin/curl", "GET", "https://api.github.com/zen");
	CHECK_INT(c.status, ==, 0);
	CHECK_HAS(c.out, "Verdict:    allow\n");
	CHECK_HAS(c.out, "Policy:     github\n");
	CHECK_HAS(c.out, "Rule:       endpoints[0]");
	ASK(&c, "/usr/bin/curl", "POST", "https://api.github.com/zen?q=1");
	CHECK_INT(c.status, ==, CLI_FAILED);
	CHECK_HAS(c.out, "Verdict:    deny\n");
	CHECK_HAS(c.out, "POST /zen not permitted by policy");
	CHECK_HAS(c.out, "Suggestion:");
	ASK(&c, "/usr/bin/wget", "GET", "https://api.github.com/zen");
	CHECK_INT(c.status, ==, CLI_FAILED);
	CHECK_HAS(c.out, "/usr/bin/wget");
	ASK(&c, "/bin/sh", "--ancestor", "/usr/bin/curl", "CONNECT",
	    "api.github.com:443");
	CHECK_INT(c.status, ==, 0);
}

TEST(policy_cmds, test_treats_uninspected_and_audited_endpoints)
{
	struct captured c;

	ASK(&c, "/usr/bin/curl", "DELETE", "https://raw.example.com/x");
	CHECK_INT(c.status, ==, 0);
	CHECK_HAS(c.out, "Rule:       endpoints[1]\n");
	ASK(&c, "/usr/bin/curl", "DELETE", "https://watched.example.com/x",
	    "-o", "json");
	CHECK_INT(c.status, ==, 0);
	CHECK_HAS(c.out, "\"verdict\":\"audit\"");
	ASK(&c, "/usr/bin/curl", "CONNECT", "other.example.com:443");
	CHECK_INT(c.status, ==, CLI_FAILED);
}

TEST(policy_cmds, test_refuses_questions_that_are_none)
{
	static const char *const bad[][3] = {
		{ "curl", "GET", "https://api.github.com/" },
		{ "/usr/bin/curl", "GET", "ftp://api.github.com/" },
		{ "/usr/bin/curl", "GET", "api.github.com" },
		{ "/usr/bin/curl", "CONNECT", "https://api.github.com" },
		{ "/usr/bin/curl", "CONNECT", "api.github.com" },
		{ "/usr/bin/curl", "GET", "https://api.github.com/../x" },
		{ "/usr/bin/curl", "GET", "https://2130706433/" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct captured c;

		ASK(&c, bad[i][0], bad[i][1], bad[i][2]);
		CHECK_INT(c.status, ==, CLI_USAGE);
		CHECK_INT(strncmp(c.err, "Error: ", 7), ==, 0);
	}
}

TEST(policy_file, refuses_what_is_no_plain_small_file)
{
	char dir[] = "/tmp/openshell-test-XXXXXX", path[64];
	char *big = malloc(POLICY_TEXT_MAX + 2);
	const char *file;
	struct captured c;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/p", dir);
	CAPTURE(&c, NULL, "policy", "check", dir);
	CHECK_INT(c.status, ==, CLI_FAILED);
	CHECK_HAS(c.err, "directory");
	CAPTURE(&c, NULL, "policy", "check", path);
	CHECK_HAS(c.err, "failed to read sandbox policy from ");
	CHECK_HAS(c.err, "No such file");
	CHECK_INT(mkfifo(path, 0600), ==, 0);
	CAPTURE(&c, NULL, "policy", "check", path);
	CHECK_HAS(c.err, "not a regular file");
	CHECK_INT(unlink(path), ==, 0);
	file = scratch_file(good);
	CHECK_INT(symlink(file, path), ==, 0);
	CAPTURE(&c, NULL, "policy", "check", path);
	CHECK_HAS(c.err, "is a symbolic link");
	CHECK_HAS(c.err, file);
	CHECK_INT(unlink(file), ==, 0);
	memset(big, '#', POLICY_TEXT_MAX + 1);
	big[POLICY_TEXT_MAX + 1] = '\0';
	file = scratch_file(big);
	CAPTURE(&c, NULL, "policy", "check", file);
	CHECK_HAS(c.err, "larger than");
	CAPTURE(&c, big, "policy", "check", "-");
	CHECK_HAS(c.err, "larger than");
	free(big);
	CHECK_INT(unlink(file), ==, 0);
	CHECK_INT(unlink(path), ==, 0);
	CHECK_INT(rmdir(dir), ==, 0);
}

TEST(policy_file, a_renamed_parent_does_not_change_the_file)
{
	char dir[] = "/tmp/openshell-test-XXXXXX";
	char a[64], b[64], path[80], moved[80], *text;
	AUTO_POLICY_FILE struct policy_file f = { .dirfd = -1 };
	FILE *out;
	struct err e;
	size_t n;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(a, sizeof(a), "%s/a", dir);
	(void)snprintf(b, sizeof(b), "%s/b", dir);
	(void)snprintf(path, sizeof(path), "%s/p", a);
	(void)snprintf(moved, sizeof(moved), "%s/p", b);
	CHECK_INT(mkdir(a, 0700), ==, 0);
	out = fopen(path, "w");
	CHECK(out != NULL && fputs("true one", out) >= 0 && fclose(out) == 0);
	CHECK_INT(policy_file_open(path, &f, &e), ==, 0);
	CHECK_INT(rename(a, b), ==, 0);
	CHECK_INT(mkdir(a, 0700), ==, 0);
	out = fopen(path, "w");
	CHECK(out != NULL && fputs("false", out) >= 0 && fclose(out) == 0);
	CHECK_INT(policy_file_read(&f, &text, &n, &e), ==, 0);
	CHECK_STR(text, "true one");
	free(text);
	CHECK_INT(
	    unlink(path) | unlink(moved) | rmdir(a) | rmdir(b) | rmdir(dir), ==,
	    0);
}
