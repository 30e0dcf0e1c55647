/* openshell __complete INDEX -- WORDS...: what the completion scripts call. */
#include "cli/cli.h"

struct args {
	const char *index;
	struct cli_list words;
};

static const struct cli_pos pos[] = {
	{ .name = "INDEX",
	    .kind = OPT_STR,
	    OPT(index),
	    .help = "The word to complete, counted from 0" },
	{ .name = "WORDS",
	    .kind = OPT_LIST,
	    OPT(words),
	    .optional = true,
	    .trailing = true,
	    .help = "The words of the command line" },
	{ 0 }
};

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_BUF struct buf b = BUF_INIT(65536);
	uint64_t index;

	if (!view_u64(view_of(a->index), 65535, &index))
		return err_set(e, ERR_INVALID, "the index is not a number");
	cli_complete((size_t)index, a->words.v, a->words.n, &b);
	return cli_out(c, &b, e);
}

const struct cli_cmd cmd_complete_words = {
	.path = "__complete",
	.summary = "Answer a completion script",
	.pos = pos,
	.args_size = sizeof(struct args),
	.hidden = true,
	.run = run,
};
