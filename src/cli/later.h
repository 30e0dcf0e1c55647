/*
 * later: words that are understood and refused by name, as what they need does
 * not exist yet.  Taken for unknown words, they would pass for mistyped.
 */
#ifndef CLI_LATER_H
#define CLI_LATER_H

#include "base/err.h"

/* -1: `word` (an option or a command) needs SSH into a sandbox. */
static inline int
later_ssh(const char *word, struct err *e)
{
	return err_set(e, ERR_INVALID,
	    "%s is not there yet: it needs SSH into the sandbox, which "
	    "sandboxes do not have\nfor a shell: openshell sandbox connect; "
	    "for files: openshell sandbox upload, download; for a command: "
	    "openshell sandbox exec",
	    word);
}

/*
 * -1: gateways of other machines are not started and stopped from here.  Left
 * out, one of this machine would be in its place.
 */
static inline int
later_remote(const char *what, struct err *e)
{
	return err_set(e, ERR_INVALID,
	    "--remote is not there yet: %s\nrun openshell there by ssh", what);
}

#define LATER_REMOTE_OPTS(remote, key) \
	{ .name = "remote", \
		.kind = OPT_STR, \
		OPT(remote), \
		.value = "DEST", \
		.help = "Refused: only gateways of this machine", \
		.hidden = true }, \
	{ \
		.name = "ssh-key", .kind = OPT_STR, OPT(key), .value = "FILE", \
		.help = "Refused: only gateways of this machine", \
		.hidden = true \
	}

#endif
