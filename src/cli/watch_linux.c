#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/watch.h"

int
watch_open(int dirfd, int *fd, struct err *e)
{
	AUTO_CLOSE int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char path[40];

	if (in < 0 && errno == EMFILE)
		return err_set(e, ERR_LIMIT,
		    "no inotify instance left; raise "
		    "fs.inotify.max_user_instances");
	if (in < 0)
		return err_sys(e, "inotify_init1");
	/* Through the descriptor: it is this directory, whatever its name. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
	/* 1, the first of its instance: watch_end counts on it. */
	if (inotify_add_watch(in, path,
		IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR) < 0)
		return err_sys(e, "watch the policy's directory");
	*fd = take_fd(in);
	return 0;
}

void
watch_end(int fd)
{
	enum { FIRST = 1 }; /* what inotify_add_watch gave */

	if (fd >= 0)
		(void)inotify_rm_watch(fd, FIRST);
}

/*
 * A new regular file is empty and will be closed after writing; a link to a
 * whole one, a symbolic link and a directory will not.
 */
static bool
is_whole(int dirfd, const struct inotify_event *ev)
{
	struct stat st;

	if ((ev->mask & IN_CREATE) == 0)
		return true;
	return fstatat(dirfd, ev->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (!S_ISREG(st.st_mode) || st.st_nlink > 1);
}

bool
watch_changed(int fd, int dirfd, const char *name)
{
	_Alignas(struct inotify_event) char buf[4096];
	bool found = false;

	for (;;) {
		ssize_t got = read(fd, buf, sizeof(buf));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return found;
		for (ssize_t at = 0; at < got;) {
			const struct inotify_event *ev =
			    (const void *)(buf + at);

			/* An overflow may have swallowed ours. */
			if ((ev->mask & IN_Q_OVERFLOW) != 0 ||
			    (ev->len > 0 && strcmp(ev->name, name) == 0 &&
				is_whole(dirfd, ev)))
				found = true;
			at += (ssize_t)(sizeof(*ev) + ev->len);
		}
	}
}
