/*
 * run_streams: the standard streams of a run, from the user's to the
 * command's: given as they are, or relayed through pipes or a terminal.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/run_impl.h"

static bool
wants_tty(const struct run *r)
{
	if (r->o->tty != RUN_TTY_AUTO)
		return r->o->tty == RUN_TTY_YES;
	return isatty(r->c->in) && isatty(r->c->out);
}

int
run_streams_prepare(struct run *r, struct err *e)
{
	static const char *const names[] = { "standard input",
		"standard output", "standard error" };
	const int user[RUN_STREAMS] = { r->c->in, r->c->out, r->c->err };

	r->tty = wants_tty(r);
	for (size_t i = 0; i < RUN_STREAMS; i++) {
		enum stream_kind kind;
		int pair[2];

		if (stream_kind(user[i], names[i], i == RUN_IN, &kind, e) < 0)
			return -1;
		if (r->tty)
			continue;
		r->given[i] = user[i];
		if (kind == STREAM_GIVE) {
			stream_open_pipe(user[i]);
			continue;
		}
		r->own_given[i] = true;
		if (kind == STREAM_CLOSED) {
			r->given[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
			if (r->given[i] < 0)
				return err_sys(e, "open /dev/null");
			continue;
		}
		if (pipe2(pair, O_CLOEXEC) < 0)
			return err_sys(e, "pipe");
		stream_open_pipe(pair[0]);
		r->given[i] = pair[i == RUN_IN ? 0 : 1];
		r->inner[i] = pair[i == RUN_IN ? 1 : 0];
		if (i != RUN_IN || !stream_is_file(user[i]))
			continue;
		r->input_at = lseek(user[i], 0, SEEK_CUR);
		r->unread = fcntl(pair[0], F_DUPFD_CLOEXEC, 3);
		if (r->unread < 0)
			return err_sys(e, "duplicate a pipe");
	}
	return 0;
}

void
run_streams_given(struct run *r)
{
	for (size_t i = 0; i < RUN_STREAMS; i++)
		if (r->own_given[i])
			fd_close(&r->given[i]);
}

static int
start_relay(struct run *r, size_t i, int in, int in_flags, int out,
    int out_flags, struct err *e)
{
	struct relay *relay = &r->relays[i];

	relay->owner = r;
	relay->done = run_relay_done;
	relay->in_flags = in_flags;
	relay->out_flags = out_flags;
	return relay_start(&r->loop, relay, in, out, e);
}

static int
start_pipes(struct run *r, struct err *e)
{
	const int user[RUN_STREAMS] = { r->c->in, r->c->out, r->c->err };

	for (size_t i = 0; i < RUN_STREAMS; i++) {
		int own, flags, rc;

		if (r->inner[i] < 0)
			continue;
		if (stream_own(user[i], &own, &flags, e) < 0)
			return -1;
		if (i == RUN_IN)
			rc = start_relay(
			    r, i, own, flags, take_fd(r->inner[i]), -1, e);
		else
			rc = start_relay(
			    r, i, take_fd(r->inner[i]), -1, own, flags, e);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int
start_tty(struct run *r, int master, struct err *e)
{
	AUTO_CLOSE int to = fcntl(master, F_DUPFD_CLOEXEC, 3);
	AUTO_CLOSE int from = fcntl(master, F_DUPFD_CLOEXEC, 3);
	int own, flags;

	if (to < 0 || from < 0)
		return err_sys(e, "duplicate the pty");
	if (isatty(r->c->in) && term_raw(&r->term, r->c->in, e) < 0)
		return -1;
	if (stream_own(r->c->in, &own, &flags, e) < 0)
		return -1;
	r->relays[RUN_IN].at_end_eot = !isatty(r->c->in);
	if (start_relay(r, RUN_IN, own, flags, take_fd(to), -1, e) < 0)
		return -1;
	if (stream_own(r->c->out, &own, &flags, e) < 0)
		return -1;
	return start_relay(r, RUN_OUT, take_fd(from), -1, own, flags, e);
}

int
run_streams_start(struct run *r, int master, struct err *e)
{
	return r->tty ? start_tty(r, master, e) : start_pipes(r, e);
}

void
run_streams_size(struct run *r)
{
	union session_msg m = { .resize = { .id = RUN_COMMAND_ID } };
	const int fds[] = { r->c->in, r->c->out, r->c->err };

	if (!r->tty || r->phase != RUN_RUNNING)
		return;
	term_size(fds, ARRAY_LEN(fds), &m.resize.rows, &m.resize.cols);
	run_send(r, &m, SESSION_RESIZE, NULL, 0);
}

bool
run_streams_active(const struct run *r)
{
	for (size_t i = 0; i < RUN_STREAMS; i++)
		if (r->relays[i].active)
			return true;
	return false;
}

void
run_streams_stop(struct run *r)
{
	for (size_t i = 0; i < RUN_STREAMS; i++)
		relay_stop(&r->relays[i]);
}

void
run_streams_stop_idle(struct run *r)
{
	for (size_t i = 0; i < RUN_STREAMS; i++)
		if (r->relays[i].active && r->relays[i].n == 0)
			relay_stop(&r->relays[i]);
}

static void
close_inner(struct run *r)
{
	for (size_t i = 0; i < RUN_STREAMS; i++)
		fd_close(&r->inner[i]);
}

void
run_streams_cut(struct run *r)
{
	relay_stop(&r->relays[RUN_IN]);
	close_inner(r);
}

/*
 * Who reads the file next (`while read LINE; do openshell run ...; done`)
 * begins where the command stopped, as if it had read the file itself.
 */
static void
give_back(struct run *r)
{
	int left;
	off_t to;

	if (r->unread >= 0 && ioctl(r->unread, FIONREAD, &left) == 0) {
		to = lseek(r->c->in, 0, SEEK_CUR) - left -
		     (off_t)r->relays[RUN_IN].n;
		/* What it wrote into its own input is not of the file. */
		(void)lseek(r->c->in, MAX(to, r->input_at), SEEK_SET);
	}
	fd_close(&r->unread);
}

void
run_streams_init(struct run *r)
{
	r->unread = -1;
	for (size_t i = 0; i < RUN_STREAMS; i++)
		r->inner[i] = r->given[i] = r->relays[i].in = r->relays[i].out =
		    -1;
}

void
run_streams_fini(struct run *r)
{
	give_back(r);
	term_restore(&r->term);
	run_streams_given(r);
	close_inner(r);
}
