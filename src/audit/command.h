/*
 * command: a command line as a record may hold it.
 *
 * Its owner wrote it, and not for a log: values behind names that speak of
 * secrets, logins and queries of URLs, and tokens of a known shape are written
 * as ***.  What does not look like a secret stays; who hands one over as a
 * bare argument has it recorded.
 */
#ifndef AUDIT_COMMAND_H
#define AUDIT_COMMAND_H

#include "base/bytes.h"

/* Appends argv, " " joined; arguments with blanks or quotes in '...'. */
void audit_command(const char *const *argv, size_t n, struct buf *out);

#endif
