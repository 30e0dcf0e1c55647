/*
 * The owner's side of a run against the fake supervisor, which the build puts
 * beside this program under the supervisor's name.
 */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "test.h"

enum { WAIT_MS = 20000 };

struct running {
	pid_t pid;
	int in, out, err; /* our ends */
	int tty; /* or the terminal's master */
	int slave; /* kept open, to look at the mode */
	char seen[65536];
	size_t n;
};

static NORETURN void
be_openshell(const char *const *words)
{
	char *argv[32] = { (char[]) { "openshell" } };
	struct cli c;
	int argc = 1;

	/* Nothing is executed, so O_CLOEXEC does not do it. */
	(void)close_range(3, ~0U, 0);
	for (; words[argc - 1] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	cli_init(&c);
	_exit(cli_main(&c, argc, argv));
}

#define START(r, ...) start((r), (const char *const[]) { __VA_ARGS__, NULL })

static void
start(struct running *r, const char *const *words)
{
	int in[2], out[2], err[2];

	memset(r, 0, sizeof(*r));
	r->tty = r->slave = -1;
	CHECK_INT(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) |
		      pipe2(err, O_CLOEXEC),
	    ==, 0);
	r->pid = fork();
	if (r->pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)dup2(err[1], 2);
		be_openshell(words);
	}
	CHECK_INT(close(in[0]) | close(out[1]) | close(err[1]), ==, 0);
	r->in = in[1];
	r->out = out[0];
	r->err = err[0];
}

#define START_TTY(r, ...) \
	start_tty((r), (const char *const[]) { __VA_ARGS__, NULL })

static void
start_tty(struct running *r, const char *const *words)
{
	struct winsize ws = { .ws_row = 30, .ws_col = 100 };

	memset(r, 0, sizeof(*r));
	r->in = r->out = r->err = -1;
	CHECK_INT(openpty(&r->tty, &r->slave, NULL, NULL, &ws), ==, 0);
	CHECK_INT(fcntl(r->tty, F_SETFD, FD_CLOEXEC), ==, 0);
	r->pid = fork();
	if (r->pid == 0) {
		(void)login_tty(r->slave);
		be_openshell(words);
	}
}

/* Reads from fd until `what` was seen; what follows stays for the next. */
static void
expect(struct running *r, int fd, const char *what)
{
	const char *at;

	while ((at = memmem(r->seen, r->n, what, strlen(what))) == NULL) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&p, 1, WAIT_MS) != 1)
			fail_msg(
			    "no \"%s\" in \"%.*s\"", what, (int)r->n, r->seen);
		got = read(fd, r->seen + r->n, sizeof(r->seen) - r->n);
		if (got <= 0)
			fail_msg("ended before \"%s\": \"%.*s\"", what,
			    (int)r->n, r->seen);
		r->n += (size_t)got;
	}
	at += strlen(what);
	r->n -= (size_t)(at - r->seen);
	memmove(r->seen, at, r->n);
}

/* All that is left to be read, then the exit status. */
static int
finish(struct running *r)
{
	int fd = r->tty >= 0 ? r->tty : r->out, status;
	ssize_t got;

	fd_close(&r->in);
	fd_close(&r->slave);
	while (r->n < sizeof(r->seen) - 1 &&
	       (got = read(fd, r->seen + r->n, sizeof(r->seen) - 1 - r->n)) > 0)
		r->n += (size_t)got;
	r->seen[r->n] = '\0';
	CHECK_INT(waitpid(r->pid, &status, 0), ==, r->pid);
	fd_close(&r->tty);
	fd_close(&r->out);
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 1000 + WTERMSIG(status);
}

static const char *
stderr_of(struct running *r)
{
	static char text[65536];
	size_t n = 0;
	ssize_t got;

	while ((got = read(r->err, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	fd_close(&r->err);
	return text;
}

TEST(run, passes_streams_and_status)
{
	struct running r;

	START(&r, "run", "-q", "--", "sh", "-c", "cat; echo err >&2; exit 7");
	CHECK_INT(write(r.in, "a\0b\n", 4), ==, 4);
	CHECK_INT(finish(&r), ==, 7);
	CHECK_INT(r.n, ==, 4);
	CHECK_INT(memcmp(r.seen, "a\0b\n", 4), ==, 0);
	CHECK_STR(stderr_of(&r), "err\n");
}

TEST(run, status_says_how_it_ended)
{
	static const struct {
		const char *words[4];
		int status;
		const char *said;
	} rows[] = {
		{ { "sh", "-c", "kill -TERM $$" }, 143, "" },
		{ { "@end", "3", "0" }, CLI_TIMEOUT, "--timeout" },
		{ { "@end", "4", "0" }, CLI_NOT_FOUND, "no-such" },
		{ { "@end", "5", "0" }, CLI_NOT_EXECUTABLE, "" },
		{ { "@fail" }, CLI_NO_SANDBOX,
		    "Error: the sandbox could not be made\n"
		    "  no user namespaces\n  sysctl this=1\n" },
		{ { "@vanish" }, CLI_NO_SANDBOX, "ended unexpectedly" },
		{ { "@die" }, CLI_NO_SANDBOX, "killed by signal 9" },
		{ { "@garbage" }, CLI_NO_SANDBOX, "Error: session" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct running r;

		START(&r, "run", "-q", "--", rows[i].words[0], rows[i].words[1],
		    rows[i].words[2]);
		CHECK_INT(finish(&r), ==, rows[i].status);
		CHECK_HAS(stderr_of(&r), rows[i].said);
	}
}

TEST(run, says_what_protects_less_and_what_was_denied)
{
	struct running r;
	const char *text;

	START(&r, "run", "--", "@events", "3");
	CHECK_INT(finish(&r), ==, 0);
	text = stderr_of(&r);
	CHECK_HAS(text, "not in force: cgroup limits\n");
	CHECK_HAS(text, "denied 3x /bin/x -> h.example:443 (because)\n");
	START(&r, "run", "--quiet", "--", "@events", "3");
	CHECK_INT(finish(&r), ==, 0);
	CHECK_STR(stderr_of(&r), "");
}

TEST(run, first_signal_goes_to_the_command_second_ends_the_sandbox)
{
	struct running r;

	START(&r, "run", "-q", "--", "sh", "-c",
	    "trap 'echo got; exit 4' TERM; echo up; while :; do sleep 0.01; "
	    "done");
	expect(&r, r.out, "up\n");
	CHECK_INT(kill(r.pid, SIGTERM), ==, 0);
	expect(&r, r.out, "got\n");
	CHECK_INT(finish(&r), ==, 4);
	(void)stderr_of(&r);

	START(&r, "run", "-q", "--", "sh", "-c",
	    "trap 'echo got' INT; echo up; while :; do sleep 0.01; done");
	expect(&r, r.out, "up\n");
	CHECK_INT(kill(r.pid, SIGINT), ==, 0);
	expect(&r, r.out, "got\n");
	CHECK_INT(kill(r.pid, SIGINT), ==, 0);
	CHECK_INT(finish(&r), ==, CLI_SIGNAL + SIGINT);
	(void)stderr_of(&r);
}

TEST(run, relays_sockets_both_ways_and_ends_with_them)
{
	static char block[100000];
	int pair[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	CHECK_INT(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(pair[1], 0);
		(void)dup2(pair[1], 1);
		be_openshell((const char *const[]) { "run", "-q", "--", "sh",
		    "-c", "test -p /dev/stdin && test -p /dev/stdout && cat",
		    NULL });
	}
	CHECK_INT(close(pair[1]), ==, 0);
	memset(block, 'x', sizeof(block));
	CHECK_INT(write(pair[0], block, sizeof(block)), ==, sizeof(block));
	CHECK_INT(shutdown(pair[0], SHUT_WR), ==, 0);
	while ((got = read(pair[0], block, sizeof(block))) > 0)
		n += (size_t)got;
	CHECK_INT(n, ==, sizeof(block));
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK_INT(status, ==, 0);
	CHECK_INT(close(pair[0]), ==, 0);
}

TEST(run, terminal_is_raw_meanwhile_sized_and_restored)
{
	struct winsize ws = { .ws_row = 40, .ws_col = 132 };
	struct termios before, during, after;
	struct running r;

	START_TTY(&r, "run", "-q", "--", "sh", "-c",
	    "trap 'echo int' INT; stty size; echo up; "
	    "until [ \"$x\" = hello ]; do read x; done; echo \"=$x=\"; "
	    "until [ \"$(stty size)\" = '40 132' ]; do sleep 0.01; done; "
	    "exit 9");
	CHECK_INT(tcgetattr(r.slave, &before), ==, 0);
	expect(&r, r.tty, "30 100");
	expect(&r, r.tty, "up\r\n");
	CHECK_INT(tcgetattr(r.slave, &during), ==, 0);
	CHECK_INT(during.c_lflag & (ICANON | ISIG), ==, 0);
	CHECK_INT(write(r.tty, "\003", 1), ==, 1);
	expect(&r, r.tty, "int");
	CHECK_INT(write(r.tty, "hello\r", 6), ==, 6);
	expect(&r, r.tty, "=hello=");
	CHECK_INT(ioctl(r.tty, TIOCSWINSZ, &ws), ==, 0);
	/* The mode is looked at while our slave keeps the terminal alive. */
	{
		int status;

		CHECK_INT(waitpid(r.pid, &status, 0), ==, r.pid);
		CHECK_INT(WEXITSTATUS(status), ==, 9);
	}
	CHECK_INT(tcgetattr(r.slave, &after), ==, 0);
	CHECK_INT(after.c_lflag, ==, before.c_lflag);
	CHECK_INT(after.c_oflag, ==, before.c_oflag);
	fd_close(&r.slave);
	fd_close(&r.tty);
}

TEST(run, terminal_is_restored_when_the_supervisor_dies_or_we_are_told_to)
{
	for (int how = 0; how < 2; how++) {
		struct termios before, after;
		struct running r;
		int status;

		if (how == 0)
			START_TTY(&r, "run", "-q", "--", "sh", "-c",
			    "echo up; sleep 0.1; kill -9 $PPID; exec sleep "
			    "100");
		else
			START_TTY(&r, "run", "-q", "--", "sh", "-c",
			    "trap '' TERM; echo up; exec sleep 100");
		CHECK_INT(tcgetattr(r.slave, &before), ==, 0);
		expect(&r, r.tty, "up\r\n");
		if (how == 1) {
			CHECK_INT(kill(r.pid, SIGTERM), ==, 0);
			CHECK_INT(kill(r.pid, SIGINT), ==, 0);
		}
		CHECK_INT(waitpid(r.pid, &status, 0), ==, r.pid);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) >= 125);
		CHECK_INT(tcgetattr(r.slave, &after), ==, 0);
		CHECK_INT(after.c_lflag, ==, before.c_lflag);
		fd_close(&r.slave);
		fd_close(&r.tty);
	}
}

TEST(run, a_hangup_ends_it)
{
	struct running r;
	int status;

	START_TTY(&r, "run", "-q", "--", "sh", "-c",
	    "trap '' HUP; echo up; exec sleep 100");
	expect(&r, r.tty, "up\r\n");
	fd_close(&r.slave);
	fd_close(&r.tty);
	CHECK_INT(waitpid(r.pid, &status, 0), ==, r.pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == CLI_SIGNAL + SIGHUP);
}

static void
put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static const char policy_1[] = "version: 1\n";
static const char policy_2[] =
    "version: 1\nnetwork_policies:\n  a:\n    endpoints:\n"
    "    - host: a.example.com\n      port: 443\n"
    "    binaries:\n    - path: /bin/x\n";
static const char policy_3[] =
    "version: 1\nnetwork_policies:\n  a:\n    endpoints:\n"
    "    - host: b.example.com\n      port: 443\n"
    "    binaries:\n    - path: /bin/x\n";

TEST(run, policy_edits_are_applied_and_bad_ones_reported)
{
	char dir[] = "/tmp/openshell-test-XXXXXX", path[64], next[64];
	struct running r;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/p.yaml", dir);
	(void)snprintf(next, sizeof(next), "%s/next", dir);
	put(path, policy_1);
	START(&r, "run", "--policy", path, "--", "@policies");
	expect(&r, r.err, "not in force");
	put(path, "version: 1\nnetwork_polices: {}\n");
	expect(&r, r.err, "p.yaml:2:1: error: ");
	expect(&r, r.err, "revision 1 stays in force\n");
	put(next, policy_2);
	CHECK_INT(rename(next, path), ==, 0);
	expect(&r, r.err, "policy revision 2 in force\n");
	put(path, "version: 1\nlandlock:\n  compatibility: "
		  "hard_requirement\n");
	expect(&r, r.err, "this needs a new run; revision 2 stays in force\n");
	CHECK_INT(unlink(path), ==, 0);
	CHECK_INT(symlink("/etc/passwd", path), ==, 0);
	expect(&r, r.err, "symbolic link");
	expect(&r, r.err, "revision 2 stays in force\n");
	CHECK_INT(unlink(path), ==, 0);
	put(path, policy_3);
	expect(&r, r.err, "policy revision 3 in force\n");
	CHECK_INT(finish(&r), ==, 0);
	(void)stderr_of(&r);
	CHECK_INT(unlink(path) | rmdir(dir), ==, 0);
}

/* Attack: the sandbox replaces the policy that it is judged by. */
TEST(run, policy_replaced_where_the_sandbox_writes_is_not_followed)
{
	char dir[] = "/tmp/openshell-test-XXXXXX", path[64], next[64];
	struct running r;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/p.yaml", dir);
	(void)snprintf(next, sizeof(next), "%s/next", dir);
	put(path, "version: 1\nfilesystem_policy:\n  include_workdir: true\n");
	START(&r, "run", "--workdir", dir, "--policy", path, "--", "@policies");
	expect(&r, r.err, "not in force");
	put(next, "version: 1\nfilesystem_policy:\n  include_workdir: true\n"
		  "network_policies:\n  a:\n    endpoints:\n"
		  "    - host: evil.example.com\n      port: 443\n"
		  "    binaries:\n    - path: /bin/x\n");
	CHECK_INT(rename(next, path), ==, 0);
	expect(&r, r.err, "the file was replaced");
	expect(&r, r.err, "revision 1 stays in force\n");
	/* Two of a kind could become one. */
	CHECK_INT(kill(r.pid, SIGINT), ==, 0);
	CHECK_INT(kill(r.pid, SIGTERM), ==, 0);
	CHECK_INT(finish(&r), >, CLI_SIGNAL);
	(void)stderr_of(&r);
	CHECK_INT(unlink(path) | rmdir(dir), ==, 0);
}

TEST(run, bad_policies_and_directories_are_refused_before_the_start)
{
	struct running r;

	START(&r, "run", "--policy", "/does/not/exist", "--", "true");
	CHECK_INT(finish(&r), ==, CLI_NO_SANDBOX);
	CHECK_HAS(stderr_of(&r), "/does/not/exist: No such file");
	START(&r, "run", "--workdir", "/does/not/exist", "--", "true");
	CHECK_INT(finish(&r), ==, CLI_NO_SANDBOX);
	CHECK_HAS(stderr_of(&r), "/does/not/exist");
	START(&r, "run", "--ro", "/does/not/exist", "--", "true");
	CHECK_INT(finish(&r), ==, CLI_NO_SANDBOX);
	CHECK_HAS(stderr_of(&r), "--ro /does/not/exist");
}
