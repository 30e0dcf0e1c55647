/*
 * state: the files that the command line keeps: which gateways it knows, which
 * is active, which sandbox was used last (cli spec section 3).
 *
 * $XDG_CONFIG_HOME/openshell, else $HOME/.config/openshell.  Everything is
 * written whole, with its final mode, and renamed into place.  A name is a
 * path component only after state_is_name said so, on every read and write.
 */
#ifndef CLI_STATE_H
#define CLI_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"

/* 1 to 253 of [A-Za-z0-9._-], not "." or "..", no leading '-'. */
bool state_is_name(const char *s);

/* The directory, the caller's. */
int state_dir(char **out, struct err *e) MUST_USE;
/* DIR/gateways/NAME, the caller's; checks the name. */
int state_gateway_dir(const char *name, char **out, struct err *e) MUST_USE;
/* $HOME/.openshell/gateways/NAME: what the gateway itself keeps. */
int state_runtime_dir(const char *name, char **out, struct err *e) MUST_USE;

struct state_gateway {
	char *name, *endpoint;
	bool is_remote;
	uint16_t port;
	/* Or NULL, each: */
	char *remote_host, *resolved_host, *auth_mode;
	char *edge_team_domain, *edge_auth_url, *runtime_type;
};
void state_gateway_fini(struct state_gateway *g);
#define AUTO_GATEWAY CLEANUP(state_gateway_fini) struct state_gateway

/* metadata.json, strictly; unknown fields are passed over. */
int state_gateway_parse(
    struct view json, struct state_gateway *out, struct err *e) MUST_USE;
void state_gateway_print(const struct state_gateway *g, struct buf *out);
/* ERR_NOT_FOUND: not registered; ERR_INVALID: malformed, naming the file. */
int state_gateway_load(
    const char *name, struct state_gateway *out, struct err *e) MUST_USE;
int state_gateway_save(const struct state_gateway *g, struct err *e) MUST_USE;
/* A file beside the metadata, 0600, whole or not at all. */
int state_gateway_keep(
    const char *name, const char *file, struct view v, struct err *e) MUST_USE;
/* Removes all that is kept of it, and the active mark if it has it. */
int state_gateway_remove(const char *name, struct err *e) MUST_USE;

/* Names with readable metadata, sorted; n entries and NULL, the caller's. */
int state_gateways(char ***names, size_t *n, struct err *e) MUST_USE;
void state_names_free(char **names);

/* NULL when there is none. */
char *state_active(void) MUST_USE;
int state_set_active(const char *name, struct err *e) MUST_USE;
char *state_last_sandbox(const char *gateway) MUST_USE;
/* NULL forgets it.  A failure costs only the convenience. */
void state_set_last_sandbox(const char *gateway, const char *sandbox);

/* Makes a directory and its parents, 0700. */
int state_make_dirs(const char *path, struct err *e) MUST_USE;

#endif
