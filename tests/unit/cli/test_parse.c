#include <stdlib.h>

#include "capture.h"
#include "cli/run.h"
#include "test.h"

struct parse {
	struct cli_parsed p;
	struct err e;
	int rc;
};

#define PARSE(x, ...) \
	parse_words( \
	    (x), (const char *const[]) { "openshell", __VA_ARGS__, NULL })

static const struct run_options *
parse_words(struct parse *x, const char *const *words)
{
	int n = 0;

	while (words[n] != NULL)
		n++;
	x->rc = cli_parse(n, (char *const *)(uintptr_t)words, &x->p, &x->e);
	return x->p.args;
}

TEST(parse, long_and_short_values_in_every_form)
{
	static const char *const forms[][3] = { { "--timeout", "5m", NULL },
		{ "--timeout=5m", NULL, NULL }, { "-t", "5m", NULL },
		{ "-t5m", NULL, NULL }, { "-t=5m", NULL, NULL },
		{ "-qt5m", NULL, NULL } };

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct parse x;
		const struct run_options *o =
		    forms[i][1] != NULL
			? PARSE(&x, "run", forms[i][0], forms[i][1])
			: PARSE(&x, "run", forms[i][0]);

		CHECK_INT(x.rc, ==, 0);
		CHECK_INT(o->timeout_s, ==, 300);
		cli_parsed_fini(&x.p);
	}
}

TEST(parse, words_after_the_command_are_its_own)
{
	struct parse x;
	const struct run_options *o =
	    PARSE(&x, "run", "-q", "curl", "-q", "--timeout", "--", "-x");

	CHECK_INT(x.rc, ==, 0);
	CHECK(o->quiet);
	CHECK_INT(o->command.n, ==, 5);
	CHECK_STR(o->command.v[0], "curl");
	CHECK_STR(o->command.v[3], "--");
	CHECK_STR(o->command.v[4], "-x");
	CHECK(o->command.v[5] == NULL);
	cli_parsed_fini(&x.p);
	o = PARSE(&x, "run", "--", "--quiet", "--", "-h");
	CHECK_INT(x.rc, ==, 0);
	CHECK_INT(o->command.n, ==, 3);
	CHECK_STR(o->command.v[0], "--quiet");
	CHECK(!o->quiet);
	cli_parsed_fini(&x.p);
}

TEST(parse, repeated_option_is_refused_but_lists_pairs_and_counts)
{
	struct parse x;
	const struct run_options *o;

	(void)PARSE(&x, "run", "-q", "--quiet", "true");
	CHECK_INT(x.rc, ==, -1);
	CHECK_HAS(x.e.text, "cannot be used multiple times");
	cli_parsed_fini(&x.p);
	(void)PARSE(&x, "run", "--timeout=1", "--timeout=1", "true");
	CHECK_INT(x.rc, ==, -1);
	cli_parsed_fini(&x.p);
	o = PARSE(&x, "-v", "run", "-vv", "--tty", "--no-tty", "--env", "A=1,2",
	    "-eB", "true");
	CHECK_INT(x.rc, ==, 0);
	CHECK_INT(x.p.verbose, ==, 3);
	CHECK_INT(o->tty, ==, RUN_TTY_NO);
	CHECK_INT(o->env.n, ==, 2);
	CHECK_STR(o->env.v[0], "A=1,2");
	CHECK_STR(o->env.v[1], "B");
	cli_parsed_fini(&x.p);
	o = PARSE(&x, "run", "--no-tty", "--tty", "true");
	CHECK_INT(o->tty, ==, RUN_TTY_YES);
	cli_parsed_fini(&x.p);
}

TEST(parse, usage_errors_say_what_is_wrong)
{
	static const struct {
		const char *words[5], *said;
	} bad[] = {
		{ { "run", "--polcy", "x" }, "'--policy'" },
		{ { "run", "--polcy=x" }, "'--policy'" },
		{ { "rum" }, "'run'" },
		{ { "polcy", "check" }, "'policy'" },
		{ { "policy", "chek", "f" }, "'check'" },
		{ { "run", "--time", "5" }, "--time" },
		{ { "run", "--timeout" }, "value is required" },
		{ { "run", "--timeout=" }, "invalid value '' for" },
		{ { "run", "--policy", "--quiet" }, "value is required" },
		{ { "run", "--quiet=yes" }, "takes none" },
		{ { "run", "-q=1" }, "takes none" },
		{ { "run", "--pids", "0" }, "1..4194304" },
		{ { "run", "--pids", "-5" }, "whole number" },
		{ { "run", "--timeout", "x" }, "--timeout" },
		{ { "run", "--env", "=x" }, "--env" },
		{ { "run", "--env", "A-B=x" }, "--env" },
		{ { "doctor", "-o", "xml" }, "table, json" },
		{ { "doctor", "-o", "JSON" }, "table, json" },
		{ { "doctor", "more" }, "unexpected argument 'more'" },
		{ { "policy", "check" }, "<FILE>" },
		{ { "policy", "check", "a", "b" }, "unexpected argument 'b'" },
		{ { "policy", "test", "f", "GET", "u" }, "--binary <PATH>" },
		{ { "run", "-Z" }, "'-Z'" },
		{ { "--policy", "x", "run" }, "'--policy'" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct captured c;

		capture(&c, NULL, bad[i].words);
		CHECK_INT(c.status, ==, CLI_USAGE);
		CHECK_INT(strncmp(c.err, "error: ", 7), ==, 0);
		CHECK_HAS(c.err, bad[i].said);
		CHECK_HAS(c.err, "\nUsage: openshell");
		CHECK_HAS(c.err, "try '--help'");
		CHECK_STR(c.out, "");
	}
}

TEST(parse, far_words_are_not_suggested)
{
	struct captured c;

	CAPTURE(&c, NULL, "frobnicate");
	CHECK(strstr(c.err, "similar") == NULL);
}

TEST(parse, aliases_reach_the_command)
{
	static const struct {
		const char *words[4], *path;
	} same[] = {
		{ { "openshell", "dr" }, "doctor" },
		{ { "openshell", "doctor", "check" }, "doctor" },
		{ { "openshell", "pol", "show", "-h" }, "policy show" },
		{ { "openshell", "completion", "-h" }, "completions" },
	};

	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		struct parse x;

		(void)parse_words(&x, same[i].words);
		CHECK_INT(x.rc, ==, 0);
		CHECK_STR(x.p.path, same[i].path);
		cli_parsed_fini(&x.p);
	}
}

TEST(parse, environment_gives_defaults_and_blank_is_unset)
{
	struct parse x;
	const struct run_options *o;

	CHECK_INT(
	    setenv("OPENSHELL_SANDBOX_POLICY", "from-env.yaml", 1), ==, 0);
	o = PARSE(&x, "run", "true");
	CHECK_STR(o->policy, "from-env.yaml");
	cli_parsed_fini(&x.p);
	o = PARSE(&x, "run", "-p", "given.yaml", "true");
	CHECK_STR(o->policy, "given.yaml");
	cli_parsed_fini(&x.p);
	CHECK_INT(setenv("OPENSHELL_SANDBOX_POLICY", "  ", 1), ==, 0);
	o = PARSE(&x, "run", "true");
	CHECK(o->policy == NULL);
	cli_parsed_fini(&x.p);
	CHECK_INT(unsetenv("OPENSHELL_SANDBOX_POLICY"), ==, 0);
}

TEST(parse, sizes_and_durations)
{
	static const struct {
		const char *text;
		uint64_t want;
	} sizes[] = { { "1", 1 }, { "512M", 512ULL << 20 },
		{ "2GiB", 2ULL << 30 }, { "3kb", 3072 },
		{ "8388607T", 8388607ULL << 40 } };
	static const char *const bad_sizes[] = { "", "M", "0", "-1", "1.5G",
		"1 G", "1X", "8388608T", "99999999999999999999" };
	static const struct {
		const char *text;
		unsigned want;
	} times[] = { { "90", 90 }, { "90s", 90 }, { "5m", 300 },
		{ "1h30m", 5400 }, { "1d", 86400 }, { "1d1s", 86401 } };
	static const char *const bad_times[] = { "", "0", "0s", "m", "5x",
		"30m1h", "5m5", "1.5h", "-1", "4294967296", "49711d", "1m1m" };
	struct err e;
	uint64_t n;
	unsigned s;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CHECK_INT(cli_value_size(sizes[i].text, &n, &e), ==, 0);
		CHECK(n == sizes[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad_sizes); i++)
		CHECK_INT(cli_value_size(bad_sizes[i], &n, &e), ==, -1);
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		CHECK_INT(
		    cli_value_duration(times[i].text, false, &s, &e), ==, 0);
		CHECK_INT(s, ==, times[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad_times); i++)
		CHECK_INT(
		    cli_value_duration(bad_times[i], false, &s, &e), ==, -1);
}

TEST(parse, a_duration_that_wants_a_unit_says_so)
{
	struct err e;
	unsigned s;

	CHECK_INT(cli_value_duration("5m", true, &s, &e), ==, 0);
	CHECK_INT(cli_value_duration("5", true, &s, &e), ==, -1);
	CHECK_STR(e.text, "not a duration like 90s, 5m or 1h30m");
}

TEST(parse, control_bytes_in_words_do_not_reach_the_terminal)
{
	struct captured c;

	CAPTURE(&c, NULL, "run", "--\033[31mx");
	CHECK_INT(c.status, ==, CLI_USAGE);
	CHECK(strchr(c.err, '\033') == NULL);
}

/* exec [NAME] -- COMMAND: how many words went where. */
TEST(parse, exec_takes_a_name_only_before_the_dashes)
{
	static const struct {
		const char *argv[9];
		const char *name; /* or NULL */
		const char *command;
	} rows[] = {
		{ { "sandbox", "exec", "demo", "--", "sh", "-c", "x" }, "demo",
		    "sh" },
		{ { "sandbox", "exec", "-n", "demo", "--", "sh" }, NULL, "sh" },
		{ { "sandbox", "exec", "--", "sh", "-c" }, NULL, "sh" },
		{ { "sb", "exec", "demo", "-e", "A=1", "--", "sh" }, "demo",
		    "sh" },
		{ { "sandbox", "exec", "demo", "ls" }, "demo", "ls" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *argv[10] = { (char[]) { "openshell" } };
		const struct cli_pos *pos;
		struct cli_parsed p;
		struct err e;
		int n = 1;

		for (; rows[i].argv[n - 1] != NULL; n++)
			argv[n] = (char *)(uintptr_t)rows[i].argv[n - 1];
		CHECK_INT(cli_parse(n, argv, &p, &e), ==, 0);
		CHECK_STR(p.cmd->path, "sandbox exec");
		pos = p.cmd->pos;
		const char *name =
		    *(const char **)(void *)((char *)p.args + pos[0].off);
		const struct cli_list *l =
		    (const struct cli_list *)(void *)((char *)p.args +
						      pos[1].off);

		CHECK((name == NULL) == (rows[i].name == NULL));
		if (name != NULL)
			CHECK_STR(name, rows[i].name);
		CHECK_STR(l->v[0], rows[i].command);
		cli_parsed_fini(&p);
	}
}

TEST(parse, exec_without_a_command_is_a_usage_error)
{
	char *argv[] = { (char[]) { "openshell" }, (char[]) { "sandbox" },
		(char[]) { "exec" }, (char[]) { "demo" } };
	struct cli_parsed p;
	struct err e;

	CHECK_INT(cli_parse(4, argv, &p, &e), ==, -1);
	CHECK_HAS(e.text, "COMMAND");
	cli_parsed_fini(&p);
}
