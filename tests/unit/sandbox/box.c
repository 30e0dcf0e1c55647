#include "sandbox/box.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#include "base/fd.h"
#include "base/random.h"

static const char *const envs[] = { "PATH=/usr/bin:/bin", "HOME=/sandbox",
	NULL };

static void
add_mount(struct test_box *b, enum sbx_mount_kind kind, const char *src,
    const char *dst, unsigned mode)
{
	CHECK(b->plan.n_mounts < ARRAY_LEN(b->mounts));
	b->mounts[b->plan.n_mounts++] =
	    (struct sbx_mount) { kind, src, dst, false, mode };
}

static void
add_rule(struct test_box *b, const char *path, bool write)
{
	CHECK(b->plan.n_rules < ARRAY_LEN(b->rules));
	b->rules[b->plan.n_rules++] = (struct sbx_rule) { path, write, true };
}

bool
box_is_root(void)
{
	char text[64] = "";
	AUTO_CLOSE int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);

	return geteuid() == 0 && read(fd, text, sizeof(text) - 1) > 0 &&
	       strstr(text, " 1\n") == NULL;
}

void
box_plan(struct test_box *b)
{
	static const char *const links[] = { "bin", "sbin", "lib", "lib64" };
	static const char *const paths[] = { "/bin", "/sbin", "/lib",
		"/lib64" };
	static const char *const texts[] = { "usr/bin", "usr/sbin", "usr/lib",
		"usr/lib64" };
	static const char *const no_names[] = { NULL };

	*b = (struct test_box) { 0 };
	(void)snprintf(b->dir, sizeof(b->dir), "/var/tmp/box-XXXXXX");
	CHECK(mkdtemp(b->dir) != NULL);
	random_hex(b->plan.id, 12);
	b->plan.hostname = "sandbox";
	b->plan.mounts = b->mounts;
	b->plan.rules = b->rules;
	b->plan.workdir = b->dir;
	b->plan.workdir_writable = true;
	b->plan.protect = no_names;
	b->plan.landlock_hard = true;
	b->plan.home = "/sandbox";
	b->plan.user = "sandbox";
	b->plan.pids_max = 200;
	b->plan.nofile_max = 4096;
	b->plan.memory_max = 512 << 20;
	b->plan.disk_max = 64 << 20;
	b->plan.proxy_addr = "10.200.0.1";
	b->plan.proxy_port = 3128;
	b->plan.capture_port = 3129;
	add_mount(b, SBX_BIND_RO, "/usr", "/usr", 0);
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		add_mount(b, SBX_SYMLINK, texts[i], paths[i], 0);
	add_mount(
	    b, SBX_FILE, "sandbox:x:1:1::/sandbox:/bin/sh\n", "/etc/passwd", 0);
	add_mount(b, SBX_DIR, NULL, "/etc/openshell-tls", 0);
	add_mount(b, SBX_TMPFS, NULL, "/tmp", 01777);
	add_mount(b, SBX_TMPFS, NULL, "/sandbox", 0700);
	add_mount(b, SBX_BIND_RW, b->dir, b->dir, 0);
	add_rule(b, "/usr", false);
	add_rule(b, "/etc", false);
	add_rule(b, "/proc", false);
	add_rule(b, "/dev", true);
	add_rule(b, "/tmp", true);
	add_rule(b, "/sandbox", true);
	add_rule(b, b->dir, true);
}

void
box_event(struct test_box *b, struct spawn_event *ev)
{
	enum { PATIENCE_MS = 10000 };
	struct err e = { 0 };

	for (;;) {
		struct pollfd p = { spawn_fd(b->s), POLLIN, 0 };

		if (spawn_read(b->s, ev, &e) == 1)
			return;
		if (e.code != ERR_AGAIN)
			fail_msg("spawn_read: %s", e.text);
		if (poll(&p, 1, PATIENCE_MS) == 0)
			fail_msg("no event from the sandbox");
	}
}

bool
box_start(struct test_box *b)
{
	struct err e = { 0 };

	if (spawn_start(&b->plan, -1, &b->s, &e) < 0) {
		(void)snprintf(b->end.text, sizeof(b->end.text), "%s", e.text);
		return false;
	}
	box_event(b, &b->ready);
	b->end = b->ready;
	b->up = b->ready.type == SPAWN_READY;
	return b->up;
}

/* Everything until both writers are gone. */
static void
drain(struct test_box *b, int fd)
{
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(b->out) - 1 &&
	       (got = read(fd, b->out + n, sizeof(b->out) - 1 - n)) > 0)
		n += (size_t)got;
	b->out[n] = '\0';
}

int
box_sh(struct test_box *b, const char *script)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	struct spawn_exec x = {
		.id = 1, .argv = argv, .env = envs, .cwd = b->dir
	};
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct err e = { 0 };
	int ends[2], stdio[3];

	CHECK_INT(pipe2(ends, O_CLOEXEC), ==, 0);
	stdio[0] = null;
	stdio[1] = stdio[2] = ends[1];
	if (spawn_exec(b->s, &x, stdio, &e) < 0)
		fail_msg("spawn_exec: %s", e.text);
	fd_close(&ends[1]);
	drain(b, ends[0]);
	fd_close(&ends[0]);
	do
		box_event(b, &b->end);
	while (b->end.type == SPAWN_STARTED);
	if (b->end.type != SPAWN_EXITED || b->end.exec_errno != 0)
		return -1;
	return WIFEXITED(b->end.wstatus) ? WEXITSTATUS(b->end.wstatus) : -1;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

void
box_end(struct test_box *b)
{
	spawn_free(b->s);
	b->s = NULL;
	if (b->up) {
		fd_close(&b->ready.diag);
		fd_close(&b->ready.proc);
		fd_close(&b->ready.root);
		for (size_t i = 0; i < NET_NSOCKS; i++)
			fd_close(&b->ready.sockets[i]);
		fd_close(&b->ready.packets);
		fd_close(&b->ready.questions);
	}
	(void)nftw(b->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool
box_host_has(const struct test_box *b, const char *rel)
{
	char path[256];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", b->dir, rel);
	return lstat(path, &st) == 0;
}

void
box_host_put(const struct test_box *b, const char *rel, const char *text)
{
	char path[256];
	struct err e = { 0 };
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", b->dir, rel);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, text, strlen(text), &e), ==, 0);
	fd_close(&fd);
}
