/*
 * policy_file: a policy on disk, as the commands read it.
 *
 * The directory is opened once and the file always looked up in it, so that
 * renaming a parent cannot put another file in its place.
 */
#ifndef CLI_POLICY_FILE_H
#define CLI_POLICY_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"
#include "cli/cli.h"
#include "policy/policy.h"

/* The FILE of a command that reads one; a field of its struct args. */
#define POLICY_FILE_POS(field) \
	{ \
		.name = "FILE", .kind = OPT_STR, OPT(field), \
		.hint = HINT_FILE, \
		.help = "The policy, or - for standard input" \
	}

struct policy_file {
	char *path; /* as the user wrote it */
	char *base; /* last component */
	char *dir; /* the rest, or "." */
	int dirfd; /* O_PATH */
	dev_t dev; /* of the file last read */
	ino_t ino;
};

int policy_file_open(
    const char *path, struct policy_file *f, struct err *e) MUST_USE;
void policy_file_close(struct policy_file *f);
#define AUTO_POLICY_FILE CLEANUP(policy_file_close)

/*
 * The text; *text is the caller's.  Refuses what is not a regular file, a
 * symbolic link and what is larger than POLICY_TEXT_MAX, each with the fix.
 */
int policy_file_read(
    struct policy_file *f, char **text, size_t *n, struct err *e) MUST_USE;

/* Open, read, close; "-" is the standard input of `c`. */
int policy_text(struct cli *c, const char *path, char **text, size_t *n,
    struct err *e) MUST_USE;

/*
 * A parsed policy for a command: findings go to stderr.  0 with *out, or 1
 * when the policy has errors (all printed), or -1 when it cannot be read.
 */
int policy_load(struct cli *c, const char *path, struct policy **out,
    struct err *e) MUST_USE;
/* What a command says that needed the policy, once its errors are told: -1. */
int policy_refuse(const char *path, struct err *e) MUST_USE;

#endif
