/* openshell completions SHELL */
#include "cli/cli.h"

struct args {
	const char *shell;
};

static const struct cli_pos pos[] = { { .name = "SHELL",
					  .kind = OPT_STR,
					  OPT(shell),
					  .help = "bash, zsh or fish" },
	{ 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_BUF struct buf b = BUF_INIT(65536);

	if (cli_completion_script(a->shell, &b) < 0)
		return err_set(e, ERR_INVALID,
		    "no completions for '%.60s'\n"
		    "possible values: bash, zsh, fish",
		    a->shell);
	return cli_out(c, &b, e);
}

const struct cli_cmd cmd_completions = {
	.path = "completions",
	.summary = "Print a shell completion script",
	.about = "Prints a script that makes the shell complete commands, "
		 "options and files.\n"
		 "\n"
		 "bash: openshell completions bash > "
		 "~/.local/share/bash-completion/completions/openshell\n"
		 "zsh: openshell completions zsh > "
		 "\"${fpath[1]}/_openshell\"\n"
		 "fish: openshell completions fish > "
		 "~/.config/fish/completions/openshell.fish",
	.examples = "source <(openshell completions bash)",
	.pos = pos,
	.args_size = sizeof(struct args),
	.fail_status = CLI_USAGE,
	.run = run,
};
