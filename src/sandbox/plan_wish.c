/*
 * plan_wish: what the policy lists, what the owner asks for, and what the
 * program that is to run needs.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "sandbox/agent.h"
#include "sandbox/plan_impl.h"

/* --- what the policy lists ---------------------------------------------- */

/* True when the base has it already and no bind of the host is wanted. */
static bool
is_own_place(const char *path)
{
	static const char *const own[] = { "/proc", "/dev", "/sys", "/run",
		"/tmp", "/var/tmp", "/var/log", "/var/run", SBX_HOME, "/etc" };

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (plan_below(path, own[i]))
			return true;
	return false;
}

static int
add_policy_path(
    struct plan *p, const char *path, bool write, bool hard, struct err *e)
{
	char real[PATH_MAX];
	struct stat st;
	const struct plan_entry *at;

	if (plan_below(path, "/etc") && path[4] != '\0' && !write &&
	    !plan_below(path, "/etc/openshell-tls") &&
	    !plan_below(path, "/etc/openshell") &&
	    plan_entry_at(p, path) == NULL && lstat(path, &st) == 0)
		return plan_bind_ro(
		    p, PLAN_POLICY, path, e); /* one file of /etc */
	if (is_own_place(path))
		return 0;
	if (stat(path, &st) < 0) {
		if (hard)
			return err_set(e, ERR_NOT_FOUND,
			    "hard_requirement: %s: path does not exist", path);
		return write ? plan_add(p, PLAN_POLICY, SBX_TMPFS, NULL, path,
				   0755, e)
			     : 0;
	}
	if (realpath(path, real) == NULL)
		return err_sys(e, "policy path %s", path);
	if (plan_check_place(p, real, "policy path", e) < 0 ||
	    plan_check_breadth(
		p, real, "policy path", "name what lies in it", e) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(e, ERR_DENIED,
		    "policy path %s is neither a directory nor a file", path);
	at = plan_seen_through(p, path);
	if (at != NULL && at->m.kind == SBX_SYMLINK)
		return 0; /* /lib and the like: what it leads to is there */
	return plan_add(p, PLAN_POLICY, write ? SBX_OVERLAY : SBX_BIND_RO, real,
	    path, 0, e);
}

int
plan_add_policy(
    struct plan *p, const struct policy_fs *fs, bool hard, struct err *e)
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

	if (plan_resolve(given, what, real, e) < 0 ||
	    plan_check_place(p, real, what, e) < 0 ||
	    plan_hide_states(p, real, e) < 0 ||
	    plan_add(p, PLAN_OPTION, write ? SBX_BIND_RW : SBX_BIND_RO, real,
		real, 0, e) < 0)
		return -1;
	if (strcmp(real, given) != 0 && plan_seen_through(p, given) == NULL)
		return plan_add(p, PLAN_OPTION, SBX_SYMLINK, real, given, 0, e);
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
		    !S_ISDIR(st.st_mode) || plan_entry_at(p, path) != NULL ||
		    (plan_check_place(p, path, "", &ignored) < 0 &&
			strcmp(path, "/home") != 0))
			continue;
		rc = plan_add(p, PLAN_OPTION,
		    writable ? SBX_BIND_RW : SBX_BIND_RO, path, path, 0, e);
	}
	(void)closedir(d);
	p->cwd = "/";
	return rc == 0 ? plan_hide_states(p, "/", e) : -1;
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
	if (plan_resolve(given, "work directory", real, e) < 0)
		return -1;
	if (!named && plan_check_breadth(p, real, "work directory", fix, e) < 0)
		return -1;
	if (named && strcmp(real, "/") == 0)
		return add_whole_machine(p, writable, e);
	if (plan_check_place(p, real, "work directory", e) < 0)
		return -1;
	if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID,
		    "work directory %s is not a directory", real);
	if (plan_hide_states(p, real, e) < 0 ||
	    plan_add(p, PLAN_OPTION, writable ? SBX_BIND_RW : SBX_BIND_RO, real,
		real, 0, e) < 0)
		return -1;
	p->workdir = plan_keep(p, real);
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
				   plan_below(v, p->all[k].m.dst);
		if (writable && add_option(p, v, false, e) < 0)
			return -1;
	}
	return 0;
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
		p->cwd, p->home, plan_is_visible, p };
	int rc = 0;

	if (command != NULL && agent_find(&ask, &a, e) < 0)
		return -1;
	for (size_t i = 0; i < a.n_binds && rc == 0; i++) {
		const struct agent_bind *b = &a.binds[i];

		rc = b->target != NULL
			 ? plan_add(p, PLAN_AGENT, SBX_SYMLINK, b->target,
			       b->path, 0, e)
			 : plan_check_place(p, b->path, "the program's", e);
		if (rc == 0 && b->target == NULL)
			rc = plan_bind_ro(p, PLAN_AGENT, b->path, e);
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
		p->program = plan_keep(p, a.program);
	p->path = plan_keep(p, buf_str(&dirs));
	agent_fini(&a);
	return rc;
}

int
plan_add_wishes(
    struct plan *p, const struct blob *wish, bool writable, struct err *e)
{
	if (add_options(p, wish, e) < 0 ||
	    add_workdir(p, wish, writable, e) < 0 || add_own(p, wish, e) < 0)
		return -1;
	return add_agent(p, wish, e);
}

int
plan_check_secrets(const struct plan *p, const struct blob *wish, struct err *e)
{
	const char *v;

	for (size_t i = 0; (v = blob_get(wish, "secret", i)) != NULL; i++)
		if (plan_is_visible(p, v))
			return err_set(e, ERR_DENIED,
			    "%s holds a secret, and the sandbox would see it\n"
			    "put it where nothing is shown of, such as "
			    "~/.config/openshell",
			    v);
	return 0;
}
