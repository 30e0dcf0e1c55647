#include "base/program.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const places[] = { "", "../libexec/openshell/",
	"../lib/openshell/" };

int
program_find(const char *name, char out[PATH_MAX], struct err *e)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return err_sys(e, "read /proc/self/exe");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL)
		return err_set(e, ERR_INTERNAL, "own path has no directory");
	slash[1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		int len =
		    snprintf(out, PATH_MAX, "%s%s%s", self, places[i], name);

		if (len > 0 && len < PATH_MAX && access(out, X_OK) == 0)
			return 0;
	}
	return err_set(e, ERR_NOT_FOUND,
	    "%s not found in %s, %s../libexec/openshell or "
	    "%s../lib/openshell: install it beside openshell (script/install)",
	    name, self, self, self);
}

int
program_spawn(const char *path, const posix_spawn_file_actions_t *files,
    char *const argv[], char *const envp[], pid_t *pid)
{
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						  POSIX_SPAWN_SETSIGDEF |
						  POSIX_SPAWN_SETSID);
	rc = posix_spawn(pid, path, files, &attr, argv, envp);
	(void)posix_spawnattr_destroy(&attr);
	return rc;
}
