/*
 * profile: the known types of providers (profiles.def).
 */
#ifndef SECRETS_PROFILE_H
#define SECRETS_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* The slug of a type as it was written: blanks, case, other spellings.  NULL:
 * not known. */
const char *profile_type(struct view written);
/* The n-th slug in order; NULL after the last. */
const char *profile_nth(size_t n);
/* The n-th variable that its credential may be in; empty after the last. */
struct view profile_var(const char *type, size_t n);
/* The type that a command (its first word, also a path) needs, or NULL. */
const char *profile_of_command(struct view word);

/* Whether credential `key` of a provider of this type may go there. */
bool profile_bound(struct view type, struct view key, struct view host,
    uint16_t port, struct view path);
/* The n-th host that credentials of a type belong to, on port 443: a name, or
 * "*." or "**." and one; empty after the last. */
struct view profile_host(const char *type, size_t n);
/* Whether it may go anywhere at that host and port: such an endpoint has to be
 * inspected. */
bool profile_reaches(
    struct view type, struct view key, struct view host, uint16_t port);

/*
 * Names that no credential may have: the programs of the sandbox would read
 * them as something else (PATH, LD_*, proxies, trust, our own).
 */
bool profile_reserved(struct view key);

#endif
