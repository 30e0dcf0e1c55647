/* transfer_worker: the process that packs or unpacks, and what both ways share.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/session.h"
#include "cli/transfer.h"

enum { NOTES_MAX = 20, SHOW_MS = 200, WORDS_MAX = 1 << 20 };

/* --- the process --------------------------------------------------------- */

/* The terminal's signals are the parent's to answer; the stream ends then. */
static void
ignore_signals(void)
{
	static const int signos[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP,
		SIGPIPE };

	for (size_t i = 0; i < ARRAY_LEN(signos); i++)
		(void)signal(signos[i], SIG_IGN);
}

static void
run(struct cli *c, worker_fn *fn, void *job, int control, int data)
{
	struct worker_report r = { 0 };

	ignore_signals();
	/* Names are UTF-8 or plain bytes, whatever the user's locale. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	fn(job, c, control, data, &r);
	/* Not sendmsg(2): in its jail it has none. */
	_exit(write(control, &r, sizeof(r)) == sizeof(r) ? 0 : 1);
}

int
worker_start(struct cli *c, bool packs, worker_fn *fn, void *job,
    struct worker *out, struct err *e)
{
	int control[2] = { -1, -1 }, data[2] = { -1, -1 };
	pid_t pid = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) ==
		0 &&
	    pipe2(data, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0) {
		(void)close(control[0]);
		(void)close(data[packs ? 0 : 1]);
		run(c, fn, job, control[1], data[packs ? 1 : 0]);
	}
	if (pid < 0)
		(void)err_sys(e, "start a process for the files");
	fd_close(&control[1]);
	fd_close(&data[packs ? 1 : 0]);
	*out = (struct worker) { pid < 0 ? 0 : pid, control[0],
		data[packs ? 0 : 1] };
	if (pid > 0)
		return 0;
	fd_close(&out->control);
	fd_close(&out->data);
	return -1;
}

int
worker_end(struct worker *w, struct worker_report *r, struct err *e)
{
	int fds[FD_MSG_MAX], status = 0;
	unsigned nfds = 0;
	ssize_t n;

	if (w->pid == 0)
		return err_set(e, ERR_INTERNAL, "no process for the files");
	fd_close(&w->data);
	n = fd_recv(w->control, r, sizeof(*r), fds, &nfds, e);
	while (nfds > 0)
		fd_close(&fds[--nfds]);
	fd_close(&w->control);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	w->pid = 0;
	if (n != sizeof(*r))
		return err_set(e, ERR_INTERNAL,
		    "the process for the files ended (%s %d)",
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status)
					: WEXITSTATUS(status));
	r->why[sizeof(r->why) - 1] = '\0';
	return 0;
}

/* --- what it says --------------------------------------------------------- */

void
worker_notes_end(struct worker_notes *n)
{
	AUTO_BUF struct buf b = BUF_INIT(16);

	if (n->shown_ms == 0)
		return;
	n->shown_ms = 0;
	buf_puts(&b, "\r\033[K");
	cli_note(n->c, &b);
}

void
worker_left_out(void *ctx, const char *name, const char *why)
{
	struct worker_notes *n = ctx;
	AUTO_BUF struct buf b = BUF_INIT(16384);

	if (++n->told > NOTES_MAX)
		return;
	worker_notes_end(n);
	cli_paint(&b, n->c->color_err, COLOR_WARN, "!");
	buf_puts(&b, " left out ");
	buf_put_escaped(&b, view_of(name));
	buf_puts(&b, ": ");
	buf_put_escaped(&b, view_of(why));
	buf_putc(&b, '\n');
	if (n->told == NOTES_MAX)
		buf_puts(&b, "  more are counted, and not told\n");
	cli_note(n->c, &b);
}

static void
put_size(struct buf *b, uint64_t n)
{
	static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB" };
	unsigned u = 0;
	uint64_t part = 0;

	while (n >= 1000 && u + 1 < ARRAY_LEN(units)) {
		part = n % 1000 / 100;
		n /= 1000;
		u++;
	}
	buf_printf(b, "%llu", (unsigned long long)n);
	if (u > 0 && n < 10)
		buf_printf(b, ".%llu", (unsigned long long)part);
	buf_printf(b, " %s", units[u]);
}

static void
put_counts(struct buf *b, uint64_t files, uint64_t bytes)
{
	buf_printf(b, "%llu file%s, ", (unsigned long long)files,
	    files == 1 ? "" : "s");
	put_size(b, bytes);
}

void
worker_progress(void *ctx, uint64_t files, uint64_t bytes)
{
	struct worker_notes *n = ctx;
	uint64_t now = clock_mono_ms();
	AUTO_BUF struct buf b = BUF_INIT(256);

	if (!n->terminal || now - n->shown_ms < SHOW_MS)
		return;
	n->shown_ms = now;
	buf_puts(&b, "\r\033[K  ");
	put_counts(&b, files, bytes);
	cli_note(n->c, &b);
}

int
transfer_done(struct cli *c, const char *done, const struct worker_report *r)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);
	bool whole = r->left_out == 0;

	if (whole)
		cli_paint(&b, c->color_err, COLOR_OK, c->utf8 ? "✓" : "*");
	else
		cli_paint(&b, c->color_err, COLOR_WARN, "!");
	buf_printf(&b, " %s (", done);
	put_counts(&b, r->files, r->bytes);
	if (!whole)
		buf_printf(
		    &b, "; %llu left out", (unsigned long long)r->left_out);
	buf_puts(&b, ")\n");
	cli_note(c, &b);
	return whole ? CLI_OK : CLI_FAILED;
}

/* --- the command inside --------------------------------------------------- */

/* Bounded by its seal: a sandbox that talks without end is cut off. */
static int
open_words(struct err *e)
{
	AUTO_CLOSE int fd =
	    memfd_create("words", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, WORDS_MAX) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0)
		return err_sys(e, "make room for what the sandbox says");
	return take_fd(fd);
}

static void
show_words(struct cli *c, int fd)
{
	off_t n = lseek(fd, 0, SEEK_CUR);
	AUTO_FREE char *text = mem_calloc(1, WORDS_MAX);
	AUTO_BUF struct buf b = BUF_INIT(8 * WORDS_MAX);
	struct view rest, line;

	if (n <= 0 || pread(fd, text, (size_t)n, 0) != n)
		return;
	rest = (struct view) { text, (size_t)n };
	for (unsigned i = 0; rest.n > 0 && i < NOTES_MAX; i++) {
		line = view_cut(rest, '\n', &rest);
		buf_puts(&b, "sandbox: ");
		buf_put_escaped(&b, line);
		buf_putc(&b, '\n');
	}
	cli_note(c, &b);
}

int
transfer_run(struct cli *c, struct rpc_client *rpc, const char *sandbox,
    const char *id, const char *script, const char *arg, int in, int out,
    struct err *e)
{
	const char *argv[] = { "/bin/sh", "-c", script, "sh", arg, NULL };
	const struct attach_options o = {
		.sandbox = sandbox, .command = { argv, 5 }, .tty = ATTACH_TTY_NO
	};
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int words = open_words(e);
	struct cli with = *c;
	int status;

	if (null < 0)
		return err_sys(e, "open /dev/null");
	if (words < 0)
		return -1;
	with.in = in >= 0 ? in : null;
	with.out = out >= 0 ? out : null;
	with.err = words;
	with.color_err = false;
	status = session_attach(&with, rpc, id, &o, e);
	if (status != 0)
		show_words(c, words);
	return status;
}
