/*
 * peer: the process behind a Unix socket, from what the kernel kept of it.
 *
 * A socket keeps the number of the process that connected, not the process.
 * Attack: an agent connects, ends, and makes processes until one of the host
 * gets its number; so the number is looked at once, when the connection is new,
 * and what was seen holds only if the process is still there afterwards.
 */
#include "rpc/peer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* Not in every libc's headers; Linux 6.5. */
enum { PEER_PIDFD = 77 };

static bool
same_user_namespace(pid_t pid)
{
	struct stat ours, theirs;
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return pid > 0 && stat(path, &theirs) == 0 &&
	       stat("/proc/self/ns/user", &ours) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

void
rpc_peer_read(int fd, uid_t *uid, bool *beside)
{
	AUTO_CLOSE int pidfd = -1;
	struct ucred cred;
	socklen_t n = sizeof(cred);
	int got = -1;

	*beside = false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return;
	*uid = cred.uid;
	n = sizeof(got);
	if (getsockopt(fd, SOL_SOCKET, PEER_PIDFD, &got, &n) == 0)
		pidfd = got;
	else if (errno != ENOPROTOOPT)
		return; /* gone already */
	/* Before Linux 6.5 there is only the number, fresh as it is. */
	*beside = same_user_namespace(cred.pid) &&
		  (pidfd < 0 ||
		      syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0);
}
