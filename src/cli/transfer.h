/*
 * transfer: files to and from a sandbox that a gateway keeps, as a tar stream
 * over a command in it.
 *
 * Files are packed and unpacked by a process of its own, forked before there
 * is a key or token in memory; the one that unpacks is jailed (archive/jail.h),
 * as what it reads was written by the sandbox.  Inside, the sandbox's own tar
 * does the work: it can lie about its own files only.  Both ends unpack beside
 * the place first: what is broken off leaves nothing.
 */
#ifndef CLI_TRANSFER_H
#define CLI_TRANSFER_H

#include "cli/cli.h"
#include "rpc/rpc.h"

/* What upload and download say alike. */
#define TRANSFER_SANDBOX_POS \
	{ \
		.name = "NAME", .kind = OPT_STR, OPT(sandbox), \
		.hint = HINT_SANDBOX, .help = "The sandbox" \
	}
#define TRANSFER_STATUS \
	"0, 1 when it failed or some files were left out (each is told), " \
	"128+N when signal N ended it, 2 for a wrong command line."

struct upload;
/* Finds out what would be sent; nothing is asked of anybody yet. */
int upload_open(struct cli *c, const char *local, bool no_git_ignore,
    struct upload **out, struct err *e) MUST_USE;
/* Exit status, said; -1.  Once. */
int upload_send(struct cli *c, struct upload *u, struct rpc_client *rpc,
    const char *sandbox, const char *id, const char *dest,
    struct err *e) MUST_USE;
void upload_free(struct upload *u);
void upload_free_at(struct upload **u);
#define AUTO_UPLOADING CLEANUP(upload_free_at)

#define UPLOAD_DEST "/sandbox"

struct download_options {
	const char *sandbox; /* or NULL: the last used one */
	const char *path, *dest;
	uint64_t bytes_max; /* 0: the default */
};
int download(
    struct cli *c, const struct download_options *o, struct err *e) MUST_USE;

/* --- transfer_worker.c --- */

struct worker_report {
	bool ok, no_landlock;
	uint64_t files, bytes, left_out;
	char why[480];
};
struct worker {
	pid_t pid; /* 0: none */
	int control; /* SOCK_SEQPACKET: orders down, the report up */
	int data; /* our end of the stream */
};
/* What the process does; returns its report. */
typedef void worker_fn(
    void *job, struct cli *c, int control, int data, struct worker_report *r);
/* `packs`: it writes the stream, else it reads it. */
int worker_start(struct cli *c, bool packs, worker_fn *fn, void *job,
    struct worker *out, struct err *e) MUST_USE;
/* Closes our ends, waits, and takes the report; -1: it died. */
int worker_end(
    struct worker *w, struct worker_report *r, struct err *e) MUST_USE;
/* Hooks of pack and unpack: a line on stderr, a count on a terminal. */
struct worker_notes {
	struct cli *c;
	uint64_t told, shown_ms;
	bool terminal;
};
void worker_left_out(void *ctx, const char *name, const char *why);
void worker_progress(void *ctx, uint64_t files, uint64_t bytes);
/* Clears the count. */
void worker_notes_end(struct worker_notes *n);

/*
 * Runs `script` with sh in the sandbox, streams as given (-1: none); what it
 * says on standard error is shown, escaped, when it fails.  As session_attach.
 */
int transfer_run(struct cli *c, struct rpc_client *rpc, const char *sandbox,
    const char *id, const char *script, const char *arg, int in, int out,
    struct err *e) MUST_USE;
/* "✓ DONE (3 files, 12 kB)", or a warning when some were left out. */
int transfer_done(
    struct cli *c, const char *done, const struct worker_report *r);

#endif
