/*
 * middleware_opts: the option about services that look at requests, which
 * `openshell run` and `openshell gateway start` share; `field` is a cli_list.
 */
#ifndef CLI_MIDDLEWARE_OPTS_H
#define CLI_MIDDLEWARE_OPTS_H

#include "cli/cli.h"
#include "rpc/services.h"

/* clang-format off */
#define MIDDLEWARE_OPT(field) \
	{ .name = "middleware", \
	    .kind = OPT_LIST, \
	    OPT(field), \
	    .value = "NAME=ADDRESS", \
	    .help = "Let policies name this service, which looks at requests", \
	    .more = "ADDRESS is unix:/path, http://127.0.0.1:PORT, or " \
		    "https://HOST:PORT,ca=FILE[,cert=FILE,key=FILE]; behind " \
		    "it maybe ,timeout=MS (10 to 30000; 500 when left out). " \
		    "Files are named from / on. Its connections are made " \
		    "outside of the sandbox." }
/* clang-format on */

#endif
