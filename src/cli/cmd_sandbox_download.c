/* openshell sandbox download NAME PATH [DEST] */
#include "cli/transfer.h"

struct args {
	const char *sandbox, *path, *dest;
	uint64_t max_size;
};

static const struct cli_opt opts[] = {
	{ .name = "max-size",
	    .kind = OPT_SIZE,
	    OPT(max_size),
	    .value = "SIZE",
	    .help = "Refuse more than this; 16G when left out" },
	OPT_END
};

static const struct cli_pos pos[] = { TRANSFER_SANDBOX_POS,
	{ .name = "PATH",
	    .kind = OPT_STR,
	    OPT(path),
	    .help = "A file or directory inside" },
	{ .name = "DEST",
	    .kind = OPT_STR,
	    OPT(dest),
	    .optional = true,
	    .hint = HINT_FILE,
	    .help = "Where to put it; the current directory when left out" },
	{ 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	const struct download_options o = { .sandbox = a->sandbox,
		.path = a->path,
		.dest = a->dest != NULL ? a->dest : ".",
		.bytes_max = a->max_size };

	return download(c, &o, e);
}

const struct cli_cmd cmd_sandbox_download = {
	.path = "sandbox download",
	.summary = "Copy files out of a sandbox that runs",
	.about =
	    "What is in a directory goes into DEST, which is made if it is not "
	    "there. One file goes into DEST if that is a directory, and else "
	    "is made as DEST. What the sandbox sends is not trusted: it is "
	    "unpacked beside DEST by a process that can reach nothing else, "
	    "and then moved; names that lead elsewhere, links to outside and "
	    "devices are left out, owners and set-id bits are not kept. A "
	    "download that is broken off leaves nothing.",
	.status = TRANSFER_STATUS,
	.examples = "openshell sandbox download demo /sandbox/out results\n"
		    "openshell sandbox download demo /sandbox/a.txt b.txt",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
