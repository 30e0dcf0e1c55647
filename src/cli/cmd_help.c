/* openshell help [COMMAND...] */
#include "cli/cli.h"

struct args {
	bool man;
	struct cli_list words;
};

static const struct cli_opt opts[] = {
	{ .name = "man", .kind = OPT_FLAG, OPT(man), .hidden = true,
	    .help = "Print the manual page source" },
	OPT_END
};

static const struct cli_pos pos[] = {
	{ .name = "COMMAND", .kind = OPT_LIST, OPT(words), .optional = true,
	    .help = "The command to explain, in as many words as it has" },
	{ 0 }
};

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	char *argv[8] = { (char[]) { "openshell" } };
	struct cli_parsed p;
	AUTO_BUF struct buf b = BUF_INIT(512 * 1024);
	int argc = 1;

	if (a->words.n > ARRAY_LEN(argv) - 3)
		return err_set(e, ERR_INVALID, "no command has so many words");
	for (size_t i = 0; i < a->words.n; i++)
		argv[argc++] = (char *)(uintptr_t)a->words.v[i];
	argv[argc++] = (char[]) { "--help" };
	/* The parser finds commands, through aliases and with suggestions. */
	if (cli_parse(argc, argv, &p, e) < 0) {
		cli_parsed_fini(&p);
		return -1;
	}
	if (a->man)
		cli_man(p.path, &b);
	else
		cli_help(p.path, false, c->color_out, c->width, &b);
	cli_parsed_fini(&p);
	return cli_out(c, &b, e);
}

const struct cli_cmd cmd_help = {
	.path = "help",
	.summary = "Show help for a command",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.fail_status = CLI_USAGE,
	.run = run,
};
