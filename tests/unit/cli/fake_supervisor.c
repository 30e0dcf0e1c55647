/*
 * fake_supervisor: plays the supervisor's side of a session without any
 * sandbox, so that the owner's side can be tested alone, faults included.
 *
 * The command runs as it is.  A first word with '@' asks for something else:
 *   @fail TEXT     SESSION_FAILED instead of ISOLATED
 *   @vanish        exits after ISOLATED without a word
 *   @die           kills itself after STARTED
 *   @garbage       sends a message that is none
 *   @end KIND N    EXITED with that session_end and status
 *   @events N      N denials, one message each, then status 0
 *   @policies      acknowledges policies; status 0 when revision 3 came
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "audit/event.h"
#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/session.h"

enum { SOCK = 3 };

static int child = -1, master = -1;

static void
send_out(
    union session_msg *m, enum session_type type, const int *fds, unsigned nfds)
{
	struct err e;

	if (session_send(SOCK, m, type, fds, nfds, &e) < 0)
		_exit(0);
}

static NORETURN void
finish(int status)
{
	if (child > 0) {
		(void)kill(-child, SIGKILL);
		(void)kill(child, SIGKILL);
	}
	_exit(status);
}

static void
send_exited(unsigned end, unsigned status)
{
	union session_msg m = { .exited = {
				    .id = 1, .end = end, .status = status } };

	if (end == SESSION_END_NOT_FOUND)
		(void)snprintf(m.exited.text, sizeof(m.exited.text),
		    "no-such: command not found");
	send_out(&m, SESSION_EXITED, NULL, 0);
}

static void
run_child(const struct blob *b, const struct session_exec *x, const int *fds)
{
	char *argv[64] = { NULL };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(argv) - 1; i++)
		argv[i] = (char *)(uintptr_t)blob_get(b, "arg", i);
	/* As in a sandbox, nothing outlives the supervisor. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setsid();
	if (x->tty) {
		int slave = ioctl(master, TIOCGPTPEER, O_RDWR);

		(void)ioctl(slave, TIOCSCTTY, 0);
		for (int i = 0; i < 3; i++)
			(void)dup2(slave, i);
	} else
		for (int i = 0; i < 3; i++)
			(void)dup2(fds[1 + i], i);
	(void)close_range(3, ~0U, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir(blob_get(b, "cwd", 0)) < 0)
		_exit(126);
	for (size_t i = 0; blob_get(b, "env", i) != NULL; i++)
		(void)putenv((char *)(uintptr_t)blob_get(b, "env", i));
	(void)execvp(argv[0], argv);
	_exit(127);
}

static void
send_events(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct audit_event ev = { .time_ms = 1,
			.kind = AUDIT_CONNECT,
			.action = AUDIT_DENY,
			.binary = VIEW("/bin/x"),
			.host = VIEW("h.example"),
			.port = 443,
			.reason = VIEW("because") };
		AUTO_BUF struct buf b = BUF_INIT(AUDIT_JSON_MAX);
		union session_msg m = { 0 };

		audit_event_json(&ev, &b);
		memcpy(m.events.json, b.p, b.n);
		m.events.n = (uint32_t)b.n;
		send_out(&m, SESSION_EVENTS, NULL, 0);
	}
	send_exited(SESSION_END_EXIT, 0);
}

static bool
special(const struct blob *b)
{
	const char *what = blob_get(b, "arg", 0);
	const char *one = blob_get(b, "arg", 1), *two = blob_get(b, "arg", 2);

	if (what[0] != '@')
		return false;
	if (strcmp(what, "@vanish") == 0)
		_exit(3);
	if (strcmp(what, "@garbage") == 0)
		(void)send(SOCK, "garbage!", 8, 0);
	if (strcmp(what, "@end") == 0)
		send_exited((unsigned)strtoul(one, NULL, 10),
		    (unsigned)strtoul(two, NULL, 10));
	if (strcmp(what, "@events") == 0)
		send_events((unsigned)strtoul(one, NULL, 10));
	if (strcmp(what, "@die") == 0 || strcmp(what, "@policies") == 0) {
		union session_msg m = { .started = { .id = 1, .pid = 2 } };

		send_out(&m, SESSION_STARTED, NULL, 0);
	}
	if (strcmp(what, "@die") == 0)
		(void)raise(SIGKILL);
	return true;
}

static void
on_exec(const union session_msg *in, int *fds)
{
	union session_msg m = { .started = { .id = 1, .pid = 2 } };
	struct blob *b;
	struct err e;

	if (blob_open(fds[0], &b, &e) < 0)
		_exit(4);
	if (special(b))
		return;
	if (in->exec.tty) {
		struct winsize ws = { .ws_row = in->exec.rows,
			.ws_col = in->exec.cols };

		master = posix_openpt(O_RDWR | O_NOCTTY);
		(void)grantpt(master);
		(void)unlockpt(master);
		(void)ioctl(master, TIOCSWINSZ, &ws);
	}
	child = fork();
	if (child == 0)
		run_child(b, &in->exec, fds);
	send_out(&m, SESSION_STARTED, &master, in->exec.tty ? 1 : 0);
	if (in->exec.timeout_s > 0)
		(void)alarm(in->exec.timeout_s);
	blob_free(b);
}

static void
on_spec(int *fds)
{
	union session_msg m = { .state = { .phase = SESSION_ISOLATED,
				    .landlock_abi = 7 } };
	struct blob *b;
	struct err e;

	if (blob_open(fds[0], &b, &e) < 0)
		_exit(4);
	if (strcmp(blob_get(b, "command0", 0), "@fail") == 0) {
		(void)snprintf(m.failed.text, sizeof(m.failed.text),
		    "no user namespaces\nsysctl this=1");
		send_out(&m, SESSION_FAILED, NULL, 0);
		_exit(1);
	}
	(void)snprintf(
	    m.state.missing, sizeof(m.state.missing), "cgroup limits");
	(void)snprintf(m.state.cgroup, sizeof(m.state.cgroup), "none");
	(void)snprintf(m.state.id, sizeof(m.state.id), "fake");
	send_out(&m, SESSION_STATE, NULL, 0);
	blob_free(b);
}

static void
on_policy(const union session_msg *in)
{
	union session_msg m = { .policy_status = {
				    .revision = in->policy.revision,
				    .loaded = 1 } };

	send_out(&m, SESSION_POLICY_STATUS, NULL, 0);
	if (in->policy.revision == 3)
		send_exited(SESSION_END_EXIT, 0);
}

static void
on_resize(const union session_msg *in)
{
	struct winsize ws = { .ws_row = in->resize.rows,
		.ws_col = in->resize.cols };

	(void)ioctl(master, TIOCSWINSZ, &ws);
}

static void
on_message(void)
{
	union session_msg m;
	int fds[FD_MSG_MAX];
	unsigned nfds;
	struct err e;

	if (session_recv(SOCK, SESSION_SUPERVISOR, &m, fds, &nfds, &e) <= 0)
		finish(0);
	if (m.hdr.type == SESSION_SPEC)
		on_spec(fds);
	else if (m.hdr.type == SESSION_EXEC)
		on_exec(&m, fds);
	else if (m.hdr.type == SESSION_SIGNAL) {
		if (child > 0)
			(void)kill(-child, (int)m.signal.signo);
	} else if (m.hdr.type == SESSION_POLICY)
		on_policy(&m);
	else if (m.hdr.type == SESSION_RESIZE)
		on_resize(&m);
	else
		finish(0);
	for (unsigned i = 0; i < nfds; i++)
		fd_close(&fds[i]);
}

static void
on_signal(int fd)
{
	struct signalfd_siginfo si;
	int status;

	if (read(fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGALRM) {
		send_exited(SESSION_END_TIMEOUT, 0);
		return;
	}
	if (waitpid(child, &status, WNOHANG) != child)
		return;
	if (WIFSIGNALED(status))
		send_exited(SESSION_END_SIGNAL, (unsigned)WTERMSIG(status));
	else if (WEXITSTATUS(status) == 127)
		send_exited(SESSION_END_NOT_FOUND, 0);
	else
		send_exited(SESSION_END_EXIT, (unsigned)WEXITSTATUS(status));
}

int
main(void)
{
	sigset_t set;
	int sfd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGALRM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	sfd = signalfd(-1, &set, SFD_CLOEXEC);
	for (;;) {
		struct pollfd p[] = { { .fd = SOCK, .events = POLLIN },
			{ .fd = sfd, .events = POLLIN } };

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents != 0)
			on_message();
		if (p[1].revents != 0)
			on_signal(sfd);
	}
}
