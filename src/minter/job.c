/* job: see job.h. */
#include "minter/job.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"

void
job_begin(const char *name)
{
	/* A gateway that is gone needs no answer. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* A peer that hangs up while it is written to is an answer, too. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
}

int
job_read(void *ask, size_t n, struct err *e)
{
	int fds[FD_MSG_MAX];
	unsigned nfds = 0;
	ssize_t got = fd_recv(STDIN_FILENO, ask, n, fds, &nfds, e);

	while (nfds > 0)
		(void)close(fds[--nfds]);
	if (got < 0)
		return -1;
	return (size_t)got == n ? 0
				: err_set(e, ERR_PROTO, "no job of that size");
}

bool
job_text_ends(const char *text, size_t n)
{
	return memchr(text, '\0', n) != NULL;
}

int
job_answer(const void *answer, size_t n)
{
	struct err e;

	return fd_send(STDIN_FILENO, answer, n, NULL, 0, &e) < 0;
}
