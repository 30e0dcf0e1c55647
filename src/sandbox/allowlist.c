/*
 * allowlist: see allowlist.h.
 *
 * What is left to a process that was taken over: the descriptors it has, new
 * TCP and UDP sockets, memory without execute permission, time and random
 * numbers.  It cannot execute, fork, trace, signal, or make a socket of any
 * other family.
 */
#include "sandbox/allowlist.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "allowlist: no table for this architecture"
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
	__NR_close,
	__NR_shutdown,
	__NR_connect,
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
	__NR_sysinfo, /* qsort(3): how much memory it may take */
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

/* An attempt is proof of compromise: the process ends. */
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

/* socket(2): IPv4 and IPv6, and maybe Unix; stream and datagram, TCP and UDP
 * and nothing that resembles them (MPTCP, SCTP, raw). */
static void
emit_socket(struct filter *f, bool unix_sockets)
{
	emit_eq(f, __NR_socket, 0, 15);
	emit_load(f, arg_offset(0));
	emit_eq(f, AF_INET, 2, 0);
	emit_eq(f, AF_INET6, 1, 0);
	emit_eq(f, unix_sockets ? AF_UNIX : AF_INET, 0, 10);
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

static void
emit_list(struct filter *f, const int *v, size_t n, uint32_t action)
{
	for (size_t i = 0; i < n; i++) {
		emit_eq(f, (uint32_t)v[i], 0, 1);
		emit_ret(f, action);
	}
}

int
allowlist_enter(const struct allowlist *a, struct err *e)
{
	struct filter f = { .n = 0 };
	struct sock_fprog prog;
	uint32_t self = (uint32_t)getpid();

	emit_load(&f, offsetof(struct seccomp_data, arch));
	emit_eq(&f, OUR_ARCH, 1, 0);
	emit_ret(&f, SECCOMP_RET_KILL_PROCESS);
	emit_load(&f, offsetof(struct seccomp_data, nr));
	emit_list(&f, always, ARRAY_LEN(always), SECCOMP_RET_ALLOW);
	emit_list(&f, a->more, a->n_more, SECCOMP_RET_ALLOW);
	emit_list(&f, fatal, ARRAY_LEN(fatal), SECCOMP_RET_KILL_PROCESS);
	emit_socket(&f, a->unix_sockets);
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
		return err_sys(e, "install the seccomp filter");
	return 0;
}
