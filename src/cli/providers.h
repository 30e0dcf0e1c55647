/*
 * providers: credentials on their way from the user to a gateway or to a run
 * of one's own, and providers as they are shown.  A value is never printed.
 */
#ifndef CLI_PROVIDERS_H
#define CLI_PROVIDERS_H

#include "cli/emit.h"
#include "cli/reach.h"

typedef Openshell__Datamodel__V1__Provider provider_msg;

provider_msg *provider_new(void) MUST_USE;
/* Wiped before it is freed. */
void provider_free_at(provider_msg **p);
#define AUTO_PROVIDER CLEANUP(provider_free_at)

/*
 * Where credentials come from: --credential KEY=VALUE, KEY (the variable of
 * that name), KEY=- (a line of standard input, not shown), KEY@FILE.
 * `empty_ok`: KEY= is one with no value (update takes it away).
 */
int provider_add_credentials(struct cli *c, provider_msg *p,
    const struct cli_list *given, bool empty_ok, struct err *e) MUST_USE;
/* The same of --mint-secret, as credentials of a `p` of its own. */
int provider_read_secrets(struct cli *c, provider_msg *p,
    const struct cli_list *given, struct err *e) MUST_USE;
int provider_add_config(
    provider_msg *p, const struct cli_list *given, struct err *e) MUST_USE;
/* The known variables of the type that are set; -1: none is. */
int provider_discover(provider_msg *p, struct err *e) MUST_USE;
/* A known type in its one spelling, or NULL and *e. */
const char *provider_type(const char *given, struct err *e) MUST_USE;

/* One of the gateway, the caller's. */
int provider_find(struct reach *r, const char *name, provider_msg **out,
    enum rpc_code *code, struct err *e) MUST_USE;
int provider_send(struct reach *r, const char *method, provider_msg *p,
    enum rpc_code *code, struct err *e) MUST_USE;
/* Its fields; as words for a table, as lists for programs. */
void provider_emit(struct emit_val *at, const provider_msg *p, bool table);

/* --- for a sandbox (cli spec 10.3) --- */

enum provider_auto { PROVIDERS_ASK, PROVIDERS_YES, PROVIDERS_NO };
/*
 * The providers that a sandbox gets, added to *list: those named, made from
 * the user's variables when they are missing and may be made, and one that is
 * there for the command.
 */
int provider_ensure(struct cli *c, struct reach *r,
    const struct cli_list *named, const char *command, int how, char ***list,
    size_t *n, struct err *e) MUST_USE;

/* The rows that create and update share; fields of struct args. */
#define PROVIDER_OPTS \
	{ .name = "credential", \
		.kind = OPT_LIST, \
		OPT(credentials), \
		.value = "KEY[=VALUE]", \
		.help = "A credential: KEY alone takes the variable's value", \
		.more = "KEY=- reads a line of standard input, KEY@FILE a " \
			"file. A value on the command line can be seen by " \
			"others of this machine, and stays in the shell's " \
			"history." }, \
	    { .name = "from-existing", \
		    .kind = OPT_FLAG, \
		    OPT(existing), \
		    .help = "Take the type's known variables that are set" }, \
	    { .name = "from-env", \
		    .kind = OPT_FLAG, \
		    OPT(env), \
		    .help = "The same as --from-existing" }, \
	{ \
		.name = "config", .kind = OPT_LIST, OPT(config), \
		.value = "KEY=VALUE", \
		.help = "A setting, which is shown and no secret" \
	}

#endif
