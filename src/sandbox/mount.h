/*
 * mount: the root of a sandbox, constructed from nothing, and the names in
 * the work directory that must not change.
 */
#ifndef SANDBOX_MOUNT_H
#define SANDBOX_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "sandbox/spawn.h"
#include "sandbox/userns.h"

/* One thing to do in the work directory, in order. */
enum protect_act {
	PROTECT_PIN, /* bind over itself, so that it cannot be renamed */
	PROTECT_RO, /* bind over itself, read-only */
	PROTECT_PRIVATE /* cover with private space that is discarded */
};

struct protect_item {
	enum protect_act act;
	bool placeholder; /* made by a sandbox, to be removed at the end */
	char *rel; /* to the work directory */
};

struct protect {
	struct protect_item *items;
	size_t n;
	int dir; /* the work directory on the host */
	int lock; /* shared with the other sandboxes of this directory */
	char lock_path[128];
	char temp[48]; /* name of a placeholder in the making */
};

/*
 * On the host, before the sandbox: finds what is there, makes placeholders
 * for what is not.  Refuses a symbolic link on the way, naming it.
 */
int protect_prepare(struct protect *p, const struct sbx_plan *plan,
    const struct userns_ids *ids, struct err *e) MUST_USE;
/* Looks again, after the host changed something; the lock stays. */
int protect_scan(struct protect *p, const struct sbx_plan *plan,
    const struct userns_ids *ids, struct err *e) MUST_USE;
/* At the end; the last sandbox of the directory removes the placeholders. */
void protect_end(struct protect *p);

struct root {
	int space; /* tmpfs that holds everything private */
	int top; /* root of the sandbox: a directory of `space` */
	int late; /* writable view of `top` that nobody else can reach */
	int proc; /* the sandbox's procfs */
	int host; /* the old root */
	unsigned n_private;
	dev_t dev; /* of `space` */
};

/*
 * As root, in the host's mount namespace: opens the host trees of the plan,
 * so that directories closed to the sandbox's ids can be bound.  src[i] is -1
 * for mounts without one.  *src is the caller's (free; descriptors too).
 */
int mount_open(const struct sbx_plan *plan, const struct userns_ids *ids,
    int **src, struct err *e) MUST_USE;

/*
 * In new user and mount namespaces: builds the root of the plan.  `src` from
 * mount_open, or NULL to open here.
 */
int mount_build(struct root *r, const struct sbx_plan *plan,
    const struct userns_ids *ids, const int *src, struct err *e) MUST_USE;
/*
 * Read-only names of the work directory, within the built root; with r ==
 * NULL in the current one, where those that are still mounted stay and those
 * that are not there are passed over: then 1.
 */
int mount_protect(struct root *r, const struct sbx_plan *plan,
    const struct protect *p, struct err *e) MUST_USE;
/* Seals the root and makes it the process's own; the host's is let go. */
int mount_enter(struct root *r, struct err *e) MUST_USE;
/* One more file in the private root after all; *out, to write it, the caller's.
 */
int mount_put_file(
    const struct root *r, const char *path, int *out, struct err *e) MUST_USE;

/* Within mount*.c: */

/* A detached tree of `fd` (or of `path` below it). */
int mount_clone(
    int fd, const char *path, unsigned flags, struct err *e) MUST_USE;
/* Attributes of a tree, its submounts too when flags say AT_RECURSIVE. */
int mount_attr(
    int fd, unsigned flags, uint64_t set, int userns, struct err *e) MUST_USE;
int mount_move(int tree, int to, struct err *e) MUST_USE;
/* A new instance of a file system; opts is "key", "value", ..., NULL. */
int mount_new(const char *type, const char *const *opts, uint64_t attr,
    struct err *e) MUST_USE;
/* The mount point `dst`, made when it may be; *fd is the caller's. */
int mount_point(const struct root *r, const char *dst, bool dir, unsigned mode,
    int *fd, struct err *e) MUST_USE;
/* A fresh directory of the private space as a detached tree. */
int mount_private(
    struct root *r, unsigned mode, int *tree, struct err *e) MUST_USE;
/* /proc and /dev; `own_shm`: the plan brings a /dev/shm of its own. */
int mount_proc(struct root *r, struct err *e) MUST_USE;
int mount_dev(struct root *r, bool own_shm, struct err *e) MUST_USE;
int mount_freeze_proc(const struct root *r, struct err *e) MUST_USE;

#endif
