/*
 * seccomp: the system call filter of every process in the sandbox, assembled
 * from seccomp_rules.def (seccomp(2), classic BPF).
 */
#ifndef SANDBOX_SECCOMP_H
#define SANDBOX_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>

enum { SECCOMP_INSNS_MAX = 1024 };

struct seccomp_prog {
	unsigned short n;
	struct sock_filter insn[SECCOMP_INSNS_MAX];
};

/*
 * Profile "standard".  `bits`: of a file's mode, never to be set, S_ISUID at
 * the least.  Cannot fail: the table is ours and bounded.
 */
void seccomp_build(struct seccomp_prog *p, unsigned bits);
/* Installs for the calling thread, for good.  0, or -1 with errno. */
int seccomp_enter(const struct seccomp_prog *p);

#endif
