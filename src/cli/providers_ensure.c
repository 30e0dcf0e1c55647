/* providers_ensure: the providers of a new sandbox (cli spec 10.3). */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/providers.h"
#include "secrets/profile.h"

enum { PAGE = 100 };

struct ensure {
	struct cli *c;
	struct reach *r;
	int how;
	char ***list;
	size_t *n;
};

static void
say(struct cli *c, const char *before, const char *what, const char *after)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	buf_printf(&b, "%s%s%s\n", before, what, after);
	cli_note(c, &b);
}

static void
take(struct ensure *s, const char *name)
{
	for (size_t i = 0; i < *s->n; i++)
		if (strcmp((*s->list)[i], name) == 0)
			return;
	*s->list = mem_realloc(*s->list, *s->n + 1, sizeof(**s->list));
	(*s->list)[(*s->n)++] = mem_strdup(name);
}

/* Yes unless the answer begins with another letter. */
static bool
wants(struct ensure *s)
{
	AUTO_BUF struct buf b = BUF_INIT(64);
	char first = 0, byte = 0;

	if (s->how == PROVIDERS_YES)
		return true;
	buf_puts(&b, "Create from local credentials? [Y/n] ");
	cli_note(s->c, &b);
	while (byte != '\n' && read(s->c->in, &byte, 1) == 1)
		if (first == 0 && byte != ' ')
			first = byte;
	return first == '\n' || first == 'y' || first == 'Y';
}

/* Of the user's variables, under that name.  1: made; 0: goes on without. */
static int
make(struct ensure *s, const char *name, const char *type, struct err *e)
{
	AUTO_PROVIDER provider_msg *p = provider_new();
	AUTO_BUF struct buf done = BUF_INIT(512);

	say(s->c, "Missing provider: ", type, "");
	if (s->how == PROVIDERS_NO) {
		say(s->c, "! Skipping provider '", type,
		    "' (--no-auto-providers)");
		return 0;
	}
	if (s->how == PROVIDERS_ASK && !isatty(s->c->in))
		return err_set(e, ERR_NOT_FOUND,
		    "missing required provider '%s'. Create it first with "
		    "`openshell provider create --type %s --name %s "
		    "--from-existing`, or pass --auto-providers",
		    type, type, name);
	if (!wants(s))
		return 0;
	p->type = mem_strdup(type);
	p->name = mem_strdup(name);
	if (provider_discover(p, e) < 0) {
		say(s->c, "! No existing local credentials/config found for '",
		    type, "'");
		return 0;
	}
	if (provider_send(s->r, "CreateProvider", p, NULL, e) < 0)
		return -1;
	buf_printf(&done, "Created provider %s (%s) from existing local state",
	    name, type);
	say(s->c, s->c->utf8 ? "✓ " : "* ", buf_str(&done), "");
	return 1;
}

static int
named(struct ensure *s, const char *name, struct err *e)
{
	AUTO_PROVIDER provider_msg *p = NULL;
	enum rpc_code code = RPC_OK;
	const char *type = profile_type(view_of(name));
	int rc;

	if (provider_find(s->r, name, &p, &code, e) == 0) {
		take(s, name);
		return 0;
	}
	if (code != RPC_NOT_FOUND)
		return -1;
	if (type == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "provider '%.100s' not found and '%.100s' is not a "
		    "recognized provider type. Create it first with `openshell "
		    "provider create --type <type> --name %.100s`",
		    name, name, name);
	rc = make(s, name, type, e);
	if (rc > 0)
		take(s, name);
	return rc < 0 ? -1 : 0;
}

/* Which types do for a command of this one. */
static bool
serves(const char *has, const char *wanted)
{
	static const char *const pairs[][2] = { { "anthropic", "claude" },
		{ "openai", "codex" } };

	if (strcmp(has, wanted) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (strcmp(has, pairs[i][0]) == 0 &&
		    strcmp(wanted, pairs[i][1]) == 0)
			return true;
	return false;
}

/*
 * The first provider that does for the command.  When there is none nothing
 * is made unless that was asked for: the command may do without.
 */
static int
inferred(struct ensure *s, const char *type, struct err *e)
{
	Openshell__V1__ListProvidersRequest q =
	    OPENSHELL__V1__LIST_PROVIDERS_REQUEST__INIT;
	Openshell__V1__ListProvidersResponse *l = NULL;
	bool found = false, more = true;
	int rc;

	q.limit = PAGE;
	for (; more && !found; q.offset += PAGE) {
		if (reach_call(s->r, "ListProviders", &q.base,
			&openshell__v1__list_providers_response__descriptor, &l,
			NULL, e) < 0)
			return -1;
		for (size_t i = 0; i < l->n_providers && !found; i++) {
			found = serves(l->providers[i]->type, type);
			if (found)
				take(s, l->providers[i]->name);
		}
		more = l->n_providers == PAGE;
		openshell__v1__list_providers_response__free_unpacked(l, NULL);
	}
	if (found || s->how != PROVIDERS_YES)
		return 0;
	rc = make(s, type, type, e);
	if (rc > 0)
		take(s, type);
	return rc < 0 ? -1 : 0;
}

int
provider_ensure(struct cli *c, struct reach *r, const struct cli_list *list,
    const char *command, int how, char ***out, size_t *n, struct err *e)
{
	struct ensure s = { c, r, how, out, n };
	const char *type =
	    command != NULL ? profile_of_command(view_of(command)) : NULL;

	for (size_t i = 0; i < list->n; i++)
		if (named(&s, list->v[i], e) < 0)
			return -1;
	return type != NULL && how != PROVIDERS_NO ? inferred(&s, type, e) : 0;
}
