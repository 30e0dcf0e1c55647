/*
 * init_child: from fork to exec.  Every process of the sandbox starts here, so
 * that none has a restriction less than another.
 *
 * The order matters: what needs freedom comes first, seccomp last.  Only
 * system calls on things that init prepared; the process is single-threaded,
 * so allocation would be safe too, but nothing needs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/securebits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/init.h"
#include "sandbox/landlock.h"

enum { ERR_FD = 3, RULES_FD = 4, LAST_CAP_TRIED = 63 };

#define LOCKED_BITS \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | \
	    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | \
	    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int
drop_sets(void)
{
	struct __user_cap_header_struct h = { .version =
						  _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	return (int)syscall(SYS_capset, &h, none);
}

int
init_drop(struct err *e)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(e, "clear ambient capabilities");
	for (int c = 0; c <= LAST_CAP_TRIED; c++) {
		if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL && c > CAP_LAST_CAP - 8)
			break; /* past the last this kernel has */
		return err_sys(e, "drop capability %d", c);
	}
	if (prctl(PR_SET_SECUREBITS, LOCKED_BITS, 0, 0, 0) < 0)
		return err_sys(e, "lock securebits");
	if (drop_sets() < 0)
		return err_sys(e, "drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "no_new_privs");
	return 0;
}

/* Inherited from init; a child that lacks any of it must not run. */
static int
verify(const struct init_rules *r)
{
	struct __user_cap_header_struct h = { .version =
						  _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct has[2];
	uid_t u[3];
	gid_t g[3];

	if (getresuid(&u[0], &u[1], &u[2]) < 0 ||
	    getresgid(&g[0], &g[1], &g[2]) < 0 ||
	    syscall(SYS_capget, &h, has) < 0)
		return -1;
	errno = EPERM;
	for (int i = 0; i < 3; i++)
		if (u[i] != r->uid || g[i] != r->gid)
			return -1;
	for (int i = 0; i < 2; i++)
		if (has[i].effective != 0 || has[i].permitted != 0 ||
		    has[i].inheritable != 0)
			return -1;
	if (setuid(0) == 0 || prctl(PR_CAPBSET_READ, 0, 0, 0, 0) != 0 ||
	    prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != LOCKED_BITS ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static int
limit(int what, rlim_t to)
{
	struct rlimit l;

	if (to == RLIM_INFINITY)
		return 0;
	if (getrlimit((__rlimit_resource_t)what, &l) < 0)
		return -1;
	l.rlim_max = MIN(l.rlim_max, to);
	l.rlim_cur = l.rlim_max;
	return setrlimit((__rlimit_resource_t)what, &l);
}

static int
limits(const struct init_rules *r)
{
	return limit(RLIMIT_CORE, 0) < 0 ||
		       limit(RLIMIT_NOFILE, r->nofile) < 0 ||
		       limit(RLIMIT_NPROC, r->nproc) < 0 ||
		       limit(RLIMIT_DATA, r->data) < 0
		   ? -1
		   : 0;
}

/* 0, 1, 2 are the program's; 3 and 4 stay ours until exec; the rest goes. */
static int
descriptors(const int stdio[3], int *err, int *rules)
{
	int moved[5], want[5] = { stdio[0], stdio[1], stdio[2], *err, *rules };

	/* Out of the way first: one may sit where another belongs. */
	for (int i = 0; i < 5; i++) {
		moved[i] =
		    want[i] < 0 ? -1 : fcntl(want[i], F_DUPFD_CLOEXEC, 16);
		if (want[i] >= 0 && moved[i] < 0)
			return -1;
	}
	for (int i = 0; i < 5; i++)
		if (moved[i] >= 0 &&
		    dup3(moved[i], i, i < 3 ? 0 : O_CLOEXEC) < 0)
			return -1;
	*err = ERR_FD;
	*rules = moved[4] >= 0 ? RULES_FD : -1;
	return (int)syscall(SYS_close_range, moved[4] >= 0 ? 5U : 4U, ~0U, 0);
}

static int
session(const struct init_program *p)
{
	if (setsid() < 0)
		return -1;
	return p->tty ? ioctl(p->stdio[0], TIOCSCTTY, 0) : 0;
}

static const char *
env_of(const char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; *env != NULL; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* As execvpe(3), with the PATH of the new environment and no shell. */
static void
run(const struct init_program *p)
{
	const char *path = env_of(p->env, "PATH"), *file = p->argv[0];
	char *const *argv = (char *const *)(uintptr_t)p->argv;
	char *const *env = (char *const *)(uintptr_t)p->env;
	int worst = ENOENT;

	if (file[0] == '\0') {
		errno = ENOENT;
		return;
	}
	if (strchr(file, '/') != NULL) {
		(void)execve(file, argv, env);
		return;
	}
	if (path == NULL)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (;;) {
		size_t n = strcspn(path, ":");
		char full[PATH_MAX];

		if ((size_t)snprintf(full, sizeof(full), "%.*s%s%s", (int)n,
			path, n > 0 ? "/" : "", file) < sizeof(full)) {
			(void)execve(full, argv, env);
			/* Found but refused says more than not found. */
			if (errno != ENOENT && errno != ENOTDIR)
				worst = errno;
			if (worst != ENOENT && worst != EACCES)
				break;
		}
		if (path[n] == '\0')
			break;
		path += n + 1;
	}
	errno = worst;
}

void
init_child(const struct init_rules *r, const struct init_program *p, int err)
{
	int rules = r->landlock;
	struct init_fault f = { .step = "session" };
	sigset_t none;

	(void)sigemptyset(&none);
	if (session(p) < 0)
		goto fail;
	(void)snprintf(f.step, sizeof(f.step), "descriptors");
	if (descriptors(p->stdio, &err, &rules) < 0)
		goto fail;
	(void)snprintf(f.step, sizeof(f.step), "limits");
	if (limits(r) < 0)
		goto fail;
	(void)snprintf(f.step, sizeof(f.step), "identity");
	if (drop_sets() < 0 || verify(r) < 0)
		goto fail;
	(void)umask(022);
	(void)snprintf(f.step, sizeof(f.step), "chdir");
	if (chdir(p->cwd) < 0)
		goto fail;
	(void)snprintf(f.step, sizeof(f.step), "Landlock");
	if (rules >= 0 && (landlock_enter(rules) < 0 || close(rules) < 0))
		goto fail;
	(void)snprintf(f.step, sizeof(f.step), "seccomp");
	/* Ours to ignore, not a program's: `yes | head` would never end. */
	if (signal(SIGPIPE, SIG_DFL) == SIG_ERR ||
	    sigprocmask(SIG_SETMASK, &none, NULL) < 0 ||
	    seccomp_enter(&r->seccomp) < 0)
		goto fail;
	(void)snprintf(f.step, sizeof(f.step), "exec");
	run(p);
fail:
	f.sys = errno;
	(void)!write(err, &f, sizeof(f));
}
