/*
 * plan: the constructive root.
 *
 * Mounts are gathered with a rank: the machine's own (base), what the policy
 * lists, what the agent's installation needs, what the owner asked for.  The
 * same place named twice goes to the higher rank, and of one rank to the
 * later.  Sorted by path, every mount comes after the one it lies in.
 *
 * /etc is never the host's: it is an empty directory with the entries of
 * etc.def that programs need and that hold nothing secret, and with files of
 * our own for names, users and resolver.  /var/log, /run and the temporary
 * directories are private and empty for the same reason (journal, sockets of
 * the host's services, other people's files).
 *
 * The policy never writes to the host: what it lists as writable is shown
 * with an overlay, and the writes are gone at the end.  Only the work
 * directory and --rw reach the host.
 */
#include "sandbox/plan.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/random.h"
#include "codec/arena.h"
#include "sandbox/agent.h"
#include "sandbox/environ.h"

enum rank { BASE, POLICY, AGENT, OPTION };

struct entry {
	struct sbx_mount m;
	enum rank rank;
	size_t order;
};

enum { ENTRIES_MAX = 1024, STATES_MAX = 8 };

struct plan {
	struct arena mem;
	struct sbx_plan sbx;
	struct entry *all;
	size_t n_all;
	struct sbx_mount *mounts;
	struct sbx_rule *rules;
	size_t n_rules;
	const char *protect[128];
	const char *path, *shell, *cwd, *workdir, *home, *program;
	const char *states[STATES_MAX];
	size_t n_states;
};

static const char *
keep(struct plan *p, const char *s)
{
	return arena_view(&p->mem, view_of(s)).p;
}

static bool
below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/' || (n == 1 && dir[0] == '/'));
}

static struct entry *
entry_at(struct plan *p, const char *dst)
{
	for (size_t i = 0; i < p->n_all; i++)
		if (strcmp(p->all[i].m.dst, dst) == 0)
			return &p->all[i];
	return NULL;
}

static int
add(struct plan *p, enum rank rank, enum sbx_mount_kind kind, const char *src,
    const char *dst, unsigned mode, struct err *e)
{
	struct entry *at = entry_at(p, dst);

	if (at != NULL && at->rank > rank)
		return 0;
	if (at == NULL && p->n_all == ENTRIES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d paths to bind",
		    (int)ENTRIES_MAX);
	if (at == NULL)
		at = &p->all[p->n_all++];
	*at = (struct entry) { { kind, src != NULL ? keep(p, src) : NULL,
				   keep(p, dst), false, mode },
		rank, p->n_all };
	return 0;
}

static int
bind_ro(struct plan *p, enum rank rank, const char *path, struct err *e)
{
	return add(p, rank, SBX_BIND_RO, path, path, 0, e);
}

/* The entry whose mount `path` is seen through, or NULL. */
static const struct entry *
seen_through(const struct plan *p, const char *path)
{
	const struct entry *best = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < p->n_all; i++) {
		const struct entry *at = &p->all[i];
		size_t n = strlen(at->m.dst);

		if (below(path, at->m.dst) && n >= longest) {
			best = at;
			longest = n;
		}
	}
	return best;
}

/* Is the host's `path` there inside, at the same path? */
static bool
is_visible(const void *ctx, const char *path)
{
	const struct entry *at = seen_through(ctx, path);

	if (at == NULL)
		return false;
	switch (at->m.kind) {
	case SBX_BIND_RO:
	case SBX_BIND_RW:
	case SBX_OVERLAY:
	case SBX_SYMLINK:
		return true;
	case SBX_TMPFS:
	case SBX_FILE:
	case SBX_DIR:
	case SBX_ALIAS:
		break;
	}
	return false;
}

/* --- the machine's own ------------------------------------------------- */

/* A directory of the host's root, as the host has it: link or directory. */
static int
add_like_host(struct plan *p, const char *path, struct err *e)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (lstat(path, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))
		return bind_ro(p, BASE, path, e);
	if (!S_ISLNK(st.st_mode))
		return 0;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return err_sys(e, "read link %s", path);
	target[n] = '\0';
	return add(p, BASE, SBX_SYMLINK, target, path, 0, e);
}

static int
add_system(struct plan *p, struct err *e)
{
	/* On merged-usr machines all but the first are links into it. */
	static const char *const dirs[] = { "/usr", "/bin", "/sbin", "/lib",
		"/lib32", "/lib64", "/libx32", "/opt", "/nix/store",
		"/gnu/store" };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (add_like_host(p, dirs[i], e) < 0)
			return -1;
	return 0;
}

#define ETC(pattern) pattern,
static const char *const etc_shown[] = {
#include "sandbox/etc.def"
};
#undef ETC

static int
add_etc_entry(struct plan *p, const char *name, struct err *e)
{
	size_t dir;

	for (size_t i = 0; i < ARRAY_LEN(etc_shown); i++) {
		char path[PATH_MAX];

		dir = strcspn(etc_shown[i], "/");
		if (etc_shown[i][dir] == '\0'
			? fnmatch(etc_shown[i], name, 0) != 0
			: (strncmp(etc_shown[i], name, dir) != 0 ||
			      name[dir] != '\0'))
			continue;
		(void)snprintf(path, sizeof(path), "/etc/%s",
		    etc_shown[i][dir] == '\0' ? name : etc_shown[i]);
		if (add_like_host(p, path, e) < 0)
			return -1;
	}
	return 0;
}

/* One pass over the directory is cheaper than a look for every pattern. */
static int
add_etc(struct plan *p, struct err *e)
{
	DIR *d = opendir("/etc");
	const struct dirent *at;
	int rc = add(p, BASE, SBX_DIR, NULL, "/etc", 0755, e);

	while (rc == 0 && d != NULL && (at = readdir(d)) != NULL)
		if (at->d_name[0] != '.')
			rc = add_etc_entry(p, at->d_name, e);
	if (d != NULL)
		(void)closedir(d);
	return rc;
}

static int
add_file(struct plan *p, const char *path, const char *text, struct err *e)
{
	return add(p, OPTION, SBX_FILE, text, path, 0644, e);
}

/* Files that must not be the host's. */
static int
add_generated(struct plan *p, struct err *e)
{
	unsigned uid = (unsigned)spawn_inside_uid();
	unsigned gid = (unsigned)spawn_inside_gid();
	AUTO_FREE char *passwd = mem_printf("root:x:0:0:root:/root:"
					    "/usr/sbin/nologin\n"
					    "%s:x:%u:%u:sandbox:%s:%s\n"
					    "nobody:x:65534:65534:nobody:"
					    "/nonexistent:/usr/sbin/nologin\n",
	    SBX_USER, uid, gid, SBX_HOME, p->shell);
	AUTO_FREE char *group = mem_printf("root:x:0:\n%s:x:%u:\n"
					   "tty:x:5:\nnogroup:x:65534:\n",
	    SBX_USER, gid);
	AUTO_FREE char *hosts = mem_printf("127.0.0.1 localhost\n"
					   "::1 localhost ip6-localhost\n"
					   "127.0.1.1 %s\n",
	    p->sbx.hostname);
	AUTO_FREE char *hostname = mem_printf("%s\n", p->sbx.hostname);

	if (add_file(p, "/etc/passwd", passwd, e) < 0 ||
	    add_file(p, "/etc/group", group, e) < 0 ||
	    add_file(p, "/etc/hosts", hosts, e) < 0 ||
	    add_file(p, "/etc/hostname", hostname, e) < 0)
		return -1;
	/* The proxy answers, whatever address is asked; without nf_tables
	 * nobody does, and a query ends at once. */
	if (add_file(p, "/etc/resolv.conf",
		"nameserver " SBX_PROXY_ADDR "\noptions timeout:2 attempts:2\n",
		e) < 0)
		return -1;
	return add_file(p, "/etc/nsswitch.conf",
	    "passwd: files\ngroup: files\nshadow: files\n"
	    "hosts: files dns\nservices: files\nprotocols: files\n",
	    e);
}

/* Private directories that every sandbox has: path and mode. */
static const struct {
	const char *path;
	unsigned mode;
	enum sbx_mount_kind kind;
} private_dirs[] = {
	{ SBX_HOME, 0700, SBX_TMPFS },
	{ "/tmp", 01777, SBX_TMPFS },
	{ "/var/tmp", 01777, SBX_TMPFS },
	{ "/run", 0755, SBX_TMPFS },
	{ "/dev/shm", 01777, SBX_TMPFS },
	{ "/var/log", 0755, SBX_DIR },
	{ "/etc/openshell-tls", 0755, SBX_DIR },
};

static int
add_private(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(private_dirs); i++)
		if (add(p, BASE, private_dirs[i].kind, NULL,
			private_dirs[i].path, private_dirs[i].mode, e) < 0)
			return -1;
	return add(p, BASE, SBX_SYMLINK, "/run", "/var/run", 0, e);
}

/*
 * Programs that know no variable for it (GnuTLS: wget, and others) read the
 * machine's own bundle: ours, which holds the machine's roots and the
 * sandbox's CA, is shown in its place.  It is written when the CA exists.
 */
static int
add_trust(struct plan *p, struct err *e)
{
	static const char *const bundles[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem",
	};
	char real[PATH_MAX];

	if (add_file(p, SBX_BUNDLE_FILE, "", e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
		if (realpath(bundles[i], real) != NULL && is_visible(p, real) &&
		    add(p, OPTION, SBX_ALIAS, SBX_BUNDLE_FILE, real, 0, e) < 0)
			return -1;
	return 0;
}

/* --- what may be shown -------------------------------------------------- */

/* Places the sandbox makes itself, or that show far too much. */
static const struct {
	const char *path;
	bool inside_too; /* and everything below */
	const char *why;
} refused[] = {
	{ "/", false, "is the whole machine" },
	{ "/proc", true, "is the sandbox's own" },
	{ "/sys", true, "is not shown in a sandbox" },
	{ "/dev", true, "is the sandbox's own" },
	{ "/etc", false, "holds the machine's secrets" },
	{ "/etc/openshell-tls", true, "is the sandbox's own" },
	{ SBX_HOME, true, "is the sandbox's own home directory" },
	{ "/run", false, "holds the sockets of the machine's services" },
	{ "/run/user", false, "holds the sockets of the session" },
	{ "/tmp", false, "holds other programs' sockets and files" },
	{ "/var", false, "holds the machine's state" },
	{ "/home", false, "holds every home directory" },
};

static int
check_place(
    const struct plan *p, const char *path, const char *what, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (refused[i].inside_too ? below(path, refused[i].path)
					  : strcmp(path, refused[i].path) == 0)
			return err_set(e, ERR_DENIED,
			    "%s %s %s; name a directory below it", what, path,
			    refused[i].why);
	if (fnmatch("/run/user/*", path, FNM_PATHNAME) == 0)
		return err_set(e, ERR_DENIED,
		    "%s %s holds the sockets of the session; name a directory "
		    "below it",
		    what, path);
	for (size_t i = 0; i < p->n_states; i++)
		if (below(path, p->states[i]))
			return err_set(e, ERR_DENIED,
			    "%s %s lies in OpenShell's own state (%s), which "
			    "no sandbox sees",
			    what, path, p->states[i]);
	return 0;
}

/* Shows home, or a directory that home or our state lies in? */
static int
check_breadth(const struct plan *p, const char *path, const char *what,
    const char *fix, struct err *e)
{
	if (p->home != NULL && below(p->home, path))
		return err_set(e, ERR_DENIED, "%s %s %s the home directory; %s",
		    what, path, strcmp(p->home, path) == 0 ? "is" : "contains",
		    fix);
	for (size_t i = 0; i < p->n_states; i++)
		if (below(p->states[i], path))
			return err_set(e, ERR_DENIED,
			    "%s %s contains OpenShell's own state (%s); %s",
			    what, path, p->states[i], fix);
	return 0;
}

/* realpath with a sentence; `what` names the option. */
static int
resolve(const char *path, const char *what, char out[PATH_MAX], struct err *e)
{
	struct stat st;

	if (path[0] != '/')
		return err_set(e, ERR_INVALID, "%s %s is not an absolute path",
		    what, path);
	if (realpath(path, out) == NULL) {
		if (errno == ENOENT)
			return err_set(e, ERR_NOT_FOUND, "%s %s does not exist",
			    what, path);
		return err_sys(e, "%s %s", what, path);
	}
	if (stat(out, &st) < 0)
		return err_sys(e, "%s %s", what, path);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(e, ERR_DENIED,
		    "%s %s is neither a directory nor a file (sockets and "
		    "devices are not shown)",
		    what, path);
	return 0;
}

/* Our own state below a directory that is shown: covered by an empty one. */
static int
hide_states(struct plan *p, const char *path, struct err *e)
{
	for (size_t i = 0; i < p->n_states; i++)
		if (below(p->states[i], path) &&
		    access(p->states[i], F_OK) == 0 &&
		    add(p, OPTION, SBX_TMPFS, NULL, p->states[i], 0555, e) < 0)
			return -1;
	return 0;
}

/* --- what the policy lists ---------------------------------------------- */

/* True when the base has it already and no bind of the host is wanted. */
static bool
is_own_place(const char *path)
{
	static const char *const own[] = { "/proc", "/dev", "/sys", "/run",
		"/tmp", "/var/tmp", "/var/log", "/var/run", SBX_HOME, "/etc" };

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (below(path, own[i]))
			return true;
	return false;
}

static int
add_policy_path(
    struct plan *p, const char *path, bool write, bool hard, struct err *e)
{
	char real[PATH_MAX];
	struct stat st;
	const struct entry *at;

	if (below(path, "/etc") && path[4] != '\0' && !write &&
	    !below(path, "/etc/openshell-tls") && entry_at(p, path) == NULL &&
	    lstat(path, &st) == 0)
		return bind_ro(p, POLICY, path, e); /* one file of /etc */
	if (is_own_place(path))
		return 0;
	if (stat(path, &st) < 0) {
		if (hard)
			return err_set(e, ERR_NOT_FOUND,
			    "hard_requirement: %s: path does not exist", path);
		return write ? add(p, POLICY, SBX_TMPFS, NULL, path, 0755, e)
			     : 0;
	}
	if (realpath(path, real) == NULL)
		return err_sys(e, "policy path %s", path);
	if (check_place(p, real, "policy path", e) < 0 ||
	    check_breadth(p, real, "policy path", "name what lies in it", e) <
		0)
		return -1;
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(e, ERR_DENIED,
		    "policy path %s is neither a directory nor a file", path);
	at = seen_through(p, path);
	if (at != NULL && at->m.kind == SBX_SYMLINK)
		return 0; /* /lib and the like: what it leads to is there */
	return add(
	    p, POLICY, write ? SBX_OVERLAY : SBX_BIND_RO, real, path, 0, e);
}

static int
add_policy(struct plan *p, const struct policy_fs *fs, bool hard, struct err *e)
{
	for (size_t i = 0; i < fs->n_read_only; i++)
		if (add_policy_path(p, fs->read_only[i], false, hard, e) < 0)
			return err_wrap(e, "filesystem_policy.read_only");
	for (size_t i = 0; i < fs->n_read_write; i++)
		if (add_policy_path(p, fs->read_write[i], true, hard, e) < 0)
			return err_wrap(e, "filesystem_policy.read_write");
	return 0;
}

/* --- what the owner asks for -------------------------------------------- */

static int
add_option(struct plan *p, const char *given, bool write, struct err *e)
{
	const char *what = write ? "--rw" : "--ro";
	char real[PATH_MAX];

	if (resolve(given, what, real, e) < 0 ||
	    check_place(p, real, what, e) < 0 || hide_states(p, real, e) < 0 ||
	    add(p, OPTION, write ? SBX_BIND_RW : SBX_BIND_RO, real, real, 0,
		e) < 0)
		return -1;
	if (strcmp(real, given) != 0 && seen_through(p, given) == NULL)
		return add(p, OPTION, SBX_SYMLINK, real, given, 0, e);
	return 0;
}

static int
add_options(struct plan *p, const struct blob *wish, struct err *e)
{
	const char *v;

	for (size_t i = 0; (v = blob_get(wish, "ro", i)) != NULL; i++)
		if (add_option(p, v, false, e) < 0)
			return -1;
	for (size_t i = 0; (v = blob_get(wish, "rw", i)) != NULL; i++)
		if (add_option(p, v, true, e) < 0)
			return -1;
	return 0;
}

/*
 * "/" named on purpose: every directory of the machine's root that the sandbox
 * does not make itself (/proc, /dev, /etc, /run, /var ... stay its own).
 */
static int
add_whole_machine(struct plan *p, bool writable, struct err *e)
{
	DIR *d = opendir("/");
	const struct dirent *at;
	int rc = 0;

	if (d == NULL)
		return err_sys(e, "read /");
	while (rc == 0 && (at = readdir(d)) != NULL) {
		char path[sizeof(at->d_name) + 1];
		struct err ignored;
		struct stat st;

		(void)snprintf(path, sizeof(path), "/%s", at->d_name);
		if (at->d_name[0] == '.' || lstat(path, &st) < 0 ||
		    !S_ISDIR(st.st_mode) || entry_at(p, path) != NULL ||
		    (check_place(p, path, "", &ignored) < 0 &&
			strcmp(path, "/home") != 0))
			continue;
		rc = add(p, OPTION, writable ? SBX_BIND_RW : SBX_BIND_RO, path,
		    path, 0, e);
	}
	(void)closedir(d);
	p->cwd = "/";
	return rc == 0 ? hide_states(p, "/", e) : -1;
}

static int
add_workdir(
    struct plan *p, const struct blob *wish, bool writable, struct err *e)
{
	static const char fix[] = "run from a project directory, or name it "
				  "with --workdir";
	const char *given = blob_get(wish, "workdir", 0);
	bool named = blob_get(wish, "workdir_explicit", 0) != NULL;
	char real[PATH_MAX];
	struct stat st;

	if (given == NULL) {
		p->cwd = SBX_HOME;
		return 0;
	}
	if (resolve(given, "work directory", real, e) < 0)
		return -1;
	if (!named && check_breadth(p, real, "work directory", fix, e) < 0)
		return -1;
	if (named && strcmp(real, "/") == 0)
		return add_whole_machine(p, writable, e);
	if (check_place(p, real, "work directory", e) < 0)
		return -1;
	if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID,
		    "work directory %s is not a directory", real);
	if (hide_states(p, real, e) < 0 ||
	    add(p, OPTION, writable ? SBX_BIND_RW : SBX_BIND_RO, real, real, 0,
		e) < 0)
		return -1;
	p->workdir = keep(p, real);
	p->cwd = p->workdir;
	p->sbx.workdir = p->workdir;
	p->sbx.workdir_writable = writable;
	return 0;
}

/* The policy and its like lie where the sandbox writes: there read-only. */
static int
add_own(struct plan *p, const struct blob *wish, struct err *e)
{
	const char *v;

	for (size_t i = 0; (v = blob_get(wish, "own", i)) != NULL; i++) {
		bool writable = false;

		for (size_t k = 0; k < p->n_all && !writable; k++)
			writable = p->all[k].m.kind == SBX_BIND_RW &&
				   below(v, p->all[k].m.dst);
		if (writable && add_option(p, v, false, e) < 0)
			return -1;
	}
	return 0;
}

/*
 * A protected name whose first part is a file (".git" of a worktree) is
 * protected there: the file says where git looks.
 */
static const char *
protect_as(struct plan *p, const char *name)
{
	const char *slash = strchr(name, '/');
	char path[PATH_MAX];
	struct stat st;
	int n;

	if (slash == NULL || slash[1] == '\0')
		return name;
	n = snprintf(path, sizeof(path), "%s/%.*s", p->workdir,
	    (int)(slash - name), name);
	if (n < 0 || (size_t)n >= sizeof(path) || lstat(path, &st) < 0 ||
	    S_ISDIR(st.st_mode))
		return name;
	return arena_view(
	    &p->mem, (struct view) { name, (size_t)(slash - name) })
	    .p;
}

/*
 * Worktrees elsewhere that belong to this repository: what they read is here.
 * More of them than there is room for: all of it is read-only.
 */
static size_t
add_worktrees(struct plan *p, size_t n)
{
	static const char dir[] = ".git/worktrees";
	static const char *const names[] = { "commondir", "config.worktree" };
	AUTO_FREE char *path = mem_printf("%s/%s", p->workdir, dir);
	size_t first = n;
	const struct dirent *at;
	DIR *d = opendir(path);

	while (d != NULL && (at = readdir(d)) != NULL) {
		if (at->d_name[0] == '.')
			continue;
		if (n + ARRAY_LEN(names) >= ARRAY_LEN(p->protect)) {
			n = first;
			p->protect[n++] = dir;
			break;
		}
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			AUTO_FREE char *name =
			    mem_printf("%s/%s/%s", dir, at->d_name, names[i]);

			p->protect[n++] = keep(p, name);
		}
	}
	if (d != NULL)
		(void)closedir(d);
	return n;
}

static void
add_protection(struct plan *p)
{
#define PROTECT(name, act) name,
	static const char *const names[] = {
#include "sandbox/protect.def"
	};
#undef PROTECT
	size_t n = 0;

	_Static_assert(ARRAY_LEN(names) + 1 < ARRAY_LEN(p->protect),
	    "room in struct plan");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *name = protect_as(p, names[i]);

		if (n == 0 || strcmp(p->protect[n - 1], name) != 0)
			p->protect[n++] = name;
	}
	(void)add_worktrees(p, n);
	p->sbx.protect = p->protect;
}

static int
add_agent(struct plan *p, const struct blob *wish, struct err *e)
{
	static const char standard[] = "/usr/local/sbin:/usr/local/bin:"
				       "/usr/sbin:/usr/bin:/sbin:/bin";
	const char *command = blob_get(wish, "command0", 0);
	const char *path = blob_get(wish, "path", 0);
	AUTO_BUF struct buf dirs = BUF_INIT(65536);
	struct agent a = { .n_binds = 0 };
	struct agent_ask ask = { command, path != NULL ? path : standard,
		p->cwd, p->home, is_visible, p };
	int rc = 0;

	if (command != NULL && agent_find(&ask, &a, e) < 0)
		return -1;
	for (size_t i = 0; i < a.n_binds && rc == 0; i++) {
		const struct agent_bind *b = &a.binds[i];

		rc = b->target != NULL
			 ? add(p, AGENT, SBX_SYMLINK, b->target, b->path, 0, e)
			 : check_place(p, b->path, "the program's", e);
		if (rc == 0 && b->target == NULL)
			rc = bind_ro(p, AGENT, b->path, e);
	}
	for (size_t i = 0; i < a.n_dirs; i++) {
		struct view rest = view_of(standard), one;
		bool there = false;

		while (rest.p != NULL && !there) {
			one = view_cut(rest, ':', &rest);
			there = view_eq(one, view_of(a.dirs[i]));
		}
		if (!there && strchr(a.dirs[i], ':') == NULL) {
			buf_puts(&dirs, a.dirs[i]);
			buf_putc(&dirs, ':');
		}
	}
	buf_puts(&dirs, standard);
	if (a.n_binds > 0 && a.program != NULL)
		p->program = keep(p, a.program);
	p->path = keep(p, buf_str(&dirs));
	agent_fini(&a);
	return rc;
}

/* --- putting it together ------------------------------------------------ */

static int
by_path(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->m.dst, y->m.dst);
}

/* A read-only bind inside a read-only bind of the same tree adds nothing. */
static bool
redundant(const struct plan *p, size_t i)
{
	const struct sbx_mount *m = &p->all[i].m;

	if (m->kind != SBX_BIND_RO || strcmp(m->src, m->dst) != 0)
		return false;
	for (size_t j = i; j-- > 0;) {
		const struct sbx_mount *o = &p->all[j].m;

		if (below(m->dst, o->dst))
			return o->kind == SBX_BIND_RO &&
			       strcmp(o->src, o->dst) == 0;
	}
	return false;
}

static void
add_rule(struct plan *p, const char *path, bool write, bool optional)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (below(path, p->rules[i].path) &&
		    (p->rules[i].write || !write))
			return;
	p->rules[p->n_rules++] =
	    (struct sbx_rule) { path, write, optional, false };
}

/* Landlock says again what the mounts say. */
static void
add_rules(struct plan *p, const struct policy_fs *fs)
{
	static const char *const read[] = { "/proc" };
	static const char *const write[] = { "/dev/null", "/dev/zero",
		"/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
		"/dev/ptmx", "/dev/pts", "/dev/shm" };

	p->rules = ARENA_ARRAY(&p->mem,
	    p->sbx.n_mounts + ARRAY_LEN(read) + ARRAY_LEN(write) +
		fs->n_read_write + 1,
	    struct sbx_rule);
	for (size_t i = 0; i < p->sbx.n_mounts; i++) {
		const struct sbx_mount *m = &p->mounts[i];

		switch (m->kind) {
		case SBX_BIND_RW:
		case SBX_OVERLAY:
		case SBX_TMPFS:
			add_rule(p, m->dst, m->mode != 0555, false);
			break;
		case SBX_BIND_RO:
		case SBX_DIR:
			add_rule(p, m->dst, false, false);
			break;
		case SBX_SYMLINK:
		case SBX_FILE: /* below /etc */
		case SBX_ALIAS: /* in a tree that has its rule */
			break;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(read); i++)
		add_rule(p, read[i], false, false);
	for (size_t i = 0; i < ARRAY_LEN(write); i++)
		add_rule(p, write[i], true, true);
	/* The root was constructed: its names are no secret, and programs look
	 * at the directories above their own. */
	p->rules[p->n_rules++] =
	    (struct sbx_rule) { .path = "/", .names = true };
	p->sbx.rules = p->rules;
	p->sbx.n_rules = p->n_rules;
}

static void
finish(struct plan *p, const struct policy_fs *fs)
{
	qsort(p->all, p->n_all, sizeof(*p->all), by_path);
	p->mounts = ARENA_ARRAY(&p->mem, p->n_all, struct sbx_mount);
	for (size_t i = 0; i < p->n_all; i++)
		if (!redundant(p, i))
			p->mounts[p->sbx.n_mounts++] = p->all[i].m;
	p->sbx.mounts = p->mounts;
	add_rules(p, fs);
	free(take_ptr(p->all));
	p->n_all = 0;
}

static void
set_limits(struct sbx_plan *s, const struct session_spec *l)
{
	struct sysinfo si = { .mem_unit = 1 };
	uint64_t ram;

	(void)sysinfo(&si);
	ram = (uint64_t)si.totalram * si.mem_unit;
	s->pids_max = l->pids_max > 0 ? l->pids_max : 4096;
	s->nofile_max = l->nofile_max > 0 ? l->nofile_max : 65536;
	s->memory_max = l->memory_max > 0 ? l->memory_max : ram / 4 * 3;
	/* Private space lies in memory: what is written there is not free. */
	s->disk_max =
	    l->disk_max > 0 ? l->disk_max : MAX(ram / 4, (uint64_t)512 << 20);
}

/* What the owner says about itself: home and our own directories. */
static void
set_owner(struct plan *p, const struct blob *wish)
{
	const char *home = blob_get(wish, "home", 0), *state;
	char real[PATH_MAX];

	if (home != NULL && home[0] == '/' && home[1] != '\0')
		p->home = keep(p, realpath(home, real) != NULL ? real : home);
	for (size_t i = 0; p->n_states < STATES_MAX &&
			   (state = blob_get(wish, "state", i)) != NULL;
	     i++)
		if (state[0] == '/' && state[1] != '\0')
			p->states[p->n_states++] = keep(
			    p, realpath(state, real) != NULL ? real : state);
}

static int
build(struct plan *p, const struct policy *policy, const struct blob *wish,
    const struct policy_fs *fs, struct err *e)
{
	bool hard = policy_landlock_mode(policy) == POLICY_LANDLOCK_HARD;

	p->sbx.landlock_hard = hard;
	if (add_system(p, e) < 0 || add_etc(p, e) < 0 ||
	    add_private(p, e) < 0 || add_policy(p, fs, hard, e) < 0 ||
	    add_options(p, wish, e) < 0 ||
	    add_workdir(p, wish, fs->include_workdir, e) < 0 ||
	    add_own(p, wish, e) < 0 || add_agent(p, wish, e) < 0 ||
	    add_generated(p, e) < 0 || add_trust(p, e) < 0)
		return -1;
	if (p->sbx.workdir_writable)
		add_protection(p);
	finish(p, fs);
	return 0;
}

/* It becomes part of paths: digits only, or one of our own. */
static void
set_id(struct plan *p, const struct blob *wish)
{
	const char *id = blob_get(wish, "id", 0);

	if (id != NULL && strlen(id) == SESSION_SHORT_ID - 1 &&
	    strspn(id, "0123456789abcdef") == SESSION_SHORT_ID - 1)
		memcpy(p->sbx.id, id, SESSION_SHORT_ID);
	else
		random_hex(p->sbx.id, SESSION_SHORT_ID - 1);
}

int
plan_new(const struct policy *policy, const struct session_spec *limits,
    const struct blob *wish, struct plan **out, struct err *e)
{
	static const char *const nothing[] = { NULL };
	struct plan *p = NEW(struct plan);
	struct policy_fs fs;

	p->all = mem_calloc(ENTRIES_MAX, sizeof(*p->all));
	p->shell = access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
	p->sbx = (struct sbx_plan) {
		.hostname = SBX_USER,
		.home = SBX_HOME,
		.user = SBX_USER,
		.protect = nothing,
		.proxy_addr = SBX_PROXY_ADDR,
		.proxy_port = SBX_PROXY_PORT,
		.capture_port = SBX_CAPTURE_PORT,
	};
	set_id(p, wish);
	set_limits(&p->sbx, limits);
	set_owner(p, wish);
	policy_filesystem(policy, &fs);
	if (build(p, policy, wish, &fs, e) < 0) {
		plan_free(p);
		return -1;
	}
	*out = p;
	return 0;
}

void
plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	arena_fini(&p->mem);
	free(p->all);
	free(p);
}

const struct sbx_plan *
plan_sbx(const struct plan *p)
{
	return &p->sbx;
}

const char *
plan_path(const struct plan *p)
{
	return p->path;
}

const char *
plan_shell(const struct plan *p)
{
	return p->shell;
}

const char *
plan_program(const struct plan *p)
{
	return p->program;
}

const char *
plan_cwd(const struct plan *p)
{
	return p->cwd;
}
