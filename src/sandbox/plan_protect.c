/* plan_protect: names in a writable work directory that stay read-only. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "sandbox/plan_impl.h"

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

			p->protect[n++] = plan_keep(p, name);
		}
	}
	if (d != NULL)
		(void)closedir(d);
	return n;
}

void
plan_add_protection(struct plan *p)
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
