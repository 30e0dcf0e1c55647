/*
 * vetter: the process of one question (vetter.h).  Standard input is the
 * pair's end; the end of the process takes what was held along.
 */
#include "vetter/vetter.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <uv.h>

#include "base/fd.h"
#include "base/mem.h"
#include "minter/jail.h"

static bool
ends(const char *text, size_t n)
{
	return memchr(text, '\0', n) != NULL;
}

/* From the gateway, which is trusted; a mistake is still no question. */
static int
read_ask(struct vetter_ask *ask, struct err *e)
{
	int fds[FD_MSG_MAX];
	unsigned nfds = 0;
	ssize_t n = fd_recv(STDIN_FILENO, ask, sizeof(*ask), fds, &nfds, e);

	if (n < 0)
		return -1;
	while (nfds > 0)
		(void)close(fds[--nfds]);
	if ((size_t)n != sizeof(*ask) || ask->version != VETTER_VERSION)
		return err_set(e, ERR_PROTO, "no question of this version");
	if (!ends(ask->name, sizeof(ask->name)) ||
	    !ends(ask->url, sizeof(ask->url)) ||
	    !ends(ask->ca, sizeof(ask->ca)) ||
	    !ends(ask->cert, sizeof(ask->cert)) ||
	    !ends(ask->key, sizeof(ask->key)) ||
	    !ends(ask->config, sizeof(ask->config)))
		return err_set(e, ERR_PROTO, "a text without end");
	return 0;
}

static int
enter_jail(const struct vetter_ask *ask, struct err *e)
{
	const char *const files[] = { ask->ca, ask->cert, ask->key, NULL };

	return minter_jail(files, strncmp(ask->url, "unix:", 5) == 0, e);
}

int
vetter_main(void)
{
	struct vetter_ask *ask = NEW(struct vetter_ask);
	struct vetter_answer *out = NEW(struct vetter_answer);
	uv_loop_t loop;
	struct err e;

	out->version = VETTER_VERSION;
	out->verdict = VETTER_UNASKED;
	/* A gateway that is gone needs no answer. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* A service that hangs up is an answer, too. */
	(void)signal(SIGPIPE, SIG_IGN);
	/* Seen by whoever lists processes. */
	(void)prctl(PR_SET_NAME, "openshell-vet", 0, 0, 0);
	/* The loop's descriptors are made while that may be done. */
	if (uv_loop_init(&loop) < 0)
		(void)snprintf(out->text, sizeof(out->text), "no loop");
	else if (read_ask(ask, &e) < 0 || enter_jail(ask, &e) < 0)
		(void)snprintf(out->text, sizeof(out->text), "%.*s",
		    (int)MIN(strcspn(e.text, "\n"), sizeof(out->text) - 1),
		    e.text);
	else
		vetter_work(&loop, ask, out);
	return fd_send(STDIN_FILENO, out, sizeof(*out), NULL, 0, &e) < 0;
}
