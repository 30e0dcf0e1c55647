/* plan_place: which places of the machine may be shown at all. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/plan_impl.h"

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
	{ "/etc/openshell", true, "is the sandbox's own" },
	{ SBX_HOME, true, "is the sandbox's own home directory" },
	{ "/run", false, "holds the sockets of the machine's services" },
	{ "/run/user", false, "holds the sockets of the session" },
	{ "/tmp", false, "holds other programs' sockets and files" },
	{ "/var", false, "holds the machine's state" },
	{ "/home", false, "holds every home directory" },
};

int
plan_check_place(
    const struct plan *p, const char *path, const char *what, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (refused[i].inside_too ? plan_below(path, refused[i].path)
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
		if (plan_below(path, p->states[i]))
			return err_set(e, ERR_DENIED,
			    "%s %s lies in OpenShell's own state (%s), which "
			    "no sandbox sees",
			    what, path, p->states[i]);
	return 0;
}

int
plan_check_breadth(const struct plan *p, const char *path, const char *what,
    const char *fix, struct err *e)
{
	if (p->home != NULL && plan_below(p->home, path))
		return err_set(e, ERR_DENIED, "%s %s %s the home directory; %s",
		    what, path, strcmp(p->home, path) == 0 ? "is" : "contains",
		    fix);
	for (size_t i = 0; i < p->n_states; i++)
		if (plan_below(p->states[i], path))
			return err_set(e, ERR_DENIED,
			    "%s %s contains OpenShell's own state (%s); %s",
			    what, path, p->states[i], fix);
	return 0;
}

int
plan_resolve(
    const char *path, const char *what, char out[PATH_MAX], struct err *e)
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

int
plan_hide_states(struct plan *p, const char *path, struct err *e)
{
	for (size_t i = 0; i < p->n_states; i++)
		if (plan_below(p->states[i], path) &&
		    access(p->states[i], F_OK) == 0 &&
		    plan_add(p, PLAN_OPTION, SBX_TMPFS, NULL, p->states[i],
			0555, e) < 0)
			return -1;
	return 0;
}
