#include "cli/term.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/macros.h"

/*
 * Second exception to "no mutable globals": a signal handler has no context.
 * A program that crashes must not leave the user's shell without echo.
 */
static const struct term *volatile crash_term;

static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

static void
on_crash(int signo)
{
	const struct term *t = crash_term;

	/* tcsetattr and raise may be called here, signal-safety(7). */
	if (t != NULL)
		(void)tcsetattr(t->fd, TCSANOW, &t->saved);
	(void)raise(signo);
}

static void
watch_crashes(void)
{
	struct sigaction sa = { .sa_handler = on_crash,
		.sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };

	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
		(void)sigaction(crashes[i], &sa, NULL);
}

int
term_raw(struct term *t, int fd, struct err *e)
{
	struct termios raw;

	if (tcgetattr(fd, &t->saved) < 0)
		return err_sys(e, "read the terminal's mode");
	t->fd = fd;
	raw = t->saved;
	cfmakeraw(&raw);
	crash_term = t;
	watch_crashes();
	/* TCSADRAIN: what was typed ahead is for the command. */
	while (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		if (errno != EINTR)
			return err_sys(e, "set the terminal to raw mode");
	t->raw = true;
	return 0;
}

void
term_restore(struct term *t)
{
	if (!t->raw)
		return;
	t->raw = false;
	while (tcsetattr(t->fd, TCSADRAIN, &t->saved) < 0 && errno == EINTR)
		continue;
	crash_term = NULL;
}

void
term_size(const int *fds, size_t n, uint16_t *rows, uint16_t *cols)
{
	struct winsize ws;

	*rows = 24;
	*cols = 80;
	for (size_t i = 0; i < n; i++) {
		if (ioctl(fds[i], TIOCGWINSZ, &ws) < 0 || ws.ws_row == 0 ||
		    ws.ws_col == 0)
			continue;
		*rows = ws.ws_row;
		*cols = ws.ws_col;
		return;
	}
}
