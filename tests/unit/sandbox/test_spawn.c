/*
 * Sandboxes really made, and attacked from inside; the same acts are shown to
 * work outside.  Runs as root and as an ordinary user.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/box.h"
#include "test.h"

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/session.h"

/* Starts or fails the test with the sandbox's own words. */
static void
up(struct test_box *b)
{
	if (!box_start(b))
		fail_msg("no sandbox (%d): %s", b->end.type, b->end.text);
}

TEST(spawn, runs_a_program_and_tells_its_status)
{
	struct test_box b;

	box_plan(&b);
	up(&b);
	CHECK_INT(box_sh(&b, "echo out; echo err >&2; exit 7"), ==, 7);
	CHECK_STR(b.out, "out\nerr\n");
	box_end(&b);
}

TEST(spawn, gives_up_every_right)
{
	struct test_box b;

	box_plan(&b);
	up(&b);
	CHECK_INT(box_sh(&b, "cat /proc/self/status; id -u"), ==, 0);
	CHECK_HAS(b.out, "CapPrm:\t0000000000000000");
	CHECK_HAS(b.out, "CapEff:\t0000000000000000");
	CHECK_HAS(b.out, "CapBnd:\t0000000000000000");
	CHECK_HAS(b.out, "CapAmb:\t0000000000000000");
	CHECK_HAS(b.out, "NoNewPrivs:\t1");
	CHECK_HAS(b.out, "Seccomp:\t2");
	CHECK(strstr(b.out, "Uid:\t0") == NULL);
	/* Nobody's ids on the host when started as root. */
	if (box_is_root()) {
		struct stat st;

		CHECK_INT(fstatat(b.ready.proc, "1", &st, 0), ==, 0);
		CHECK_INT(
		    box_sh(&b, "sleep 0; stat -L -c %u /proc/self"), ==, 0);
		CHECK_STR(b.out, "1000\n");
	}
	box_end(&b);
}

TEST(spawn, makes_no_user_namespace_inside)
{
	struct test_box b;
	pid_t pid = fork();
	int status = 0;

	/* Outside the same call works. */
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) != 0);
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK_INT(status, ==, 0);
	box_plan(&b);
	up(&b);
	CHECK_INT(box_sh(&b, "unshare -U true"), !=, 0);
	CHECK_HAS(b.out, "not permitted");
	/* The second bar, below seccomp: the limit itself. */
	CHECK_INT(box_sh(&b, "cat /proc/self/uid_map | wc -l"), ==, 0);
	CHECK_STR(b.out, "1\n");
	CHECK_INT(
	    box_sh(&b, "echo 5 > /proc/sys/user/max_user_namespaces"), !=, 0);
	box_end(&b);
}

TEST(spawn, shows_only_the_plan)
{
	struct test_box b;

	box_plan(&b);
	up(&b);
	CHECK_INT(access("/etc/hostname", R_OK) == 0 ||
		      access("/etc/fstab", R_OK) == 0 ||
		      access("/etc/group", R_OK) == 0,
	    ==, 1);
	CHECK_INT(box_sh(&b, "cat /etc/group"), !=, 0);
	CHECK_INT(box_sh(&b, "ls /sys || ls /home || ls /root"), !=, 0);
	CHECK_INT(box_sh(&b, "cat /etc/passwd"), ==, 0);
	CHECK_HAS(b.out, "sandbox:x:");
	CHECK_INT(box_sh(&b, "echo x > /usr/x"), !=, 0);
	CHECK_INT(box_sh(&b, "echo x > /etc/passwd"), !=, 0);
	CHECK_INT(box_sh(&b, "mknod /tmp/null c 1 3"), !=, 0);
	/* PID 1 is ours and closed. */
	CHECK_INT(box_sh(&b, "cat /proc/1/environ /proc/1/maps || "
			     "readlink /proc/1/exe /proc/1/cwd"),
	    !=, 0);
	CHECK_INT(box_sh(&b, "wc -c < /proc/keys"), ==, 0);
	CHECK_STR(b.out, "0\n");
	/* Nothing of the host's root is left mounted. */
	CHECK_INT(box_sh(&b, "grep -c ' / / ' /proc/self/mountinfo"), !=, 0);
	box_end(&b);
}

TEST(spawn, writes_of_the_work_directory_are_the_owners)
{
	struct test_box b;
	struct stat dir, file;
	char path[128];

	box_plan(&b);
	if (box_is_root())
		CHECK_INT(chown(b.dir, 20077, 20078), ==, 0);
	up(&b);
	CHECK_INT(box_sh(&b, "echo hello > f && stat -c %u:%g . f"), ==, 0);
	(void)snprintf(path, sizeof(path), "%s/f", b.dir);
	CHECK_INT(stat(b.dir, &dir), ==, 0);
	CHECK_INT(stat(path, &file), ==, 0);
	CHECK_INT(file.st_uid, ==, dir.st_uid);
	CHECK_INT(file.st_gid, ==, dir.st_gid);
	(void)snprintf(path, sizeof(path), "%u:%u\n%u:%u\n", spawn_inside_uid(),
	    spawn_inside_gid(), spawn_inside_uid(), spawn_inside_gid());
	CHECK_STR(b.out, path);
	CHECK_INT(box_sh(&b, "chmod 4755 f"), !=, 0);
	CHECK_INT(box_sh(&b, "chmod 755 f"), ==, 0);
	box_end(&b);
}

TEST(spawn, discards_what_is_written_over_an_overlay)
{
	struct test_box b;
	char low[] = "/var/tmp/low-XXXXXX", path[64];
	struct err e = { 0 };

	CHECK(mkdtemp(low) != NULL);
	(void)snprintf(path, sizeof(path), "%s/kept", low);
	CHECK_INT(close(open(path, O_CREAT | O_WRONLY, 0644)), ==, 0);
	CHECK_INT(file_put(AT_FDCWD, path, "old\n", &e), ==, 0);
	if (box_is_root()) {
		CHECK_INT(chown(low, 20077, 20077), ==, 0);
		CHECK_INT(chown(path, 20077, 20077), ==, 0);
	}
	box_plan(&b);
	b.mounts[b.plan.n_mounts++] =
	    (struct sbx_mount) { SBX_OVERLAY, low, "/over", false, 0 };
	b.rules[b.plan.n_rules++] = (struct sbx_rule) { "/over", true, false };
	up(&b);
	CHECK_INT(box_sh(&b, "cd /over && cat kept && echo new > kept && "
			     "echo x > added && cat kept"),
	    ==, 0);
	CHECK_STR(b.out, "old\nnew\n");
	box_end(&b);
	{
		AUTO_FREE char *text = NULL;
		size_t n;

		CHECK_INT(file_read_path(path, true, 64, &text, &n, &e), ==, 0);
		CHECK_STR(text, "old\n");
	}
	CHECK_INT(unlink(path), ==, 0);
	CHECK_INT(rmdir(low), ==, 0);
}

TEST(spawn, bounds_the_private_space)
{
	struct test_box b;

	box_plan(&b);
	b.plan.disk_max = 4 << 20;
	up(&b);
	CHECK_INT(box_sh(&b, "head -c 8388608 /dev/zero > /tmp/f"), !=, 0);
	CHECK_HAS(b.out, "No space left");
	CHECK_INT(box_sh(&b, "cd /sandbox; i=0; while : > f$i; do "
			     "i=$((i+1)); [ $i -lt 20000 ] || exit 0; done"),
	    !=, 0);
	CHECK_INT(box_sh(&b, "rm -f /tmp/f; rm -rf /sandbox/*; echo x > "
			     "/tmp/g"),
	    ==, 0);
	box_end(&b);
}

static const char *const protected[] = { ".git/hooks/", ".git/config", ".envrc",
	".vscode/", NULL };

TEST(spawn, keeps_protected_names_as_they_are)
{
	struct test_box b;
	char path[128];

	box_plan(&b);
	b.plan.protect = protected;
	(void)snprintf(path, sizeof(path), "%s/.git", b.dir);
	CHECK_INT(mkdir(path, 0755), ==, 0);
	(void)snprintf(path, sizeof(path), "%s/.git/hooks", b.dir);
	CHECK_INT(mkdir(path, 0755), ==, 0);
	box_host_put(&b, ".git/config", "[core]\n");
	box_host_put(&b, ".git/index", "");
	if (box_is_root()) {
		static const char *const names[] = { "", ".git", ".git/hooks",
			".git/config", ".git/index" };

		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			(void)snprintf(
			    path, sizeof(path), "%s/%s", b.dir, names[i]);
			CHECK_INT(chown(path, 20077, 20077), ==, 0);
		}
	}
	up(&b);
	CHECK_INT(box_sh(&b, "echo x > .git/index"), ==, 0);
	CHECK_INT(box_sh(&b, "echo x > .git/hooks/pre-commit"), !=, 0);
	CHECK_INT(box_sh(&b, "echo x >> .git/config"), !=, 0);
	CHECK_INT(box_sh(&b, "echo x > new; mv new .git/config"), !=, 0);
	CHECK_INT(box_sh(&b, "mv .git gone"), !=, 0);
	CHECK_INT(box_sh(&b, "mv .git/hooks .git/h"), !=, 0);
	CHECK_INT(box_sh(&b, "rm -rf .git/hooks"), !=, 0);
	CHECK_INT(box_sh(&b, "ln .git/config c"), !=, 0);
	CHECK_INT(box_sh(&b, "echo x > .envrc"), !=, 0);
	CHECK_INT(box_sh(&b, "rmdir .envrc || mv .envrc e"), !=, 0);
	CHECK_INT(box_sh(&b, "echo x > .vscode/tasks.json"), !=, 0);
	/* An ordinary name of the same directory is free. */
	CHECK_INT(box_sh(&b, "mkdir d && echo x > d/f && mv d e"), ==, 0);
	CHECK(box_host_has(&b, ".envrc"));
	spawn_free(b.s);
	b.s = NULL;
	CHECK(!box_host_has(&b, ".envrc"));
	CHECK(!box_host_has(&b, ".vscode"));
	CHECK(box_host_has(&b, ".git/hooks"));
	CHECK(box_host_has(&b, "e/f"));
	box_end(&b);
}

/* Until the script fails, for the ten seconds of any wait; a bound poll. */
static bool
soon_fails(struct test_box *b, const char *script)
{
	for (int i = 0; i < 500; i++)
		if (box_sh(b, script) != 0)
			return true;
	return false;
}

TEST(spawn, protects_again_what_the_host_replaced)
{
	struct test_box b;
	char from[128], to[128];

	box_plan(&b);
	b.plan.protect = protected;
	box_host_put(&b, ".envrc", "old\n");
	up(&b);
	CHECK_INT(box_sh(&b, "cat .envrc && echo x > .envrc"), !=, 0);
	CHECK_HAS(b.out, "old");
	/* As editors and git do: a new file takes the name. */
	box_host_put(&b, "new", "new\n");
	(void)snprintf(from, sizeof(from), "%s/new", b.dir);
	(void)snprintf(to, sizeof(to), "%s/.envrc", b.dir);
	CHECK_INT(rename(from, to), ==, 0);
	CHECK(soon_fails(&b, ": >> .envrc"));
	CHECK_INT(box_sh(&b, "cat .envrc"), ==, 0);
	CHECK_STR(b.out, "new\n");
	/* Removed altogether: held again. */
	CHECK_INT(unlink(to), ==, 0);
	CHECK(soon_fails(&b, ": > .envrc"));
	CHECK_INT(box_sh(&b, "rm -rf .envrc"), !=, 0);
	box_end(&b);
}

TEST(spawn, lets_git_init_work_and_keeps_it_inside)
{
	struct test_box b;

	box_plan(&b);
	b.plan.protect = protected;
	up(&b);
	CHECK_INT(box_sh(&b, "mkdir -p .git/hooks && echo x > .git/hooks/p "
			     "&& echo y > .git/config && cat .git/hooks/p"),
	    ==, 0);
	CHECK_INT(box_sh(&b, "mv .git g || rm -rf .git"), !=, 0);
	CHECK(!box_host_has(&b, ".git/hooks"));
	spawn_free(b.s);
	b.s = NULL;
	CHECK(!box_host_has(&b, ".git"));
	box_end(&b);
}

TEST(spawn, shares_placeholders_of_one_directory)
{
	struct test_box a, b;
	char unused[64];

	box_plan(&a);
	a.plan.protect = protected;
	box_plan(&b);
	b.plan.protect = protected;
	(void)snprintf(unused, sizeof(unused), "%s", b.dir);
	CHECK_INT(rmdir(unused), ==, 0);
	(void)snprintf(b.dir, sizeof(b.dir), "%s", a.dir);
	up(&a);
	up(&b);
	spawn_free(a.s);
	a.s = NULL;
	/* The first has gone; the second is still protected. */
	CHECK_INT(box_sh(&b, "echo x > .envrc || mkdir .vscode/x"), !=, 0);
	CHECK(box_host_has(&b, ".envrc"));
	spawn_free(b.s);
	b.s = NULL;
	CHECK(!box_host_has(&b, ".envrc"));
	box_end(&a);
}

TEST(spawn, refuses_a_protected_name_behind_a_link)
{
	struct test_box b;
	char path[128];

	box_plan(&b);
	b.plan.protect = protected;
	(void)snprintf(path, sizeof(path), "%s/.git", b.dir);
	CHECK_INT(symlink("/tmp", path), ==, 0);
	CHECK(!box_start(&b));
	CHECK_HAS(b.end.text, ".git in the work directory is a symbolic link");
	box_end(&b);
}

TEST(spawn, refuses_a_source_behind_a_link)
{
	struct test_box b;

	box_plan(&b);
	b.mounts[b.plan.n_mounts++] = (struct sbx_mount) { SBX_BIND_RO,
		"/proc/self/cwd", "/cwd", false, 0 };
	CHECK(!box_start(&b));
	CHECK_HAS(b.end.text, "symbolic link");
	box_end(&b);
}

static const char net_script[] =
    "python3 -c '\n"
    "import socket, errno, sys\n"
    "def tcp(f, a):\n"
    "    s = socket.socket(f); s.settimeout(5)\n"
    "    return s.connect_ex(a)\n"
    "def udp(f, a):\n"
    "    s = socket.socket(f, socket.SOCK_DGRAM); s.settimeout(5)\n"
    "    s.connect(a)\n"
    "    try: s.send(b\"x\"); s.recv(1)\n"
    "    except OSError as e: return e.errno\n"
    "    return 0\n"
    "print(tcp(2, (\"10.200.0.1\", 3128)), tcp(2, (\"127.0.0.1\", 9)),\n"
    "  tcp(2, (\"93.184.216.34\", 443)), tcp(10, (\"2001:db8::1\", 443)),\n"
    "  udp(2, (\"8.8.8.8\", 123)), udp(10, (\"2001:db8::1\", 123)))\n"
    "'";

static int
accept_one(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	CHECK_INT(poll(&p, 1, 10000), ==, 1);
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC);
}

TEST(spawn, has_no_network_but_the_passed_listeners)
{
	struct test_box b;
	char want[64];
	int fd;

	box_plan(&b);
	up(&b);
	CHECK_INT(box_sh(&b, net_script), ==, 0);
	CHECK(b.ready.report.capture);
	/* Proxy and captured ones connect; the rest is refused at once. */
	(void)snprintf(want, sizeof(want), "0 %d 0 0 %d %d\n", ECONNREFUSED,
	    ECONNREFUSED, ECONNREFUSED);
	CHECK_STR(b.out, want);
	fd = accept_one(b.ready.sockets[NET_SOCK_PROXY]);
	CHECK(fd >= 0);
	fd_close(&fd);
	fd = accept_one(b.ready.sockets[NET_SOCK_CAPTURE]);
	CHECK(fd >= 0);
	{
		struct sockaddr_in to = { 0 };
		socklen_t n = sizeof(to);

		/* SO_ORIGINAL_DST, linux/netfilter_ipv4.h */
		CHECK_INT(getsockopt(fd, IPPROTO_IP, 80, &to, &n), ==, 0);
		CHECK_INT(ntohl(to.sin_addr.s_addr), ==, 0x5db8d822);
		CHECK_INT(ntohs(to.sin_port), ==, 443);
	}
	fd_close(&fd);
	box_end(&b);
}

TEST(spawn, gives_a_terminal_of_its_own)
{
	static const char *const argv[] = { "sh", "-c",
		"tty; stty size; trap 'stty size; exit 3' WINCH; echo go; "
		"while :; do sleep 0.05; done",
		NULL };
	static const char *const env[] = { "PATH=/usr/bin", NULL };
	struct spawn_exec x = { .id = 9,
		.tty = true,
		.rows = 24,
		.cols = 80,
		.argv = argv,
		.env = env,
		.cwd = "/" };
	struct test_box b;
	struct spawn_event ev;
	struct err e = { 0 };
	char out[512] = "";
	size_t n = 0;
	ssize_t got;

	box_plan(&b);
	up(&b);
	CHECK_INT(spawn_exec(b.s, &x, NULL, &e), ==, 0);
	box_event(&b, &ev);
	CHECK_INT(ev.type, ==, SPAWN_STARTED);
	CHECK_INT(ev.id, ==, 9);
	CHECK(ev.pty_master >= 0);
	while (strstr(out, "go") == NULL &&
	       (got = read(ev.pty_master, out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)got;
	CHECK_HAS(out, "/dev/pts/0");
	CHECK_HAS(out, "24 80");
	CHECK_INT(spawn_resize(b.s, 9, 50, 120, &e), ==, 0);
	while ((got = read(ev.pty_master, out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)got;
	CHECK_HAS(out, "50 120");
	fd_close(&ev.pty_master);
	box_event(&b, &ev);
	CHECK_INT(ev.type, ==, SPAWN_EXITED);
	CHECK_INT(WEXITSTATUS(ev.wstatus), ==, 3);
	box_end(&b);
}

static struct spawn_event
run_path(struct test_box *b, const char *program)
{
	const char *argv[] = { program, NULL };
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin", NULL };
	struct spawn_exec x = {
		.id = 5, .argv = argv, .env = env, .cwd = b->dir
	};
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int stdio[3] = { null, null, null };
	struct spawn_event ev;
	struct err e = { 0 };

	CHECK_INT(spawn_exec(b->s, &x, stdio, &e), ==, 0);
	box_event(b, &ev);
	return ev;
}

TEST(spawn, tells_what_could_not_be_run)
{
	struct test_box b;
	struct spawn_event ev;

	box_plan(&b);
	box_host_put(&b, "plain", "echo hi\n");
	up(&b);
	ev = run_path(&b, "no-such-program");
	CHECK_INT(ev.type, ==, SPAWN_EXITED);
	CHECK_INT(ev.exec_errno, ==, ENOENT);
	ev = run_path(&b, "./plain");
	CHECK_INT(ev.exec_errno, ==, EACCES);
	ev = run_path(&b, "/usr");
	CHECK_INT(ev.exec_errno, ==, EACCES);
	ev = run_path(&b, "true");
	CHECK_INT(ev.type, ==, SPAWN_STARTED);
	box_end(&b);
}

static void
put(struct spawn *s, const char *path, struct view text)
{
	AUTO_CLOSE int fd = -1;
	struct err e;

	CHECK_INT(memfd_seal(text, &fd, &e), ==, 0);
	CHECK_INT(spawn_put_parts(s, path, &fd, 1, &e), ==, 0);
}

TEST(spawn, puts_late_files_before_the_first_program_only)
{
	struct test_box b;
	struct spawn_event ev;

	box_plan(&b);
	up(&b);
	put(b.s, "/etc/openshell-tls/ca.pem", VIEW("pem\n"));
	CHECK_INT(box_sh(&b, "cat /etc/openshell-tls/ca.pem; echo x > "
			     "/etc/openshell-tls/ca.pem"),
	    !=, 0);
	CHECK_HAS(b.out, "pem\n");
	/* Out of turn: the sandbox ends. */
	put(b.s, "/etc/x", VIEW("x"));
	box_event(&b, &ev);
	CHECK_INT(ev.type, ==, SPAWN_FAILED);
	box_event(&b, &ev);
	CHECK_INT(ev.type, ==, SPAWN_GONE);
	box_end(&b);
}

TEST(spawn, caps_processes_and_memory)
{
	struct test_box b;

	box_plan(&b);
	b.plan.pids_max = 40;
	b.plan.memory_max = 64 << 20;
	up(&b);
	CHECK_INT(
	    box_sh(&b, "i=0; while [ $i -lt 100 ]; do sleep 30 >&- 2>&- & "
		       "i=$((i+1)); done"),
	    !=, 0);
	box_end(&b);
	box_plan(&b);
	b.plan.memory_max = 64 << 20;
	up(&b);
	CHECK_INT(box_sh(&b, "python3 -c 'x = bytearray(200 << 20)'"), !=, 0);
	if (b.ready.report.cgroup[0] == 'v')
		CHECK(b.end.oom || b.end.type == SPAWN_GONE);
	box_end(&b);
}

TEST(spawn, passes_no_descriptor_on)
{
	struct test_box b;
	int leak = open("/etc/passwd", O_RDONLY); /* not close-on-exec */

	box_plan(&b);
	up(&b);
	CHECK_INT(box_sh(&b, "ls /proc/self/fd | wc -l"), ==, 0);
	CHECK_STR(b.out, "4\n"); /* 0, 1, 2 and the directory itself */
	fd_close(&leak);
	box_end(&b);
}

/* --- ends ---------------------------------------------------------------- */

/* A program that runs until killed; its pipe closes when all of it is gone. */
static int
linger(struct test_box *b)
{
	static const char *const argv[] = { "sh", "-c",
		"trap '' TERM; sleep 1000 & wait; wait", NULL };
	static const char *const env[] = { "PATH=/usr/bin", NULL };
	struct spawn_exec x = { .id = 2, .argv = argv, .env = env, .cwd = "/" };
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct spawn_event ev;
	struct err e = { 0 };
	int ends[2], stdio[3];

	CHECK_INT(pipe2(ends, O_CLOEXEC), ==, 0);
	stdio[0] = null;
	stdio[1] = stdio[2] = ends[1];
	CHECK_INT(spawn_exec(b->s, &x, stdio, &e), ==, 0);
	box_event(b, &ev);
	CHECK_INT(ev.type, ==, SPAWN_STARTED);
	fd_close(&ends[1]);
	return ends[0];
}

static void
wait_closed(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char c;

	CHECK_INT(poll(&p, 1, 10000), ==, 1);
	CHECK_INT(read(fd, &c, 1), ==, 0);
	fd_close(&fd);
}

/* The youngest child: of us the spawner, of the spawner init. */
static pid_t
child_of(pid_t pid)
{
	char path[64], buf[256] = "", *last;
	AUTO_CLOSE int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
	    (int)pid, (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(read(fd, buf, sizeof(buf) - 1) > 0);
	for (last = buf + strlen(buf); last > buf && last[-1] == ' '; last--)
		last[-1] = '\0';
	last = strrchr(buf, ' ');
	return (pid_t)strtol(last != NULL ? last : buf, NULL, 10);
}

static const char *looked_for;

static int
is_it(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	return strstr(path + f->base, looked_for) != NULL;
}

/* Whether a cgroup of this sandbox is anywhere. */
static bool
cgroup_left(const struct test_box *b)
{
	looked_for = b->plan.id;
	return nftw("/sys/fs/cgroup", is_it, 32, FTW_PHYS) == 1;
}

/* `generation` 1: the spawner is killed; 2: init. */
static void
check_ends_without(int generation)
{
	struct test_box b;
	struct spawn_event ev;
	pid_t pid = getpid();
	int fd;

	box_plan(&b);
	b.plan.protect = protected;
	up(&b);
	fd = linger(&b);
	while (generation-- > 0)
		pid = child_of(pid);
	CHECK_INT(kill(pid, SIGKILL), ==, 0);
	wait_closed(fd);
	box_event(&b, &ev);
	CHECK_INT(ev.type, ==, SPAWN_GONE);
	spawn_free(b.s);
	b.s = NULL;
	CHECK(!cgroup_left(&b));
	CHECK(!box_host_has(&b, ".envrc"));
	box_end(&b);
}

TEST(spawn, ends_when_init_is_killed)
{
	check_ends_without(2);
}

TEST(spawn, ends_when_the_spawner_is_killed)
{
	check_ends_without(1);
}

/* The supervisor itself, killed at some point of a run. */
TEST(spawn, ends_when_ctl_is_killed)
{
	struct test_box b;
	int pass[2];
	pid_t ctl;
	char c;

	box_plan(&b);
	b.plan.protect = protected;
	/* Orphans come to us, so that their end can be waited for. */
	CHECK_INT(prctl(PR_SET_CHILD_SUBREAPER, 1), ==, 0);
	CHECK_INT(pipe2(pass, O_CLOEXEC), ==, 0);
	ctl = fork();
	if (ctl == 0) {
		up(&b);
		(void)linger(&b);
		(void)!write(pass[1], "r", 1);
		for (;;)
			(void)pause();
	}
	fd_close(&pass[1]);
	CHECK_INT(read(pass[0], &c, 1), ==, 1);
	fd_close(&pass[0]);
	CHECK_INT(kill(ctl, SIGKILL), ==, 0);
	/* ctl, and then the spawner, whose end is the end of everything. */
	CHECK(waitpid(-1, NULL, 0) > 0);
	CHECK(waitpid(-1, NULL, 0) > 0);
	CHECK_INT(waitpid(-1, NULL, WNOHANG), ==, -1);
	CHECK(!cgroup_left(&b));
	CHECK(!box_host_has(&b, ".envrc"));
	box_end(&b);
}

TEST(spawn, signals_the_whole_group)
{
	struct test_box b;
	struct spawn_event ev;
	struct err e = { 0 };
	int fd;

	box_plan(&b);
	up(&b);
	fd = linger(&b);
	CHECK_INT(spawn_signal(b.s, 2, SIGKILL, &e), ==, 0);
	box_event(&b, &ev);
	CHECK_INT(ev.type, ==, SPAWN_EXITED);
	CHECK(WIFSIGNALED(ev.wstatus));
	CHECK_INT(WTERMSIG(ev.wstatus), ==, SIGKILL);
	wait_closed(fd);
	box_end(&b);
}

TEST(spawn, ends_on_request)
{
	struct test_box b;
	struct spawn_event ev;
	int fd;

	box_plan(&b);
	up(&b);
	fd = linger(&b);
	spawn_kill(b.s);
	wait_closed(fd);
	box_event(&b, &ev);
	CHECK_INT(ev.type, ==, SPAWN_GONE);
	box_end(&b);
}
