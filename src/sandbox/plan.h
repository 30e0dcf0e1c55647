/*
 * plan: from a policy and the owner's wishes to what the sandbox is made of.
 *
 * Pure decision over the host's file system: it looks (stat, readlink,
 * realpath) and changes nothing.  What neither the policy nor an option names
 * is not in the plan, so it is not there inside.
 */
#ifndef SANDBOX_PLAN_H
#define SANDBOX_PLAN_H

#include "base/err.h"
#include "policy/policy.h"
#include "sandbox/session.h"
#include "sandbox/spawn.h"

#define SBX_HOME "/sandbox"
#define SBX_USER "sandbox"
#define SBX_PROXY_ADDR "10.200.0.1"
enum { SBX_PROXY_PORT = 3128, SBX_CAPTURE_PORT = 3129 };

struct plan;

/*
 * `limits` with zeroes for defaults; `wish` as session.h says.  Refuses with
 * the fix what would show too much or does not exist.
 */
int plan_new(const struct policy *policy, const struct session_spec *limits,
    const struct blob *wish, struct plan **out, struct err *e) MUST_USE;
void plan_free(struct plan *p);

/* Valid as long as the plan. */
const struct sbx_plan *plan_sbx(const struct plan *p);
const char *plan_path(const struct plan *p); /* PATH inside */
const char *plan_shell(const struct plan *p); /* SHELL inside */
const char *plan_cwd(const struct plan *p); /* where commands start */
/* The program asked for, when it was bound for this sandbox; else NULL. */
const char *plan_program(const struct plan *p);

#endif
