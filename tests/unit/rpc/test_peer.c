/* Who is behind a Unix socket, whatever the process does after connecting. */
#include "rpc/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "test.h"

struct scene {
	int listener, client, conn;
	struct sockaddr_un a;
	socklen_t n;
};

static void
scene_make(struct scene *t)
{
	*t = (struct scene) { .conn = -1, .n = sizeof(t->a) };
	t->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	t->client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	t->a.sun_family = AF_UNIX;
	/* A name of the kernel's choice, of no file. */
	CHECK_INT(bind(t->listener, (void *)&t->a, sizeof(sa_family_t)), ==, 0);
	CHECK_INT(getsockname(t->listener, (void *)&t->a, &t->n), ==, 0);
	CHECK_INT(listen(t->listener, 1), ==, 0);
}

static void
scene_end(struct scene *t)
{
	fd_close(&t->conn);
	fd_close(&t->client);
	fd_close(&t->listener);
}

/* A child that connects, elsewhere or beside us, and lives until end[1] is
 * closed; or ends at once. */
static pid_t
connect_child(struct scene *t, bool elsewhere, const int *end)
{
	char c;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (end != NULL)
		(void)close(end[1]);
	if (elsewhere && unshare(CLONE_NEWUSER) < 0)
		_exit(1);
	if (connect(t->client, (void *)&t->a, t->n) < 0)
		_exit(1);
	_exit(end != NULL ? (int)read(end[0], &c, 1) : 0);
}

static bool
is_beside(struct scene *t, uid_t *uid)
{
	bool beside = false;

	t->conn = accept(t->listener, NULL, NULL);
	CHECK_INT(t->conn, >=, 0);
	rpc_peer_read(t->conn, uid, &beside);
	return beside;
}

static void
check_child(bool elsewhere)
{
	int end[2], status;
	uid_t uid = (uid_t)-1;
	struct scene t;
	pid_t pid;

	scene_make(&t);
	CHECK_INT(pipe2(end, O_CLOEXEC), ==, 0);
	pid = connect_child(&t, elsewhere, end);
	CHECK_INT(is_beside(&t, &uid), ==, !elsewhere);
	if (!elsewhere)
		CHECK_INT(uid, ==, getuid());
	(void)close(end[1]);
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK_INT(status, ==, 0);
	(void)close(end[0]);
	scene_end(&t);
}

TEST(peer, is_beside_us_in_our_user_namespace_only)
{
	check_child(false);
	check_child(true);
}

TEST(peer, that_is_gone_is_not_beside_us)
{
	struct scene t;
	uid_t uid;
	pid_t pid;
	int status;

	scene_make(&t);
	pid = connect_child(&t, false, NULL);
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK_INT(status, ==, 0);
	CHECK(!is_beside(&t, &uid));
	scene_end(&t);
}

/* A child with a number of our choice. */
static pid_t
fork_as(pid_t number)
{
	struct clone_args args = { .exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&number,
		.set_tid_size = 1 };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		for (;;)
			(void)pause();
	return pid;
}

static void
put(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK_INT(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
}

/*
 * Namespaces in which whoever runs the tests may choose numbers; the children
 * made from now on are in them.
 */
static void
own_numbers(void)
{
	AUTO_FREE char *users = mem_printf("0 %u 1", (unsigned)getuid());
	AUTO_FREE char *groups = mem_printf("0 %u 1", (unsigned)getgid());

	CHECK_INT(unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS), ==, 0);
	/* One without a name there could make no namespace of its own. */
	put("/proc/self/setgroups", "deny");
	put("/proc/self/uid_map", users);
	put("/proc/self/gid_map", groups);
}

/* Before Linux 6.5 a socket keeps the number alone. */
static bool
keeps_processes(int fd)
{
	AUTO_CLOSE int pidfd = -1;
	socklen_t n = sizeof(pidfd);

	return getsockopt(fd, SOL_SOCKET, 77, &pidfd, &n) == 0 ||
	       errno != ENOPROTOOPT;
}

/* In such a child, with a /proc that shows its numbers. */
static void
check_number(void)
{
	struct scene t;
	bool beside;
	uid_t uid;
	pid_t pid;
	int status;

	CHECK_INT(mount("proc", "/proc", "proc", 0, NULL), ==, 0);
	scene_make(&t);
	pid = connect_child(&t, true, NULL);
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK_INT(status, ==, 0);
	CHECK_INT(fork_as(pid), ==, pid);
	beside = is_beside(&t, &uid);
	CHECK_INT(beside, ==, !keeps_processes(t.conn));
	scene_end(&t);
}

/*
 * Runs it in a child, which a failed check lets go on to main's end and so to
 * a status that is not 0.
 */
static void
check_in_child(void (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		run();
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK_INT(status, ==, 0);
}

static void
check_number_alone(void)
{
	own_numbers();
	/* The first of its namespace: what it started ends with it. */
	check_in_child(check_number);
}

/* Attack: the number of a process that ended becomes that of one of ours. */
TEST(peer, is_not_the_process_that_has_its_number_now)
{
	check_in_child(check_number_alone);
}
