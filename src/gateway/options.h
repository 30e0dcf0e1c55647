/* options: how a gateway is told what to be: flags, then the environment. */
#ifndef GATEWAY_OPTIONS_H
#define GATEWAY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"
#include "gateway/pki.h"

struct options {
	char *name;
	char *state_dir; /* absolute */
	char *bundle; /* where the user's certificates are written */
	char *driver, *image;
	char *log_file; /* NULL: stderr as it is */
	enum log_level log_level;
	uint16_t port; /* 0: any that is free */
	bool disable_tls, disable_auth;
	char *sans[PKI_SANS_MAX];
	size_t nsans;
	/* As struct egress_options has them. */
	char *upstream_proxy, *upstream_no_proxy, *upstream_auth_file;
	bool upstream_auth_insecure, upstream_by_hostname, ignore_binaries;
	char *middlewares; /* rpc/services.h; NULL: none */
	int ready_fd; /* -1: none */
	bool help, version;
};

void options_fini(struct options *o);
/* ERR_INVALID names the option and what is wrong. */
int options_parse(
    struct options *o, int argc, char *argv[], struct err *e) MUST_USE;
/* The text of --help, for stdout. */
void options_usage(struct buf *b);
/*
 * The insecure-mode guard (gateway-api 6.5): false when it must not start.
 * `say` gets what a person must read either way.
 */
bool options_confirm(const struct options *o, struct buf *say);

#endif
