/*
 * ws: WebSockets on connections that HTTP/1.1 upgraded, where the endpoint
 * has their messages judged.
 *
 * The handshake is looked at both ways (key, version, accept; extensions only
 * such as can be inspected), then the step PX_WS moves the bytes through a
 * ws_session.
 */
#ifndef PROXY_WS_H
#define PROXY_WS_H

#include "proxy/px.h"

/* The step. */
enum px_next px_ws(struct px_conn *c);
/* Its deadline passed. */
enum px_next px_ws_late(struct px_conn *c);
/* The upgrade was agreed on: takes the session up. */
void px_ws_begin(struct px_conn *c);
/* Policy changed and it may not go on: a close, then the end. */
void px_ws_withdraw(struct px_conn *c);
/*
 * Policy changed: whether it would judge the messages of an upgrade that was
 * let through, or asked for, as bytes.
 */
bool px_ws_passes_unseen(struct px_conn *c);
void px_ws_end(struct px_conn *c);

#endif
