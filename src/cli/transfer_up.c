/* transfer_up: `sandbox upload` and `sandbox create --upload`. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/pack.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/git_list.h"
#include "cli/transfer.h"

struct upload {
	int at; /* the directory, or that of the file */
	char *name, *as; /* of the file, or NULL */
	struct git_list list;
	struct worker worker;
	bool nothing; /* a repository without a file to send */
};

/*
 * Unpacks beside the place, and puts it there when it came whole.  The shell
 * waits for a child, so that a signal finds it and the stage goes.
 */
static const char script[] =
    "d=$1\n"
    "command -v tar >/dev/null || { echo 'there is no tar here' >&2; "
    "exit 127; }\n"
    "mkdir -p -- \"$d\" || exit 1\n"
    "t=$(mktemp -d -- \"${d%/}/.openshell-upload.XXXXXX\") || exit 1\n"
    "w=\n"
    "trap 'rm -rf -- \"$t\"' EXIT\n"
    "trap 'kill $w 2>/dev/null; exit 129' HUP\n"
    "trap 'kill $w 2>/dev/null; exit 130' INT\n"
    "trap 'kill $w 2>/dev/null; exit 143' TERM\n"
    "exec 3<&0\n"
    "tar -xpf - -C \"$t\" <&3 &\n"
    "w=$!\n"
    "wait $w || exit 1\n"
    "[ -e \"$t/" PACK_END "\" ] || "
    "{ echo 'the upload was cut short' >&2; exit 1; }\n"
    /* Moving is linking where the file system and Landlock let it. */
    "mkdir -p -- \"$t/" PACK_TOP "\" \"$t/x\"\n"
    "l=\n"
    "ln -- \"$t/" PACK_END "\" \"$t/x/l\" 2>/dev/null && l=l\n"
    "cd -- \"$t/" PACK_TOP "\" || exit 1\n"
    "case $d in /*) ;; *) d=$OLDPWD/$d ;; esac\n"
    "for f in * .[!.]* ..?*; do\n"
    "  if [ -e \"$f\" ] || [ -L \"$f\" ]; then\n"
    "    cp -a${l}f -- \"$f\" \"$d/\" || exit 1\n"
    "  fi\n"
    "done\n"
    "cd /\n";

void
upload_free(struct upload *u)
{
	struct worker_report ignored;
	struct err e;

	if (u == NULL)
		return;
	if (u->worker.pid != 0 && worker_end(&u->worker, &ignored, &e) < 0) {
		/* It was not needed. */
	}
	fd_close(&u->at);
	free(u->name);
	free(u->as);
	git_list_fini(&u->list);
	free(u);
}

void
upload_free_at(struct upload **u)
{
	upload_free(*u);
}

/* --- the process that packs ----------------------------------------------- */

static int
pack_list(struct pack *p, const struct upload *u, struct err *e)
{
	const char *end = u->list.names + u->list.n;

	for (char *at = u->list.names; at < end; at += strlen(at) + 1) {
		size_t n = strlen(at);
		AUTO_FREE char *name = mem_strndup(at, n);

		if (n > 0 && name[n - 1] == '/') /* a repository in it */
			name[n - 1] = '\0';
		if (pack_parents(p, u->at, name, e) < 0 ||
		    pack_add(p, u->at, name, name, e) < 0)
			return -1;
	}
	return 0;
}

static int
pack(const struct upload *u, int out, const struct pack_hooks *h,
    struct pack_report *r, struct err *e)
{
	struct pack *p = NULL;
	int rc;

	if (pack_new(out, h, &p, e) < 0)
		return -1;
	if (u->name != NULL)
		rc = pack_add(p, u->at, u->name, u->as, e);
	else if (u->list.repo)
		rc = pack_list(p, u, e);
	else
		rc = pack_add(p, u->at, ".", "", e);
	if (rc == 0)
		rc = pack_end(p, r, e);
	pack_free(p);
	return rc;
}

static void
work(void *job, struct cli *c, int control UNUSED, int data,
    struct worker_report *r)
{
	struct worker_notes notes = { .c = c, .terminal = isatty(c->err) };
	const struct pack_hooks h = { worker_left_out, worker_progress,
		&notes };
	struct pack_report got = { 0 };
	struct err e;

	r->ok = pack(job, data, &h, &got, &e) == 0;
	if (!r->ok)
		(void)snprintf(r->why, sizeof(r->why), "%s", e.text);
	r->files = got.files;
	r->bytes = got.bytes;
	r->left_out = got.left_out;
	worker_notes_end(&notes);
}

/* --- what is sent --------------------------------------------------------- */

/* The name of a file as given, also when it is a link to one. */
static int
open_file(struct upload *u, const char *local, struct err *e)
{
	AUTO_FREE char *real = realpath(local, NULL);
	const char *given = strrchr(local, '/');
	char *slash = real != NULL ? strrchr(real, '/') : NULL;

	if (slash == NULL)
		return err_sys(e, "%.300s", local);
	u->name = mem_strdup(slash + 1);
	u->as = mem_strdup(given != NULL ? given + 1 : local);
	slash[slash == real ? 1 : 0] = '\0';
	u->at = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return u->at >= 0 ? 0 : err_sys(e, "%.300s", real);
}

static int
open_local(struct upload *u, const char *local, struct err *e)
{
	struct stat st;

	if (stat(local, &st) < 0)
		return errno == ENOENT
			   ? err_set(e, ERR_NOT_FOUND,
				 "local path does not exist: %.300s", local)
			   : err_sys(e, "%.300s", local);
	if (S_ISREG(st.st_mode))
		return open_file(u, local, e);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID,
		    "%.300s is neither a file nor a directory", local);
	u->at = open(local, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return u->at >= 0 ? 0 : err_sys(e, "%.300s", local);
}

static int
ask_git(struct upload *u, const char *local, struct err *e)
{
	AUTO_FREE char *dir = mem_printf("/proc/self/fd/%d", u->at);
	AUTO_FREE char *real = realpath(dir, NULL);

	if (git_list(real != NULL ? real : local, u->name, &u->list, e) < 0)
		return -1;
	u->nothing = u->list.repo && u->list.n == 0;
	if (u->nothing && u->name != NULL)
		return err_set(e, ERR_INVALID,
		    "git ignores %.300s: nothing was sent\nto send it all the "
		    "same, use --no-git-ignore",
		    local);
	return 0;
}

int
upload_open(struct cli *c, const char *local, bool no_git_ignore,
    struct upload **out, struct err *e)
{
	struct upload *u = NEW(struct upload);

	u->at = -1;
	if (open_local(u, local, e) < 0 ||
	    (!no_git_ignore && ask_git(u, local, e) < 0) ||
	    (!u->nothing &&
		worker_start(c, true, work, u, &u->worker, e) < 0)) {
		upload_free(u);
		return -1;
	}
	*out = u;
	return 0;
}

int
upload_send(struct cli *c, struct upload *u, struct rpc_client *rpc,
    const char *sandbox, const char *id, const char *dest, struct err *e)
{
	struct worker_report r = { .ok = true };
	struct err dead;
	int status, end = 0;

	if (u->nothing)
		return transfer_done(c, "Upload complete", &r);
	status = transfer_run(
	    c, rpc, sandbox, id, script, dest, u->worker.data, -1, e);
	end = worker_end(&u->worker, &r, &dead);
	if (status < 0 || status > CLI_SIGNAL)
		return status;
	if (end < 0) {
		*e = dead;
		return -1;
	}
	if (!r.ok)
		return err_set(e, ERR_IO, "%.400s", r.why);
	if (status != 0)
		return err_set(e, ERR_IO,
		    "nothing was put in place: the unpacking inside exited "
		    "with status %d",
		    status);
	return transfer_done(c, "Upload complete", &r);
}
