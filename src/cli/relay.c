#include "cli/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

/* null, zero, full, random, urandom: the same devices are inside anyway. */
static bool
harmless_device(dev_t d)
{
	static const unsigned minors[] = { 3, 5, 7, 8, 9 };

	for (size_t i = 0; i < ARRAY_LEN(minors); i++)
		if (d == makedev(1, minors[i]))
			return true;
	return false;
}

/* A pipe of pipe(2) has no place in any directory. */
static bool
has_name(int fd)
{
	enum { PIPEFS = 0x50495045 }; /* linux/magic.h */
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 || fs.f_type != PIPEFS;
}

void
stream_open_pipe(int fd)
{
	struct stat st;

	if (geteuid() == 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
	    !has_name(fd))
		(void)fchmod(fd, 0666);
}

bool
stream_is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int
stream_kind(
    int fd, const char *name, bool input, enum stream_kind *out, struct err *e)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0) {
		*out = STREAM_CLOSED;
		return 0;
	}
	/* Attack: fchdir or openat through a directory leaves the root. */
	if (S_ISDIR(st.st_mode) || (flags & O_PATH) != 0)
		return err_set(e, ERR_INVALID,
		    "%s is a directory\nredirect it from a file, a pipe or "
		    "/dev/null",
		    name);
	if (S_ISBLK(st.st_mode))
		return err_set(e, ERR_INVALID,
		    "%s is a block device\nuse a pipe: cat DEVICE | openshell "
		    "run ...",
		    name);
	/*
	 * Attack: a descriptor for reading opens its file for writing through
	 * /proc/self/fd, and changes its mode.
	 */
	if ((S_ISREG(st.st_mode) && !input) ||
	    (S_ISFIFO(st.st_mode) && !has_name(fd)) ||
	    (S_ISCHR(st.st_mode) && harmless_device(st.st_rdev)))
		*out = STREAM_GIVE;
	else
		*out = STREAM_RELAY;
	return 0;
}

int
stream_own(int fd, int *own, int *flags, struct err *e)
{
	char path[40];
	int mode = fcntl(fd, F_GETFL);

	*flags = -1;
	/*
	 * O_NONBLOCK belongs to the open file, which other programs (the
	 * shell) share.  A terminal can be opened anew.
	 */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (isatty(fd) && mode >= 0) {
		*own = open(path,
		    (mode & O_ACCMODE) | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (*own >= 0)
			return 0;
	}
	*own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (*own < 0)
		return err_sys(e, "duplicate a standard stream");
	*flags = mode;
	return 0;
}

static void
on_closed(uv_handle_t *h)
{
	struct relay *r = h->data;

	if (--r->handles > 0)
		return;
	r->active = false;
	if (r->done != NULL)
		r->done(r);
}

/*
 * Closes the handle, then its descriptor: the other way round a new
 * descriptor of the same number would lose its place in the loop.
 */
static void
close_side(uv_poll_t *h, bool *on, bool file, int *fd, int flags)
{
	if (*on && !file)
		uv_close((uv_handle_t *)h, on_closed);
	*on = false;
	/* With the flags it had: others share it. */
	if (*fd >= 0 && flags >= 0)
		(void)fcntl(*fd, F_SETFL, flags);
	fd_close(fd);
}

static void
close_in(struct relay *r)
{
	close_side(&r->poll_in, &r->in_on, r->in_file, &r->in, r->in_flags);
}

void
relay_stop(struct relay *r)
{
	close_in(r);
	close_side(
	    &r->poll_out, &r->out_on, r->out_file, &r->out, r->out_flags);
}

static void on_ready(uv_poll_t *h, int status, int events);

/*
 * Waits for what can go on: room while bytes are held, else bytes.  A file
 * always has both, so with one only the other side is waited for.
 */
static void
arm(struct relay *r)
{
	if (!r->out_on)
		return;
	if (r->n == 0 && !r->in_on) {
		relay_stop(r);
		return;
	}
	if (r->n > 0 || r->in_file) {
		if (r->in_on && !r->in_file)
			(void)uv_poll_stop(&r->poll_in);
		(void)uv_poll_start(&r->poll_out, UV_WRITABLE, on_ready);
		return;
	}
	if (!r->out_file)
		(void)uv_poll_stop(&r->poll_out);
	(void)uv_poll_start(&r->poll_in, UV_READABLE, on_ready);
}

static void
end_of_input(struct relay *r)
{
	close_in(r);
	if (r->at_end_eot) {
		r->at_end_eot = false;
		r->buf[0] = 4; /* ^D, VEOF of a new pty */
		r->at = 0;
		r->n = 1;
	}
}

/* false: nothing more can be read now. */
static bool
fill(struct relay *r)
{
	ssize_t got = read(r->in, r->buf, sizeof(r->buf));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* EIO: the other side of a pty is closed; an end like any other. */
	if (got <= 0) {
		end_of_input(r);
		return r->n > 0;
	}
	r->at = 0;
	r->n = (size_t)got;
	return true;
}

/* false: the reader takes no more now, or is gone (then stopped). */
static bool
drain(struct relay *r)
{
	while (r->n > 0) {
		ssize_t put = write(r->out, r->buf + r->at, r->n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EAGAIN)
			return false;
		if (put < 0) {
			relay_stop(r);
			return false;
		}
		r->at += (size_t)put;
		r->n -= (size_t)put;
	}
	return true;
}

static void
on_ready(uv_poll_t *h, int status, int events UNUSED)
{
	struct relay *r = h->data;

	/* What is wrong with an input shows in read, as its end. */
	if (status < 0 && h == &r->poll_out) {
		relay_stop(r);
		return;
	}
	if (r->n > 0 ? drain(r) : r->in_on && fill(r))
		(void)drain(r);
	arm(r);
}

static int
watch(uv_loop_t *loop, uv_poll_t *h, int fd, bool file, bool *on,
    struct relay *r, struct err *e)
{
	int rc;

	*on = file;
	if (file)
		return 0; /* never waited for */
	rc = uv_poll_init(loop, h, fd);
	if (rc != 0)
		return err_set(e, ERR_IO,
		    "a standard stream cannot be waited for: %s\n"
		    "use a pipe or a file instead",
		    uv_strerror(rc));
	h->data = r;
	*on = true;
	r->handles++;
	return 0;
}

int
relay_start(uv_loop_t *loop, struct relay *r, int in, int out, struct err *e)
{
	r->in = in;
	r->out = out;
	r->active = true;
	r->in_file = stream_is_file(in);
	r->out_file = stream_is_file(out);
	if (watch(loop, &r->poll_in, in, r->in_file, &r->in_on, r, e) < 0 ||
	    watch(loop, &r->poll_out, out, r->out_file, &r->out_on, r, e) < 0) {
		r->done = NULL;
		r->active = r->handles > 0;
		relay_stop(r);
		return -1;
	}
	arm(r);
	return 0;
}
