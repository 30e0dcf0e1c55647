/*
 * environ: the environment of every process of the sandbox.
 *
 * Nothing is inherited.  It is ours, then what the owner asked for, then the
 * names that make traffic go through the proxy and trust its CA: those are
 * last, so that nobody can turn them off by accident.
 */
#ifndef SANDBOX_ENVIRON_H
#define SANDBOX_ENVIRON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Inside the sandbox; written by ctl before the first program starts. */
#define SBX_CA_FILE "/etc/openshell-tls/openshell-ca.pem"
#define SBX_BUNDLE_FILE "/etc/openshell-tls/ca-bundle.pem"
#define SBX_SKILL_FILE "/etc/openshell/skills/policy_advisor.md"

struct environ_base {
	const char *home, *user, *shell, *path;
	const char *proxy_url; /* "http://10.200.0.1:3128" */
	bool tty; /* TERM defaults to a real terminal */
};

struct environ_list {
	char **v; /* NULL-terminated "K=V", one per name */
	size_t n;
};

/*
 * `wanted`: n items "K=V" of the owner, later ones win.  Refuses a malformed
 * name.  *out is the caller's to release with environ_fini.
 */
int environ_build(const struct environ_base *base, const char *const *wanted,
    size_t n, struct environ_list *out, struct err *e) MUST_USE;
void environ_fini(struct environ_list *l);

#endif
