/*
 * reflect: finds the credentials of a sandbox in what comes back to it.
 *
 * Looked for are the values, as they are and as a server may show them: in
 * base64 at each of the three alignments (Basic), percent-encoded, as a JSON
 * string.  Values of fewer than REFLECT_MIN bytes are not: their letters
 * stand in innocent text.
 *
 * This stops an upstream that shows what it was sent.  It does not stop one
 * that means to give a secret away, which can write it in any other way.
 */
#ifndef SECRETS_REFLECT_H
#define SECRETS_REFLECT_H

#include "base/bytes.h"
#include "secrets/creds.h"

enum { REFLECT_MIN = 8 };

struct reflect; /* immutable; holds secrets, in locked memory */

/*
 * NULL in *out when there is nothing to look for.  What `before` (may be NULL)
 * had is looked for too: answers to requests that were sent with it still come.
 */
int reflect_new(const struct creds *c, const struct creds *before,
    struct reflect **out, struct err *e) MUST_USE;
void reflect_free(struct reflect *r);

/*
 * Masks every occurrence in the n bytes at p with '*'.  Returns how many there
 * were; *safe is how many bytes from the start can go on: behind them may
 * begin one that has not come whole.  With `last` nothing follows: all can.
 */
size_t reflect_mask(
    const struct reflect *r, char *p, size_t n, bool last, size_t *safe);
/* Whether one is in it, whole. */
bool reflect_has(const struct reflect *r, struct view v);

#endif
