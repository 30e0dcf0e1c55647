/*
 * agent: finds the program a person asked for on this machine, and the least
 * that must be shown of the host for it to run: its own installation, at its
 * own path, read-only.
 */
#ifndef SANDBOX_AGENT_H
#define SANDBOX_AGENT_H

#include <stdbool.h>

#include "base/err.h"

enum { AGENT_BINDS_MAX = 16, AGENT_DIRS_MAX = 16 };

struct agent_ask {
	const char *command; /* argv[0] as the person typed it */
	const char *path; /* the owner's PATH */
	const char *cwd; /* for a command with a '/' in it */
	const char *home; /* the owner's; never shown as a whole */
	/* The host path is there inside already, at the same path. */
	bool (*visible)(const void *ctx, const char *path);
	const void *ctx;
};

struct agent_bind {
	char *path; /* to be shown, read-only; or the place of a link */
	char *target; /* not NULL: a symbolic link with this text */
};

struct agent {
	struct agent_bind binds[AGENT_BINDS_MAX];
	size_t n_binds;
	char *dirs[AGENT_DIRS_MAX]; /* for PATH inside, in order */
	size_t n_dirs;
	char *program; /* the file itself; NULL when it was not found */
};

/*
 * 0 also when there is no such program: the exec inside then says so.  -1 when
 * it is there but cannot be shown safely, with the fix.  *out is the caller's
 * to release with agent_fini.
 */
int agent_find(
    const struct agent_ask *ask, struct agent *out, struct err *e) MUST_USE;
void agent_fini(struct agent *a);

#endif
