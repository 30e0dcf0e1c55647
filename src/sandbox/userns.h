/*
 * userns: who the agent is, inside and out, and the two user namespaces that
 * make it so (user_namespaces(7)).
 */
#ifndef SANDBOX_USERNS_H
#define SANDBOX_USERNS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct userns_ids {
	bool range; /* as root: ids of our own range, never 0 */
	uid_t uid, out_uid; /* inside, and in the namespace we are in */
	gid_t gid, out_gid;
	int lock; /* held while the ids are in use; -1 when not ranged */
};

/*
 * Chooses the ids that those inside stand for.  As root each sandbox takes a
 * pair of its own from 0x70000000 up, held by a record lock on
 * /run/openshell/ids until the descriptor is closed by everyone who has it.
 */
int userns_ids_take(struct userns_ids *ids, uid_t inside_uid, gid_t inside_gid,
    struct err *e) MUST_USE;
void userns_ids_release(struct userns_ids *ids);

/* Our effective uid as the user namespace above ours has it. */
uid_t userns_outer_uid(void);

/* Writes the maps of process `pid`, which sits in a new user namespace. */
int userns_map(pid_t pid, const struct userns_ids *ids, struct err *e) MUST_USE;

/* Leaves room for one more user namespace below; `proc` is a procfs. */
int userns_last(int proc, struct err *e) MUST_USE;
/*
 * From inside: enters that one.  The one outside owns the mounts and the
 * network, and can have no other child, so that nothing inside can get a
 * capability over them again.
 */
int userns_nest(int proc, const struct userns_ids *ids, struct err *e) MUST_USE;

/*
 * As root: a user namespace for mount_setattr(2) MOUNT_ATTR_IDMAP in which
 * what belongs to uid and gid on disk is the agent's.  *fd is the caller's.
 */
int userns_for_mount(const struct userns_ids *ids, uid_t uid, gid_t gid,
    int *fd, struct err *e) MUST_USE;

/*
 * Why a user namespace cannot be made or is powerless here, with the command
 * that mends it; "" when no known switch is in the way.
 */
const char *userns_fix(void);

#endif
