/*
 * The filter by a BPF interpreter, over the whole table, and by the kernel in
 * real children.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#include "base/fd.h"
#include "sandbox/seccomp.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

enum { STEPS_MAX = 64 };

/* Verdict of the program; counts steps.  Every path must end. */
static uint32_t
run(const struct seccomp_prog *p, const struct seccomp_data *d, unsigned *steps)
{
	uint32_t acc = 0;
	size_t pc = 0;

	for (*steps = 0; pc < p->n; ++*steps) {
		const struct sock_filter *f = &p->insn[pc++];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			CHECK(f->k + 4 <= sizeof(*d));
			memcpy(&acc, (const char *)d + f->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			acc &= f->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += acc == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += acc >= f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += (acc & f->k) != 0 ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			fail_msg("instruction %#x", f->code);
		}
	}
	fail_msg("ran off the end");
	return 0;
}

static uint32_t
judge(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
    uint64_t a4)
{
	static struct seccomp_prog p;
	struct seccomp_data d = {
		.nr = (int)nr, .arch = ARCH, .args = { a0, a1, a2, a3, a4 }
	};
	unsigned steps;
	uint32_t verdict;

	if (p.n == 0)
		seccomp_build(&p, S_ISUID, false);
	verdict = run(&p, &d, &steps);
	CHECK_INT(steps, <, STEPS_MAX);
	return verdict;
}

#define ALLOWED SECCOMP_RET_ALLOW
#define REFUSED(n) (SECCOMP_RET_ERRNO | (n))
#define JUDGE(nr, ...) judge((uint32_t)(nr), __VA_ARGS__)

TEST(seccomp, refuses_the_table)
{
	/* Every row that looks at no argument. */
	static const int eperm[] = { __NR_setns, __NR_mount, __NR_umount2,
		__NR_pivot_root, __NR_chroot, __NR_fsopen, __NR_fsconfig,
		__NR_fsmount, __NR_fspick, __NR_move_mount, __NR_open_tree,
		__NR_mount_setattr, 457, 458, 467, __NR_bpf,
		__NR_perf_event_open, __NR_userfaultfd, __NR_kexec_load,
#ifdef __NR_kexec_file_load
		__NR_kexec_file_load,
#endif
		__NR_init_module, __NR_finit_module, __NR_delete_module,
		__NR_reboot, __NR_swapon, __NR_swapoff, __NR_acct,
		__NR_quotactl, __NR_quotactl_fd, __NR_syslog,
#ifdef __NR_iopl
		__NR_iopl, __NR_ioperm,
#endif
		__NR_lookup_dcookie, __NR_vhangup, __NR_ptrace,
		__NR_process_vm_readv, __NR_process_vm_writev, __NR_pidfd_getfd,
		__NR_kcmp, __NR_process_madvise, __NR_open_by_handle_at,
		__NR_name_to_handle_at, __NR_fanotify_init, __NR_settimeofday,
		__NR_clock_settime, __NR_adjtimex, __NR_clock_adjtime };
	/* Libraries then take another way. */
	static const int enosys[] = { __NR_clone3, __NR_io_uring_setup,
		__NR_io_uring_enter, __NR_io_uring_register, __NR_add_key,
		__NR_request_key, __NR_keyctl };

	for (size_t i = 0; i < ARRAY_LEN(eperm); i++)
		CHECK_INT(JUDGE(eperm[i], 0, 0, 0, 0, 0), ==, REFUSED(EPERM));
	for (size_t i = 0; i < ARRAY_LEN(enosys); i++)
		CHECK_INT(JUDGE(enosys[i], 0, 0, 0, 0, 0), ==, REFUSED(ENOSYS));
}

TEST(seccomp, allows_what_programs_live_by)
{
	static const int rows[] = { __NR_read, __NR_write, __NR_openat,
		__NR_mmap, __NR_execve, __NR_exit_group, __NR_futex,
		__NR_connect, __NR_memfd_create, __NR_pidfd_open,
		__NR_pidfd_send_signal, __NR_seccomp,
		__NR_landlock_restrict_self, __NR_epoll_pwait2, __NR_statx,
		__NR_close_range, 500, 0x3fffffff };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(JUDGE(rows[i], 0, 0, 0, 0, 0), ==, ALLOWED);
}

TEST(seccomp, is_short_for_every_call)
{
	struct seccomp_prog p;
	unsigned steps, worst = 0;

	seccomp_build(&p, S_ISUID, false);
	CHECK_INT(p.n, <, SECCOMP_INSNS_MAX);
	for (int nr = 0; nr < 600; nr++) {
		struct seccomp_data d = { .nr = nr, .arch = ARCH };

		(void)run(&p, &d, &steps);
		worst = MAX(worst, steps);
	}
	CHECK_INT(worst, <=, 40);
}

TEST(seccomp, kills_foreign_architectures_and_misses_no_x32)
{
	struct seccomp_prog p;
	struct seccomp_data d = { .nr = 1, .arch = AUDIT_ARCH_I386 };
	unsigned steps;

	seccomp_build(&p, S_ISUID, false);
	CHECK_INT(run(&p, &d, &steps), ==, SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
	CHECK_INT(
	    JUDGE(0x40000000 | __NR_mount, 0, 0, 0, 0, 0), ==, REFUSED(ENOSYS));
	CHECK_INT(
	    JUDGE(0x40000000 | __NR_read, 0, 0, 0, 0, 0), ==, REFUSED(ENOSYS));
	CHECK_INT(JUDGE(0xffffffffU, 0, 0, 0, 0, 0), ==, REFUSED(ENOSYS));
#endif
}

TEST(seccomp, makes_threads_but_no_namespaces)
{
	/* What pthread_create and fork pass. */
	CHECK_INT(JUDGE(__NR_clone, 0x3d0f00, 0, 0, 0, 0), ==, ALLOWED);
	CHECK_INT(JUDGE(__NR_clone, SIGCHLD, 0, 0, 0, 0), ==, ALLOWED);
	for (int bit = 0; bit < 32; bit++) {
		uint64_t flag = UINT64_C(1) << bit;
		bool ns = (flag & 0x7E020000) != 0;

		CHECK_INT(JUDGE(__NR_clone, flag | SIGCHLD, 0, 0, 0, 0), ==,
		    ns ? REFUSED(EPERM) : ALLOWED);
		CHECK_INT(JUDGE(__NR_unshare, flag, 0, 0, 0, 0), ==,
		    ns || flag == 0x80 ? REFUSED(EPERM) : ALLOWED);
	}
}

TEST(seccomp, compares_ioctl_as_the_kernel_does)
{
	CHECK_INT(JUDGE(__NR_ioctl, 0, 0x5412, 0, 0, 0), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_ioctl, 0, 0x541c, 0, 0, 0), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_ioctl, 0, UINT64_C(0x100005412), 0, 0, 0), ==,
	    REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_ioctl, 0, 0x5413, 0, 0, 0), ==, ALLOWED);
}

TEST(seccomp, lets_only_plain_sockets_be_made)
{
	static const struct {
		int family, type, proto;
		bool ok;
	} rows[] = { { AF_UNIX, SOCK_STREAM, 0, true },
		{ AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, true },
		{ AF_INET, SOCK_STREAM, 0, true },
		{ AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP, true },
		{ AF_INET6, SOCK_DGRAM, IPPROTO_UDP, true },
		{ AF_INET6, SOCK_STREAM, IPPROTO_TCP, true },
		{ AF_NETLINK, SOCK_RAW, 0, true },
		{ AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, 0, true },
		{ AF_NETLINK, SOCK_RAW, 12, false },
		{ AF_NETLINK, SOCK_RAW, 4, false },
		{ AF_INET, SOCK_STREAM, 262, false },
		{ AF_INET6, SOCK_STREAM, 262, false },
		{ AF_INET, SOCK_RAW, IPPROTO_TCP, false },
		{ AF_INET, SOCK_DGRAM, IPPROTO_ICMP, false },
		{ AF_INET, SOCK_STREAM, IPPROTO_SCTP, false },
		{ AF_INET, SOCK_PACKET, 0, false },
		{ AF_UNIX, SOCK_RAW, 0, false },
		{ AF_PACKET, SOCK_RAW, 3, false },
		{ AF_PACKET, SOCK_DGRAM, 0, false },
		{ AF_VSOCK, SOCK_STREAM, 0, false },
		{ AF_ALG, SOCK_SEQPACKET, 0, false },
		{ AF_BLUETOOTH, SOCK_RAW, 0, false },
		{ AF_KEY, SOCK_RAW, 2, false }, { 0, SOCK_STREAM, 0, false },
		{ 44, SOCK_RAW, 0, false } /* AF_XDP */ };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t want = rows[i].ok ? ALLOWED : REFUSED(EPERM);

		CHECK_INT(
		    JUDGE(__NR_socket, (uint64_t)rows[i].family,
			(uint64_t)rows[i].type, (uint64_t)rows[i].proto, 0, 0),
		    ==, want);
		/* The upper half is not looked at, here nor in the kernel. */
		CHECK_INT(
		    JUDGE(__NR_socket,
			(uint64_t)rows[i].family | UINT64_C(1) << 40,
			(uint64_t)rows[i].type, (uint64_t)rows[i].proto, 0, 0),
		    ==, want);
	}
	CHECK_INT(
	    JUDGE(__NR_socketpair, AF_UNIX, SOCK_STREAM, 0, 0, 0), ==, ALLOWED);
	CHECK_INT(JUDGE(__NR_socketpair, 30, SOCK_STREAM, 0, 0, 0), ==,
	    REFUSED(EPERM));
}

static uint32_t
judge_socket(const struct seccomp_prog *p, int family, int type, int protocol)
{
	struct seccomp_data d = { .nr = __NR_socket,
		.arch = ARCH,
		.args = { (uint64_t)family, (uint64_t)type,
		    (uint64_t)protocol | UINT64_C(1) << 40 } };
	unsigned steps;

	return run(p, &d, &steps);
}

/* What one filter lets through for the other to ask, and not a socket more. */
TEST(seccomp, asks_about_raw_and_ping_sockets_and_no_others)
{
	static struct seccomp_prog plain, asked, ask;
	unsigned questions = 0;

	seccomp_build(&plain, S_ISUID, false);
	seccomp_build(&asked, S_ISUID, true);
	seccomp_ask(&ask);
	for (int family = 0; family < 48; family++)
		for (int type = 0; type < 32; type++)
			for (int protocol = 0; protocol < 264; protocol++) {
				uint32_t was = judge_socket(
				    &plain, family, type, protocol);
				uint32_t now = judge_socket(
				    &asked, family, type, protocol);
				uint32_t other =
				    judge_socket(&ask, family, type, protocol);

				if (other == SECCOMP_RET_USER_NOTIF) {
					CHECK_INT(was, ==, REFUSED(EPERM));
					/* Which none makes, asked or not. */
					CHECK_INT(now, ==,
					    (type & 0xf) == SOCK_PACKET
						? REFUSED(EPERM)
						: ALLOWED);
					questions++;
				} else {
					CHECK_INT(other, ==, ALLOWED);
					CHECK_INT(now, ==, was);
				}
			}
	/* Two families, raw with and without a fifth bit. */
	CHECK_INT(questions, >, 2 * 2 * 264);
	CHECK_INT(judge_socket(
		      &ask, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP),
	    ==, SECCOMP_RET_USER_NOTIF);
	CHECK_INT(judge_socket(&ask, AF_INET6, SOCK_RAW | SOCK_NONBLOCK, 255),
	    ==, SECCOMP_RET_USER_NOTIF);
	CHECK_INT(judge_socket(&ask, AF_UNIX, SOCK_RAW, 0), ==, ALLOWED);
}

TEST(seccomp, refuses_fast_open)
{
	CHECK_INT(
	    JUDGE(__NR_sendto, 3, 0, 1, MSG_FASTOPEN, 0), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_sendto, 3, 0, 1, MSG_NOSIGNAL, 0), ==, ALLOWED);
	CHECK_INT(
	    JUDGE(__NR_sendmsg, 3, 0, MSG_FASTOPEN, 0, 0), ==, REFUSED(EPERM));
	CHECK_INT(
	    JUDGE(__NR_sendmmsg, 3, 0, 1, MSG_FASTOPEN, 0), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_setsockopt, 3, 6, 30, 0, 0), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_setsockopt, 3, 6, 1, 0, 0), ==, ALLOWED);
	CHECK_INT(JUDGE(__NR_setsockopt, 3, 1, 30, 0, 0), ==, ALLOWED);
}

TEST(seccomp, refuses_set_user_id_files)
{
	CHECK_INT(JUDGE(__NR_fchmodat, 3, 0, 04755, 0, 0), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_fchmodat, 3, 0, 02755, 0, 0), ==, ALLOWED);
	CHECK_INT(JUDGE(__NR_fchmod, 3, 04755, 0, 0, 0), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(452, 3, 0, 04755, 0, 0), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_openat, 3, 0, 0x41, 04755, 0), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_openat, 3, 0, 0x41, 0644, 0), ==, ALLOWED);
	CHECK_INT(JUDGE(__NR_mknodat, 3, 0, 0104755, 0, 0), ==, REFUSED(EPERM));
}

TEST(seccomp, allows_five_personalities)
{
	static const uint32_t ok[] = { 0, 8, 0x20000, 0x20008, 0xffffffff };

	for (size_t i = 0; i < ARRAY_LEN(ok); i++)
		CHECK_INT(
		    JUDGE(__NR_personality, ok[i], 0, 0, 0, 0), ==, ALLOWED);
	CHECK_INT(
	    JUDGE(__NR_personality, 0x0040000, 0, 0, 0, 0), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_execveat, 3, 0, 0, 0, 0x1000), ==, REFUSED(EPERM));
	CHECK_INT(JUDGE(__NR_execveat, 3, 0, 0, 0, 0x100), ==, ALLOWED);
}

TEST(seccomp, refuses_the_mode_bits_it_is_told)
{
	static struct seccomp_prog p;
	struct seccomp_data d = { .nr = __NR_fchmod, .arch = ARCH };
	unsigned steps;

	d.args[1] = S_ISGID | 0755;
	seccomp_build(&p, S_ISUID, false);
	CHECK_INT(run(&p, &d, &steps), ==, ALLOWED);
	seccomp_build(&p, S_ISUID | S_ISGID, false);
	CHECK_INT(run(&p, &d, &steps), ==, REFUSED(EPERM));
	d.args[1] = 0755;
	CHECK_INT(run(&p, &d, &steps), ==, ALLOWED);
}

/* Errno of a call made in a child, with the filter or without. */
static int
in_child(bool filtered, long (*call)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct seccomp_prog p;

		seccomp_build(&p, S_ISUID, false);
		if (filtered && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
				    seccomp_enter(&p) < 0))
			_exit(255);
		_exit(call() < 0 ? errno : 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static long
call_sctp(void)
{
	return socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
}

static long
call_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

static long
call_keyctl(void)
{
	return syscall(__NR_keyctl, 0, -3, 0);
}

static long
call_access(void)
{
	return access("/", F_OK);
}

static long
call_vm_read(void)
{
	return syscall(
	    __NR_process_vm_readv, getpid(), NULL, 0UL, NULL, 0UL, 0UL);
}

TEST(seccomp, holds_in_the_kernel)
{
	CHECK_INT(in_child(true, call_sctp), ==, EPERM);
	CHECK_INT(in_child(false, call_unshare), ==, 0);
	CHECK_INT(in_child(true, call_unshare), ==, EPERM);
	CHECK_INT(in_child(false, call_keyctl), ==, 0);
	CHECK_INT(in_child(true, call_keyctl), ==, ENOSYS);
	CHECK_INT(in_child(false, call_vm_read), ==, 0);
	CHECK_INT(in_child(true, call_vm_read), ==, EPERM);
	CHECK_INT(in_child(true, call_access), ==, 0);
}

/*
 * A child under both filters asks; `answer`: it is told no, else nobody holds
 * the descriptor any more.  The errno of its socket(2).
 */
static int
ask_in_child(bool answer, struct seccomp_question *q)
{
	static struct seccomp_prog rules, ask;
	int pair[2], fds[FD_MSG_MAX], status = 0;
	unsigned nfds = 0;
	struct err e;
	char byte = 0;
	pid_t pid;

	seccomp_build(&rules, S_ISUID, true);
	seccomp_ask(&ask);
	CHECK_INT(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
	pid = fork();
	if (pid == 0) {
		int listener;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    (listener = seccomp_listen(&ask)) < 0 ||
		    seccomp_enter(&rules) < 0 ||
		    /* A second one cannot be had. */
		    seccomp_listen(&ask) != -1 || errno != EBUSY ||
		    fd_send(pair[1], &byte, 1, &listener, 1, &e) < 0)
			_exit(255);
		(void)close(listener);
		(void)!read(pair[1], &byte, 1);
		_exit(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC,
			  IPPROTO_ICMPV6) < 0
			  ? errno
			  : 0);
	}
	CHECK_INT(fd_recv(pair[0], &byte, 1, fds, &nfds, &e), ==, 1);
	CHECK_INT(nfds, ==, 1);
	if (!answer)
		fd_close(&fds[0]);
	CHECK_INT(write(pair[0], &byte, 1), ==, 1);
	if (answer) {
		struct pollfd p = { .fd = fds[0], .events = POLLIN };

		CHECK_INT(poll(&p, 1, 5000), ==, 1);
		CHECK_INT(seccomp_next(fds[0], q), ==, 0);
		CHECK_INT((int)q->thread, ==, pid);
		CHECK(seccomp_waits(fds[0], q));
		seccomp_refuse(fds[0], q);
		CHECK(!seccomp_waits(fds[0], q));
		fd_close(&fds[0]);
	}
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

TEST(seccomp, who_asks_is_refused_and_seen)
{
	struct seccomp_question q = { 0 };

	CHECK_INT(ask_in_child(true, &q), ==, EPERM);
	CHECK_INT(q.family, ==, AF_INET6);
	CHECK_INT(q.type, ==, SOCK_DGRAM);
	CHECK_INT(q.protocol, ==, IPPROTO_ICMPV6);
	/* Nobody there to answer is a refusal too. */
	CHECK_INT(ask_in_child(false, &q), ==, ENOSYS);
}

#if defined(__x86_64__)
static long
call_i386(void)
{
	long rc;

	/* getpid of the i386 ABI. */
	__asm__ volatile("int $0x80"
			 : "=a"(rc)
			 : "a"(20L)
			 : "memory", "r8", "r9", "r10", "r11");
	return rc < 0 ? -1 : 0;
}

TEST(seccomp, kills_the_i386_abi_in_the_kernel)
{
	CHECK_INT(in_child(true, call_i386), ==, 1000);
}
#endif
