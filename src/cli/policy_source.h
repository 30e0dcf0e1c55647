/* policy_source: a policy from wherever a word of the command line says. */
#ifndef CLI_POLICY_SOURCE_H
#define CLI_POLICY_SOURCE_H

#include "cli/cli.h"
#include "policy/policy.h"

/*
 * "-", a file, or (when the word has no '/' and no '.', and no such file is
 * there) a sandbox of the gateway: the policy it has in force.  0; 1 when it
 * has errors (all printed); -1 when it cannot be had.
 */
int policy_source(struct cli *c, const char *word, struct policy **out,
    struct err *e) MUST_USE;

#endif
