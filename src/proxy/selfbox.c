/*
 * selfbox: see selfbox.h.
 *
 * What is left to a compromised proxy stands in sandbox/allowlist.c.  It can
 * open nothing, and not connect to a Unix socket.
 */
#include "proxy/selfbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "sandbox/allowlist.h"

/* Two sockets for each of PX_CONNS_MAX, and what is in the making. */
enum { FILES_MAX = 21504 };
/* landlock(7); newer than the headers of our oldest build system. */
enum { LL_NR_CREATE = 444, LL_NR_RESTRICT = 446, LL_VERSION_FLAG = 1 };

struct ll_ruleset {
	uint64_t fs, net, scoped;
};

/* Rights an ABI knows, as the lowest n bits set; index is the ABI. */
static const struct ll_abi {
	unsigned fs_bits;
	bool net, scope;
} ll_abis[] = {
	[1] = { 13, false, false }, /* kernel 5.13 */
	[2] = { 14, false, false }, /* 5.19, REFER */
	[3] = { 15, false, false }, /* 6.2, TRUNCATE */
	[4] = { 15, true, false }, /* 6.7, TCP */
	[5] = { 16, true, false }, /* 6.10, IOCTL_DEV */
	[6] = { 16, true, true }, /* 6.12, scopes */
};

static int
enter_landlock(struct err *e)
{
	struct ll_ruleset r = { 0 };
	size_t size = sizeof(r.fs);
	long abi = syscall(LL_NR_CREATE, NULL, 0, LL_VERSION_FLAG);
	int fd;

	/*
	 * Where there is none, a policy that requires it is refused by init,
	 * and for any other the user is told; no call that takes a path gets
	 * through the filter below either.
	 */
	if (abi < 1)
		return 0;
	if (abi >= (long)ARRAY_LEN(ll_abis))
		abi = (long)ARRAY_LEN(ll_abis) - 1;
	r.fs = (1ULL << ll_abis[abi].fs_bits) - 1;
	if (ll_abis[abi].net) {
		/* Binding is refused; connecting is what we are for. */
		r.net = 1; /* LANDLOCK_ACCESS_NET_BIND_TCP */
		size = offsetof(struct ll_ruleset, scoped);
	}
	if (ll_abis[abi].scope) {
		r.scoped = 3; /* abstract Unix sockets, signals */
		size = sizeof(r);
	}
	fd = (int)syscall(LL_NR_CREATE, &r, size, 0);
	if (fd < 0)
		return err_sys(e, "landlock_create_ruleset");
	if (syscall(LL_NR_RESTRICT, fd, 0) < 0) {
		(void)err_sys(e, "landlock_restrict_self");
		(void)close(fd);
		return -1;
	}
	(void)close(fd);
	return 0;
}

/* Beside what every process needs that reads from sockets. */
static const int more[] = {
	__NR_accept, __NR_accept4, __NR_bind, __NR_recvmmsg, __NR_sendmmsg,
	__NR_mlock, /* credentials: secrets/locked.c */
};

/*
 * A user namespace with one id has nobody else to become.  Its root is the
 * ordinary user outside; without capabilities it is no more than that inside.
 */
static int
drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
		0 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (syscall(SYS_capset, &head, none) < 0)
		return err_sys(e, "drop every capability");
	return 0;
}

static int
drop_root(uint32_t uid, uint32_t gid, struct err *e)
{
	uid_t r, eff, saved;

	if (geteuid() != 0 && getuid() != 0)
		return 0;
	if (uid == 0 || gid == 0)
		return drop_capabilities(e);
	for (unsigned cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_sys(e, "drop capability %u", cap);
	if (setgroups(0, NULL) < 0)
		return err_sys(e, "drop groups");
	if (setresgid(gid, gid, gid) < 0)
		return err_sys(e, "become group %u", gid);
	if (setresuid(uid, uid, uid) < 0)
		return err_sys(e, "become user %u", uid);
	if (getresuid(&r, &eff, &saved) < 0 || r != uid || eff != uid ||
	    saved != uid || setuid(0) == 0)
		return err_set(e, ERR_INTERNAL, "could not give up root");
	return 0;
}

static int
limit(int what, rlim_t n, struct err *e)
{
	struct rlimit r = { n, n };

	if (setrlimit(what, &r) < 0)
		return err_sys(e, "set resource limit %d", what);
	return 0;
}

int
selfbox_enter(uint32_t uid, uint32_t gid, uint64_t *files, struct err *e)
{
	const struct allowlist list = { .more = more,
		.n_more = ARRAY_LEN(more) };
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		return err_sys(e, "read the limit of open files");
	*files = MIN(now.rlim_max, (rlim_t)FILES_MAX);
	if (limit(RLIMIT_NOFILE, *files, e) < 0 || limit(RLIMIT_CORE, 0, e) < 0)
		return -1; /* not FSIZE: stderr may be a file */
	if (drop_root(uid, gid, e) < 0)
		return -1;
	/* After the change of ids, which sets it anew. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "make the proxy non-dumpable");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "set no_new_privs");
	if (enter_landlock(e) < 0)
		return -1;
	return allowlist_enter(&list, e);
}
