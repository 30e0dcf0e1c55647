#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

void
fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

void
fd_close_at(int *fd)
{
	fd_close(fd);
}

int
fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

int
fd_set_nonblock(int fd, bool on, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL,
			     on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
		return err_sys(e, "set O_NONBLOCK");
	return 0;
}

int
fd_set_cloexec(int fd, bool on, struct err *e)
{
	if (fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0)
		return err_sys(e, "set FD_CLOEXEC");
	return 0;
}

int
fd_write_all(int fd, const void *p, size_t n, struct err *e)
{
	const char *at = p;

	while (n > 0) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(e, "write");
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

int
fd_copy(int to, int from, size_t max, size_t *n, struct err *e)
{
	char piece[32 << 10];
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) < 0)
		return err_sys(e, "stat");
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "not a regular file");
	for (;;) {
		ssize_t got = pread(from, piece, sizeof(piece), at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, "read");
		if (got == 0)
			return 0;
		if ((uint64_t)st.st_size > max ||
		    (size_t)got > max - (size_t)at)
			return err_set(e, ERR_LIMIT,
			    "larger than the limit of %zu bytes", max);
		if (fd_write_all(to, piece, (size_t)got, e) < 0)
			return -1;
		at += got;
		*n += (size_t)got;
	}
}

int
fd_read_all(int fd, size_t max, char **text, size_t *n, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(max + 1);

	for (;;) {
		ssize_t got;

		if (b.n > max)
			return err_set(e, ERR_LIMIT,
			    "larger than the limit of %zu bytes", max);
		if (!buf_reserve(&b, MIN((size_t)65536, max + 1 - b.n)))
			return err_set(e, ERR_INTERNAL, "read bound");
		got = read(fd, b.p + b.n, MIN((size_t)65536, max + 1 - b.n));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, "read");
		if (got == 0)
			break;
		b.n += (size_t)got;
	}
	(void)buf_str(&b);
	*n = b.n;
	*text = take_ptr(b.p);
	return 0;
}

int
file_read(int fd, size_t max, char **text, size_t *n, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat");
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "is a directory, not a file");
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "not a regular file");
	return fd_read_all(fd, max, text, n, e);
}

int
file_read_path(const char *path, bool nofollow, size_t max, char **text,
    size_t *n, struct err *e)
{
	/* O_NONBLOCK: opening a FIFO must not hang us. */
	AUTO_CLOSE int fd = open(path,
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK | (nofollow ? O_NOFOLLOW : 0));

	if (fd < 0 && nofollow && errno == ELOOP)
		return err_set(e, ERR_INVALID, "%s: is a symbolic link", path);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (file_read(fd, max, text, n, e) < 0)
		return err_wrap(e, "read %s", path);
	return 0;
}

int
file_put(int dirfd, const char *path, const char *text, struct err *e)
{
	AUTO_CLOSE int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);

	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (write(fd, text, n) != (ssize_t)n)
		return err_sys(e, "write %s", path);
	return 0;
}

int
file_keep(int dirfd, const char *name, struct view v, struct err *e)
{
	AUTO_CLOSE int fd = openat(dirfd, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "make %s", name);
	return fd_write_all(fd, v.p, v.n, e) < 0 ? err_wrap(e, "write %s", name)
						 : 0;
}

int
fd_send(int sock, const void *p, size_t n, const int *fds, unsigned nfds,
    struct err *e)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FD_MSG_MAX)];
	} control;
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (nfds > FD_MSG_MAX)
		return err_set(e, ERR_INTERNAL, "too many descriptors");
	if (nfds > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		(void)err_sys(e, "send message");
		e->code = ERR_AGAIN;
		return -1;
	}
	if (sent < 0)
		return err_sys(e, "send message");
	if ((size_t)sent != n)
		return err_set(e, ERR_IO, "message sent in part");
	return 0;
}

ssize_t
fd_recv(int sock, void *p, size_t max, int fds[FD_MSG_MAX], unsigned *nfds,
    struct err *e)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FD_MSG_MAX)];
	} control;
	struct iovec iov = { p, max };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	bool reset = false;
	ssize_t got;

	*nfds = 0;
	/*
	 * A peer that ends with a message of ours unread leaves ECONNRESET,
	 * which the kernel tells before what the peer said last: ask again.
	 */
	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && (errno == EINTR || (errno == ECONNRESET && !reset &&
						 (reset = true))));
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return err_set(e, ERR_AGAIN, "no message yet");
	if (got < 0 && errno == ECONNRESET)
		return 0;
	if (got < 0)
		return err_sys(e, "receive message");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL;
	     c = CMSG_NXTHDR(&msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*nfds < FD_MSG_MAX)
				fds[(*nfds)++] = fd;
			else
				(void)close(fd);
		}
	}
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		while (*nfds > 0)
			(void)close(fds[--*nfds]);
		return err_set(e, ERR_PROTO, "message cut short");
	}
	return got;
}
