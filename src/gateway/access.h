/*
 * access: who asks, and what they may ask (gateway-api 6.4).
 *
 * The rules are the access column of methods.def; the matrix is access_check,
 * a pure function.  That a sandbox asks of itself only is the handler's to
 * check, against caller.sandbox.
 */
#ifndef GATEWAY_ACCESS_H
#define GATEWAY_ACCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"
#include "rpc/rpc.h"
#include "store/store.h"

enum access_rule {
	ACCESS_NONE, /* no such method */
	ACCESS_ANYONE,
	ACCESS_USER,
	ACCESS_SANDBOX,
	ACCESS_USER_OR_SANDBOX
};

enum caller_kind {
	CALLER_ANONYMOUS, /* showed nothing */
	CALLER_UNKNOWN, /* showed something that does not hold here */
	CALLER_USER,
	CALLER_SANDBOX
};

struct caller {
	enum caller_kind kind;
	char sandbox[STORE_ID_SIZE]; /* of CALLER_SANDBOX, else "" */
};

struct access_config {
	uid_t owner; /* Unix-socket peers of this uid are the user */
	bool open_access; /* so is whoever connects to the TCP port */
};

/* The rule of a path ("/openshell.v1.OpenShell/Health"). */
enum access_rule access_rule_of(const char *path);

/*
 * RPC_OK, or the status with its text: UNAUTHENTICATED without an identity
 * that holds, PERMISSION_DENIED for another's methods, UNIMPLEMENTED (to the
 * user only) for a method that does not exist.
 */
enum rpc_code access_check(
    enum access_rule rule, enum caller_kind kind, struct buf *text);

/*
 * What the connection and the call prove.  The least that was shown counts: a
 * bearer token makes a sandbox (or nobody) of any connection.  -1 only when
 * the store fails.
 */
int access_identify(const struct rpc_peer *peer, const struct access_config *c,
    struct store *store, struct caller *out, struct err *e) MUST_USE;

#endif
