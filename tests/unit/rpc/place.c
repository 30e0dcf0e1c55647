#include "place.h"

#include <stdlib.h>
#include <unistd.h>

#include "test.h"

void
place_open(struct place *p, const struct rpc_method *methods, size_t n,
    const struct rpc_server_hooks *hooks)
{
	struct err e;
	int fd;

	CHECK_INT(uv_loop_init(&p->loop), ==, 0);
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/rpc-test-XXXXXX");
	CHECK(mkdtemp(p->dir) != NULL);
	(void)snprintf(p->path, sizeof(p->path), "%s/s", p->dir);
	CHECK_INT(rpc_unix_listen(p->path, &fd, &e), ==, 0);
	CHECK_INT(
	    rpc_server_new(&p->loop, methods, n, hooks, &p->server, &e), ==, 0);
	CHECK_INT(rpc_server_listen(p->server, fd, RPC_UNIX, NULL, &e), ==, 0);
}

void
place_close(struct place *p)
{
	rpc_server_free(p->server);
	CHECK_INT(uv_run(&p->loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(uv_loop_close(&p->loop), ==, 0);
	(void)unlink(p->path);
	(void)rmdir(p->dir);
}
