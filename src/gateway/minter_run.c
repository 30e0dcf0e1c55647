/*
 * minter_run: see minter_run.h.  The end of the process is what is waited for:
 * its answer is one message, which stays in the socket when it is gone.
 */
#include "gateway/minter_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/program.h"

enum { LATE_MS = MINTER_JOB_MS + 3000 };

struct minter_run {
	minter_run_fn *done; /* NULL: nobody waits any more */
	void *ctx;
	int sock, pidfd;
	uv_poll_t poll; /* of pidfd */
	uv_timer_t late;
	unsigned handles;
	bool killed;
};

static void
on_closed(uv_handle_t *h)
{
	struct minter_run *r = h->data;

	if (--r->handles > 0)
		return;
	fd_close(&r->sock);
	fd_close(&r->pidfd);
	free(r);
}

static void
end(struct minter_run *r)
{
	uv_close((uv_handle_t *)&r->poll, on_closed);
	uv_close((uv_handle_t *)&r->late, on_closed);
}

/* --- its end ---------------------------------------------------------------
 */

static ssize_t
read_answer(struct minter_run *r, struct minter_answer *a, struct err *e)
{
	int fds[FD_MSG_MAX];
	unsigned nfds = 0;
	ssize_t n = fd_recv(r->sock, a, sizeof(*a), fds, &nfds, e);

	/* Nothing of ours comes with descriptors. */
	while (nfds > 0) {
		(void)close(fds[--nfds]);
		n = err_set(e, ERR_PROTO, "the minter's answer is malformed");
	}
	if (n == 0 || (n < 0 && e->code == ERR_AGAIN))
		return r->killed
			   ? err_set(e, ERR_AGAIN, "it took longer than %d s",
				 (int)LATE_MS / 1000)
			   : err_set(e, ERR_INTERNAL,
				 "the minter ended without an answer");
	return n;
}

static void
on_ended(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	struct minter_run *r = p->data;
	struct minter_answer *a = NEW(struct minter_answer);
	minter_run_fn *done = r->done;
	void *ctx = r->ctx;
	siginfo_t info = { 0 };
	struct err e = { 0 };
	ssize_t n;

	(void)waitid(P_PIDFD, (id_t)r->pidfd, &info, WEXITED | WNOHANG);
	n = read_answer(r, a, &e);
	end(r);
	if (done != NULL && n >= 0) {
		/* Whose size it is, its receiver checks with the way. */
		if ((size_t)n != sizeof(*a))
			memset(a, 0, sizeof(*a));
		done(ctx, a, NULL);
	} else if (done != NULL) {
		done(ctx, NULL, &e);
	}
	mem_wipe(a, sizeof(*a));
	free(a);
}

static void
stop_it(const struct minter_run *r)
{
	(void)syscall(SYS_pidfd_send_signal, r->pidfd, SIGKILL, NULL, 0);
}

static void
on_late(uv_timer_t *t)
{
	struct minter_run *r = t->data;

	r->killed = true;
	stop_it(r);
}

void
minter_run_cancel(struct minter_run *r)
{
	if (r == NULL)
		return;
	r->done = NULL;
	stop_it(r); /* and its end is waited for as ever */
}

/* --- its start -------------------------------------------------------------
 */

static const char *const passed[] = { "ASAN_OPTIONS", "UBSAN_OPTIONS",
	"TSAN_OPTIONS", "LSAN_OPTIONS" };

/* This program anew: nothing of the gateway's memory comes along. */
static int
spawn(int theirs, pid_t *pid, struct err *e)
{
	char *argv[] = { (char[]) { "openshell-gateway" }, (char[]) { "mint" },
		NULL };
	char *envp[ARRAY_LEN(passed) + 1] = { NULL };
	posix_spawn_file_actions_t files;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		const char *v = getenv(passed[i]);

		if (v != NULL)
			envp[n++] = mem_printf("%s=%s", passed[i], v);
	}
	(void)posix_spawn_file_actions_init(&files);
	rc = posix_spawn_file_actions_adddup2(&files, theirs, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(
		    &files, 1, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&files, 3);
	if (rc == 0)
		rc = program_spawn("/proc/self/exe", &files, argv, envp, pid);
	(void)posix_spawn_file_actions_destroy(&files);
	while (n > 0)
		free(envp[--n]);
	if (rc == 0)
		return 0;
	errno = rc;
	return err_sys(e, "start a minter");
}

static int
watch(struct minter_run *r, uv_loop_t *loop, pid_t pid, struct err *e)
{
	r->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (r->pidfd < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return err_sys(e, "pidfd_open");
	}
	(void)uv_poll_init(loop, &r->poll, r->pidfd);
	(void)uv_timer_init(loop, &r->late);
	r->poll.data = r->late.data = r;
	r->handles = 2;
	(void)uv_poll_start(&r->poll, UV_READABLE, on_ended);
	(void)uv_timer_start(&r->late, on_late, LATE_MS, 0);
	return 0;
}

int
minter_run_start(uv_loop_t *loop, const struct minter_ask *ask,
    minter_run_fn *done, void *ctx, struct minter_run **out, struct err *e)
{
	struct minter_run *r = NEW(struct minter_run);
	int pair[2] = { -1, -1 };
	pid_t pid = 0;
	int rc;

	r->done = done;
	r->ctx = ctx;
	r->sock = r->pidfd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, pair) < 0) {
		free(r);
		return err_sys(e, "a socket for a minter");
	}
	r->sock = pair[0];
	/* The minter's end waits for its job. */
	rc = fd_set_nonblock(pair[1], false, e);
	if (rc == 0)
		rc = fd_send(r->sock, ask, sizeof(*ask), NULL, 0, e);
	if (rc == 0)
		rc = spawn(pair[1], &pid, e);
	fd_close(&pair[1]);
	if (rc == 0)
		rc = watch(r, loop, pid, e);
	if (rc < 0) {
		fd_close(&r->sock);
		free(r);
		return -1;
	}
	*out = r;
	return 0;
}
