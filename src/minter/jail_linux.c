#include "minter/jail.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/mem.h"
#include "minter/roots.h"
#include "sandbox/allowlist.h"
#include "sandbox/landlock.h"

enum { RULES_MAX = 16 };

struct rules {
	struct sbx_rule v[RULES_MAX];
	char *paths[RULES_MAX];
	size_t n;
};

static void
rules_fini(struct rules *r)
{
	while (r->n > 0)
		free(r->paths[--r->n]);
}

/* What is there, under the name that it really has. */
static void
add(struct rules *r, const char *path)
{
	char *real =
	    path[0] != '\0' && r->n < RULES_MAX ? realpath(path, NULL) : NULL;

	if (real == NULL)
		return;
	r->v[r->n] = (struct sbx_rule) { .path = real, .optional = true };
	r->paths[r->n++] = real;
}

/* Beside what every process needs that reads from sockets: files to read. */
static const int more[] = {
	__NR_openat,
	__NR_newfstatat,
	__NR_fstat,
	__NR_lseek,
#if defined(__x86_64__)
	__NR_open,
#endif
};

int
minter_jail(const char *const ca_files[], bool unix_sockets, struct err *e)
{
	const struct allowlist list = { .more = more,
		.n_more = ARRAY_LEN(more),
		.unix_sockets = unix_sockets };
	static const struct rlimit none = { 0, 0 };
	CLEANUP(rules_fini) struct rules r = { .n = 0 };
	AUTO_CLOSE int ruleset = -1;
	int abi;

	add(&r, "/etc/hosts");
	add(&r, "/etc/resolv.conf");
	for (size_t i = 0; minter_roots[i] != NULL; i++)
		add(&r, minter_roots[i]);
	for (size_t i = 0; ca_files[i] != NULL; i++)
		add(&r, ca_files[i]);
	if (landlock_build(r.v, r.n, false, &ruleset, &abi, e) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0 ||
	    setrlimit(RLIMIT_FSIZE, &none) < 0)
		return err_sys(e, "give up privileges");
	if (ruleset >= 0 && landlock_enter(ruleset) < 0)
		return err_sys(e, "enter Landlock");
	return allowlist_enter(&list, e);
}
