/* lock: see lock.h. */
#include "gateway/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"

enum { PID_TEXT_MAX = 24 };

static int
check(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "lock %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(
		    e, ERR_DENIED, "lock %s is not a regular file", path);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_DENIED,
		    "lock %s belongs to user %u, not to %u: run as that user, "
		    "or remove it",
		    path, (unsigned)st.st_uid, (unsigned)geteuid());
	/* Whoever can open it can hold it, and keep us from starting. */
	if ((st.st_mode & 077) != 0)
		return err_set(e, ERR_DENIED,
		    "lock %s may be used by others (mode %04o): chmod 600 it",
		    path, (unsigned)(st.st_mode & 07777));
	return 0;
}

static int
held(int fd, const char *path, struct err *e)
{
	char text[PID_TEXT_MAX] = "";
	ssize_t n = pread(fd, text, sizeof(text), 0);
	struct view v =
	    view_trim((struct view) { text, n > 0 ? (size_t)n : 0 });
	uint64_t pid;

	if (v.n > 0 && v.p[v.n - 1] == '\n')
		v.n--;
	if (view_u64(v, INT32_MAX, &pid))
		return err_set(e, ERR_EXISTS,
		    "the lock %s is held, by process %u as it says: 'openshell "
		    "gateway stop' ends a gateway",
		    path, (unsigned)pid);
	return err_set(
	    e, ERR_EXISTS, "another process holds the lock %s: end it", path);
}

static int
write_pid(int fd, const char *path, struct err *e)
{
	char text[PID_TEXT_MAX];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return err_sys(e, "write %s", path);
	return 0;
}

int
lock_take(const char *path, int *out, struct err *e)
{
	AUTO_CLOSE int fd = open(
	    path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_DENIED,
		    "lock %s is a symbolic link: remove it", path);
	if (fd < 0 && errno == EACCES)
		return err_set(e, ERR_DENIED,
		    "lock %s is another user's: run as that user, or remove it",
		    path);
	if (fd < 0)
		return err_sys(e, "lock %s", path);
	if (check(fd, path, e) < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? held(fd, path, e)
					    : err_sys(e, "lock %s", path);
	if (write_pid(fd, path, e) < 0)
		return -1;
	*out = take_fd(fd);
	return 0;
}
