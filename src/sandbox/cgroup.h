/*
 * cgroup: one leaf for one sandbox, in whichever shape the machine has
 * (cgroups(7)): a delegated v2 subtree, writable v1 controllers, or none.
 */
#ifndef SANDBOX_CGROUP_H
#define SANDBOX_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum cgroup_shape { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

enum { CGROUP_PATH = 512, CGROUP_DIRS = 2 };

struct cgroup {
	enum cgroup_shape shape;
	char dir[CGROUP_DIRS][CGROUP_PATH]; /* "": none */
	int v2; /* directory, for clone3(CLONE_INTO_CGROUP) */
	int tasks[CGROUP_DIRS]; /* v1: where a process enters */
	int oom; /* file with the count of OOM kills */
	bool memory, pids; /* which limits hold */
};

/*
 * Makes the leaf and sets its limits.  Never fails: what cannot be had is
 * visible in shape, memory and pids.
 */
void cgroup_make(
    struct cgroup *cg, const char *id, uint64_t memory_max, uint32_t pids_max);

/* A machine's tree; cgroup_make takes the running one's. */
struct cgroup_place {
	const char *top; /* where it is mounted */
	const char *self; /* the text of /proc/self/cgroup */
	bool v2;
};
void cgroup_make_at(struct cgroup *cg, const struct cgroup_place *at,
    const char *id, uint64_t memory_max, uint32_t pids_max);
/*
 * The leaf that another process made with that id: its directories and the
 * count of OOM kills; nothing when there is none.
 */
void cgroup_find(struct cgroup *cg, const char *id);
/* v1: moves the calling process in.  (v2: by clone3.) */
int cgroup_enter(const struct cgroup *cg, struct err *e) MUST_USE;
/* Processes killed for want of memory so far. */
uint64_t cgroup_oom_kills(const struct cgroup *cg);
/* Removes the directories once empty; waits shortly for the last to leave. */
void cgroup_remove(struct cgroup *cg);
/*
 * Removes the empty leaf that another process made with that id and was killed
 * before it could remove it.  Waits for nothing; what is in use stays.
 */
void cgroup_forget(const char *id);
/* Closes the descriptors only. */
void cgroup_close(struct cgroup *cg);
/* For people: what holds, and the remedy when it is less than it could be. */
void cgroup_text(const struct cgroup *cg, uint64_t memory_max,
    uint32_t pids_max, char *limits, size_t n);
const char *cgroup_fix(void);

#endif
