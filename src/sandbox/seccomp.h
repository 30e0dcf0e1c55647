/*
 * seccomp: the system call filter of every process in the sandbox, assembled
 * from seccomp_rules.def (seccomp(2), classic BPF).
 */
#ifndef SANDBOX_SECCOMP_H
#define SANDBOX_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

enum { SECCOMP_INSNS_MAX = 1024 };

struct seccomp_prog {
	unsigned short n;
	struct sock_filter insn[SECCOMP_INSNS_MAX];
};

/*
 * Profile "standard".  `bits`: of a file's mode, never to be set, S_ISUID at
 * the least.  `asked`: raw sockets and those for ICMP are left to the filter of
 * seccomp_ask, which must be in force; else they are refused here.  Cannot
 * fail: the table is ours and bounded.
 */
void seccomp_build(struct seccomp_prog *p, unsigned bits, bool asked);
/* Installs for the calling thread, for good.  0, or -1 with errno. */
int seccomp_enter(const struct seccomp_prog *p);

/*
 * Raw sockets and those for ICMP, as a filter that asks: whoever makes one
 * waits until the holder of the descriptor has refused it, and so can record
 * it.  When nobody holds it any more, the kernel refuses (ENOSYS).
 */
void seccomp_ask(struct seccomp_prog *p);
/*
 * Installs it for the calling thread and all it will fork.  The descriptor, or
 * -1 with errno: kernel older than 5.0, or a filter that asks is in force
 * already (EBUSY).
 */
int seccomp_listen(const struct seccomp_prog *p) MUST_USE;

/* A socket that somebody waits for. */
struct seccomp_question {
	uint64_t id;
	uint32_t thread; /* in the caller's pid namespace */
	int family, type, protocol; /* type without its flags */
};
/* The next one, which `fd` must be readable for.  0; -1: it is gone again. */
int seccomp_next(int fd, struct seccomp_question *out) MUST_USE;
/* EPERM for it; it may be gone. */
void seccomp_refuse(int fd, const struct seccomp_question *q);
/* Is whoever waits still there? */
bool seccomp_waits(int fd, const struct seccomp_question *q) MUST_USE;

#endif
