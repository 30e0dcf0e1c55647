#include "rpc/carry.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"

/* --- one connection ------------------------------------------------------- */

static void
answer(int sock, const struct carry_answer *a, int fd)
{
	struct err e;

	if (fd_send(sock, a, sizeof(*a), fd >= 0 ? &fd : NULL, fd >= 0, &e) < 0)
		LOG_DEBUG("CARRY", KV_STR("reason", e.text));
}

static void
refuse(int sock, const struct carry_ask *ask, const char *why)
{
	struct carry_answer a = { .id = ask->id };

	(void)snprintf(a.why, sizeof(a.why), "%s", why);
	answer(sock, &a, -1);
}

/* The whole life of a connection's process. */
static void
connect_to(int sock, const struct carry_ask *ask, const struct service *v)
{
	struct carry_answer a = {
		.id = ask->id, .timeout_ms = v->timeout_ms, .ok = 1
	};
	int pair[2] = { -1, -1 }, fd = -1;
	struct ssl_st *ssl = NULL;
	struct err e;

	if (carry_dial(v, &fd, &ssl, &e) < 0) {
		refuse(sock, ask, e.text);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		refuse(sock, ask, "no socketpair");
		return;
	}
	answer(sock, &a, pair[1]);
	fd_close(&pair[1]);
	fd_close(&sock);
	carry_relay(pair[0], fd, ssl);
}

/* --- the carrier -----------------------------------------------------------
 */

/* Those that ended; how many are left of `live`. */
static unsigned
reap(unsigned live)
{
	while (live > 0 && waitpid(-1, NULL, WNOHANG) > 0)
		live--;
	return live;
}

static void
serve(int sock, const struct services *s)
{
	struct carry_ask ask;
	unsigned live = 0;

	for (;;) {
		int fds[FD_MSG_MAX];
		unsigned nfds = 0;
		const struct service *v;
		struct err e;
		ssize_t n = fd_recv(sock, &ask, sizeof(ask), fds, &nfds, &e);
		pid_t pid;

		for (unsigned i = 0; i < nfds; i++)
			fd_close(&fds[i]);
		/* Gone, or not what it should be. */
		if (n != (ssize_t)sizeof(ask) ||
		    memchr(ask.name, '\0', sizeof(ask.name)) == NULL)
			return;
		live = reap(live);
		v = services_find(s, view_of(ask.name));
		if (v == NULL || live >= CARRY_LIVE_MAX) {
			refuse(sock, &ask,
			    v == NULL ? "it is not registered here"
				      : "too many connections");
			continue;
		}
		pid = fork();
		if (pid == 0) {
			connect_to(sock, &ask, v);
			_exit(0);
		}
		if (pid < 0)
			refuse(sock, &ask, "no process");
		else
			live++;
	}
}

/* Nothing of its parent's but the services and one socket. */
static void
become_carrier(int sock, const struct services *s)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGHUP, SIGPIPE,
		SIGTSTP };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	(void)prctl(PR_SET_NAME, "openshell-carry", 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid(); /* the terminal's signals are for the command */
	/* Whoever reads what its parent writes does not wait for us. */
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		(void)dup2(null, fd);
	if (sock > 3)
		(void)close_range(3, (unsigned)sock - 1, 0);
	(void)close_range((unsigned)sock + 1, ~0U, 0);
	serve(sock, s);
	_exit(0);
}

int
carry_start(const struct services *s, int *fd, struct err *e)
{
	int pair[2] = { -1, -1 };
	pid_t pid;

	*fd = -1;
	if (s->n == 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	pid = fork();
	if (pid == 0) {
		/* Its parent need not wait for it: init does. */
		if (fork() == 0)
			become_carrier(pair[1], s);
		_exit(0);
	}
	fd_close(&pair[1]);
	if (pid < 0) {
		fd_close(&pair[0]);
		return err_sys(e, "start the carrier of middlewares");
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	*fd = pair[0];
	return 0;
}
