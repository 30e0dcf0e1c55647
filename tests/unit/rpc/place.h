/* place: a loop with a server on a Unix socket in a directory of its own. */
#ifndef TESTS_UNIT_RPC_PLACE_H
#define TESTS_UNIT_RPC_PLACE_H

#include "rpc/rpc.h"

struct place {
	uv_loop_t loop;
	struct rpc_server *server; /* the test may free it: then NULL */
	char dir[32], path[64]; /* of the socket */
};

void place_open(struct place *p, const struct rpc_method *methods, size_t n,
    const struct rpc_server_hooks *hooks);
/* The clients are freed; nothing else keeps the loop. */
void place_close(struct place *p);

#endif
