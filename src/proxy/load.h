/*
 * load: what ctl hands over as text: policies, and the links among their
 * binaries (sandbox/links.h).
 */
#ifndef PROXY_LOAD_H
#define PROXY_LOAD_H

#include "proxy/px.h"

/* Text to snapshot, by the links known now.  *e holds every finding that
 * fits. */
int load_policy(struct px *px, int fd, uint64_t generation,
    struct snapshot **out, struct err *e) MUST_USE;
/* Remembers the links and compiles the policy in force anew by them. */
int load_links(struct px *px, int fd, size_t n, struct err *e) MUST_USE;

#endif
