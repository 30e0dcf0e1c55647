/*
 * gql_http: GraphQL requests as they come over HTTP (GET or POST, single or
 * batch, document or persisted id) and in WebSocket messages.
 */
#ifndef INSPECT_GQL_HTTP_H
#define INSPECT_GQL_HTTP_H

#include "inspect/gql.h"
#include "inspect/jdoc.h"

enum { GQL_BATCH_MAX = 64 };

struct gql_request {
	struct view id; /* persisted; p == NULL when there is none */
	/* With a document, which it is otherwise for the registry to say; then
	 * only `name`, as asked for, is set. */
	bool has_document;
	struct gql_operation op;
};

struct gql_http {
	struct jdoc doc;
	struct arena arena;
	bool batch;
	struct gql_request *v;
	size_t n;
};

/* Either call is followed by gql_http_fini, whatever it gives. */

/* query: raw, without '?'. */
int gql_http_get(
    struct view query, struct gql_http *out, struct err *e) MUST_USE;
/*
 * The query may not name what the body gives (Attack: a server that prefers
 * it).  The body must be JSON; the caller looks at Content-Type.
 */
int gql_http_post(struct view query, struct view body, struct gql_http *out,
    struct err *e) MUST_USE;
/*
 * A text message of graphql-transport-ws or of the older graphql-ws: what
 * starts an operation gives one request, what else a client may say none.
 */
int gql_ws_message(
    struct view text, struct gql_http *out, struct err *e) MUST_USE;
void gql_http_fini(struct gql_http *g);
#define AUTO_GQL_HTTP CLEANUP(gql_http_fini)

#endif
