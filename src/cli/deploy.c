#include "cli/deploy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/program.h"
#include "cli/reach.h"
#include "cli/state.h"

enum {
	PORT = 8080,
	READY_MS = 30000,
	STOP_MS = 10000,
	TAIL = 10,
	LOG_MAX = 1 << 20,
	LOCK_WAIT_MS = 10000,
	FILE_SMALL = 256
};

void
deploy_say(struct cli *c, enum cli_color color, const char *mark,
    const char *ascii, const char *fmt, ...)
{
	AUTO_BUF struct buf b = BUF_INIT(8192);
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cli_paint(&b, c->color_err, color, c->utf8 ? mark : ascii);
	buf_putc(&b, ' ');
	buf_put_escaped(&b, view_of(text));
	buf_putc(&b, '\n');
	cli_note(c, &b);
}

char *
deploy_name(const struct cli *c, const char *given)
{
	char *active;

	if (given != NULL)
		return mem_strdup(given);
	if (c->gateway != NULL)
		return mem_strdup(c->gateway);
	active = state_active();
	return active != NULL ? active : mem_strdup("openshell");
}

int
deploy_check_local(const char *name, struct err *e)
{
	AUTO_GATEWAY g = { 0 };
	struct err ignored;

	if (!state_is_name(name))
		return err_set(e, ERR_INVALID,
		    "'%.100s' is no name of a gateway\nletters, digits, '.', "
		    "'_' and '-' make one",
		    name);
	if (state_gateway_load(name, &g, &ignored) == 0 && g.is_remote)
		return err_set(e, ERR_INVALID,
		    "Gateway '%.100s' is an external registration, not a "
		    "managed gateway.\nIt is started and stopped where it "
		    "runs.",
		    name);
	return 0;
}

/* --- looking ------------------------------------------------------------- */

static uint64_t
number_in(const char *dir, const char *name)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
	AUTO_FREE char *text = NULL;
	struct err ignored;
	uint64_t n = 0;
	size_t len;

	if (file_read_path(path, true, FILE_SMALL, &text, &len, &ignored) < 0)
		return 0;
	while (len > 0 && text[len - 1] == '\n')
		len--;
	return view_u64((struct view) { text, len }, UINT32_MAX, &n) ? n : 0;
}

static size_t
count_dirs(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *d;
	size_t n = 0;

	while (dir != NULL && (d = readdir(dir)) != NULL)
		n += d->d_name[0] != '.';
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

static bool
is_locked(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}

/* A lock proves that somebody holds it; this, that it is one of ours. */
static bool
is_gateway(pid_t pid)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/comm", (int)pid);
	AUTO_FREE char *text = NULL;
	struct err ignored;
	size_t n;

	return pid > 0 &&
	       file_read_path(path, false, 64, &text, &n, &ignored) == 0 &&
	       view_eq((struct view) { text, n }, VIEW("openshell-gatew\n"));
}

int
deploy_look(const char *name, struct deploy_state *out, struct err *e)
{
	AUTO_FREE char *dir = NULL, *lock = NULL, *boxes = NULL;

	*out = (struct deploy_state) { .exists = false };
	if (state_runtime_dir(name, &dir, e) < 0)
		return -1;
	lock = mem_printf("%s/gateway.pid", dir);
	boxes = mem_printf("%s/sandboxes", dir);
	out->exists = access(lock, F_OK) == 0;
	if (is_locked(lock)) {
		out->pid = (pid_t)number_in(dir, "gateway.pid");
		out->running = is_gateway(out->pid);
		out->foreign = !out->running;
	}
	out->port = (unsigned)number_in(dir, "port");
	out->sandboxes = count_dirs(boxes);
	return 0;
}

/* --- what went wrong (cli spec 7.5) -------------------------------------- */

static const struct {
	const char *marks[4];
	const char *summary, *fix;
} diagnoses[] = {
	{ { "address already in use", "port is already allocated" },
	    "Port already in use",
	    "openshell gateway start --port <other port>" },
	{ { "certificate", "ca.key", "tls.key" }, "TLS certificate issue",
	    "see the file that is named; openshell gateway start --recreate "
	    "makes everything anew" },
	{ { "newer version" }, "Database of a newer version",
	    "update openshell, or start another: openshell gateway start "
	    "--name <other name>" },
	{ { "damaged" }, "Damaged database",
	    "restore a copy, or: openshell gateway start --recreate" },
	{ { "no space", "disk full" }, "Disk full", "free some space" },
	{ { "read-only file system", "permission denied" },
	    "State directory cannot be written",
	    "set HOME to a directory that is yours" },
};

static const char *
find_nocase(const char *text, const char *part)
{
	size_t n = strlen(part);

	for (; *text != '\0'; text++)
		if (strncasecmp(text, part, n) == 0)
			return text;
	return NULL;
}

static size_t
diagnose(const char *log)
{
	for (size_t i = 0; i < ARRAY_LEN(diagnoses); i++)
		for (size_t k = 0; k < ARRAY_LEN(diagnoses[i].marks); k++)
			if (diagnoses[i].marks[k] != NULL &&
			    find_nocase(log, diagnoses[i].marks[k]) != NULL)
				return i;
	return ARRAY_LEN(diagnoses);
}

/* The last lines of the log, the caller's. */
static char *
log_tail(const char *path)
{
	AUTO_FREE char *text = NULL;
	struct err ignored;
	size_t n, from, lines = 0;

	if (file_read_path(path, true, LOG_MAX, &text, &n, &ignored) < 0)
		return mem_strdup("");
	for (from = n; from > 0; from--)
		if (text[from - 1] == '\n' && from < n && ++lines == TAIL)
			break;
	return mem_strndup(text + from, n - from);
}

static int
explain(const char *name, const char *log, struct err *e)
{
	AUTO_FREE char *tail = log_tail(log);
	size_t i = diagnose(tail), n = strlen(tail);

	while (n > 0 && tail[n - 1] == '\n')
		tail[--n] = '\0';
	if (i < ARRAY_LEN(diagnoses))
		return err_set(e, ERR_IO,
		    "Gateway failed: %.60s: %s\n%.250s\n%s", name,
		    diagnoses[i].summary, tail, diagnoses[i].fix);
	return err_set(e, ERR_IO,
	    "Gateway failed to start: %.60s\n%.250s\nits log is %.100s", name,
	    n > 0 ? tail : "it said nothing", log);
}

/* --- starting ------------------------------------------------------------ */

struct launch {
	const struct deploy_options *o;
	char *dir, *bundle, *log;
	char port[16];
	int ready; /* our end */
};

static void
launch_fini(struct launch *l)
{
	free(l->dir);
	free(l->bundle);
	free(l->log);
	fd_close(&l->ready);
}

static int
find_server(char out[PATH_MAX], struct err *e)
{
	const char *given = getenv("OPENSHELL_SERVER_BIN");

	if (given == NULL || given[0] == '\0')
		return program_find("openshell-gateway", out, e);
	if (access(given, X_OK) < 0)
		return err_set(e, ERR_NOT_FOUND,
		    "OPENSHELL_SERVER_BIN=%.200s does not exist", given);
	(void)snprintf(out, PATH_MAX, "%s", given);
	return 0;
}

extern char **environ;

/* At most nine. */
static size_t
egress_words(const struct egress_options *g, const char **argv)
{
	size_t n = 0;

	if (g->proxy != NULL) {
		argv[n++] = "--upstream-proxy";
		argv[n++] = g->proxy;
	}
	if (g->no_proxy != NULL) {
		argv[n++] = "--upstream-no-proxy";
		argv[n++] = g->no_proxy;
	}
	if (g->auth_file != NULL) {
		argv[n++] = "--upstream-proxy-auth-file";
		argv[n++] = g->auth_file;
	}
	if (g->auth_insecure)
		argv[n++] = "--upstream-proxy-auth-allow-insecure";
	if (g->by_hostname)
		argv[n++] = "--upstream-proxy-connect-by-hostname";
	if (g->any_binary)
		argv[n++] = "--ignore-binaries";
	return n;
}

static int
spawn_server(struct launch *l, int ready_child, pid_t *pid, struct err *e)
{
	char program[PATH_MAX], fd_text[16];
	const char *argv[32];
	posix_spawn_file_actions_t files;
	size_t n = 0;
	int rc;

	if (find_server(program, e) < 0)
		return -1;
	(void)snprintf(fd_text, sizeof(fd_text), "%d", 3);
	argv[n++] = "openshell-gateway";
	argv[n++] = "--name";
	argv[n++] = l->o->name;
	argv[n++] = "--state-dir";
	argv[n++] = l->dir;
	argv[n++] = "--port";
	argv[n++] = l->port;
	argv[n++] = "--client-bundle";
	argv[n++] = l->bundle;
	argv[n++] = "--ready-fd";
	argv[n++] = fd_text;
	if (l->o->plaintext)
		argv[n++] = "--disable-tls";
	if (l->o->no_auth && !l->o->plaintext)
		argv[n++] = "--disable-gateway-auth";
	if (l->o->log_level != NULL) {
		argv[n++] = "--log-level";
		argv[n++] = l->o->log_level;
	}
	n += egress_words(&l->o->egress, argv + n);
	if (l->o->middlewares != NULL) {
		argv[n++] = "--middleware";
		argv[n++] = l->o->middlewares;
	}
	argv[n] = NULL;
	/* The user's flag is the confirmation that the server asks for. */
	if (l->o->plaintext || l->o->no_auth)
		(void)setenv("OPENSHELL_ALLOW_INSECURE", "1", 1);
	(void)posix_spawn_file_actions_init(&files);
	rc = posix_spawn_file_actions_addopen(
	    &files, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&files, 1, l->log,
		    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&files, 1, 2);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&files, ready_child, 3);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&files, 4);
	if (rc == 0)
		rc = posix_spawn_file_actions_addchdir_np(&files, "/");
	if (rc == 0)
		rc = program_spawn(
		    program, &files, (char **)(uintptr_t)argv, environ, pid);
	(void)posix_spawn_file_actions_destroy(&files);
	if (rc == 0)
		return 0;
	errno = rc;
	return err_sys(e, "start %s", program);
}

/* "R" and the port, or the end. */
static int
wait_ready(struct launch *l, unsigned *port, struct err *e)
{
	uint64_t until = clock_mono_ms() + READY_MS;
	char text[32];
	size_t n = 0;
	uint64_t v;

	while (n < sizeof(text) - 1) {
		struct pollfd p = { .fd = l->ready, .events = POLLIN };
		uint64_t now = clock_mono_ms();
		ssize_t got;
		int rc = now < until ? poll(&p, 1, (int)(until - now)) : 0;

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc <= 0)
			return err_set(e, ERR_AGAIN,
			    "Timed out waiting for gateway '%.100s'\nits log "
			    "is %.200s",
			    l->o->name, l->log);
		got = read(l->ready, text + n, sizeof(text) - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		if (text[n - 1] == '\n')
			break;
	}
	if (n < 3 || text[0] != 'R' ||
	    !view_u64((struct view) { text + 1, n - 2 }, 65535, &v))
		return explain(l->o->name, l->log, e);
	*port = (unsigned)v;
	return 0;
}

static int
register_it(const struct launch *l, unsigned port, struct err *e)
{
	AUTO_FREE char *url = mem_printf(
	    "%s://127.0.0.1:%u", l->o->plaintext ? "http" : "https", port);
	const struct state_gateway g = { .name = (char *)(uintptr_t)l->o->name,
		.endpoint = url,
		.port = (uint16_t)port,
		.auth_mode = l->o->plaintext ? (char[]) { "plaintext" } : NULL,
		.runtime_type = (char[]) { "native" } };

	if (state_gateway_save(&g, e) < 0)
		return -1;
	return state_set_active(l->o->name, e);
}

/* The authenticated answer of the one that is registered. */
static int
check_health(struct cli *c, const char *name, struct err *e)
{
	Openshell__V1__HealthRequest q = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	Openshell__V1__HealthResponse *h = NULL;
	AUTO_REACH struct reach *r = NULL;
	struct cli with = *c;

	with.gateway = name;
	with.endpoint = NULL;
	if (reach_open(&with, &r, e) < 0 ||
	    reach_call(r, "Health", &q.base,
		&openshell__v1__health_response__descriptor, &h, NULL, e) < 0)
		return -1;
	openshell__v1__health_response__free_unpacked(h, NULL);
	return 0;
}

static int
launch(struct cli *c, struct launch *l, struct err *e)
{
	AUTO_FREE char *logs = mem_printf("%s/logs", l->dir);
	unsigned port = 0;
	int pair[2], rc;
	pid_t pid;

	if (state_make_dirs(logs, e) < 0)
		return -1;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	l->ready = pair[0];
	/* Not 3, or the move would keep close-on-exec. */
	if (pair[1] == 3) {
		pair[1] = fcntl(3, F_DUPFD_CLOEXEC, 4);
		(void)close(3);
	}
	rc = spawn_server(l, pair[1], &pid, e);
	(void)close(pair[1]);
	if (rc < 0)
		return -1;
	if (wait_ready(l, &port, e) == 0 && register_it(l, port, e) == 0 &&
	    deploy_keep(l->dir, l->o, e) == 0 &&
	    check_health(c, l->o->name, e) == 0)
		return 0;
	/* Our child, not waited for: the number is its.  None is left behind
	 * that nobody can use. */
	(void)kill(pid, SIGTERM);
	return -1;
}

/* One launcher of a name at a time; the second finds it running. */
static int
take_turn(const struct launch *l, int *fd, struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/start.lock", l->dir);
	uint64_t until = clock_mono_ms() + LOCK_WAIT_MS;

	*fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd < 0)
		return err_sys(e, "open %s", path);
	while (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "lock %s", path);
		if (clock_mono_ms() > until)
			return err_set(e, ERR_AGAIN,
			    "another start of gateway '%.100s' does not end",
			    l->o->name);
		(void)poll(NULL, 0, 20);
	}
	return 0;
}

static void
choose_port(struct launch *l, const struct deploy_state *s)
{
	AUTO_GATEWAY g = { 0 };
	struct err ignored;
	unsigned port = PORT;

	if (l->o->port_given)
		port = l->o->port;
	else if (state_gateway_load(l->o->name, &g, &ignored) == 0 &&
		 g.port != 0)
		port = g.port;
	else if (s->port != 0)
		port = s->port;
	(void)snprintf(l->port, sizeof(l->port), "%u", port);
}

/* Whoever holds the lock must also be listening: a gateway does both. */
static bool
listens(const struct launch *l)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = snprintf(
	    at.sun_path, sizeof(at.sun_path), "%s/gateway.sock", l->dir);

	if (n < 0 || (size_t)n >= sizeof(at.sun_path))
		return true; /* cannot be told this way */
	return fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
}

static int
adopt_running(struct cli *c, struct launch *l, const struct deploy_state *s,
    struct err *e)
{
	AUTO_GATEWAY g = { 0 };
	AUTO_FREE char *text = NULL;
	struct deploy_options had = { .name = l->o->name };
	struct err ignored;
	bool known;

	if (!listens(l))
		return err_set(e, ERR_EXISTS,
		    "%.300s/gateway.pid is locked by a process that is no "
		    "gateway: nobody listens on gateway.sock beside it\nend "
		    "that process, then start again: fuser gateway.pid",
		    l->dir);
	if (l->o->port_given && s->port != 0 && l->o->port != s->port &&
	    l->o->port != 0)
		return err_set(e, ERR_EXISTS,
		    "Gateway '%.100s' is running on port %u already\nstop it "
		    "first: openshell gateway stop",
		    l->o->name, s->port);
	known = deploy_had(l->o->name, &had, &text, &ignored) == 0;
	if ((l->o->egress.proxy != NULL || l->o->egress.any_binary) &&
	    (!known || !deploy_same_egress(&had.egress, &l->o->egress)))
		return err_set(e, ERR_EXISTS,
		    "Gateway '%.100s' is running already, and not with that "
		    "upstream proxy or --ignore-binaries\n"
		    "stop it first: openshell gateway stop",
		    l->o->name);
	if (l->o->middlewares != NULL &&
	    (had.middlewares == NULL ||
		strcmp(had.middlewares, l->o->middlewares) != 0))
		return err_set(e, ERR_EXISTS,
		    "Gateway '%.100s' is running already, and not with those "
		    "middlewares\nstop it first: openshell gateway stop",
		    l->o->name);
	deploy_say(c, COLOR_OK, "✓", "*",
	    "Gateway '%s' is running already (pid %d).", l->o->name,
	    (int)s->pid);
	/* Registered by an earlier start; a lost registration is made anew. */
	if (state_gateway_load(l->o->name, &g, &ignored) < 0 && s->port != 0)
		return register_it(l, s->port, e);
	return state_set_active(l->o->name, e);
}

int
deploy_start(struct cli *c, const struct deploy_options *o, struct err *e)
{
	CLEANUP(launch_fini) struct launch l = { .o = o, .ready = -1 };
	AUTO_FREE char *config = NULL;
	AUTO_CLOSE int turn = -1;
	struct deploy_state s;
	uint64_t began = clock_mono_ms();

	if (state_runtime_dir(o->name, &l.dir, e) < 0 ||
	    state_gateway_dir(o->name, &config, e) < 0)
		return -1;
	l.bundle = mem_printf("%s/mtls", config);
	l.log = mem_printf("%s/logs/server.log", l.dir);
	if (state_make_dirs(l.dir, e) < 0 || state_make_dirs(config, e) < 0 ||
	    take_turn(&l, &turn, e) < 0 || deploy_look(o->name, &s, e) < 0)
		return err_wrap(e, "cannot start gateway '%.100s'", o->name);
	if (s.foreign)
		return err_set(e, ERR_EXISTS,
		    "cannot start gateway '%.100s': another program holds the "
		    "lock %.200s/gateway.pid\nend that program",
		    o->name, l.dir);
	if (s.running)
		return adopt_running(c, &l, &s, e);
	choose_port(&l, &s);
	deploy_say(c, COLOR_HINT, "•", "-", "Starting gateway %s...", o->name);
	if (launch(c, &l, e) < 0)
		return -1;
	deploy_say(c, COLOR_OK, "✓", "*", "Gateway ready: %s (%llu ms)",
	    o->name, (unsigned long long)(clock_mono_ms() - began));
	return 0;
}

/* --- stopping ------------------------------------------------------------ */

static bool
wait_pidfd(int pidfd, int ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

int
deploy_stop(const char *name, bool *was, struct err *e)
{
	AUTO_CLOSE int pidfd = -1;
	struct deploy_state s, again;

	*was = false;
	if (deploy_look(name, &s, e) < 0)
		return -1;
	if (!s.running)
		return 0;
	*was = true;
	if (s.pid <= 0)
		return err_set(e, ERR_IO,
		    "gateway '%.100s' runs, but its lock names no process",
		    name);
	pidfd = (int)syscall(SYS_pidfd_open, s.pid, 0);
	/* Still the holder of the lock: the number was not used again. */
	if (deploy_look(name, &again, e) < 0)
		return -1;
	if (!again.running || again.pid != s.pid)
		return 0;
	if (pidfd < 0)
		return err_sys(e, "open process %d", (int)s.pid);
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0)
		return err_sys(e, "end process %d", (int)s.pid);
	if (wait_pidfd(pidfd, STOP_MS))
		return 0;
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	return wait_pidfd(pidfd, STOP_MS)
		   ? 0
		   : err_set(e, ERR_IO, "process %d does not end", (int)s.pid);
}

/* --- destroying ---------------------------------------------------------- */

static int
delete_all(struct reach *r, struct err *e)
{
	for (;;) {
		Openshell__V1__ListSandboxesRequest q =
		    OPENSHELL__V1__LIST_SANDBOXES_REQUEST__INIT;
		Openshell__V1__ListSandboxesResponse *l = NULL;
		int rc = 0;
		size_t n;

		if (reach_call(r, "ListSandboxes", &q.base,
			&openshell__v1__list_sandboxes_response__descriptor, &l,
			NULL, e) < 0)
			return -1;
		n = l->n_sandboxes;
		for (size_t i = 0; rc == 0 && i < n; i++) {
			Openshell__V1__DeleteSandboxRequest d =
			    OPENSHELL__V1__DELETE_SANDBOX_REQUEST__INIT;
			Openshell__V1__DeleteSandboxResponse *a = NULL;

			d.name = l->sandboxes[i]->name;
			rc = reach_call(r, "DeleteSandbox", &d.base,
			    &openshell__v1__delete_sandbox_response__descriptor,
			    &a, NULL, e);
			if (rc == 0)
				openshell__v1__delete_sandbox_response__free_unpacked(
				    a, NULL);
		}
		openshell__v1__list_sandboxes_response__free_unpacked(l, NULL);
		if (rc < 0 || n == 0)
			return rc;
	}
}

static int
remove_state(const char *dir, struct err *e)
{
	char *argv[] = { (char[]) { "rm" }, (char[]) { "-rf" },
		(char[]) { "--" }, (char *)(uintptr_t)dir, NULL };
	int status, rc;
	pid_t pid;

	rc = posix_spawn(&pid, "/bin/rm", NULL, NULL, argv, environ);
	if (rc != 0) {
		errno = rc;
		return err_sys(e, "remove %s", dir);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0
		   ? 0
		   : err_set(e, ERR_IO, "%s could not be removed", dir);
}

/* A gateway that cannot be started leaves keepers: they are ended by hand. */
static void
end_keepers(const char *dir)
{
	AUTO_FREE char *boxes = mem_printf("%s/sandboxes", dir);
	DIR *d = opendir(boxes);
	const struct dirent *i;

	while (d != NULL && (i = readdir(d)) != NULL) {
		AUTO_FREE char *box = mem_printf("%s/%s", boxes, i->d_name);
		AUTO_FREE char *lock = mem_printf("%s/keeper.pid", box);
		AUTO_CLOSE int pidfd = -1;
		pid_t pid;

		if (i->d_name[0] == '.')
			continue;
		pid = (pid_t)number_in(box, "keeper.pid");
		if (pid <= 0)
			continue;
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (pidfd < 0 || !is_locked(lock))
			continue;
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
		if (wait_pidfd(pidfd, STOP_MS))
			continue;
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		(void)wait_pidfd(pidfd, STOP_MS);
	}
	if (d != NULL)
		(void)closedir(d);
}

int
deploy_destroy(struct cli *c, const char *name, struct err *e)
{
	AUTO_FREE char *dir = NULL;
	struct deploy_state s;
	struct cli with = *c;
	bool was;

	if (state_runtime_dir(name, &dir, e) < 0 ||
	    deploy_look(name, &s, e) < 0)
		return -1;
	with.gateway = name;
	with.endpoint = NULL;
	if (s.sandboxes > 0) {
		AUTO_REACH struct reach *r = NULL;
		struct deploy_options o = { .name = name };
		struct err why;

		if (!s.running && deploy_start(c, &o, &why) < 0)
			deploy_say(c, COLOR_WARN, "!", "!",
			    "the gateway does not start; its sandboxes are "
			    "ended without it");
		else if (reach_open(&with, &r, &why) < 0 ||
			 delete_all(r, &why) < 0)
			deploy_say(c, COLOR_WARN, "!", "!", "%s", why.text);
	}
	if (deploy_stop(name, &was, e) < 0)
		return -1;
	end_keepers(dir);
	if (access(dir, F_OK) == 0 && remove_state(dir, e) < 0)
		return -1;
	return state_gateway_remove(name, e);
}
