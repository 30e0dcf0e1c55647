/*
 * local: the hosts of local.def.  A connection to one, by whatever way, is
 * identified like any other and then served here in the place of a verdict.
 */
#ifndef PROXY_LOCAL_H
#define PROXY_LOCAL_H

#include "proxy/px.h"

struct px_local {
	const char *host;
	bool looked_up;
	enum px_next (*serve)(struct px_conn *c);
};

/* As an authority has it: small letters, no dot at its end.  NULL: none. */
const struct px_local *px_local_find(struct view host);

/* advisor.c */
enum px_next px_local_policy(struct px_conn *c);

#endif
