#include "cli/refresh.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/providers.h"

typedef Openshell__Datamodel__V1__Minting__SettingsEntry setting_msg;
typedef Openshell__Datamodel__V1__Minting__SecretsEntry secret_msg;

/* --- from options ----------------------------------------------------------
 */

bool
refresh_given(const struct refresh_args *a)
{
	for (size_t i = 0; i < WAY_SETTINGS; i++)
		if (a->settings[i] != NULL)
			return true;
	return a->secrets.n > 0 || a->key != NULL;
}

static int
find_way(const struct refresh_args *a, enum way_id *way, struct err *e)
{
	const char *first = NULL;

	for (size_t i = 0; i < WAY_SETTINGS; i++) {
		if (a->settings[i] == NULL)
			continue;
		if (first != NULL && way_settings[i].way != *way)
			return err_set(e, ERR_INVALID,
			    "--%s and --%s are of two ways: give one", first,
			    way_settings[i].option);
		*way = way_settings[i].way;
		first = way_settings[i].option;
	}
	return first != NULL ? 0
			     : err_set(e, ERR_INVALID,
				   "say how it is made: --oauth2-token-url or "
				   "--aws-role-arn, and what goes with it");
}

static void
put_setting(minting_msg *m, const char *key, const char *value)
{
	setting_msg *en = NEW(setting_msg);

	openshell__datamodel__v1__minting__settings_entry__init(en);
	en->key = mem_strdup(key);
	en->value = mem_strdup(value);
	m->settings =
	    mem_realloc(m->settings, m->n_settings + 1, sizeof(*m->settings));
	m->settings[m->n_settings++] = en;
}

/* Read as credentials are, and put where secrets are. */
static int
read_secrets(
    struct cli *c, const struct refresh_args *a, minting_msg *m, struct err *e)
{
	AUTO_PROVIDER provider_msg *p = provider_new();

	if (provider_read_secrets(c, p, &a->secrets, e) < 0)
		return -1;
	m->secrets = mem_calloc(p->n_credentials + 1, sizeof(*m->secrets));
	for (size_t i = 0; i < p->n_credentials; i++) {
		secret_msg *en = NEW(secret_msg);

		openshell__datamodel__v1__minting__secrets_entry__init(en);
		en->key = mem_strdup(p->credentials[i]->key);
		en->value = mem_strdup(p->credentials[i]->value);
		m->secrets[m->n_secrets++] = en;
	}
	return 0;
}

int
refresh_read(struct cli *c, const struct refresh_args *a, minting_msg **out,
    struct err *e)
{
	enum way_id way = WAYS;
	minting_msg *m;

	if (find_way(a, &way, e) < 0)
		return -1;
	for (unsigned i = 0; i < WAY_SETTINGS; i++)
		if (a->settings[i] != NULL &&
		    way_setting_check(
			(enum way_setting_id)i, view_of(a->settings[i]), e) < 0)
			return -1;
	m = NEW(minting_msg);
	openshell__datamodel__v1__minting__init(m);
	*out = m;
	m->way = mem_strdup(ways[way].word);
	if (a->key != NULL)
		m->key = mem_strdup(a->key);
	for (size_t i = 0; i < WAY_SETTINGS; i++)
		if (a->settings[i] != NULL)
			put_setting(m, way_settings[i].option, a->settings[i]);
	return read_secrets(c, a, m, e);
}

void
refresh_wipe(minting_msg *m)
{
	for (size_t i = 0; m != NULL && i < m->n_secrets; i++)
		mem_wipe(m->secrets[i]->value, strlen(m->secrets[i]->value));
}

/* --- shown -----------------------------------------------------------------
 */

const char *
refresh_key(const minting_msg *m, size_t n)
{
	enum way_id way;
	struct err ignored;

	if (m->key[0] != '\0')
		return n == 0 ? m->key : NULL;
	return way_find(view_of(m->way), &way, &ignored) == 0
		   ? way_value(way, n)
		   : NULL;
}

void
refresh_emit(struct emit_val *at, const minting_msg *m, bool table)
{
	struct emit_val *v, *settings, *secrets;

	if (m == NULL || table) {
		if (m == NULL)
			emit_null(at, "minting");
		else
			emit_text(at, "minting", m->way);
		return;
	}
	v = emit_object(at, "minting");
	emit_text(v, "strategy", m->way);
	settings = emit_object(v, "settings");
	for (size_t i = 0; i < m->n_settings; i++)
		emit_str_dyn(settings, view_of(m->settings[i]->key),
		    view_of(m->settings[i]->value));
	secrets = emit_list(v, "secret_keys");
	for (size_t i = 0; i < m->n_secrets; i++)
		emit_text(secrets, NULL, m->secrets[i]->key);
}

static const struct emit_col cols[] = {
	{ "PROVIDER", "provider", 8, 0, EMIT_NAME },
	{ "STRATEGY", "strategy", 8, 0, EMIT_PLAIN },
	{ "STATE", "state", 10, 0, EMIT_PHASE },
	{ "AVAILABLE", "available", 0, 0, EMIT_PLAIN },
	{ "MINTED", "minted_at", 19, 0, EMIT_PLAIN },
	{ "EXPIRES", "expires_at", 19, 0, EMIT_PLAIN },
	{ "NEXT", "next_refresh_at", 19, 0, EMIT_PLAIN },
	{ "LAST_ERROR", "last_error", 0, 100, EMIT_PLAIN },
	{ 0 },
};
static const struct emit_table table = { cols, "No provider is minted.", 0 };

static void
emit_status(struct emit_val *at, const Openshell__V1__ProviderRefreshStatus *s)
{
	struct emit_val *keys;

	emit_text(at, "provider", s->provider);
	emit_text(at, "strategy", s->strategy);
	emit_text(at, "state", s->state);
	emit_bool(at, "available", s->available);
	keys = emit_list(at, "credential_keys");
	for (size_t i = 0; i < s->n_credential_keys; i++)
		emit_text(keys, NULL, s->credential_keys[i]);
	emit_time(at, "minted_at", s->minted_at_ms);
	emit_time(at, "expires_at", s->expires_at_ms);
	emit_time(at, "next_refresh_at", s->next_refresh_at_ms);
	emit_uint(at, "failures", s->failures);
	if (s->last_error[0] != '\0')
		emit_text(at, "last_error", s->last_error);
	else
		emit_null(at, "last_error");
}

int
refresh_print(
    struct cli *c, const refresh_statuses *s, unsigned format, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);

	for (size_t i = 0; i < s->n_statuses; i++)
		emit_status(emit_object(emit_root(m), NULL), s->statuses[i]);
	return emit_print(c, m, (enum emit_format)format, &table, e);
}

/* --- asked for -------------------------------------------------------------
 */

int
refresh_rotate(
    struct reach *r, const char *name, refresh_statuses **out, struct err *e)
{
	Openshell__V1__RotateProviderCredentialRequest q =
	    OPENSHELL__V1__ROTATE_PROVIDER_CREDENTIAL_REQUEST__INIT;
	AUTO_FREE char *copy = mem_strdup(name);

	q.provider = copy;
	return reach_call(r, "RotateProviderCredential", &q.base,
	    &openshell__v1__get_provider_refresh_status_response__descriptor,
	    out, NULL, e);
}

int
refresh_first(struct cli *c, struct reach *r, const char *name, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(2048);
	char text[CLOCK_TEXT_MAX];
	refresh_statuses *s = NULL;

	if (refresh_rotate(r, name, &s, e) < 0) {
		/* It is stored, and the gateway goes on trying. */
		cli_paint(&b, c->color_err, COLOR_WARN, "! ");
		buf_put_escaped(&b, view_of(e->text));
		buf_printf(&b,
		    "\n  The gateway goes on trying; see: openshell provider "
		    "refresh status %s\n",
		    name);
		cli_note(c, &b);
		return CLI_OK;
	}
	if (s->n_statuses > 0) {
		buf_printf(&b, "  Minted; good until %s, renewed before\n",
		    clock_text(s->statuses[0]->expires_at_ms, text));
		cli_note(c, &b);
	}
	openshell__v1__get_provider_refresh_status_response__free_unpacked(
	    s, NULL);
	return CLI_OK;
}
