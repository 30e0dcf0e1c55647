/*
 * plan_impl: a plan while it is made, shared by plan*.c and by nobody else.
 */
#ifndef SANDBOX_PLAN_IMPL_H
#define SANDBOX_PLAN_IMPL_H

#include <limits.h>

#include "codec/arena.h"
#include "sandbox/plan.h"

enum plan_rank { PLAN_BASE, PLAN_POLICY, PLAN_AGENT, PLAN_OPTION };

struct plan_entry {
	struct sbx_mount m;
	enum plan_rank rank;
};

enum { PLAN_ENTRIES_MAX = 1024, PLAN_STATES_MAX = 8 };

struct plan {
	struct arena mem;
	struct sbx_plan sbx;
	struct plan_entry *all;
	size_t n_all;
	struct sbx_mount *mounts;
	struct sbx_rule *rules;
	size_t n_rules;
	const char *protect[128];
	const char *path, *shell, *cwd, *workdir, *home, *program;
	const char *states[PLAN_STATES_MAX];
	size_t n_states;
};

/* --- plan.c: the mounts so far --- */

/* A copy that lives as long as the plan. */
const char *plan_keep(struct plan *p, const char *s);
/* Is `path` that directory or something in it? */
bool plan_below(const char *path, const char *dir);
/* The entry that is mounted just there, or NULL. */
struct plan_entry *plan_entry_at(struct plan *p, const char *dst);
/* The entry whose mount `path` is seen through, or NULL. */
const struct plan_entry *plan_seen_through(
    const struct plan *p, const char *path);
/* Is the host's `path` there inside, at the same path?  ctx: the plan. */
bool plan_is_visible(const void *ctx, const char *path);
/* A place that a higher rank has already is left to it. */
int plan_add(struct plan *p, enum plan_rank rank, enum sbx_mount_kind kind,
    const char *src, const char *dst, unsigned mode, struct err *e) MUST_USE;
int plan_bind_ro(struct plan *p, enum plan_rank rank, const char *path,
    struct err *e) MUST_USE;

/* --- plan_place.c: `what` names the option in the sentence --- */

int plan_check_place(const struct plan *p, const char *path, const char *what,
    struct err *e) MUST_USE;
/* Shows home, or a directory that home or our state lies in? */
int plan_check_breadth(const struct plan *p, const char *path, const char *what,
    const char *fix, struct err *e) MUST_USE;
/* realpath with a sentence. */
int plan_resolve(const char *path, const char *what, char out[PATH_MAX],
    struct err *e) MUST_USE;
/* Our own state below a directory that is shown: covered by an empty one. */
int plan_hide_states(struct plan *p, const char *path, struct err *e) MUST_USE;

/* --- the parts, in the order in which they are added --- */

/* plan_base.c: the machine's own. */
int plan_add_base(struct plan *p, struct err *e) MUST_USE;
/* plan_wish.c; `hard`: what is listed must be there. */
int plan_add_policy(struct plan *p, const struct policy_fs *fs, bool hard,
    struct err *e) MUST_USE;
/* `writable` says it of the work directory. */
int plan_add_wishes(struct plan *p, const struct blob *wish, bool writable,
    struct err *e) MUST_USE;
/* plan_base.c: files that must not be the host's. */
int plan_add_own_files(struct plan *p, struct err *e) MUST_USE;
/* plan_wish.c, last: secrets that the owner named files of are not shown. */
int plan_check_secrets(
    const struct plan *p, const struct blob *wish, struct err *e) MUST_USE;
/* plan_protect.c */
void plan_add_protection(struct plan *p);

#endif
