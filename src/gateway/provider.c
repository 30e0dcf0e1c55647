/* provider: see provider.h.  Stored as sealed protobuf, one row each. */
#include "gateway/provider.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/bounds.h"
#include "gateway/minting.h"
#include "gateway/sealed.h"
#include "secrets/creds.h"
#include "secrets/profile.h"
#include "secrets/rewrite.h"

typedef Openshell__Datamodel__V1__Provider__CredentialsEntry entry_msg;

enum { TYPE_BYTES = 64, CREDENTIALS = 32, CONFIG = 64, PACKED_MAX = 1 << 20 };
#define OBJECT "provider"

/* --- one provider --------------------------------------------------------- */

static void
wipe_value(entry_msg *en)
{
	mem_wipe(en->value, strlen(en->value));
}

void
provider_free(provider_msg *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_credentials; i++)
		wipe_value(p->credentials[i]);
	minting_wipe(p->minting);
	openshell__datamodel__v1__provider__free_unpacked(p, NULL);
}

void
provider_free_at(provider_msg **p)
{
	provider_free(*p);
}

/* Entries of both maps have one shape. */
static void
merge(gw_entry ***v, size_t *n, const gw_entry *en)
{
	gw_entry *copy;
	size_t i = 0;

	while (i < *n && strcmp((*v)[i]->key, en->key) != 0)
		i++;
	if (i < *n) {
		mem_wipe((*v)[i]->value, strlen((*v)[i]->value));
		protobuf_c_message_free_unpacked(&(*v)[i]->base, NULL);
		(*v)[i] = (*v)[--*n];
	}
	if (en->value[0] == '\0')
		return;
	copy = NEW(gw_entry);
	copy->base =
	    (ProtobufCMessage)PROTOBUF_C_MESSAGE_INIT(en->base.descriptor);
	copy->key = mem_strdup(en->key);
	copy->value = mem_strdup(en->value);
	*v = mem_realloc(*v, *n + 1, sizeof(**v));
	(*v)[(*n)++] = copy;
}

void
provider_merge(provider_msg *p, const provider_msg *in)
{
	for (size_t i = 0; i < in->n_credentials; i++)
		merge((gw_entry ***)(void *)&p->credentials, &p->n_credentials,
		    (void *)in->credentials[i]);
	for (size_t i = 0; i < in->n_config; i++)
		merge((gw_entry ***)(void *)&p->config, &p->n_config,
		    (void *)in->config[i]);
}

void
provider_redact(provider_msg *p)
{
	for (size_t i = 0; i < p->n_credentials; i++) {
		entry_msg *en = p->credentials[i];

		wipe_value(en);
		if (en->value != (char *)&protobuf_c_empty_string)
			free(en->value);
		en->value = mem_strdup(PROVIDER_REDACTED);
	}
	minting_redact(p->minting);
}

static bool
is_name(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++) {
		bool word = (s[i] >= 'a' && s[i] <= 'z') ||
			    (s[i] >= 'A' && s[i] <= 'Z') ||
			    (s[i] >= '0' && s[i] <= '9');

		if (!word &&
		    (i == 0 || i + 1 == n || strchr("._-", s[i]) == NULL))
			return false;
	}
	return n > 0;
}

static int
check_credential(const entry_msg *en, struct err *e)
{
	struct view key = view_of(en->key);

	if (!ph_key_ok(key))
		return err_set(e, ERR_INVALID,
		    "provider.credentials: key '%.100s' must match "
		    "[A-Za-z_][A-Za-z0-9_]* and not begin like v1_",
		    en->key);
	if (profile_reserved(key))
		return err_set(e, ERR_INVALID,
		    "provider.credentials: key '%.100s' is reserved: programs "
		    "of the sandbox read it as something else",
		    en->key);
	if (en->value[0] == '\0' || strpbrk(en->value, "\r\n") != NULL)
		return err_set(e, ERR_INVALID,
		    "provider.credentials: the value of '%.100s' is empty or "
		    "has several lines",
		    en->key);
	if (strcmp(en->value, PROVIDER_REDACTED) == 0)
		return err_set(e, ERR_INVALID,
		    "provider.credentials: the value of '%.100s' is what "
		    "answers show in place of it, not a credential",
		    en->key);
	return 0;
}

int
provider_check(const provider_msg *p, struct err *e)
{
	if (gw_check_length(
		"provider.name", strlen(p->name), CREDS_NAME_MAX, e) < 0 ||
	    gw_check_length("provider.type", strlen(p->type), TYPE_BYTES, e) <
		0 ||
	    gw_check_map("provider.credentials", p->n_credentials,
		(void *)p->credentials, CREDENTIALS, e) < 0 ||
	    gw_check_map("provider.config", p->n_config, (void *)p->config,
		CONFIG, e) < 0)
		return -1;
	if (!is_name(p->name))
		return err_set(e, ERR_INVALID,
		    "invalid provider name '%.100s': use letters, digits, "
		    "'.', '_' and '-', a letter or digit at both ends",
		    p->name);
	for (size_t i = 0; i < p->n_credentials; i++) {
		if (check_credential(p->credentials[i], e) < 0)
			return -1;
		for (size_t k = 0; k < i; k++)
			if (strcmp(p->credentials[i]->key,
				p->credentials[k]->key) == 0)
				return err_set(e, ERR_INVALID,
				    "provider.credentials: a key twice");
	}
	return p->minting != NULL ? minting_check(p, e) : 0;
}

/* --- stored --------------------------------------------------------------- */

static int
lock(struct gateway *g, const provider_msg *p, struct buf *out, struct err *e)
{
	return sealed_pack(g, view_of(p->id), &p->base, out, e);
}

int
provider_insert(struct gateway *g, const provider_msg *p, struct err *e)
{
	AUTO_BUF struct buf sealed = BUF_INIT(PACKED_MAX);

	if (lock(g, p, &sealed, e) < 0)
		return -1;
	return store_object_insert(g->store, OBJECT, p->id, p->name,
	    buf_view(&sealed), clock_wall_ms(), e);
}

int
provider_update(
    struct gateway *g, const provider_msg *p, uint64_t version, struct err *e)
{
	AUTO_BUF struct buf sealed = BUF_INIT(PACKED_MAX);

	if (lock(g, p, &sealed, e) < 0)
		return -1;
	return store_object_update(g->store, OBJECT, p->id, buf_view(&sealed),
	    version, clock_wall_ms(), NULL, e);
}

static int
unlock(struct gateway *g, const struct store_object *o, provider_msg **out,
    struct err *e)
{
	ProtobufCMessage *m = NULL;

	if (sealed_unpack(g, view_of(o->id), (struct view) { o->payload, o->n },
		&openshell__datamodel__v1__provider__descriptor, &m, e) < 0)
		return err_wrap(e, "provider '%s'", o->name);
	*out = (provider_msg *)(void *)m;
	return 0;
}

int
provider_read(struct gateway *g, const char *name, provider_msg **out,
    uint64_t *version, struct err *e)
{
	struct store_object o = { 0 };
	int rc = store_object_by_name(g->store, OBJECT, name, &o, e);

	if (rc == 0)
		rc = unlock(g, &o, out, e);
	if (rc == 0 && version != NULL)
		*version = o.version;
	store_object_fini(&o);
	return rc;
}

bool
provider_exists(struct gateway *g, const char *name)
{
	struct store_object o = { 0 };
	struct err ignored;
	bool is =
	    store_object_by_name(g->store, OBJECT, name, &o, &ignored) == 0;

	store_object_fini(&o);
	return is;
}

struct list {
	struct gateway *g;
	void (*each)(void *ctx, provider_msg *taken);
	void *ctx;
	struct err e;
};

static int
list_one(void *ctx, const struct store_object *o)
{
	struct list *l = ctx;
	provider_msg *p = NULL;

	if (unlock(l->g, o, &p, &l->e) < 0)
		return -1;
	provider_redact(p);
	l->each(l->ctx, p);
	return 0;
}

int
provider_list(struct gateway *g, uint32_t limit, uint32_t offset,
    void (*each)(void *ctx, provider_msg *taken), void *ctx, struct err *e)
{
	struct list l = { .g = g, .each = each, .ctx = ctx };

	if (store_object_list(
		g->store, OBJECT, limit, offset, list_one, &l, e) < 0)
		return -1;
	if (l.e.code == ERR_NONE)
		return 0;
	*e = l.e;
	return -1;
}

struct name_list {
	void (*each)(void *ctx, const char *name);
	void *ctx;
};

static int
name_one(void *ctx, const struct store_object *o)
{
	const struct name_list *l = ctx;

	l->each(l->ctx, o->name);
	return 0;
}

int
provider_names(struct gateway *g, uint32_t limit,
    void (*each)(void *ctx, const char *name), void *ctx, struct err *e)
{
	struct name_list l = { each, ctx };

	return store_object_list(g->store, OBJECT, limit, 0, name_one, &l, e);
}

int
provider_delete(
    struct gateway *g, const char *name, bool *existed, struct err *e)
{
	struct store_object o = { 0 };
	int rc;

	*existed = false;
	if (store_object_by_name(g->store, OBJECT, name, &o, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	rc = store_object_delete(g->store, OBJECT, o.id, existed, e);
	store_object_fini(&o);
	return rc;
}

/* --- to sandboxes --------------------------------------------------------- */

static bool
has_key(const credentials_msg *m, const char *key)
{
	for (size_t i = 0; i < m->n_items; i++)
		if (strcmp(m->items[i]->key, key) == 0)
			return true;
	return false;
}

static bool
is_taken(struct sbx *s, const provider_msg *p, const credentials_msg *m,
    const char *key)
{
	if (!has_key(m, key))
		return false;
	sbx_log(s, "WARN",
	    "credential %s of provider '%s' is not used: an earlier provider "
	    "has one of that name",
	    key, p->name);
	return true;
}

/* Those of one way belong together: all of them, or none. */
static bool
minted_taken(struct sbx *s, const provider_msg *p, const credentials_msg *m)
{
	const char *key;

	for (size_t i = 0; (key = minting_key(p->minting, i)) != NULL; i++)
		if (is_taken(s, p, m, key))
			return true;
	return false;
}

static void
add_all(struct sbx *s, const provider_msg *p, credentials_msg *m)
{
	for (size_t i = 0; i < p->n_credentials; i++) {
		const entry_msg *en = p->credentials[i];
		Openshell__Supervisor__V1__Credential *c;
		size_t n = strlen(en->value);

		if (is_taken(s, p, m, en->key))
			continue;
		c = NEW(Openshell__Supervisor__V1__Credential);
		openshell__supervisor__v1__credential__init(c);
		c->provider = mem_strdup(p->name);
		c->type = mem_strdup(p->type);
		c->key = mem_strdup(en->key);
		c->value.data = (uint8_t *)mem_strndup(en->value, n);
		c->value.len = n;
		m->items[m->n_items++] = c;
	}
	if (p->minting != NULL && !minted_taken(s, p, m))
		minting_credentials(s->g, p, m);
}

credentials_msg *
provider_credentials(struct sbx *s)
{
	const Openshell__Datamodel__V1__SandboxSpec *spec = s->msg->spec;
	credentials_msg *m = NEW(credentials_msg);

	openshell__supervisor__v1__credentials__init(m);
	m->items =
	    mem_calloc(spec->n_providers * (CREDENTIALS + WAY_VALUES_MAX) + 1,
		sizeof(*m->items));
	for (size_t i = 0; i < spec->n_providers; i++) {
		AUTO_PROVIDER provider_msg *p = NULL;
		struct err e;

		if (provider_read(s->g, spec->providers[i], &p, NULL, &e) == 0)
			add_all(s, p, m);
		else
			sbx_log(s, "WARN",
			    "the credentials of provider '%s' are not "
			    "available: %s",
			    spec->providers[i], e.text);
	}
	return m;
}

void
provider_credentials_free(credentials_msg *m)
{
	for (size_t i = 0; i < m->n_items; i++)
		mem_wipe(m->items[i]->value.data, m->items[i]->value.len);
	openshell__supervisor__v1__credentials__free_unpacked(m, NULL);
}

static bool
uses(const struct sbx *s, const char *name)
{
	const Openshell__Datamodel__V1__SandboxSpec *spec = s->msg->spec;

	for (size_t i = 0; i < spec->n_providers; i++)
		if (strcmp(spec->providers[i], name) == 0)
			return true;
	return false;
}

void
provider_changed(struct gateway *g, const char *name)
{
	struct sbx *s, *next;

	HASH_ITER (by_name, g->names, s, next)
		if (uses(s, name))
			attend_push_credentials(s);
}

void
provider_log(struct gateway *g, const char *name, const char *level,
    const char *fmt, ...)
{
	struct sbx *s, *next;
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	HASH_ITER (by_name, g->names, s, next)
		if (uses(s, name))
			sbx_log(s, level, "%s", text);
}

bool
provider_users(struct gateway *g, const char *name, struct buf *out)
{
	struct sbx *s, *next;
	bool any = false;

	HASH_ITER (by_name, g->names, s, next) {
		if (!uses(s, name))
			continue;
		if (any)
			buf_puts(out, ", ");
		buf_puts(out, s->name);
		any = true;
	}
	return any;
}
