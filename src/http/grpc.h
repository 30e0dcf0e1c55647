/* grpc: what of gRPC over HTTP/2 stands in heads (grpc/doc/PROTOCOL-HTTP2.md).
 */
#ifndef HTTP_GRPC_H
#define HTTP_GRPC_H

#include "http/h1.h"

/* The Content-Type is application/grpc, or that with a suffix or parameter. */
bool grpc_is(const struct h1_head *h);
/* "/package.Service/Method", nothing less and nothing more. */
bool grpc_path(struct view path, struct view *service, struct view *method);
/* Appends a Status-Message: what is not printable ASCII is escaped. */
void grpc_message_put(struct buf *b, struct view v);
/* The grpc-status that says what an HTTP status of ours does. */
unsigned grpc_status(unsigned http);

#endif
