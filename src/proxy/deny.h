/*
 * deny: the answers the proxy gives itself, as JSON a person and a program
 * can act on (spec 3.11, with its additive fields).
 */
#ifndef PROXY_DENY_H
#define PROXY_DENY_H

#include <stdint.h>

#include "base/bytes.h"

struct deny {
	unsigned status;
	const char *error; /* "policy_denied", "ssrf_denied", "bad_request" */
	const char *layer; /* "l4" or "l7"; NULL when no policy spoke */
	const char *protocol; /* "connect", "http", "rest" */
	struct view policy; /* key; empty: none */
	struct view detail;
	struct view method, path, host, binary;
	uint16_t port;
	struct view operation, tool; /* inside the request; empty: none */
	/*
	 * Calls of JSON-RPC that wait for an answer, as they wrote their ids:
	 * each gets an error with the object as its data.  Clients take that
	 * for a failed call; a status other than 200, for a broken connection.
	 */
	const struct view *rpc_ids;
	size_t n_rpc_ids;
	bool rpc_batch;
	struct view middleware, reason_code; /* that denied; empty: none */
	struct view suggestion; /* YAML to paste; empty: none */
	struct view nearest, miss; /* what came closest, and why it did not */
	uint64_t event_id; /* of the record about it; 0: none */
	bool advisor; /* the agent may propose rules (advisor.h) */
};

/* JSON-RPC 2.0 section 5.1: -32000 to -32099 are the server's own. */
enum { DENY_RPC_CODE = -32003 };
enum { DENY_BODY_MAX = 32768, DENY_MAX = DENY_BODY_MAX + 1024 };

/* The JSON object and '\n'. */
void deny_body(const struct deny *d, struct buf *out);
/*
 * As deny_response for a call of gRPC: status 200 and grpc-status, which its
 * libraries show as PERMISSION_DENIED with the detail as its message.
 */
void deny_grpc(const struct deny *d, struct buf *out);
/* Status line, fields and body; the body is left out after a HEAD request. */
void deny_response(const struct deny *d, struct buf *out);

#endif
