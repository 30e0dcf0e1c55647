/* minting_check: a provider's word about minting, and the job that comes of it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/bounds.h"
#include "gateway/minting.h"
#include "minter/minter.h"
#include "secrets/placeholder.h"
#include "secrets/profile.h"

enum { ENTRIES_MAX = 32 };

/* Entries of all maps of texts have one shape. */
static const char *
value_of(gw_entry *const *v, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i]->key, key) == 0)
			return v[i]->value;
	return "";
}

static const char *
setting_of(const minting_msg *m, unsigned id)
{
	return value_of(
	    (void *)m->settings, m->n_settings, way_settings[id].option);
}

static const char *
secret_of(const minting_msg *m, unsigned id)
{
	return value_of((void *)m->secrets, m->n_secrets, way_secrets[id].name);
}

/* --- what is right ---------------------------------------------------------
 */

static int
check_settings(const minting_msg *m, enum way_id way, struct err *e)
{
	for (size_t i = 0; i < m->n_settings; i++) {
		int id = way_setting_find(way, view_of(m->settings[i]->key));

		if (id < 0)
			return err_set(e, ERR_INVALID,
			    "%s has no setting '%.100s'", ways[way].word,
			    m->settings[i]->key);
		if (way_setting_check((enum way_setting_id)id,
			view_of(m->settings[i]->value), e) < 0)
			return -1;
	}
	for (unsigned i = 0; i < WAY_SETTINGS; i++)
		if (way_settings[i].way == way && way_settings[i].needed &&
		    setting_of(m, i)[0] == '\0')
			return err_set(e, ERR_INVALID, "%s needs --%s",
			    ways[way].word, way_settings[i].option);
	return 0;
}

static int
check_secrets(const minting_msg *m, enum way_id way, struct err *e)
{
	for (size_t i = 0; i < m->n_secrets; i++) {
		int id = way_secret_find(way, view_of(m->secrets[i]->key));

		if (id < 0)
			return err_set(e, ERR_INVALID,
			    "%s has no secret '%.100s'", ways[way].word,
			    m->secrets[i]->key);
		if (way_secret_check((enum way_secret_id)id,
			view_of(m->secrets[i]->value), e) < 0)
			return -1;
		if (strcmp(m->secrets[i]->value, PROVIDER_REDACTED) == 0)
			return err_set(e, ERR_INVALID,
			    "--mint-secret %s: that is what answers show in "
			    "place of it",
			    way_secrets[id].name);
	}
	for (unsigned i = 0; i < WAY_SECRETS; i++)
		if (way_secrets[i].way == way && way_secrets[i].needed &&
		    secret_of(m, i)[0] == '\0')
			return err_set(e, ERR_INVALID,
			    "%s needs --mint-secret %s: %s", ways[way].word,
			    way_secrets[i].name, way_secrets[i].help);
	return 0;
}

static int
check_key(const minting_msg *m, enum way_id way, struct err *e)
{
	struct view key = view_of(m->key);

	if (way_value(way, 0) != NULL)
		return key.n == 0 ? 0
				  : err_set(e, ERR_INVALID,
					"%s names its credentials itself: "
					"leave out --credential-key",
					ways[way].word);
	if (key.n == 0)
		return err_set(e, ERR_INVALID,
		    "%s needs --credential-key: the name that programs know "
		    "the token by",
		    ways[way].word);
	if (key.n > PH_KEY_MAX || !ph_key_ok(key) || profile_reserved(key))
		return err_set(e, ERR_INVALID,
		    "--credential-key '%.100s' must match "
		    "[A-Za-z_][A-Za-z0-9_]*, not begin like v1_, and be no "
		    "name that programs read as something else",
		    m->key);
	return 0;
}

int
minting_check(const provider_msg *p, struct err *e)
{
	const minting_msg *m = p->minting;
	enum way_id way;

	if (way_find(view_of(m->way), &way, e) < 0 ||
	    gw_check_map("provider.minting.settings", m->n_settings,
		(void *)m->settings, ENTRIES_MAX, e) < 0 ||
	    gw_check_map("provider.minting.secrets", m->n_secrets,
		(void *)m->secrets, ENTRIES_MAX, e) < 0 ||
	    check_settings(m, way, e) < 0 || check_secrets(m, way, e) < 0 ||
	    check_key(m, way, e) < 0)
		return -1;
	for (size_t i = 0; i < p->n_credentials; i++)
		if (minting_makes(m, p->credentials[i]->key))
			return err_set(e, ERR_INVALID,
			    "credential %.100s is minted: it cannot be given",
			    p->credentials[i]->key);
	return 0;
}

/* --- what it makes ---------------------------------------------------------
 */

const char *
minting_key(const minting_msg *m, size_t n)
{
	enum way_id way;
	struct err ignored;

	if (way_find(view_of(m->way), &way, &ignored) < 0)
		return NULL;
	if (way_value(way, 0) != NULL)
		return way_value(way, n);
	return n == 0 ? m->key : NULL;
}

bool
minting_makes(const minting_msg *m, const char *key)
{
	const char *own;

	for (size_t i = 0; (own = minting_key(m, i)) != NULL; i++)
		if (strcmp(own, key) == 0)
			return true;
	return false;
}

/* --- secrets ---------------------------------------------------------------
 */

void
minting_wipe(minting_msg *m)
{
	for (size_t i = 0; m != NULL && i < m->n_secrets; i++)
		mem_wipe(m->secrets[i]->value, strlen(m->secrets[i]->value));
}

static void
set_secret(Openshell__Datamodel__V1__Minting__SecretsEntry *en, const char *to)
{
	mem_wipe(en->value, strlen(en->value));
	if (en->value != (char *)&protobuf_c_empty_string)
		free(en->value);
	en->value = mem_strdup(to);
}

void
minting_redact(minting_msg *m)
{
	for (size_t i = 0; m != NULL && i < m->n_secrets; i++)
		set_secret(m->secrets[i], PROVIDER_REDACTED);
}

void
minting_keep_secrets(minting_msg *m, const minting_msg *old)
{
	typedef Openshell__Datamodel__V1__Minting__SecretsEntry secret_msg;

	if (m->n_secrets > 0 || old == NULL || strcmp(m->way, old->way) != 0)
		return;
	m->secrets = mem_calloc(old->n_secrets + 1, sizeof(*m->secrets));
	for (size_t i = 0; i < old->n_secrets; i++) {
		secret_msg *en = NEW(secret_msg);

		openshell__datamodel__v1__minting__secrets_entry__init(en);
		en->key = mem_strdup(old->secrets[i]->key);
		en->value = mem_strdup(old->secrets[i]->value);
		m->secrets[m->n_secrets++] = en;
	}
}

struct minter_ask *
minting_ask(const provider_msg *p)
{
	struct minter_ask *ask = NEW(struct minter_ask);
	enum way_id way = WAYS;
	struct err ignored;

	if (way_find(view_of(p->minting->way), &way, &ignored) < 0)
		way = WAYS; /* which no minter takes */
	ask->version = MINTER_VERSION;
	ask->way = way;
	for (unsigned i = 0; i < WAY_SETTINGS; i++) {
		const char *given = setting_of(p->minting, i);

		if (way_settings[i].way == way)
			(void)snprintf(ask->settings[i], WAY_TEXT_MAX, "%s",
			    given[0] != '\0' ? given : way_settings[i].preset);
	}
	for (unsigned i = 0; i < WAY_SECRETS; i++)
		if (way_secrets[i].way == way)
			(void)snprintf(ask->secrets[i], WAY_SECRET_MAX, "%s",
			    secret_of(p->minting, i));
	return ask;
}
