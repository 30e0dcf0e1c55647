/* openshell sandbox upload NAME LOCAL [DEST] */
#include "base/mem.h"
#include "cli/reach.h"
#include "cli/transfer.h"

struct args {
	const char *sandbox, *local, *dest;
	bool no_git_ignore;
};

static const struct cli_opt opts[] = {
	{ .name = "no-git-ignore",
	    .kind = OPT_FLAG,
	    OPT(no_git_ignore),
	    .help = "Send also what git ignores",
	    .more = "In a git repository only what 'git ls-files' lists with "
		    "its untracked files is sent; elsewhere everything is." },
	OPT_END
};

static const struct cli_pos pos[] = { TRANSFER_SANDBOX_POS,
	{ .name = "LOCAL",
	    .kind = OPT_STR,
	    OPT(local),
	    .hint = HINT_FILE,
	    .help = "A file or directory of this machine" },
	{ .name = "DEST",
	    .kind = OPT_STR,
	    OPT(dest),
	    .optional = true,
	    .help = "The directory inside; /sandbox when left out" },
	{ 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	const char *dest = a->dest != NULL ? a->dest : UPLOAD_DEST;
	AUTO_UPLOADING struct upload *u = NULL;
	AUTO_BUF struct buf b = BUF_INIT(16384);
	AUTO_REACH struct reach *r = NULL;
	AUTO_FREE char *id = NULL;

	if (upload_open(c, a->local, a->no_git_ignore, &u, e) < 0 ||
	    reach_open(c, &r, e) < 0)
		return -1;
	id = reach_ready_id(c, r, a->sandbox, e);
	if (id == NULL)
		return -1;
	buf_puts(&b, "Uploading ");
	buf_put_escaped(&b, view_of(a->local));
	buf_puts(&b, " -> sandbox:");
	buf_put_escaped(&b, view_of(dest));
	buf_putc(&b, '\n');
	cli_note(c, &b);
	return upload_send(c, u, reach_rpc(r), a->sandbox, id, dest, e);
}

const struct cli_cmd cmd_sandbox_upload = {
	.path = "sandbox upload",
	.summary = "Copy files into a sandbox that runs",
	.about =
	    "Puts what is in a directory, or one file, into a directory "
	    "inside, which is made if it is not there. Symbolic links stay "
	    "links; devices, owners and set-id bits stay here. The files "
	    "appear when all have arrived; an upload that is broken off "
	    "leaves nothing. The sandbox needs a tar.",
	.status = TRANSFER_STATUS,
	.examples = "openshell sandbox upload demo .\n"
		    "openshell sandbox upload demo notes.txt /sandbox/docs",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
