/* minting_tell: what others learn of minted providers. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/minting_impl.h"

typedef Openshell__Supervisor__V1__Credential credential_msg;

/* --- sandboxes -------------------------------------------------------------
 */

static const char *
value_of(const minted_msg *k, const char *key)
{
	for (size_t i = 0; i < k->n_values; i++)
		if (strcmp(k->values[i]->key, key) == 0)
			return k->values[i]->value;
	return NULL;
}

/* One line that fits (secrets/creds.h). */
static char *
absence(const struct minted *m)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	if (m->kept->error[0] != '\0')
		buf_puts(&b, m->kept->error);
	else
		buf_puts(&b, "the gateway is getting it for the first time");
	return view_dup(view_slice(buf_view(&b), 0, CREDS_ABSENT_MAX - 8));
}

static credential_msg *
credential(const struct minted *m, const provider_msg *p, const char *key)
{
	credential_msg *c = NEW(credential_msg);
	const char *value = value_of(m->kept, key);

	openshell__supervisor__v1__credential__init(c);
	c->provider = mem_strdup(p->name);
	c->type = mem_strdup(p->type);
	c->key = mem_strdup(key);
	c->put =
	    ways[m->way].put == CRED_BEARER
		? OPENSHELL__SUPERVISOR__V1__CREDENTIAL_PUT__CREDENTIAL_PUT_BEARER
		: OPENSHELL__SUPERVISOR__V1__CREDENTIAL_PUT__CREDENTIAL_PUT_NAMED;
	if (value != NULL && clock_wall_ms() < m->kept->ends_at_ms) {
		c->value.len = strlen(value);
		c->value.data = (uint8_t *)mem_strndup(value, c->value.len);
		c->ends_at_ms = m->kept->ends_at_ms;
	} else {
		c->absent = absence(m);
	}
	return c;
}

void
minting_credentials(
    struct gateway *g, const provider_msg *p, credentials_msg *to)
{
	const struct minted *m = minted_find(g, p->name);
	const char *key;

	for (size_t i = 0; m != NULL && p->minting != NULL &&
			   (key = minting_key(p->minting, i)) != NULL;
	     i++)
		to->items[to->n_items++] = credential(m, p, key);
}

/* --- people ----------------------------------------------------------------
 */

static const char *
state_of(const struct minted *m)
{
	if (m->run != NULL)
		return "rotation_requested";
	if (m->kept->error[0] != '\0')
		return "error";
	return minted_has_values(m) ? "refreshed" : "configured";
}

static void
tell(const struct minted *m, const minting_msg *say,
    void (*each)(void *ctx, const minting_status_msg *s), void *ctx)
{
	minting_status_msg s = OPENSHELL__V1__PROVIDER_REFRESH_STATUS__INIT;
	char *keys[WAY_VALUES_MAX + 1];
	const char *key;

	while (s.n_credential_keys < WAY_VALUES_MAX &&
	       (key = minting_key(say, s.n_credential_keys)) != NULL)
		keys[s.n_credential_keys++] = (char *)(uintptr_t)key;
	s.credential_keys = keys;
	s.provider = m->name;
	s.strategy = (char *)(uintptr_t)ways[m->way].word;
	s.state = (char *)(uintptr_t)state_of(m);
	s.minted_at_ms = m->kept->minted_at_ms;
	s.next_refresh_at_ms = m->kept->next_at_ms;
	s.last_error = m->kept->error;
	s.failures = m->kept->failures;
	s.available =
	    minted_has_values(m) && clock_wall_ms() < m->kept->ends_at_ms;
	s.expires_at_ms = s.available ? m->kept->ends_at_ms : 0;
	each(ctx, &s);
}

bool
minting_status(struct gateway *g, const char *name,
    void (*each)(void *ctx, const minting_status_msg *s), void *ctx)
{
	bool any = false;

	for (struct minted *m = g->minting->all; m != NULL; m = m->next) {
		AUTO_PROVIDER provider_msg *p = NULL;
		struct err ignored;

		if (name[0] != '\0' && strcmp(m->name, name) != 0)
			continue;
		if (provider_read(g, m->name, &p, NULL, &ignored) < 0 ||
		    p->minting == NULL)
			continue;
		tell(m, p->minting, each, ctx);
		any = true;
	}
	return any;
}
