/*
 * job_run: see job_run.h.  The end of the process is what is waited for:
 * its answer is one message, which stays in the socket when it is gone.
 */
#include "gateway/job_run.h"

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

struct job_run {
	const struct job_kind *kind;
	job_run_fn *done; /* NULL: nobody waits any more */
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
	struct job_run *r = h->data;

	if (--r->handles > 0)
		return;
	fd_close(&r->sock);
	fd_close(&r->pidfd);
	free(r);
}

static void
end(struct job_run *r)
{
	uv_close((uv_handle_t *)&r->poll, on_closed);
	uv_close((uv_handle_t *)&r->late, on_closed);
}

/* --- its end ---------------------------------------------------------------
 */

static int
read_answer(struct job_run *r, void *answer, struct err *e)
{
	const struct job_kind *k = r->kind;
	int fds[FD_MSG_MAX];
	unsigned nfds = 0;
	ssize_t n = fd_recv(r->sock, answer, k->answer_size, fds, &nfds, e);
	bool odd = nfds > 0 || (n > 0 && (size_t)n != k->answer_size);

	/* Nothing of ours comes with descriptors. */
	while (nfds > 0)
		(void)close(fds[--nfds]);
	if (odd)
		return err_set(
		    e, ERR_PROTO, "the %s's answer is malformed", k->name);
	if (n == 0 || (n < 0 && e->code == ERR_AGAIN))
		return r->killed
			   ? err_set(e, ERR_AGAIN, "it took longer than %u s",
				 k->late_ms / 1000)
			   : err_set(e, ERR_INTERNAL,
				 "the %s ended without an answer", k->name);
	return n < 0 ? -1 : 0;
}

static void
on_ended(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	struct job_run *r = p->data;
	size_t n = r->kind->answer_size;
	void *answer = mem_calloc(1, n);
	job_run_fn *done = r->done;
	void *ctx = r->ctx;
	siginfo_t info = { 0 };
	struct err e = { 0 };
	int rc;

	(void)waitid(P_PIDFD, (id_t)r->pidfd, &info, WEXITED | WNOHANG);
	rc = read_answer(r, answer, &e);
	end(r);
	if (done != NULL)
		done(ctx, rc == 0 ? answer : NULL, rc == 0 ? NULL : &e);
	mem_wipe(answer, n);
	free(answer);
}

static void
stop_it(const struct job_run *r)
{
	(void)syscall(SYS_pidfd_send_signal, r->pidfd, SIGKILL, NULL, 0);
}

static void
on_late(uv_timer_t *t)
{
	struct job_run *r = t->data;

	r->killed = true;
	stop_it(r);
}

void
job_run_cancel(struct job_run *r)
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
spawn(const struct job_kind *kind, int theirs, pid_t *pid, struct err *e)
{
	AUTO_FREE char *word = mem_strdup(kind->word);
	char *argv[] = { (char[]) { "openshell-gateway" }, word, NULL };
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
	return err_sys(e, "start a %s", kind->name);
}

static int
watch(struct job_run *r, uv_loop_t *loop, pid_t pid, struct err *e)
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
	(void)uv_timer_start(&r->late, on_late, r->kind->late_ms, 0);
	return 0;
}

int
job_run_start(uv_loop_t *loop, const struct job_kind *kind, const void *ask,
    job_run_fn *done, void *ctx, struct job_run **out, struct err *e)
{
	struct job_run *r = NEW(struct job_run);
	int pair[2] = { -1, -1 };
	pid_t pid = 0;
	int rc;

	r->kind = kind;
	r->done = done;
	r->ctx = ctx;
	r->sock = r->pidfd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, pair) < 0) {
		free(r);
		return err_sys(e, "a socket for a %s", kind->name);
	}
	r->sock = pair[0];
	/* Its end waits for its job. */
	rc = fd_set_nonblock(pair[1], false, e);
	if (rc == 0)
		rc = fd_send(r->sock, ask, kind->ask_size, NULL, 0, e);
	if (rc == 0)
		rc = spawn(kind, pair[1], &pid, e);
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
