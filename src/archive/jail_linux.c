#include "archive/jail.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "sandbox/landlock.h"

#if defined(__x86_64__)
#define JAIL_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define JAIL_ARCH AUDIT_ARCH_AARCH64
#else
#error "jail: no seccomp table for this architecture"
#endif

/* Everything that takes a path takes it below a directory that is open. */
static const uint32_t allowed[] = {
	__NR_read,
	__NR_write,
	__NR_pwrite64,
	__NR_writev,
	__NR_lseek,
	__NR_close,
	__NR_fstat,
	__NR_newfstatat,
	__NR_fcntl,
	__NR_openat2,
	__NR_mkdirat,
	__NR_symlinkat,
	__NR_linkat,
	__NR_unlinkat,
	__NR_fchmod,
	__NR_ftruncate,
	__NR_utimensat,
	__NR_brk,
	__NR_munmap,
	__NR_mremap,
	__NR_madvise,
	__NR_futex,
	__NR_clock_gettime,
	__NR_gettimeofday,
	__NR_getrandom,
	__NR_rt_sigreturn,
	__NR_rt_sigprocmask,
	__NR_sigaltstack, /* the address sanitizer, before _exit */
	__NR_exit,
	__NR_exit_group,
#if defined(__x86_64__)
	__NR_time,
#endif
};

enum { INSNS_MAX = 8 + 2 * ARRAY_LEN(allowed) + 10 };

struct prog {
	struct sock_filter v[INSNS_MAX];
	unsigned short n;
};

static void
emit(struct prog *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	p->v[p->n++] = (struct sock_filter) { code, jt, jf, k };
}

/* Memory is never executable. */
static void
emit_no_exec(struct prog *p, uint32_t nr)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, nr);
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	    offsetof(struct seccomp_data, args) + 2 * sizeof(uint64_t));
	emit(p, BPF_JMP | BPF_JSET | BPF_K, 1, 0, PROT_EXEC);
	emit(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
	emit(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM);
}

static int
enter_seccomp(struct err *e)
{
	struct prog p = { .n = 0 };
	struct sock_fprog f;

	emit(&p, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	    offsetof(struct seccomp_data, arch));
	emit(&p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, JAIL_ARCH);
	emit(&p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
	emit(&p, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	    offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		emit(&p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, allowed[i]);
		emit(&p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
	}
	emit_no_exec(&p, __NR_mmap);
	emit_no_exec(&p, __NR_mprotect);
	emit(&p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM);
	f = (struct sock_fprog) { p.n, p.v };
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &f, 0, 0) < 0)
		return err_sys(e, "install the seccomp filter for unpacking");
	return 0;
}

/* Root unpacks into a directory of another user's, too; nothing else. */
static int
drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
		0 };
	struct __user_cap_data_struct now[2] = { { 0 } };

	if (syscall(SYS_capget, &head, now) < 0)
		return err_sys(e, "read capabilities");
	now[0].effective &= 1U << CAP_DAC_OVERRIDE;
	now[0].permitted &= 1U << CAP_DAC_OVERRIDE;
	now[0].inheritable = 0;
	now[1] = (struct __user_cap_data_struct) { 0 };
	if (syscall(SYS_capset, &head, now) < 0)
		return err_sys(e, "drop capabilities");
	return 0;
}

int
jail_enter(int dir, bool *landlock, struct err *e)
{
	static const struct rlimit none = { 0, 0 };
	char path[32];
	const struct sbx_rule rule = { .path = path, .write = true };
	AUTO_CLOSE int ruleset = -1;
	int abi;

	/* While /proc/self is still ours: it is no more once not dumpable. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	if (landlock_build(&rule, 1, false, &ruleset, &abi, e) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return err_sys(e, "give up privileges");
	if (ruleset >= 0 && landlock_enter(ruleset) < 0)
		return err_sys(e, "enter Landlock");
	*landlock = ruleset >= 0;
	if (drop_capabilities(e) < 0)
		return -1;
	return enter_seccomp(e);
}
