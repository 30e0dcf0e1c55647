/*
 * list_opts: rows of the commands that list what a gateway has, page by page.
 * The fields, of the command's own struct args, have the names of the options.
 */
#ifndef CLI_LIST_OPTS_H
#define CLI_LIST_OPTS_H

#include "cli/cli.h"

/* clang-format off */
#define LIST_PAGE_OPTS(things) \
	{ .name = "limit", .letter = 'n', .kind = OPT_UINT, OPT(limit), \
	    .min = 1, .max = 1000, .value = "N", \
	    .help = "Show at most N " things " (100)" }, \
	{ .name = "offset", .kind = OPT_UINT, OPT(offset), .value = "N", \
	    .max = UINT32_MAX, .help = "Leave the first N out" }

#define LIST_NAMES_OPT \
	{ .name = "names", .kind = OPT_FLAG, OPT(names), \
	    .help = "Print names only" }
/* clang-format on */

#endif
