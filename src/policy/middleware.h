/*
 * middleware: who looks at what a policy allows, before it goes.
 *
 * A middleware is chosen by the host that a request is for, whatever program
 * asks and whichever rule allows it.  Built-in ones are part of the proxy; any
 * other name is that of a service which whoever runs the sandbox has
 * registered.
 */
#ifndef POLICY_MIDDLEWARE_H
#define POLICY_MIDDLEWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct policy;
struct policy_findings;
struct snapshot;

enum { POLICY_MIDDLEWARES_MAX = 10 };
#define POLICY_BUILT_IN "openshell/"
#define POLICY_REGEX "openshell/regex"

/* Strings are borrowed from the policy. */
struct policy_middleware {
	struct view key, middleware;
	bool built_in;
	bool fail_open;
	int32_t order;
	struct view config; /* canonical text of its mapping; empty: nothing */
};

/*
 * Those that see requests to `host`, in their order: how many.  What is put
 * there is borrowed from the snapshot.
 */
size_t policy_middlewares(const struct snapshot *s, struct view host,
    const struct policy_middleware *out[POLICY_MIDDLEWARES_MAX]);
/* Whether any can. */
bool policy_has_middlewares(const struct snapshot *s);
/* All of a policy, by key; false when there is no i-th one. */
bool policy_middleware_at(
    const struct policy *p, size_t i, struct policy_middleware *out);

/* The keys of those that see requests to `host`; by key, of a policy alone. */
size_t policy_middleware_keys(const struct policy *p, struct view host,
    struct view out[POLICY_MIDDLEWARES_MAX]);

/*
 * A finding for each middleware that is neither built in nor one of the n
 * names: -1 when there is one.
 */
int policy_check_services(const struct policy *p, const char *const *names,
    size_t n, struct policy_findings *f) __attribute__((warn_unused_result));
/* What a service may be called: 1 to 64 of a-z 0-9 . _ - and one '/'. */
bool policy_service_name(struct view name) __attribute__((warn_unused_result));

#endif
