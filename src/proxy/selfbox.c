/*
 * selfbox: see selfbox.h.
 *
 * What is left to a compromised proxy: the sockets it has, new TCP and UDP
 * sockets over IPv4 and IPv6, memory without execute permission, time and
 * random numbers.  It cannot open, execute, fork, trace, signal, or make a
 * socket of any other family, so also not connect to a Unix socket.
 */
#include "proxy/selfbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"

/* landlock(7); newer than the headers of our oldest build system. */
/* Two sockets for each of PX_CONNS_MAX, and what is in the making. */
enum { FILES_MAX = 21504 };
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

#if defined(__x86_64__)
#define SELFBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SELFBOX_ARCH AUDIT_ARCH_AARCH64
#else
#error "selfbox: no seccomp table for this architecture"
#endif

/*
 * Allowed whatever the arguments.  The kernel keeps a bitmap of these (since
 * 5.11), so the length of the list costs nothing at run time.
 */
static const int always[] = {
	__NR_read,
	__NR_write,
	__NR_readv,
	__NR_writev,
	__NR_recvfrom,
	__NR_sendto,
	__NR_recvmsg,
	__NR_sendmsg,
	__NR_recvmmsg,
	__NR_sendmmsg,
	__NR_close,
	__NR_shutdown,
	__NR_accept,
	__NR_accept4,
	__NR_connect,
	__NR_bind,
	__NR_getsockname,
	__NR_getpeername,
	__NR_getsockopt,
	__NR_epoll_ctl,
	__NR_epoll_pwait,
	__NR_ppoll,
	__NR_pselect6,
	__NR_fcntl,
	__NR_pread64,
	__NR_dup,
	__NR_munmap,
	__NR_mremap,
	__NR_madvise,
	__NR_mlock, /* credentials: secrets/locked.c */
	__NR_brk,
	__NR_futex,
	__NR_clock_gettime,
	__NR_clock_nanosleep,
	__NR_nanosleep,
	__NR_gettimeofday,
	__NR_getrandom,
	__NR_getpid,
	__NR_gettid,
	__NR_getppid,
	__NR_getuid,
	__NR_geteuid,
	__NR_getgid,
	__NR_getegid,
	__NR_rt_sigreturn,
	__NR_rt_sigaction,
	__NR_rt_sigprocmask,
	__NR_sigaltstack,
	__NR_sched_yield,
	__NR_restart_syscall,
	__NR_uname,
	__NR_getrusage,
	__NR_exit,
	__NR_exit_group,
#if defined(__x86_64__)
	__NR_epoll_wait,
	__NR_poll,
	__NR_select,
	__NR_time,
#endif
};

/* An attempt is proof of compromise: the process ends, and so the sandbox. */
static const int fatal[] = {
	__NR_execve,
	__NR_execveat,
	__NR_ptrace,
	__NR_process_vm_readv,
	__NR_process_vm_writev,
	__NR_io_uring_setup,
	__NR_bpf,
#if defined(__x86_64__)
	__NR_fork,
	__NR_vfork,
#endif
};

enum { FILTER_MAX = 256 };

struct filter {
	struct sock_filter v[FILTER_MAX];
	unsigned short n;
	bool full;
};

static void
emit(struct filter *f, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (f->n == FILTER_MAX) {
		f->full = true;
		return;
	}
	f->v[f->n++] = (struct sock_filter) { code, jt, jf, k };
}

static void
emit_load(struct filter *f, size_t offset)
{
	emit(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* Accumulator == k: skip `jt` instructions, else `jf`. */
static void
emit_eq(struct filter *f, uint32_t k, uint8_t jt, uint8_t jf)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, jt, jf, k);
}

static void
emit_ret(struct filter *f, uint32_t action)
{
	emit(f, BPF_RET | BPF_K, 0, 0, action);
}

/* The low half: every argument judged here is 32 bits wide to the kernel. */
static size_t
arg_offset(unsigned i)
{
	return offsetof(struct seccomp_data, args) + i * sizeof(uint64_t);
}

enum { RET_EPERM = SECCOMP_RET_ERRNO | EPERM };

/* socket(2): IPv4 and IPv6, stream and datagram, TCP and UDP and nothing
 * that resembles them (MPTCP, SCTP, raw). */
static void
emit_socket(struct filter *f)
{
	emit_eq(f, __NR_socket, 0, 14);
	emit_load(f, arg_offset(0));
	emit_eq(f, AF_INET, 1, 0);
	emit_eq(f, AF_INET6, 0, 10);
	emit_load(f, arg_offset(1));
	emit(f, BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xf);
	emit_eq(f, SOCK_STREAM, 1, 0);
	emit_eq(f, SOCK_DGRAM, 0, 6);
	emit_load(f, arg_offset(2));
	emit_eq(f, 0, 3, 0);
	emit_eq(f, IPPROTO_TCP, 2, 0);
	emit_eq(f, IPPROTO_UDP, 1, 0);
	emit_ret(f, RET_EPERM);
	emit_ret(f, SECCOMP_RET_ALLOW);
	emit_ret(f, RET_EPERM);
}

/* mmap(2), mprotect(2): memory is never executable. */
static void
emit_prot(struct filter *f, uint32_t nr)
{
	emit_eq(f, nr, 0, 4);
	emit_load(f, arg_offset(2));
	emit(f, BPF_JMP | BPF_JSET | BPF_K, 0, 1, PROT_EXEC);
	emit_ret(f, RET_EPERM);
	emit_ret(f, SECCOMP_RET_ALLOW);
}

static void
emit_one_of(struct filter *f, uint32_t nr, unsigned arg, uint32_t a, uint32_t b)
{
	emit_eq(f, nr, 0, 5);
	emit_load(f, arg_offset(arg));
	emit_eq(f, a, 2, 0);
	emit_eq(f, b, 1, 0);
	emit_ret(f, RET_EPERM);
	emit_ret(f, SECCOMP_RET_ALLOW);
}

/*
 * setsockopt(2): rules of netfilter are set by it, too (SO_SET of iptables),
 * on any socket of the namespace that they are for; they begin at 64, and
 * nothing we need does.
 */
static void
emit_setsockopt(struct filter *f)
{
	enum { FIRST_OF_NETFILTER = 64 };

	emit_eq(f, __NR_setsockopt, 0, 4);
	emit_load(f, arg_offset(2));
	emit(f, BPF_JMP | BPF_JGE | BPF_K, 0, 1, FIRST_OF_NETFILTER);
	emit_ret(f, RET_EPERM);
	emit_ret(f, SECCOMP_RET_ALLOW);
}

static int
enter_seccomp(struct err *e)
{
	struct filter f = { .n = 0 };
	struct sock_fprog prog;
	uint32_t self = (uint32_t)getpid();

	emit_load(&f, offsetof(struct seccomp_data, arch));
	emit_eq(&f, SELFBOX_ARCH, 1, 0);
	emit_ret(&f, SECCOMP_RET_KILL_PROCESS);
	emit_load(&f, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(always); i++) {
		emit_eq(&f, (uint32_t)always[i], 0, 1);
		emit_ret(&f, SECCOMP_RET_ALLOW);
	}
	for (size_t i = 0; i < ARRAY_LEN(fatal); i++) {
		emit_eq(&f, (uint32_t)fatal[i], 0, 1);
		emit_ret(&f, SECCOMP_RET_KILL_PROCESS);
	}
	emit_socket(&f);
	emit_setsockopt(&f);
	emit_prot(&f, __NR_mmap);
	emit_prot(&f, __NR_mprotect);
	emit_one_of(&f, __NR_ioctl, 1, FIONBIO, FIONREAD);
	/* abort(3) signals its own thread, nothing else. */
	emit_one_of(&f, __NR_tgkill, 0, self, self);
	emit_ret(&f, RET_EPERM);
	if (f.full)
		return err_set(e, ERR_INTERNAL, "seccomp filter too long");
	prog = (struct sock_fprog) { f.n, f.v };
	if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return err_sys(e, "install the seccomp filter of the proxy");
	return 0;
}

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
	return enter_seccomp(e);
}
