/*
 * agent: what an installation is.
 *
 *   - a file below a node_modules: the top-most node_modules, since packages
 *     reach for their siblings (the native program of Codex is one);
 *   - a file of a Python virtual environment: that environment;
 *   - a file of a "shims" directory (pyenv, rbenv, asdf, mise): what that
 *     directory lies in, since a shim only finds the program there;
 *   - anything else: the file itself.
 *
 * A script brings the program of its "#!" line, found the same way, and a
 * symbolic link on PATH is made again inside.  Two steps of "#!" are the most
 * that real installations have.
 */
#include "sandbox/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/mem.h"

enum { SHEBANG_MAX = 256, DEPTH_MAX = 3 };

struct finder {
	const struct agent_ask *ask;
	struct agent *out;
};

static bool
below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/' ||
		   (n > 0 && dir[n - 1] == '/'));
}

static bool
visible(const struct finder *f, const char *path)
{
	if (f->ask->visible(f->ask->ctx, path))
		return true;
	for (size_t i = 0; i < f->out->n_binds; i++) {
		const struct agent_bind *b = &f->out->binds[i];

		if (b->target == NULL ? below(path, b->path)
				      : strcmp(path, b->path) == 0)
			return true;
	}
	return false;
}

static int
add_bind(struct finder *f, const char *path, const char *target, struct err *e)
{
	struct agent *a = f->out;

	if (a->n_binds == AGENT_BINDS_MAX)
		return err_set(e, ERR_LIMIT,
		    "%s needs too many paths; name "
		    "its installation with --ro",
		    f->ask->command);
	a->binds[a->n_binds++] = (struct agent_bind) { mem_strdup(path),
		target != NULL ? mem_strdup(target) : NULL };
	return 0;
}

static void
add_dir(struct agent *a, const char *file)
{
	const char *slash = strrchr(file, '/');
	AUTO_FREE char *dir = slash == NULL || slash == file
				  ? mem_strdup("/")
				  : mem_strndup(file, (size_t)(slash - file));

	for (size_t i = 0; i < a->n_dirs; i++)
		if (strcmp(a->dirs[i], dir) == 0)
			return;
	if (a->n_dirs < AGENT_DIRS_MAX)
		a->dirs[a->n_dirs++] = take_ptr(dir);
}

static bool
runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

/* `name` on the owner's PATH, or by its own path; false when nowhere. */
static bool
look_up(const struct agent_ask *ask, const char *name, char out[PATH_MAX])
{
	struct view rest = view_of(ask->path), dir;
	int n;

	if (strchr(name, '/') != NULL) {
		n = name[0] == '/'
			? snprintf(out, PATH_MAX, "%s", name)
			: snprintf(out, PATH_MAX, "%s/%s", ask->cwd, name);
		return n > 0 && n < PATH_MAX && runnable(out);
	}
	while (rest.p != NULL && name[0] != '\0') {
		dir = view_cut(rest, ':', &rest);
		if (dir.n == 0 || dir.p[0] != '/')
			continue; /* relative: another place on every cd */
		n = snprintf(out, PATH_MAX, "%.*s/%s", (int)dir.n, dir.p, name);
		if (n > 0 && n < PATH_MAX && runnable(out))
			return true;
	}
	return false;
}

/* The first ".../node_modules" of `real`, or false. */
static bool
node_modules_of(const char *real, char out[PATH_MAX])
{
	static const char part[] = "/node_modules/";
	const char *at = strstr(real, part);

	if (at == NULL)
		return false;
	(void)snprintf(out, PATH_MAX, "%.*s",
	    (int)(at - real + (ptrdiff_t)sizeof(part) - 2), real);
	return true;
}

/* The virtual environment whose bin directory holds `file`, or false. */
static bool
venv_of(const char *file, char out[PATH_MAX])
{
	const char *slash = strrchr(file, '/');
	char mark[PATH_MAX];
	int n;

	if (slash == NULL || slash == file)
		return false;
	n = snprintf(mark, sizeof(mark), "%.*s/../pyvenv.cfg",
	    (int)(slash - file), file);
	if (n < 0 || (size_t)n >= sizeof(mark) || access(mark, F_OK) < 0)
		return false;
	n = snprintf(mark, sizeof(mark), "%.*s/..", (int)(slash - file), file);
	return n > 0 && (size_t)n < sizeof(mark) && realpath(mark, out) != NULL;
}

/* The version manager whose shim `file` is, or false. */
static bool
shims_of(const char *file, char out[PATH_MAX])
{
	static const char part[] = "/shims/";
	const char *slash = strrchr(file, '/');
	const char *at = strstr(file, part);

	if (at == NULL || at == file || at + sizeof(part) - 2 != slash)
		return false;
	(void)snprintf(out, PATH_MAX, "%.*s", (int)(at - file), file);
	return true;
}

/* Shows what `real` belongs to. */
static int
show(struct finder *f, const char *found, const char *real, struct err *e)
{
	char whole[PATH_MAX];
	const char *home = f->ask->home;

	if (venv_of(found, whole) || venv_of(real, whole)) {
		if (!visible(f, whole) && add_bind(f, whole, NULL, e) < 0)
			return -1;
		if (visible(f, real))
			return 0;
	}
	if (!shims_of(real, whole) && !node_modules_of(real, whole))
		(void)snprintf(whole, sizeof(whole), "%s", real);
	if (home != NULL && home[0] == '/' && home[1] != '\0' &&
	    below(home, whole))
		return err_set(e, ERR_DENIED,
		    "%s lies in %s, which holds the home directory; install "
		    "it elsewhere",
		    f->ask->command, whole);
	return add_bind(f, whole, NULL, e);
}

/* The words of a "#!" line: program and first argument ("" when none). */
static bool
shebang(const char *file, char prog[SHEBANG_MAX], char arg[SHEBANG_MAX])
{
	AUTO_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char line[SHEBANG_MAX] = "";
	ssize_t n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;
	struct view v, word;

	if (n < 3 || line[0] != '#' || line[1] != '!')
		return false;
	v = (struct view) { line + 2, strcspn(line + 2, "\r\n") };
	v = view_trim(v);
	word = view_cut(v, ' ', &v);
	(void)snprintf(prog, SHEBANG_MAX, "%.*s", (int)word.n, word.p);
	v = view_trim(v);
	(void)snprintf(arg, SHEBANG_MAX, "%.*s", (int)v.n, v.n > 0 ? v.p : "");
	return prog[0] == '/';
}

/* The program behind "env [-S] [NAME=value]... program [arg]...". */
static void
env_program(const char *args, char out[SHEBANG_MAX])
{
	struct view rest = view_of(args), word;

	out[0] = '\0';
	while (rest.p != NULL) {
		word = view_cut(view_trim(rest), ' ', &rest);
		if (word.n == 0 || word.p[0] == '-' ||
		    view_find(word, '=') >= 0)
			continue;
		(void)snprintf(out, SHEBANG_MAX, "%.*s", (int)word.n, word.p);
		return;
	}
}

static int
add_program(struct finder *f, const char *name, unsigned depth, struct err *e)
{
	char found[PATH_MAX], real[PATH_MAX];
	char prog[SHEBANG_MAX], arg[SHEBANG_MAX];
	const char *base;

	if (!look_up(f->ask, name, found) || realpath(found, real) == NULL)
		return 0; /* the exec will say it */
	if (!visible(f, real) && show(f, found, real, e) < 0)
		return -1;
	if (!visible(f, found) && add_bind(f, found, real, e) < 0)
		return -1;
	add_dir(f->out, found);
	if (depth == 0)
		f->out->program = mem_strdup(real);
	if (depth == DEPTH_MAX || !shebang(real, prog, arg))
		return 0;
	base = strrchr(prog, '/') + 1;
	if (strcmp(base, "env") != 0)
		return add_program(f, prog, depth + 1, e);
	env_program(arg, prog);
	return prog[0] != '\0' ? add_program(f, prog, depth + 1, e) : 0;
}

int
agent_find(const struct agent_ask *ask, struct agent *out, struct err *e)
{
	struct agent a = { .n_binds = 0 };
	struct finder f = { ask, &a };

	if (add_program(&f, ask->command, 0, e) < 0) {
		agent_fini(&a);
		return err_wrap(e, "find %s", ask->command);
	}
	*out = a;
	return 0;
}

void
agent_fini(struct agent *a)
{
	while (a->n_binds > 0) {
		a->n_binds--;
		free(a->binds[a->n_binds].path);
		free(a->binds[a->n_binds].target);
	}
	while (a->n_dirs > 0)
		free(a->dirs[--a->n_dirs]);
	free(take_ptr(a->program));
}
