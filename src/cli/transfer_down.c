/* transfer_down: `sandbox download`. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/jail.h"
#include "archive/tree.h"
#include "archive/unpack.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/reach.h"
#include "cli/transfer.h"

enum { ENTRIES_MAX = 1000000, KIND_MAX = 16 };
static const uint64_t bytes_default = 16ULL << 30;

/* Sparse files stay so where tar can tell. */
#define TAR \
	"command -v tar >/dev/null || { echo 'there is no tar here' >&2; " \
	"exit 127; }\n" \
	"s=; case $(tar --version 2>/dev/null) in *GNU*) s=-S ;; esac\n"

static const char ask_kind[] = "if [ -d \"$1\" ]; then echo dir\n"
			       "elif [ -f \"$1\" ]; then echo file\n"
			       "elif [ -e \"$1\" ]; then echo other\n"
			       "else echo none; fi\n";
static const char send_dir[] = TAR "cd -- \"$1\" && exec tar $s -cf - .\n";
static const char send_file[] =
    TAR "exec tar $s -chf - -C \"$(dirname -- \"$1\")\" "
	"-- \"$(basename -- \"$1\")\"\n";

/* --- the process that unpacks --------------------------------------------- */

struct order {
	uint64_t bytes_max;
	unsigned umask;
	bool one;
};

static int
take_order(int control, struct order *o, int *dir, struct err *e)
{
	int fds[FD_MSG_MAX];
	unsigned nfds;
	ssize_t n = fd_recv(control, o, sizeof(*o), fds, &nfds, e);

	if (n == (ssize_t)sizeof(*o) && nfds == 1) {
		*dir = fds[0];
		return 0;
	}
	while (n >= 0 && nfds > 0)
		fd_close(&fds[--nfds]);
	return err_set(e, ERR_INTERNAL, "there was nothing to do");
}

static void
work(void *job UNUSED, struct cli *c, int control, int data,
    struct worker_report *r)
{
	struct worker_notes notes = { .c = c, .terminal = isatty(c->err) };
	struct unpack_options o = { .entries_max = ENTRIES_MAX,
		.left_out = worker_left_out,
		.progress = worker_progress,
		.ctx = &notes };
	struct unpack_report got = { 0 };
	AUTO_CLOSE int dir = -1;
	bool landlock = true;
	struct order order;
	struct err e;

	if (take_order(control, &order, &dir, &e) == 0) {
		o.bytes_max = order.bytes_max;
		o.umask = order.umask;
		o.one = order.one;
		r->ok = jail_enter(dir, &landlock, &e) == 0 &&
			unpack_all(data, dir, &o, &got, &e) == 0;
	}
	if (!r->ok)
		(void)snprintf(r->why, sizeof(r->why), "%s", e.text);
	r->no_landlock = !landlock;
	r->files = got.files;
	r->bytes = got.bytes;
	r->left_out = got.left_out;
	worker_notes_end(&notes);
}

/* --- where it goes -------------------------------------------------------- */

struct place {
	int base; /* an existing directory */
	char *name; /* to be made in it; NULL: `base` itself */
	char stage[64]; /* in base; "": none */
};

static void
place_fini(struct place *p)
{
	if (p->stage[0] != '\0')
		tree_remove(p->base, p->stage);
	fd_close(&p->base);
	free(p->name);
}
#define AUTO_PLACE CLEANUP(place_fini)

static int
make_dirs(const char *path, struct err *e)
{
	AUTO_FREE char *copy = mem_strdup(path);

	for (char *s = strchr(copy + 1, '/'); s != NULL;
	     s = strchr(s + 1, '/')) {
		*s = '\0';
		if (mkdir(copy, 0777) < 0 && errno != EEXIST)
			return err_sys(e, "make %.300s", copy);
		*s = '/';
	}
	return mkdir(copy, 0777) == 0 || errno == EEXIST
		   ? 0
		   : err_sys(e, "make %.300s", copy);
}

/* As cp: into a directory that is there, else under that name. */
static int
find_place(const char *dest, const char *path, bool dir, struct place *p,
    struct err *e)
{
	AUTO_FREE char *copy = mem_strdup(dest), *from = mem_strdup(path);
	char *slash;
	struct stat st;
	bool there = stat(dest, &st) == 0 && S_ISDIR(st.st_mode);

	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--) {
		copy[n - 1] = '\0';
		if (!dir && !there)
			return err_set(
			    e, ERR_INVALID, "%.300s is not a directory", dest);
	}
	if (there || (dir && make_dirs(copy, e) == 0)) {
		for (size_t n = strlen(from); n > 1 && from[n - 1] == '/'; n--)
			from[n - 1] = '\0';
		slash = strrchr(from, '/');
		if (!dir)
			p->name = mem_strdup(slash != NULL ? slash + 1 : from);
	} else if (dir)
		return -1;
	else {
		slash = strrchr(copy, '/');
		p->name = mem_strdup(slash != NULL ? slash + 1 : copy);
		if (slash != NULL)
			slash[slash == copy ? 1 : 0] = '\0';
		else
			copy[0] = '\0';
		if (copy[0] != '\0' && make_dirs(copy, e) < 0)
			return -1;
	}
	p->base = open(
	    copy[0] != '\0' ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->base < 0)
		return err_sys(e, "%.300s", copy);
	return tree_make_stage(p->base, ".openshell-download.", p->stage, e);
}

static int
open_stage(const struct place *p, struct err *e)
{
	int fd = tree_open(p->base, p->stage, O_RDONLY | O_DIRECTORY, 0);

	return fd >= 0 ? fd : err_sys(e, "open %s", p->stage);
}

/* From here on it is not broken off. */
static void
hold_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static int
put_in_place(const struct place *p, struct err *e)
{
	AUTO_CLOSE int stage = open_stage(p, e);

	if (stage < 0)
		return -1;
	if (p->name == NULL)
		return tree_merge(stage, p->base, e);
	return renameat(stage, UNPACK_ONE, p->base, p->name) == 0
		   ? 0
		   : err_sys(e, "put %.300s in its place", p->name);
}

/* --- the order of it ------------------------------------------------------ */

/* What the sandbox says is there; a lie changes only what is refused. */
static int
find_kind(struct cli *c, struct rpc_client *rpc, const char *sandbox,
    const char *id, const char *path, bool *dir, struct err *e)
{
	char said[KIND_MAX] = "";
	int ends[2], status;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "make a pipe");
	status =
	    transfer_run(c, rpc, sandbox, id, ask_kind, path, -1, ends[1], e);
	n = read(ends[0], said, sizeof(said) - 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
	if (status != 0)
		return status < 0 || status > CLI_SIGNAL
			   ? status
			   : err_set(e, ERR_IO,
				 "the sandbox did not say what %.200s is",
				 path);
	*dir = n > 0 && strcmp(said, "dir\n") == 0;
	if (*dir || (n > 0 && strcmp(said, "file\n") == 0))
		return 0;
	return err_set(e, ERR_NOT_FOUND,
	    n > 0 && strcmp(said, "other\n") == 0
		? "%.300s in the sandbox is neither a file nor a directory"
		: "there is no %.300s in the sandbox",
	    path);
}

static int
give_order(const struct worker *w, const struct place *p,
    const struct download_options *o, bool dir, struct err *e)
{
	struct order order;
	AUTO_CLOSE int stage = open_stage(p, e);

	memset(&order, 0, sizeof(order));
	order.bytes_max = o->bytes_max != 0 ? o->bytes_max : bytes_default;
	order.umask = umask(0);
	(void)umask((mode_t)order.umask);
	order.one = !dir;
	return stage < 0
		   ? -1
		   : fd_send(w->control, &order, sizeof(order), &stage, 1, e);
}

static int
finish(struct cli *c, const struct place *p, const struct worker_report *r,
    int status, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(512);
	struct worker_report told = *r;

	if (r->no_landlock) {
		buf_puts(&b, "! This kernel has no Landlock: the unpacking was "
			     "held by its system call filter alone\n");
		cli_note(c, &b);
	}
	/* A pipe that broke is the unpacking that ended: it says why. */
	if (status > CLI_SIGNAL && status != CLI_SIGNAL + SIGPIPE) {
		buf_puts(&b, "! Broken off: nothing was put in place\n");
		cli_note(c, &b);
		return status;
	}
	if (!r->ok)
		return err_set(
		    e, ERR_IO, "nothing was put in place\n%.400s", r->why);
	/* GNU tar: files changed while it read them; the archive is whole. */
	if (status != 0 && (status != 1 || r->files == 0))
		return err_set(e, ERR_IO,
		    "nothing was put in place: the packing inside exited with "
		    "status %d",
		    status);
	if (put_in_place(p, e) < 0)
		return -1;
	status = transfer_done(c, "Download complete", &told) != CLI_OK ||
			 status != 0
		     ? CLI_FAILED
		     : CLI_OK;
	return status;
}

static int
fetch(struct cli *c, struct worker *w, struct reach *r, const char *sandbox,
    const struct download_options *o, struct err *e)
{
	AUTO_FREE char *id = reach_ready_id(c, r, sandbox, e);
	AUTO_PLACE struct place p = { .base = -1 };
	struct worker_report report;
	struct err dead;
	bool dir = false;
	int status;

	if (id == NULL)
		return -1;
	status = find_kind(c, reach_rpc(r), sandbox, id, o->path, &dir, e);
	if (status != 0)
		return status;
	if (find_place(o->dest, o->path, dir, &p, e) < 0 ||
	    give_order(w, &p, o, dir, e) < 0)
		return -1;
	status = transfer_run(c, reach_rpc(r), sandbox, id,
	    dir ? send_dir : send_file, o->path, -1, w->data, e);
	hold_signals();
	if (worker_end(w, &report, &dead) < 0) {
		*e = dead;
		return -1;
	}
	return status < 0 ? -1 : finish(c, &p, &report, status, e);
}

int
download(struct cli *c, const struct download_options *o, struct err *e)
{
	struct worker w = { .control = -1, .data = -1 };
	AUTO_REACH struct reach *r = NULL;
	AUTO_BUF struct buf b = BUF_INIT(16384);
	struct worker_report ignored;
	struct err unneeded;
	const char *sandbox;
	int status = -1;

	if (worker_start(c, false, work, NULL, &w, e) < 0)
		return -1;
	if (reach_open(c, &r, e) == 0 &&
	    (sandbox = reach_sandbox(c, r, o->sandbox, e)) != NULL) {
		buf_puts(&b, "Downloading sandbox:");
		buf_put_escaped(&b, view_of(o->path));
		buf_puts(&b, " -> ");
		buf_put_escaped(&b, view_of(o->dest));
		buf_putc(&b, '\n');
		cli_note(c, &b);
		status = fetch(c, &w, r, sandbox, o, e);
	}
	/* Not told anything yet, it ends with its control. */
	if (w.pid != 0) {
		(void)shutdown(w.control, SHUT_WR);
		if (worker_end(&w, &ignored, &unneeded) < 0)
			return status;
	}
	return status;
}
