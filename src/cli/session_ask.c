/*
 * session_ask: what a session asks of the gateway: the command or a shell,
 * where it starts and what its environment is.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/session.h"

typedef Openshell__V1__ExecSandboxRequest request_msg;
typedef Openshell__V1__ExecSandboxRequest__EnvironmentEntry env_msg;

/* What SHELL says inside, or the best that is there. */
static const char find_shell[] =
    "for s in \"${SHELL:-/bin/bash}\" /bin/bash /bin/sh; do "
    "[ -x \"$s\" ] && exec \"$s\" -l; done; exec /bin/sh";
static const char *const shell_command[] = { "/bin/sh", "-c", find_shell };

static bool
is_plain(const char *v)
{
	for (; *v != '\0'; v++)
		if ((unsigned char)*v < 0x20 || *v == 0x7f)
			return false;
	return true;
}

/* The last one given wins; there is room. */
static void
set_env(request_msg *m, struct view key, const char *value)
{
	env_msg *en = NULL;

	for (size_t i = 0; i < m->n_environment && en == NULL; i++)
		if (view_eq(view_of(m->environment[i]->key), key))
			en = m->environment[i];
	if (en == NULL) {
		en = NEW(env_msg);
		openshell__v1__exec_sandbox_request__environment_entry__init(
		    en);
		en->key = view_dup(key);
		m->environment[m->n_environment++] = en;
	} else
		free(en->value);
	en->value = mem_strdup(value);
}

static int
fill_env(request_msg *m, const struct cli_list *given, struct err *e)
{
	m->environment =
	    mem_calloc(given->n + CLI_PASSED, sizeof(*m->environment));
	for (size_t i = 0; i < CLI_PASSED; i++) {
		const struct cli_passed *p = &cli_passed[i];
		const char *v = getenv(p->name);

		if (v != NULL && is_plain(v) && (m->tty || !p->tty_only))
			set_env(m, view_of(p->name), v);
	}
	for (size_t i = 0; i < given->n; i++) {
		struct view key;
		const char *value;

		if (cli_value_env(given->v[i], &key, &value, e) < 0)
			return -1;
		set_env(m, key, value);
	}
	return 0;
}

static void
fill_command(request_msg *m, const struct cli_list *command)
{
	const char *const *v = command->n > 0 ? command->v : shell_command;

	m->n_command = command->n > 0 ? command->n : ARRAY_LEN(shell_command);
	m->command = mem_calloc(m->n_command, sizeof(*m->command));
	for (size_t i = 0; i < m->n_command; i++)
		m->command[i] = mem_strdup(v[i]);
}

int
session_request(const char *sandbox_id, const struct attach_options *o,
    bool tty, request_msg **out, struct err *e)
{
	request_msg *m = NEW(request_msg);

	openshell__v1__exec_sandbox_request__init(m);
	m->sandbox_id = mem_strdup(sandbox_id);
	m->tty = tty;
	m->timeout_seconds = o->timeout_s;
	if (o->workdir != NULL)
		m->workdir = mem_strdup(o->workdir);
	fill_command(m, &o->command);
	if (fill_env(m, &o->env, e) < 0) {
		openshell__v1__exec_sandbox_request__free_unpacked(m, NULL);
		return -1;
	}
	*out = m;
	return 0;
}
