#include <stdlib.h>

#include "capture.h"
#include "test.h"

/* Completes the last of the words; true when a candidate line begins so. */
static bool
offers(const char *candidate, const char *const *words)
{
	AUTO_BUF struct buf b = BUF_INIT(65536);
	AUTO_BUF struct buf want = BUF_INIT(256);
	size_t n = 0;

	while (words[n] != NULL)
		n++;
	buf_printf(
	    &want, "\n%s%s", candidate, candidate[0] == ':' ? "\n" : "\t");
	buf_putc(&b, '\n');
	cli_complete(n - 1, words, n, &b);
	return strstr(buf_str(&b), buf_str(&want)) != NULL;
}
#define OFFERS(candidate, ...) \
	offers((candidate), \
	    (const char *const[]) { "openshell", __VA_ARGS__, NULL })

TEST(complete, commands_and_options_without_hidden_ones)
{
	CHECK(OFFERS("run", ""));
	CHECK(OFFERS("policy", ""));
	CHECK(OFFERS("--help", ""));
	CHECK(!OFFERS("pol", ""));
	CHECK(!OFFERS("__complete", ""));
	CHECK(OFFERS("completions", "comp"));
	CHECK(!OFFERS("run", "comp"));
	CHECK(OFFERS("check", "policy", ""));
	CHECK(OFFERS("check", "pol", "ch"));
	CHECK(OFFERS("--timeout", "run", "--t"));
	CHECK(!OFFERS("--man", "help", "--"));
}

TEST(complete, values_files_and_the_command_of_run)
{
	CHECK(OFFERS(":files", "run", "--policy", "pol"));
	CHECK(OFFERS(":dirs", "run", "-w", ""));
	CHECK(OFFERS("json", "doctor", "-o", ""));
	CHECK(!OFFERS("table", "doctor", "-o", "j"));
	CHECK(OFFERS(":files", "policy", "check", ""));
	CHECK(OFFERS(":command 2", "run", ""));
	CHECK(OFFERS(":command 3", "run", "--", "cu"));
	CHECK(OFFERS(":command 5", "run", "-q", "-t", "5", "curl", "-"));
	CHECK(!OFFERS("--timeout", "run", "--", "curl", "--t"));
}

TEST(complete, scripts_name_the_program_bare)
{
	static const char *const shells[] = { "bash", "zsh", "fish" };

	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		struct captured c, env;

		CAPTURE(&c, NULL, "completions", shells[i]);
		CHECK_INT(c.status, ==, 0);
		CHECK_HAS(c.out, "openshell __complete");
		CHECK(strstr(c.out, "/openshell") == NULL);
		CHECK_INT(setenv("COMPLETE", shells[i], 1), ==, 0);
		capture(&env, NULL, (const char *const[]) { NULL });
		CHECK_INT(unsetenv("COMPLETE"), ==, 0);
		CHECK_STR(env.out, c.out);
	}
}

TEST(complete, unknown_shell_is_refused)
{
	struct captured c;

	CAPTURE(&c, NULL, "completions", "tcsh");
	CHECK_INT(c.status, ==, CLI_USAGE);
	CHECK_HAS(c.err, "bash, zsh, fish");
}
