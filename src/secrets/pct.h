/* pct: percent-encoding (RFC 3986 section 2.1). */
#ifndef SECRETS_PCT_H
#define SECRETS_PCT_H

#include <stdbool.h>

#include "base/bytes.h"

/* Decodes as servers do: a bad escape stays what it is. */
void pct_decode(struct view v, bool plus, struct buf *out);
enum pct_keep { PCT_UNRESERVED, PCT_PCHAR };
void pct_encode(struct view v, enum pct_keep keep, struct buf *out);

#endif
