/*
 * core: the handlers of a gateway over a Unix socket in one loop, with a real
 * store and a driver that only remembers.  The test plays the user and the
 * supervisor.
 */
#ifndef TESTS_UNIT_GATEWAY_CORE_H
#define TESTS_UNIT_GATEWAY_CORE_H

#include "gateway/gw.h"

#define CORE_USER "/openshell.v1.OpenShell/"

/* The driver, called "fake": what was asked of it, and what it shall do. */
extern struct core_driver {
	unsigned creates, removes;
	char id[GW_ID], token[80];
	bool there, dead; /* dead: what is there does not run */
	const char *stuck; /* why a removal fails */
	const char *refuse; /* why nothing can be made */
	const char *records; /* the directory of them, or NULL */
} fake;

extern struct core {
	uv_loop_t loop;
	char dir[64], db[96], sock[96];
	struct store *store;
	struct gateway *g;
	struct rpc_server_hooks hooks;
	struct rpc_server *server;
	struct rpc_client *user, *super;
	struct err last; /* of the last call */
} core;

/* The supervisor of the sandbox: what it was told. */
extern struct core_session {
	struct rpc_out *out;
	unsigned welcomes, policies, opens;
	uint32_t version, global;
	char relay_id[64];
	bool over;
	enum rpc_code code;
} sup;

enum {
	CORE_ISOLATED = OPENSHELL__SUPERVISOR__V1__PHASE__PHASE_ISOLATED,
	CORE_STARTING = OPENSHELL__SUPERVISOR__V1__PHASE__PHASE_STARTING
};

void core_open(void);
void core_close(void);
/* As a kill would, save that memory is given back; and anew. */
void core_stop(void);
void core_start(void);

struct rpc_client *core_dial(const char *bearer);
/* *out, unless NULL, is the caller's when the answer is RPC_OK. */
enum rpc_code core_ask(struct rpc_client *c, const char *path, const void *m,
    const ProtobufCMessageDescriptor *d, void *out);
#define ASK(c, name, m, type, out) \
	core_ask((c), CORE_USER name, (m), \
	    &openshell__v1__##type##__descriptor, (out))

enum rpc_code core_create(const char *name);
/* -1 when there is no such sandbox. */
int core_phase(const char *name);
enum rpc_code core_delete(const char *name);

/* A session for the sandbox `id` in that phase, until it is welcomed. */
void core_attend(const char *id, int at);
/* `what` is the case of Up, `payload` its message. */
void core_send_up(int what, void *payload);

#endif
