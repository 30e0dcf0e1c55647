#include <stdlib.h>
#include <unistd.h>

#include "capture.h"
#include "test.h"

/* Every line fits in 80 columns (all help is ASCII) and ends unpadded. */
static void
check_layout(const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		CHECK_INT(n, <=, 80);
		CHECK(n == 0 || text[n - 1] != ' ');
		text += n + (text[n] == '\n');
	}
}

TEST(help, every_command_has_both_kinds_in_eighty_columns)
{
	for (const struct cli_cmd *const *c = cli_cmds; *c != NULL; c++)
		for (int brief = 0; brief < 2; brief++) {
			AUTO_BUF struct buf b = BUF_INIT(1 << 20);

			cli_help((*c)->path, brief, false, 80, &b);
			CHECK(!b.full);
			CHECK_HAS(buf_str(&b), "\nUSAGE\n  openshell ");
			CHECK_HAS(buf_str(&b), "\nGLOBAL FLAGS\n");
			check_layout(buf_str(&b));
		}
}

TEST(help, root_lists_the_commands_and_hides_the_hidden)
{
	struct captured c, same;

	CAPTURE(&c, NULL, "--help");
	CHECK_INT(c.status, ==, 0);
	CHECK_HAS(c.out, "\nSANDBOX COMMANDS\n");
	CHECK_HAS(c.out, "  policy check ");
	CHECK_HAS(c.out, "\n  openshell sandbox create --name demo ");
	CHECK_HAS(c.out, "\nLEARN MORE\n");
	CHECK(strstr(c.out, "__complete") == NULL);
	capture(&same, NULL, (const char *const[]) { NULL });
	CHECK_INT(same.status, ==, 0);
	CHECK_STR(same.out, c.out);
}

TEST(help, a_group_alone_shows_its_commands)
{
	struct captured c;

	CAPTURE(&c, NULL, "policy");
	CHECK_INT(c.status, ==, 0);
	CHECK_HAS(c.out, "\n  check ");
	CHECK_HAS(c.out, "\n  show ");
	CHECK(strstr(c.out, "doctor") == NULL);
}

TEST(help, long_help_says_more_than_short)
{
	struct captured brief, full, word;

	CAPTURE(&brief, NULL, "run", "-h");
	CAPTURE(&full, NULL, "run", "--help");
	CAPTURE(&word, NULL, "help", "run");
	CHECK(strstr(brief.out, "EXIT STATUS") == NULL);
	CHECK_HAS(full.out, "\nEXIT STATUS\n");
	CHECK_HAS(full.out, "The file is watched: ");
	CHECK_HAS(brief.out, "OPENSHELL_SANDBOX_POLICY=]");
	CHECK_STR(word.out, full.out);
}

TEST(help, help_of_an_unknown_command_is_a_usage_error)
{
	struct captured c;

	CAPTURE(&c, NULL, "help", "polcy");
	CHECK_INT(c.status, ==, CLI_USAGE);
	CHECK_HAS(c.err, "'policy'");
}

TEST(help, version_at_every_level)
{
	struct captured c;

	CAPTURE(&c, NULL, "--version");
	CHECK_STR(c.out, "openshell " OPENSHELL_VERSION "\n");
	CAPTURE(&c, NULL, "policy", "check", "-V");
	CHECK_STR(c.out, "openshell-policy-check " OPENSHELL_VERSION "\n");
}

TEST(help, colours_follow_the_environment)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	CHECK_INT(unsetenv("CLICOLOR_FORCE"), ==, 0);
	CHECK_INT(unsetenv("NO_COLOR"), ==, 0);
	CHECK(!cli_color_wanted(-1));
	CHECK_INT(setenv("CLICOLOR_FORCE", "1", 1), ==, 0);
	CHECK(cli_color_wanted(-1));
	CHECK_INT(setenv("NO_COLOR", "1", 1), ==, 0);
	CHECK(!cli_color_wanted(-1));
	CHECK_INT(unsetenv("CLICOLOR_FORCE"), ==, 0);
	CHECK_INT(unsetenv("NO_COLOR"), ==, 0);
	cli_help("run", true, true, 80, &b);
	CHECK_HAS(buf_str(&b), "\033[1;36mUSAGE\033[0m\n");
}

TEST(help, man_pages_escape_what_roff_reads)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	for (const struct cli_cmd *const *c = cli_cmds; *c != NULL; c++) {
		buf_reset(&b);
		cli_man((*c)->path, &b);
		CHECK(!b.full);
		CHECK_INT(strncmp(buf_str(&b), ".TH openshell\\-", 14), ==, 0);
		CHECK_HAS(buf_str(&b), "\n.SH SYNOPSIS\n");
	}
	buf_reset(&b);
	cli_man("run", &b);
	CHECK_HAS(buf_str(&b), "\\fB\\-p, \\-\\-policy <FILE>\\fR");
	CHECK(strstr(buf_str(&b), " --policy FILE is") == NULL);
}

static void
take_page(const char *dir, const char *command)
{
	AUTO_BUF struct buf path = BUF_INIT(256);

	buf_printf(&path, "%s/", dir);
	cli_man_name(command, &path);
	buf_puts(&path, ".1");
	CHECK_INT(unlink(buf_str(&path)), ==, 0);
}

TEST(help, man_pages_are_written_to_a_directory)
{
	char dir[] = "/tmp/openshell-test-XXXXXX";
	struct captured c;

	CHECK(mkdtemp(dir) != NULL);
	CAPTURE(&c, NULL, "help", "--man", dir);
	CHECK_INT(c.status, ==, 0);
	take_page(dir, "");
	for (const struct cli_cmd *const *p = cli_cmds; *p != NULL; p++)
		if (!(*p)->hidden)
			take_page(dir, (*p)->path);
	for (const struct cli_group *g = cli_groups; g->path != NULL; g++)
		take_page(dir, g->path);
	/* Nothing else was written. */
	CHECK_INT(rmdir(dir), ==, 0);
}

TEST(help, wrapping_counts_characters_and_keeps_paragraphs)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	cli_wrap("\xc3\xa4\xc3\xa4\xc3\xa4 b\n\nc dddddddddddd", 2, 7, &b);
	CHECK_STR(buf_str(&b),
	    "\xc3\xa4\xc3\xa4\xc3\xa4 b\n  \n  c\n  dddddddddddd\n");
}
