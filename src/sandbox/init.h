/*
 * init: what is known of one sandbox before its processes part, and the life
 * of PID 1.  Private to the files of the spawner and of init.
 */
#ifndef SANDBOX_INIT_H
#define SANDBOX_INIT_H

#include <sys/resource.h>

#include "sandbox/cgroup.h"
#include "sandbox/mount.h"
#include "sandbox/netns.h"
#include "sandbox/seccomp.h"
#include "sandbox/spawn.h"
#include "sandbox/userns.h"

struct box {
	const struct sbx_plan *plan;
	struct userns_ids ids;
	struct cgroup cg;
	struct protect protect;
	int *src; /* as root: the plan's host trees, opened early */
	int sock; /* init's end of the pair with ctl */
	int life; /* a byte from the spawner when ids are mapped, one
		     back when sealed; end of file when it is gone */
};

/* The whole life of PID 1.  Returns its exit status. */
int init_main(struct box *b);

/* What a child needs from init; built once. */
struct init_rules {
	int landlock; /* -1: none */
	struct seccomp_prog seccomp;
	uid_t uid;
	gid_t gid;
	rlim_t nofile, nproc, data; /* RLIM_INFINITY: leave */
};

struct init_program {
	const char *const *argv, *const *env;
	const char *cwd;
	bool tty;
	const int *stdio; /* 3 descriptors, or the terminal thrice */
};

/* Why a child did not become the program; sent through a pipe. */
struct init_fault {
	char step[24];
	int sys;
};

/*
 * In the forked child: takes every restriction on, runs the program.  Returns
 * only when it fails, after writing a fault to `err` (close-on-exec).
 */
void init_child(
    const struct init_rules *r, const struct init_program *p, int err);

/* Capabilities, bounding set and securebits away for good. */
int init_drop(struct err *e) MUST_USE;

#endif
