/* gateways: what commands show of registered gateways. */
#ifndef CLI_GATEWAYS_H
#define CLI_GATEWAYS_H

#include "cli/cli.h"

/* The table of all that are registered, the active one marked. */
int gateways_print(struct cli *c, unsigned format, struct err *e) MUST_USE;

#endif
