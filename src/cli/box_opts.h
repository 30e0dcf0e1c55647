/*
 * box_opts: rows of what `run` and `sandbox create` alike give a sandbox.  The
 * fields, of the command's own struct args, have the names of the options.
 */
#ifndef CLI_BOX_OPTS_H
#define CLI_BOX_OPTS_H

#include "cli/cli.h"

/* clang-format off */
#define BOX_BIND_OPTS \
	{ .name = "ro", .kind = OPT_LIST, OPT(ro), .value = "PATH", \
	    .hint = HINT_FILE, \
	    .help = "Bind a path of this machine, to be read" }, \
	{ .name = "rw", .kind = OPT_LIST, OPT(rw), .value = "PATH", \
	    .hint = HINT_FILE, \
	    .help = "Bind a path of this machine, to be written" }

#define BOX_LIMIT_OPTS \
	{ .name = "memory", .kind = OPT_SIZE, OPT(memory), .value = "SIZE", \
	    .help = "Limit memory (512M, 2G)" }, \
	{ .name = "pids", .kind = OPT_UINT, OPT(pids), .value = "N", \
	    .min = 1, .max = 4194304, /* PID_MAX_LIMIT, proc(5) */ \
	    .help = "Limit the number of processes" }, \
	{ .name = "disk", .kind = OPT_SIZE, OPT(disk), .value = "SIZE", \
	    .help = "Limit private writable space" }
/* clang-format on */

#endif
