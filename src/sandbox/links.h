/*
 * links: the binaries of a policy that are symbolic links in the sandbox.
 *
 * The kernel names a running program by its file, /usr/bin/python3.11, while
 * people write /usr/bin/python3 or /bin/python3.  A path is followed inside
 * the sandbox's root the first time a policy names it and something is there;
 * what it led to then stays.  Attack: a program of the sandbox that points the
 * link elsewhere afterwards, and has another program take its place.
 *
 * What the sandbox may write it can make into a link before the policy names
 * it, as it can put any program there: such a path says no more than that.
 */
#ifndef SANDBOX_LINKS_H
#define SANDBOX_LINKS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "policy/policy.h"

enum {
	LINKS_MAX = 2048, /* paths; more are taken as they are written */
};

struct links;

/* `root`: an O_PATH directory, the root of the sandbox; the caller's. */
struct links *links_new(int root) MUST_USE;
void links_free(struct links *l);
/* Follows what the policy names and was not seen yet; true: a link was new. */
bool links_follow(struct links *l, const struct policy *p);
/* "path NUL target NUL" of each; room for all is NET_LINKS_MAX bytes. */
void links_put(const struct links *l, struct buf *out);

#endif
