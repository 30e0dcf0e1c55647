/* run_signals: what the user's signals do to a run. */
#include <signal.h>
#include <unistd.h>

#include "cli/run_impl.h"

/* Between being asked to end and being ended. */
enum { GRACE_MS = 10000, HANGUP_MS = 2000 };

static void
forward(struct run *r, int signo)
{
	union session_msg m = { .signal = { .id = RUN_COMMAND_ID,
				    .signo = (uint32_t)signo } };

	run_send(r, &m, SESSION_SIGNAL, NULL, 0);
}

static void
on_end_signal(struct run *r, int signo)
{
	switch (r->phase) {
	case RUN_STARTING:
		run_interrupt(r, signo);
		return;
	case RUN_RUNNING:
		if (r->asked_to_end != 0) {
			run_interrupt(r, signo);
			return;
		}
		r->asked_to_end = signo;
		forward(r, signo);
		/* A shell may well ignore SIGINT; nothing may ignore these. */
		if (signo == SIGTERM || signo == SIGHUP)
			run_timer(r, signo == SIGHUP ? HANGUP_MS : GRACE_MS);
		return;
	case RUN_ENDING:
		if (!r->reaped)
			(void)kill(r->pid, SIGKILL);
		return;
	case RUN_GONE:
		run_streams_stop(r);
		return;
	}
}

/*
 * Stopped from outside: the command stops too, and the terminal is sane.  It
 * may run before we are told that it has started.
 */
static void
on_stop_signal(struct run *r)
{
	bool was_raw = r->term.raw;
	struct err ignored;

	if (r->phase <= RUN_RUNNING)
		forward(r, SIGSTOP);
	term_restore(&r->term);
	(void)raise(SIGSTOP);
	if (was_raw && term_raw(&r->term, r->term.fd, &ignored) < 0)
		run_interrupt(r, SIGHUP);
	if (r->phase <= RUN_RUNNING)
		forward(r, SIGCONT);
	run_streams_size(r);
}

static void
on_signal(uv_signal_t *h, int signo)
{
	struct run *r = h->data;

	if (signo == SIGWINCH)
		run_streams_size(r);
	else if (signo == SIGTSTP)
		on_stop_signal(r);
	else if (signo != SIGCONT && signo != SIGUSR1 && signo != SIGUSR2)
		on_end_signal(r, signo);
	else if (r->phase == RUN_RUNNING)
		forward(r, signo);
}

/* What the user's shell told us to ignore (nohup, background) stays so. */
static int
watch_signal(struct run *r, int signo, struct err *e)
{
	uv_signal_t *h = &r->signals[r->n_signals];
	int rc;

	if (cli_signal_ignored(signo))
		return 0;
	(void)uv_signal_init(&r->loop, h);
	h->data = r;
	r->n_signals++;
	rc = uv_signal_start(h, on_signal, signo);
	if (rc != 0)
		return err_set(e, ERR_IO, "signals: %s", uv_strerror(rc));
	return 0;
}

int
run_signals_watch(struct run *r, struct err *e)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
		SIGWINCH, SIGTSTP, SIGCONT, SIGUSR1, SIGUSR2 };

	_Static_assert(ARRAY_LEN(signals) == ARRAY_LEN(r->signals), "one each");
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (watch_signal(r, signals[i], e) < 0)
			return -1;
	return 0;
}

void
run_signals_close(struct run *r)
{
	for (size_t i = 0; i < r->n_signals; i++)
		uv_close((uv_handle_t *)&r->signals[i], NULL);
	r->n_signals = 0;
}
