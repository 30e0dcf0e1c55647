/*
 * creds: the credentials of one sandbox, as they travel from their keeper to
 * the proxy, and the table in which the proxy holds them.
 *
 * The bytes: a magic, then for each credential, length before text (16 bits,
 * big-endian): provider (its name), type, key, value, absent; then when it
 * ends (64 bits) and how it is put (8 bits).  They are read into locked memory
 * and stay there; the table only points into it.
 */
#ifndef SECRETS_CREDS_H
#define SECRETS_CREDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "secrets/locked.h"
#include "secrets/placeholder.h"

enum {
	CREDS_MAX = 1024, /* 32 providers with 32 each */
	CREDS_BYTES_MAX = 1 << 20,
	CREDS_NAME_MAX = 253,
	CREDS_ABSENT_MAX = 400
};

enum cred_put {
	CRED_NAMED, /* where a program puts its placeholder */
	CRED_BEARER, /* and as Authorization: Bearer where there is none */
	CRED_PUTS
};

struct cred {
	struct view provider, type, key;
	struct view value; /* empty: there is none at present ... */
	struct view absent; /* ... and this is why */
	int64_t ends_ms; /* wall clock; from then on it is none.  0: never */
	enum cred_put put;
	/* Revision of the sandbox's credentials since which this key is of
	 * this provider. */
	uint32_t since;
};

/* --- making the bytes (keeper, openshell run) ----------------------------- */

/* `out` should be a rw_out; it is sticky when something does not fit. */
void creds_begin(struct buf *out);
int creds_add(struct buf *out, const struct cred *c, struct err *e) MUST_USE;

/* --- the table ------------------------------------------------------------ */

struct creds {
	struct locked mem;
	struct cred *v;
	size_t n;
	uint32_t revision;
};

/*
 * Takes `mem` over (also on failure).  Refuses what is malformed: a key or a
 * value that cannot be, a key twice.  `before` (may be NULL) is the table that
 * this one follows.
 */
int creds_read(struct locked *mem, uint32_t revision,
    const struct creds *before, struct creds **out, struct err *e) MUST_USE;
void creds_free(struct creds *c);

/*
 * What the placeholder names, or NULL.  One that tells a revision names what
 * the key has been since then: its newest value, but nothing once the key has
 * been taken away, or given to another provider.
 */
const struct cred *creds_find(const struct creds *c, const struct ph *p);
/* By its name alone, of one provider unless that is empty. */
const struct cred *creds_key(
    const struct creds *c, struct view provider, struct view key);
/* It has a value that may be used now; else ERR_AGAIN, the provider and why. */
int cred_usable(const struct cred *c, int64_t now_ms, struct err *e) MUST_USE;

#endif
