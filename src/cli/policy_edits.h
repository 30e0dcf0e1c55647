/*
 * policy_edits: changes of a policy as options have them, for `policy update`.
 *
 *	HOST:PORT[:ACCESS[:PROTOCOL[:ENFORCEMENT]]]	an endpoint
 *	HOST:PORT					where it is
 *	HOST:PORT:METHOD:PATH				a request
 *
 * An IPv6 address stands in brackets.
 */
#ifndef CLI_POLICY_EDITS_H
#define CLI_POLICY_EDITS_H

#include "cli/cli.h"
#include "rpc/edit_wire.h"
#include "rpc/policy_wire.h"

/* What the options said; borrowed. */
struct edit_words {
	struct cli_list add_endpoints, remove_endpoints, add_allows, add_denies,
	    remove_rules, remove_binaries, binaries;
	const char *rule; /* or NULL */
};

struct policy_edits {
	edit_msg **v;
	size_t n;
};
void policy_edits_fini(struct policy_edits *d);
#define AUTO_EDITS CLEANUP(policy_edits_fini) struct policy_edits

/*
 * What goes first, then what comes; *out is the caller's either way.  Programs
 * of endpoints to add that are not said are those of the rule, in `now`.
 */
int policy_edits_read(const struct edit_words *w, const policy_wire_msg *now,
    struct policy_edits *out, struct err *e) MUST_USE;

#endif
