/*
 * placeholder: what a program of the sandbox holds in place of a credential.
 *
 *	openshell:resolve:env:KEY	the credential KEY
 *	openshell:resolve:env:v7_KEY	the same, for who learned it at
 *					revision 7 of the sandbox's credentials
 *	sk-OPENSHELL-RESOLVE-ENV-KEY	the same, for programs that check the
 *					shape of a token: any prefix of token
 *					characters; only as a whole token
 *
 * KEY is [A-Za-z_][A-Za-z0-9_]*, as long as it goes.  A key that itself looks
 * like v7_KEY cannot be (ph_key_ok).
 */
#ifndef SECRETS_PLACEHOLDER_H
#define SECRETS_PLACEHOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define PH_PREFIX "openshell:resolve:env:"
#define PH_ALIAS "OPENSHELL-RESOLVE-ENV-"
/* What stands in records, and before policy, where a value will be. */
#define PH_SHOWN "[CREDENTIAL]"

enum { PH_KEY_MAX = 256, PH_REVISION_MAX = 1 << 30 };

struct ph {
	struct view key;
	uint32_t revision; /* 0: whichever is newest */
};

/* A name that a credential may have. */
bool ph_key_ok(struct view key);
/* The environment's "KEY=placeholder". */
void ph_environ(struct view key, struct buf *out);

/* Whether either marker is in it: what must not go on as it is. */
bool ph_marked(struct view v);
/*
 * The same of bytes that come in pieces and go on as they come: a marker is
 * seen before its last byte goes.  Start with zeros.
 */
enum { PH_MARK = 22 };
struct ph_scan {
	char tail[PH_MARK - 1]; /* of what went, what could begin one */
	size_t n;
};
/* Whether one ends in `piece`. */
bool ph_scan_sees(const struct ph_scan *s, struct view piece);
/* `piece` went. */
void ph_scan_went(struct ph_scan *s, struct view piece);
/* `v` is one placeholder, of any form, and nothing else. */
bool ph_whole(struct view v, struct ph *out) MUST_USE;
/*
 * The next placeholder of the first two forms in `v` from *at on.  1: *out,
 * and *at and *n are its place; 0: no marker is left; -1: a marker that is no
 * placeholder, or an alias, which cannot be part of something.
 */
int ph_next(struct view v, size_t *at, size_t *n, struct ph *out) MUST_USE;

#endif
