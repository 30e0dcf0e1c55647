/*
 * session_spawn: the owner's way to a supervisor of its own.
 *
 * The program gets the socket as descriptor 3, /dev/null as standard input
 * and output, our stderr for its log, no other descriptor, a session of its
 * own (keys typed at the owner's terminal are the owner's business), and of
 * the environment only what is listed here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/program.h"
#include "sandbox/ctl.h"
#include "sandbox/session.h"

const char *const ctl_environment[] = { "OPENSHELL_LOG_LEVEL",
	"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "ASAN_OPTIONS",
	"UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS", NULL };

enum { ENV_MAX = 16 };

static int
run(const char *path, int sock, pid_t *pid, struct err *e)
{
	char *argv[] = { (char[]) { "openshell-sandbox" }, (char[]) { "ctl" },
		NULL };
	char *envp[ENV_MAX + 1] = { NULL };
	posix_spawn_file_actions_t files;
	size_t n = 0;
	int rc;

	for (size_t i = 0; ctl_environment[i] != NULL && n < ENV_MAX; i++) {
		const char *value = getenv(ctl_environment[i]);

		if (value != NULL)
			envp[n++] =
			    mem_printf("%s=%s", ctl_environment[i], value);
	}
	(void)posix_spawn_file_actions_init(&files);
	rc = posix_spawn_file_actions_adddup2(&files, sock, CTL_SOCK);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(
		    &files, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(
		    &files, 1, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(
		    &files, CTL_SOCK + 1);
	if (rc == 0)
		rc = program_spawn(path, &files, argv, envp, pid);
	(void)posix_spawn_file_actions_destroy(&files);
	while (n > 0)
		free(envp[--n]);
	if (rc != 0) {
		errno = rc;
		return err_sys(e, "start %s", path);
	}
	return 0;
}

int
session_spawn(int *sock, pid_t *pid, struct err *e)
{
	AUTO_CLOSE int ours = -1, theirs = -1;
	char path[PATH_MAX];
	int pair[2];

	if (program_find("openshell-sandbox", path, e) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	/* Above the standard streams and CTL_SOCK: the moves cannot clash. */
	if (theirs <= CTL_SOCK) {
		int moved = fcntl(theirs, F_DUPFD_CLOEXEC, CTL_SOCK + 1);

		if (moved < 0)
			return err_sys(e, "duplicate socket");
		fd_close(&theirs);
		theirs = moved;
	}
	if (run(path, theirs, pid, e) < 0)
		return err_wrap(e, "start the sandbox supervisor");
	*sock = take_fd(ours);
	return 0;
}
