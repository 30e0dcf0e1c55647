/* remote: commands on the machine of a gateway elsewhere, by ssh(1). */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include "cli/cli.h"

/* Appends a word as sh(1) reads it back (cli spec 10.5). */
void remote_quote(struct buf *out, const char *word);
/*
 * Becomes `ssh [-i KEY] [-t] HOST COMMAND`; comes back only with an error.
 * `key` may be NULL.
 */
int remote_become(const char *host, const char *key, bool tty,
    const char *command, struct err *e) MUST_USE;
/*
 * Where a gateway lives: `given`, else what its registration says; NULL: on
 * this machine.  The caller's.  -1: it is elsewhere and nobody knows where.
 */
int remote_host_of(const char *gateway, const char *given, char **host,
    struct err *e) MUST_USE;

/* Rows of the options that name it; fields are const char *. */
#define REMOTE_OPTS(remote, key) \
	{ .name = "remote", \
		.kind = OPT_STR, \
		OPT(remote), \
		.value = "DEST", \
		.help = "The gateway's machine, as ssh has it" }, \
	{ \
		.name = "ssh-key", .kind = OPT_STR, OPT(key), .value = "FILE", \
		.hint = HINT_FILE, .help = "The key for ssh to use" \
	}

#endif
