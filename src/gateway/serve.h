/*
 * serve: a gateway from its options to its end.
 *
 * Start: state directory, lock, store, certificates, sockets, gateway; then
 * STATE/port is written and --ready-fd told.  SIGTERM and SIGINT end it: two
 * seconds for calls to finish (a second signal: none).  SIGHUP reads the
 * certificates and opens the log anew.
 */
#ifndef GATEWAY_SERVE_H
#define GATEWAY_SERVE_H

#include "gateway/options.h"

/* 0 after a signal ended it; -1 when it could not start. */
int serve_run(const struct options *o, struct err *e) MUST_USE;

#endif
