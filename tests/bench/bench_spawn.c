/*
 * bench_spawn [N]: time from spawn_start to the first instruction of the
 * program, and to READY; prints JSON in microseconds.
 *
 * The program is this one again: its first act is to read the clock and write
 * it down.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/random.h"
#include "sandbox/spawn.h"

enum { RUNS = 200, PATIENCE_MS = 10000 };

static int
wait_event(struct spawn *s, struct spawn_event *ev)
{
	struct err e = { 0 };

	for (;;) {
		struct pollfd p = { spawn_fd(s), POLLIN, 0 };

		if (spawn_read(s, ev, &e) == 1)
			return ev->type;
		if (e.code != ERR_AGAIN || poll(&p, 1, PATIENCE_MS) <= 0)
			return -1;
	}
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
show(const char *name, uint64_t *v, size_t n, const char *after)
{
	qsort(v, n, sizeof(*v), by_value);
	(void)printf("\"%s\": {\"p50_us\": %" PRIu64 ", \"p99_us\": %" PRIu64
		     "}%s",
	    name, v[n / 2] / 1000, v[n * 99 / 100] / 1000, after);
}

/* One sandbox; false when it could not be made. */
static bool
once(struct sbx_plan *plan, uint64_t *ready, uint64_t *first, uint64_t *whole)
{
	static const char *const argv[] = { "/bench/program", "--clock", NULL };
	static const char *const env[] = { "PATH=/usr/bin", NULL };
	struct spawn_exec x = { .id = 1, .argv = argv, .env = env, .cwd = "/" };
	struct spawn *s = NULL;
	struct spawn_event ev = { 0 };
	struct err e = { 0 };
	uint64_t begin = clock_mono_ns(), at = 0;
	int ends[2], stdio[3];

	random_hex(plan->id, 12);
	if (pipe2(ends, O_CLOEXEC) < 0 || spawn_start(plan, -1, &s, &e) < 0) {
		(void)fprintf(stderr, "%s\n", e.text);
		return false;
	}
	stdio[0] = stdio[1] = stdio[2] = ends[1];
	if (wait_event(s, &ev) != SPAWN_READY) {
		(void)fprintf(stderr, "%s\n", ev.text);
		return false;
	}
	*ready = clock_mono_ns() - begin;
	fd_close(&ev.diag);
	fd_close(&ev.proc);
	for (size_t i = 0; i < ARRAY_LEN(ev.sockets); i++)
		fd_close(&ev.sockets[i]);
	fd_close(&ev.packets);
	if (spawn_exec(s, &x, stdio, &e) < 0)
		return false;
	fd_close(&ends[1]);
	if (read(ends[0], &at, sizeof(at)) != (ssize_t)sizeof(at))
		return false;
	*first = at - begin;
	fd_close(&ends[0]);
	while (wait_event(s, &ev) == SPAWN_STARTED)
		;
	spawn_free(s);
	*whole = clock_mono_ns() - begin;
	return ev.type == SPAWN_EXITED;
}

int
main(int argc, char **argv)
{
	static char self[PATH_MAX];
	static char work[] = "/var/tmp/bench-XXXXXX";
	static const char *const protect[] = { ".git/hooks/", ".git/config",
		".envrc", NULL };
	const struct sbx_mount mounts[] = {
		{ SBX_BIND_RO, "/usr", "/usr", false, 0 },
		{ SBX_SYMLINK, "usr/bin", "/bin", false, 0 },
		{ SBX_SYMLINK, "usr/lib", "/lib", false, 0 },
		{ SBX_SYMLINK, "usr/lib64", "/lib64", false, 0 },
		{ SBX_DIR, NULL, "/etc", false, 0 },
		{ SBX_FILE, "x\n", "/etc/passwd", false, 0 },
		{ SBX_BIND_RO, "/etc/ssl", "/etc/ssl", true, 0 },
		{ SBX_TMPFS, NULL, "/tmp", false, 01777 },
		{ SBX_TMPFS, NULL, "/run", false, 0755 },
		{ SBX_TMPFS, NULL, "/sandbox", false, 0700 },
		{ SBX_BIND_RW, work, work, false, 0 },
		{ SBX_BIND_RO, self, "/bench/program", false, 0 },
	};
	const struct sbx_rule rules[] = { { "/usr", false, false },
		{ "/etc", false, false }, { "/bench", false, false },
		{ "/proc", false, false }, { "/dev", true, false },
		{ "/tmp", true, false }, { work, true, false } };
	struct sbx_plan plan = { .hostname = "sandbox",
		.mounts = mounts,
		.n_mounts = ARRAY_LEN(mounts),
		.workdir = work,
		.workdir_writable = true,
		.protect = protect,
		.rules = rules,
		.n_rules = ARRAY_LEN(rules),
		.home = "/sandbox",
		.user = "sandbox",
		.pids_max = 4096,
		.nofile_max = 65536,
		.memory_max = UINT64_C(1) << 30,
		.disk_max = UINT64_C(1) << 30,
		.proxy_addr = "10.200.0.1",
		.proxy_port = 3128,
		.capture_port = 3129 };
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : RUNS;
	uint64_t *v = mem_calloc(3 * n + 1, sizeof(*v));

	if (argc > 1 && strcmp(argv[1], "--clock") == 0) {
		uint64_t now = clock_mono_ns();

		return write(1, &now, sizeof(now)) != (ssize_t)sizeof(now);
	}
	if (n == 0 || realpath("/proc/self/exe", self) == NULL ||
	    mkdtemp(work) == NULL)
		return 2;
	for (size_t i = 0; i < n; i++)
		if (!once(&plan, &v[i], &v[n + i], &v[2 * n + i]))
			return 1;
	(void)rmdir(work);
	(void)printf("{\"runs\": %zu, ", n);
	show("ready", v, n, ", ");
	show("first_instruction", v + n, n, ", ");
	show("whole_run", v + 2 * n, n, "}\n");
	free(v);
	return 0;
}
