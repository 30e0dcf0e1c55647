/*
 * drv_native: sandboxes made of this machine's own file system.
 *
 * Each is a directory STATE/sandboxes/ID (0700) and a keeper, a process of its
 * own session that outlives the gateway.  What runs is what holds the lock on
 * ID/keeper.pid; the end of it comes through its pidfd, whether we started it
 * or found it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/program.h"
#include "drivers/driver.h"
#include "http/egress.h"
#include "sandbox/cgroup.h"
#include "sandbox/session.h"

enum { ID_MAX = 40, WHY_MAX = 1024, KILLED_MS = 10000, TREE_DEPTH = 8 };

struct inst {
	struct driver *d;
	struct inst *next, *prev;
	char id[ID_MAX];
	pid_t pid;
	int pidfd, ctl_pidfd;
	uv_poll_t poll; /* of pidfd, then of ctl_pidfd */
	uv_timer_t timer;
	bool poll_on, removing, killed;
	unsigned handles;
	void (*done)(void *ctx, const char *id, bool existed, const char *why);
	void *done_ctx;
};

struct driver {
	uv_loop_t *loop;
	struct driver_hooks hooks;
	char *root; /* STATE/sandboxes */
	char *endpoint, *egress, *services;
	char program[PATH_MAX];
	struct inst *all;
};

static void finish_remove(struct inst *i);

/* --- files --------------------------------------------------------------- */

static char *
dir_of(const struct driver *d, const char *id)
{
	return mem_printf("%s/%s", d->root, id);
}

/* Only what the gateway could have made: a UUID. */
static bool
is_id(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < ID_MAX && strspn(s, "0123456789abcdef-") == n;
}

static int
write_files(const struct driver *d, const char *dir, const driver_sandbox *s,
    const char *token, struct err *e)
{
	size_t n = openshell__datamodel__v1__sandbox__get_packed_size(s);
	AUTO_FREE uint8_t *p = mem_calloc(1, n + 1);
	AUTO_CLOSE int fd = -1;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open %s", dir);
	(void)openshell__datamodel__v1__sandbox__pack(s, p);
	/* Of an earlier try; it would be taken for a word about this one. */
	(void)unlinkat(fd, "failed", 0);
	(void)unlinkat(fd, "ctl.pid", 0);
	if (file_keep(fd, "spec.pb", (struct view) { (char *)p, n }, e) < 0 ||
	    file_keep(fd, "endpoint", view_of(d->endpoint), e) < 0 ||
	    file_keep(fd, "egress", view_of(d->egress), e) < 0 ||
	    file_keep(fd, "services", view_of(d->services), e) < 0 ||
	    file_keep(fd, "token", view_of(token), e) < 0)
		return err_wrap(e, "sandbox directory %s", dir);
	return 0;
}

/* Everything below; symbolic links are removed, never followed. */
static int
remove_tree(int at, const char *name, unsigned depth, struct err *e)
{
	int fd =
	    openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int rc = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open %s", name);
	if (dir == NULL) {
		(void)close(fd);
		return err_sys(e, "read %s", name);
	}
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		const char *n = entry->d_name;

		if (strcmp(n, ".") == 0 || strcmp(n, "..") == 0)
			continue;
		if (unlinkat(fd, n, 0) == 0 || errno == ENOENT)
			continue;
		rc = depth == 0 ? err_sys(e, "remove %s", n)
				: remove_tree(fd, n, depth - 1, e);
	}
	(void)closedir(dir);
	if (rc == 0 && unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, "remove %s", name);
	return rc;
}

/* When all of a sandbox was killed at once nobody was left to do it. */
static void
remove_cgroup(const char *sandbox)
{
	char id[SESSION_SHORT_ID];

	session_short_id(sandbox, id);
	cgroup_forget(id);
}

static pid_t
read_pid(const char *dir, const char *name)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
	AUTO_FREE char *text = NULL;
	struct err ignored;
	uint64_t pid;
	size_t n;

	if (file_read_path(path, true, 64, &text, &n, &ignored) < 0)
		return 0;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	return view_u64((struct view) { text, n }, 1 << 22, &pid) ? (pid_t)pid
								  : 0;
}

/* The number in a file may be another process's by now. */
static bool
is_ctl(pid_t pid)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/comm", (int)pid);
	AUTO_FREE char *text = NULL;
	struct err ignored;
	size_t n;

	return file_read_path(path, false, 64, &text, &n, &ignored) == 0 &&
	       view_eq((struct view) { text, n }, VIEW("openshell-ctl\n"));
}

/* Does a keeper hold the lock of that directory? */
static bool
is_locked(const char *dir)
{
	AUTO_FREE char *path = mem_printf("%s/keeper.pid", dir);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}

/* --- instances ----------------------------------------------------------- */

static struct inst *
find(const struct driver *d, const char *id)
{
	for (struct inst *i = d->all; i != NULL; i = i->next)
		if (strcmp(i->id, id) == 0)
			return i;
	return NULL;
}

static void
on_handle_closed(uv_handle_t *h)
{
	struct inst *i = h->data;

	if (--i->handles > 0)
		return;
	fd_close(&i->pidfd);
	fd_close(&i->ctl_pidfd);
	free(i);
}

static void
stop_poll(struct inst *i)
{
	if (i->poll_on)
		(void)uv_poll_stop(&i->poll);
}

static void
forget(struct inst *i)
{
	if (i->prev != NULL)
		i->prev->next = i->next;
	else
		i->d->all = i->next;
	if (i->next != NULL)
		i->next->prev = i->prev;
	if (i->poll_on)
		uv_close((uv_handle_t *)&i->poll, on_handle_closed);
	uv_close((uv_handle_t *)&i->timer, on_handle_closed);
}

static struct inst *
add(struct driver *d, const char *id)
{
	struct inst *i = NEW(struct inst);

	i->d = d;
	i->pidfd = i->ctl_pidfd = -1;
	(void)snprintf(i->id, sizeof(i->id), "%s", id);
	(void)uv_timer_init(d->loop, &i->timer);
	i->timer.data = i;
	i->handles = 1;
	i->next = d->all;
	if (d->all != NULL)
		d->all->prev = i;
	d->all = i;
	return i;
}

/* What the keeper left for a gateway that was not there; "" when nothing. */
static void
read_word(const char *dir, char *why, size_t size)
{
	AUTO_FREE char *path = mem_printf("%s/failed", dir);
	AUTO_FREE char *text = NULL;
	struct err ignored;
	size_t n;

	why[0] = '\0';
	if (file_read_path(path, true, WHY_MAX - 1, &text, &n, &ignored) == 0)
		(void)snprintf(why, size, "%.*s", (int)n, text);
}

/* Why it ended, as the keeper left it, or what the kernel says. */
static void
read_why(struct inst *i, const siginfo_t *info, char why[WHY_MAX])
{
	AUTO_FREE char *dir = dir_of(i->d, i->id);

	read_word(dir, why, WHY_MAX);
	if (why[0] != '\0')
		return;
	if (info->si_pid != 0 && info->si_code != CLD_EXITED)
		(void)snprintf(why, WHY_MAX,
		    "its supervisor was killed by signal %d", info->si_status);
	else
		(void)snprintf(why, WHY_MAX, "its supervisor ended");
}

static void
on_ended(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	struct inst *i = p->data;
	siginfo_t info = { 0 };
	char why[WHY_MAX];

	/* Ours or not: only a child can be waited for. */
	(void)waitid(P_PIDFD, (id_t)i->pidfd, &info, WEXITED | WNOHANG);
	stop_poll(i);
	i->pid = 0; /* also for a removal that fails and is tried again */
	if (i->removing) {
		finish_remove(i);
		return;
	}
	read_why(i, &info, why);
	i->d->hooks.gone(i->d->hooks.ctx, i->id, why);
}

/*
 * One that ended in this life of the gateway: its handle watches a descriptor
 * that is over, so a new instance takes its place.
 */
static struct inst *
renew(struct inst *i)
{
	struct driver *d = i->d;
	char id[ID_MAX];

	if (!i->poll_on)
		return i;
	memcpy(id, i->id, sizeof(id));
	forget(i);
	return add(d, id);
}

static int
watch(struct inst *i, pid_t pid, struct err *e)
{
	int rc;

	i->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (i->pidfd < 0)
		return err_sys(e, "pidfd_open");
	rc = uv_poll_init(i->d->loop, &i->poll, i->pidfd);
	if (rc < 0) {
		fd_close(&i->pidfd);
		return err_set(e, ERR_IO, "watch: %s", uv_strerror(rc));
	}
	i->pid = pid;
	i->poll.data = i;
	i->poll_on = true;
	i->handles++;
	(void)uv_poll_start(&i->poll, UV_READABLE, on_ended);
	return 0;
}

/* --- operations ---------------------------------------------------------- */

static int
native_open(const struct driver_config *c, const struct driver_hooks *h,
    struct driver **out, struct err *e)
{
	const char *given = getenv("OPENSHELL_SANDBOX_BIN");
	struct driver *d = NEW(struct driver);

	d->loop = c->loop;
	d->hooks = *h;
	d->root = mem_printf("%s/sandboxes", c->state_dir);
	d->endpoint = mem_strdup(c->endpoint);
	/* Sandboxes reach this machine, where a policy says so; not us. */
	d->egress = mem_printf(EGRESS_THIS_HOST "closed 127.0.0.1 %u\n"
						"closed ::1 %u\n%s",
	    (unsigned)c->port, (unsigned)c->port,
	    c->egress != NULL ? c->egress : "");
	d->services = mem_strdup(c->services != NULL ? c->services : "");
	*out = d;
	if (mkdir(d->root, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", d->root);
	if (given == NULL || given[0] == '\0')
		return program_find("openshell-sandbox", d->program, e);
	if (access(given, X_OK) < 0)
		return err_sys(e, "OPENSHELL_SANDBOX_BIN=%s", given);
	(void)snprintf(d->program, sizeof(d->program), "%s", given);
	return 0;
}

static void
native_close(struct driver *d)
{
	while (d->all != NULL)
		forget(d->all);
	free(d->root);
	free(d->endpoint);
	free(d->egress);
	free(d->services);
	free(d);
}

static int
check_path(const char *what, const char *path, struct err *e)
{
	if (path[0] != '/')
		return err_set(
		    e, ERR_INVALID, "%s %.200s is not absolute", what, path);
	if (access(path, F_OK) < 0)
		return err_sys(e, "%s %.200s", what, path);
	return 0;
}

static int
native_validate(struct driver *d UNUSED, const driver_spec *spec, struct err *e)
{
	const Openshell__Datamodel__V1__NativeSpec *n = spec->native;

	if (spec->gpu)
		return err_set(e, ERR_INVALID,
		    "GPUs are not available to native sandboxes yet\nleave "
		    "out --gpu");
	if (spec->template_ != NULL && spec->template_->image[0] != '\0')
		return err_set(e, ERR_INVALID,
		    "images are not available to native sandboxes yet: they "
		    "use this machine's own /usr\nleave out --from");
	if (n == NULL)
		return 0;
	if (n->workdir[0] != '\0' &&
	    check_path("work directory", n->workdir, e) < 0)
		return -1;
	for (size_t i = 0; i < n->n_read_only; i++)
		if (check_path("read-only path", n->read_only[i], e) < 0)
			return -1;
	for (size_t i = 0; i < n->n_read_write; i++)
		if (check_path("writable path", n->read_write[i], e) < 0)
			return -1;
	for (size_t i = 0; i < n->n_trust; i++)
		if (check_path("trusted roots", n->trust[i], e) < 0)
			return -1;
	return 0;
}

static const char *const passed[] = { "HOME", "XDG_CONFIG_HOME",
	"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "OPENSHELL_LOG_LEVEL",
	"OPENSHELL_DENIAL_FLUSH_INTERVAL_SECS", "ASAN_OPTIONS", "UBSAN_OPTIONS",
	"TSAN_OPTIONS", "LSAN_OPTIONS" };

/* A session of its own: no terminal and no gateway takes it along. */
static int
start(const struct driver *d, const char *dir, pid_t *pid, struct err *e)
{
	char *argv[] = { (char[]) { "openshell-sandbox" }, (char[]) { "keep" },
		(char *)(uintptr_t)dir, NULL };
	char *envp[ARRAY_LEN(passed) + 1] = { NULL };
	AUTO_FREE char *log = mem_printf("%s/keeper.log", dir);
	posix_spawn_file_actions_t files;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		const char *v = getenv(passed[i]);

		if (v != NULL)
			envp[n++] = mem_printf("%s=%s", passed[i], v);
	}
	(void)posix_spawn_file_actions_init(&files);
	rc = posix_spawn_file_actions_addopen(
	    &files, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(
		    &files, 1, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(
		    &files, 2, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&files, 3);
	if (rc == 0)
		rc = program_spawn(d->program, &files, argv, envp, pid);
	(void)posix_spawn_file_actions_destroy(&files);
	while (n > 0)
		free(envp[--n]);
	if (rc == 0)
		return 0;
	errno = rc;
	return err_sys(e, "start %s", d->program);
}

static int
native_create(
    struct driver *d, const driver_sandbox *s, const char *token, struct err *e)
{
	AUTO_FREE char *dir = dir_of(d, s->id);
	struct inst *i = find(d, s->id);
	pid_t pid;

	if (i != NULL && i->pid != 0)
		return 0; /* it runs */
	if (!is_id(s->id))
		return err_set(e, ERR_INVALID, "%s is no sandbox id", s->id);
	remove_cgroup(s->id); /* of a create that was cut short */
	if (write_files(d, dir, s, token, e) < 0 || start(d, dir, &pid, e) < 0)
		return -1;
	i = i == NULL ? add(d, s->id) : renew(i);
	if (watch(i, pid, e) < 0) {
		(void)kill(pid, SIGKILL); /* our child: the number is its */
		return -1;
	}
	d->hooks.event(d->hooks.ctx, s->id, false, "Started",
	    "its supervisor was started");
	return 0;
}

/* --- removal ------------------------------------------------------------- */

static void
report(struct inst *i, const char *why)
{
	void (*done)(void *, const char *, bool, const char *) = i->done;
	void *ctx = i->done_ctx;
	char id[ID_MAX];

	memcpy(id, i->id, sizeof(id));
	i->removing = false;
	(void)uv_timer_stop(&i->timer);
	if (why == NULL)
		forget(i);
	if (done != NULL)
		done(ctx, id, true, why);
}

static void
remove_dir(struct inst *i)
{
	AUTO_CLOSE int root =
	    open(i->d->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e;

	remove_cgroup(i->id);
	if (root < 0) {
		(void)err_sys(&e, "open %s", i->d->root);
		report(i, e.text);
	} else if (remove_tree(root, i->id, TREE_DEPTH, &e) < 0)
		report(i, e.text);
	else
		report(i, NULL);
}

static void
on_ctl_ended(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	struct inst *i = p->data;

	stop_poll(i);
	remove_dir(i);
}

static void
on_poll_closed(uv_handle_t *h)
{
	struct inst *i = h->data;

	i->handles--;
	if (uv_poll_init(i->d->loop, &i->poll, i->ctl_pidfd) == 0) {
		i->poll.data = i;
		i->poll_on = true;
		i->handles++;
		(void)uv_poll_start(&i->poll, UV_READABLE, on_ctl_ended);
	} else
		remove_dir(i);
}

/*
 * The keeper is gone.  When it was killed, ctl still takes the sandbox down:
 * only then is everything gone.
 */
static void
finish_remove(struct inst *i)
{
	if (i->ctl_pidfd < 0) {
		remove_dir(i);
		return;
	}
	if (!i->poll_on) {
		i->handles++;
		i->poll.data = i;
		on_poll_closed((uv_handle_t *)&i->poll);
		return;
	}
	/* One handle watches one descriptor in its life. */
	i->poll_on = false;
	uv_close((uv_handle_t *)&i->poll, on_poll_closed);
}

static void
on_remove_late(uv_timer_t *t)
{
	struct inst *i = t->data;

	if (!i->killed) {
		i->killed = true;
		(void)syscall(
		    SYS_pidfd_send_signal, i->pidfd, SIGKILL, NULL, 0);
		(void)uv_timer_start(t, on_remove_late, KILLED_MS, 0);
		return;
	}
	report(i, "its processes do not end");
}

static void
native_remove(struct driver *d, const char *id, unsigned grace_ms,
    void (*done)(void *ctx, const char *id, bool existed, const char *why),
    void *ctx)
{
	AUTO_FREE char *dir = dir_of(d, id);
	struct inst *i = find(d, id);
	pid_t ctl;

	if (!is_id(id)) {
		done(ctx, id, false, "not an id of a sandbox");
		return;
	}
	if (i == NULL)
		i = add(d, id);
	i->done = done;
	i->done_ctx = ctx;
	if (i->removing)
		return;
	i->removing = true;
	i->killed = false;
	ctl = read_pid(dir, "ctl.pid");
	if (ctl > 0 && i->ctl_pidfd < 0 && is_ctl(ctl))
		i->ctl_pidfd = (int)syscall(SYS_pidfd_open, ctl, 0);
	if (i->pid == 0) {
		i->killed = true; /* there is no keeper to be killed */
		(void)uv_timer_start(&i->timer, on_remove_late, KILLED_MS, 0);
		finish_remove(i);
		return;
	}
	(void)syscall(SYS_pidfd_send_signal, i->pidfd, SIGTERM, NULL, 0);
	(void)uv_timer_start(&i->timer, on_remove_late, grace_ms, 0);
}

static int
native_records(struct driver *d, const char *id, int *dirfd, struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/%s/records", d->root, id);

	if (!is_id(id))
		return err_set(e, ERR_INVALID, "not an id of a sandbox");
	*dirfd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*dirfd >= 0)
		return 0;
	if (errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "it has no records");
	return err_sys(e, "open %s", path);
}

/* --- what is there ------------------------------------------------------- */

static void
adopt(struct driver *d, const char *id, struct driver_instance *out)
{
	AUTO_FREE char *dir = dir_of(d, id);
	struct inst *i = find(d, id);
	struct err ignored;
	pid_t pid;

	*out = (struct driver_instance) { .running = false };
	/* is_id() has seen it: shorter than ID_MAX. */
	(void)snprintf(out->id, sizeof(out->id), "%.39s", id);
	if (i == NULL)
		i = add(d, id);
	pid = read_pid(dir, "keeper.pid");
	/* The number alone could be anybody's by now. */
	if (i->pid == 0 && pid > 0 && is_locked(dir) &&
	    watch(i, pid, &ignored) == 0 && !is_locked(dir)) {
		i->pid = 0;
		i = renew(i);
	}
	out->pid = i->pid;
	out->running = i->pid != 0;
	if (!out->running)
		read_word(dir, out->why, sizeof(out->why));
}

static int
native_list(struct driver *d,
    int (*each)(void *ctx, const struct driver_instance *i), void *ctx,
    struct err *e)
{
	DIR *dir = opendir(d->root);
	const struct dirent *entry;

	if (dir == NULL)
		return err_sys(e, "read %s", d->root);
	while ((entry = readdir(dir)) != NULL) {
		struct driver_instance i;

		if (!is_id(entry->d_name))
			continue;
		adopt(d, entry->d_name, &i);
		if (each(ctx, &i) != 0)
			break;
	}
	(void)closedir(dir);
	return 0;
}

const struct driver_ops driver_native = {
	.name = "native",
	.open = native_open,
	.close = native_close,
	.validate = native_validate,
	.create = native_create,
	.remove = native_remove,
	.records = native_records,
	.list = native_list,
};
