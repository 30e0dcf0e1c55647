/* port: the listening TCP socket of a gateway. */
#ifndef GATEWAY_PORT_H
#define GATEWAY_PORT_H

#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

/*
 * Listens on 127.0.0.1:*port (0: any that is free, given back).  In use is
 * ERR_EXISTS and names the program that holds it, if that can be seen.
 */
int port_listen(uint16_t *port, int *fd, struct err *e) MUST_USE;

#endif
