/* Each act works outside and fails inside: the box is what stops it. */
#include "proxy/selfbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static int
act_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int
act_stat(void)
{
	struct stat st;

	return stat("/etc/passwd", &st);
}

static int
act_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int
act_mptcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 262);

	/* Absent from some kernels; then nothing to compare. */
	return fd < 0 && errno == EPROTONOSUPPORT ? 0 : fd;
}

/* Another option of the same number, as what is refused needs a right. */
static int
act_netfilter(void)
{
	int on = 1, fd = socket(AF_INET6, SOCK_DGRAM, 0);

	return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
}

static int
act_exec_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		   ? -1
		   : 0;
}

static int
act_signal_parent(void)
{
	return kill(getppid(), 0);
}

static int
act_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : 0;
}

static int
act_tcp(void)
{
	return socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

/* Exit status of a child that does it: 0 worked, 1 failed, 200+ signal. */
static int
try(int (*act)(void), bool boxed)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		uint64_t files;
		struct err e;

		if (boxed && selfbox_enter(65534, 65534, &files, &e) < 0)
			_exit(77);
		_exit(act() < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

TEST(selfbox, takes_away_what_the_proxy_does_not_need)
{
	static const struct {
		const char *name;
		int (*act)(void);
	} acts[] = {
		{ "open", act_open },
		{ "stat", act_stat },
		{ "unix socket", act_unix },
		{ "mptcp", act_mptcp },
		{ "rules of netfilter", act_netfilter },
		{ "executable memory", act_exec_memory },
		{ "signal", act_signal_parent },
		{ "fork", act_fork },
	};

	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		if (try(acts[i].act, false) != 0)
			fail_msg("%s fails outside, too", acts[i].name);
		if (try(acts[i].act, true) != 1)
			fail_msg("%s: exit %d inside", acts[i].name,
			    try(acts[i].act, true));
	}
}

static int
act_exec(void)
{
	(void)execl("/bin/true", "true", NULL);
	return -1;
}

TEST(selfbox, an_exec_ends_the_process)
{
	CHECK_INT(try(act_exec, false), ==, 0);
	CHECK_INT(try(act_exec, true), ==, 200 + SIGSYS);
}

TEST(selfbox, leaves_what_the_proxy_lives_on)
{
	CHECK_INT(try(act_tcp, true), ==, 0);
}
