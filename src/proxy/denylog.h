/*
 * denylog: what was refused lately, as the agent may be told it.
 *
 * Records have more than programs may know: addresses behind names, and with
 * them what would let one through.  Here is what the refused program was told
 * at most.
 */
#ifndef PROXY_DENYLOG_H
#define PROXY_DENYLOG_H

#include "audit/event.h"

enum { DENYLOG_MAX = 100, DENYLOG_LINE_MAX = 4096 };

struct denylog;
struct denylog *denylog_new(void) MUST_USE;
void denylog_free(struct denylog *d);
/* Keeps it in the place of the oldest, when it is a denial that a policy, or
 * what it cannot allow, is the reason of. */
void denylog_add(struct denylog *d, const struct audit_event *ev);
/* The i-th, newest first; empty when there are fewer. */
struct view denylog_at(const struct denylog *d, size_t i);

#endif
