/*
 * egress_opts: the options about the way out that `openshell run` and
 * `openshell gateway start` share; `field` is a struct egress_options.
 */
#ifndef CLI_EGRESS_OPTS_H
#define CLI_EGRESS_OPTS_H

#include "cli/cli.h"
#include "http/egress.h"

/* clang-format off */
#define EGRESS_OPTS(field) \
	{ .name = "upstream-proxy", \
	    .kind = OPT_STR, \
	    OPT(field.proxy), \
	    .value = "URL", \
	    .help = "Let sandboxes out through this HTTP proxy", \
	    .more = "http://HOST:PORT. Each connection that the policy " \
		    "allows is asked of it as a CONNECT to the address that " \
		    "was checked; nothing goes round it but what " \
		    "--upstream-no-proxy names and this machine itself. No " \
		    "variable sets it." }, \
	{ .name = "upstream-no-proxy", \
	    .kind = OPT_STR, \
	    OPT(field.no_proxy), \
	    .value = "LIST", \
	    .help = "Reach these without it", \
	    .more = "Between commas: a domain (with all below it), an " \
		    "address, a network, or *; each perhaps with :PORT. " \
		    "Networks are of the addresses that a name has, all of " \
		    "them." }, \
	{ .name = "upstream-proxy-auth-file", \
	    .kind = OPT_STR, \
	    OPT(field.auth_file), \
	    .value = "FILE", \
	    .hint = HINT_FILE, \
	    .help = "Log in to it with USER:PASSWORD of this file", \
	    .more = "The sandbox never sees them, nor the file." }, \
	{ .name = "upstream-proxy-auth-allow-insecure", \
	    .kind = OPT_FLAG, \
	    OPT(field.auth_insecure), \
	    .help = "Yes, the login goes to it unencrypted" }, \
	{ .name = "upstream-proxy-connect-by-hostname", \
	    .kind = OPT_FLAG, \
	    OPT(field.by_hostname), \
	    .help = "Ask it for names, where addresses are refused", \
	    .more = "The name is resolved and checked here all the same; " \
		    "but the proxy then resolves it again, and where that " \
		    "leads is its word." }, \
	{ .name = "ignore-binaries", \
	    .kind = OPT_FLAG, \
	    OPT(field.any_binary), \
	    .help = "Judge by destination alone, whatever the program", \
	    .more = "What the policy says of binaries is left out: each " \
		    "program inside has what any of them is allowed. For " \
		    "programs that cannot be told apart. Each sandbox " \
		    "records that this protection is not in force." }
/* clang-format on */

#endif
