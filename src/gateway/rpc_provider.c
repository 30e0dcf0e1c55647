/* rpc_provider: the providers of a gateway (gateway-api 4.5, 4.6). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"
#include "gateway/gw.h"
#include "gateway/bounds.h"
#include "gateway/minting.h"
#include "gateway/provider.h"
#include "secrets/profile.h"

typedef Openshell__Datamodel__V1__Provider__CredentialsEntry credential_msg;

enum { PROVIDERS = 100, NAME_LETTERS = 6, TRIES = 8 };

static void
answer(struct rpc_call *c, provider_msg *p)
{
	Openshell__V1__ProviderResponse r =
	    OPENSHELL__V1__PROVIDER_RESPONSE__INIT;

	provider_redact(p);
	r.provider = p;
	rpc_answer(c, &r.base);
}

/* In the request's own memory, which is ours to wipe: nothing lingers. */
static void
wipe_request(const provider_msg *p)
{
	for (size_t i = 0; p != NULL && i < p->n_credentials; i++)
		mem_wipe(
		    p->credentials[i]->value, strlen(p->credentials[i]->value));
	minting_wipe(p != NULL ? p->minting : NULL);
}

static void
set_text(char **at, const char *text)
{
	char *copy = mem_strdup(text);

	if (*at != (char *)&protobuf_c_empty_string)
		free(*at);
	*at = copy;
}

/* A file's last newline is no part of the credential in it. */
static void
trim_value(credential_msg *en)
{
	size_t n = strlen(en->value);

	if (n > 0 && en->value[n - 1] == '\n')
		en->value[--n] = '\0';
	if (n > 0 && en->value[n - 1] == '\r')
		en->value[n - 1] = '\0';
}

static void
random_name(char out[NAME_LETTERS + 1])
{
	unsigned char r[NAME_LETTERS];

	random_bytes(r, sizeof(r));
	for (size_t i = 0; i < NAME_LETTERS; i++)
		out[i] = (char)('a' + r[i] % 26);
	out[NAME_LETTERS] = '\0';
}

/* --- create --------------------------------------------------------------- */

static provider_msg *
copy_of(const provider_msg *in)
{
	size_t n = openshell__datamodel__v1__provider__get_packed_size(in);
	uint8_t *p = mem_calloc(1, n + 1);
	provider_msg *out;

	(void)openshell__datamodel__v1__provider__pack(in, p);
	out = openshell__datamodel__v1__provider__unpack(NULL, n, p);
	mem_wipe(p, n);
	free(p);
	return out;
}

/* Id, name, and the type in its one spelling. */
static void
complete(struct gateway *g, provider_msg *p)
{
	char id[GW_ID], name[NAME_LETTERS + 1];
	struct view type = view_trim(view_of(p->type));
	const char *known = profile_type(type);
	AUTO_FREE char *own = view_dup(type);

	for (char *at = own; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at | 0x20);
	set_text(&p->type, known != NULL ? known : own);
	gw_new_uuid(id);
	set_text(&p->id, id);
	for (unsigned i = 0; p->name[0] == '\0' && i < TRIES; i++) {
		random_name(name);
		if (!provider_exists(g, name))
			set_text(&p->name, name);
	}
	for (size_t i = 0; i < p->n_credentials; i++)
		trim_value(p->credentials[i]);
}

static int
create(struct gateway *g, const provider_msg *in, provider_msg **out,
    struct err *e)
{
	if (in == NULL)
		return err_set(e, ERR_INVALID, "provider is required");
	if (view_trim(view_of(in->type)).n == 0)
		return err_set(e, ERR_INVALID, "provider.type is required");
	if (in->n_credentials == 0 && in->minting == NULL)
		return err_set(
		    e, ERR_INVALID, "provider.credentials must not be empty");
	*out = copy_of(in);
	complete(g, *out);
	if (provider_check(*out, e) < 0)
		return -1;
	if (provider_insert(g, *out, e) == 0)
		return 0;
	return e->code == ERR_EXISTS
		   ? err_set(e, ERR_EXISTS, "provider already exists")
		   : -1;
}

void
rpc_CreateProvider(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__CreateProviderRequest *m = (const void *)msg;
	AUTO_PROVIDER provider_msg *p = NULL;
	struct err e;
	int rc = create(gw_of(c), m->provider, &p, &e);

	wipe_request(m->provider);
	if (rc < 0) {
		rpc_finish_err(c, &e);
		return;
	}
	minting_changed(gw_of(c), p->name);
	/* A sandbox may have had one of that name, since deleted. */
	provider_changed(gw_of(c), p->name);
	answer(c, p);
}

/* --- get, list ------------------------------------------------------------ */

static int
read_named(struct gateway *g, const char *name, provider_msg **out,
    uint64_t *version, struct err *e)
{
	if (provider_read(g, name, out, version, e) == 0)
		return 0;
	return e->code == ERR_NOT_FOUND
		   ? err_set(e, ERR_NOT_FOUND, "provider not found")
		   : -1;
}

void
rpc_GetProvider(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__GetProviderRequest *m = (const void *)msg;
	AUTO_PROVIDER provider_msg *p = NULL;
	struct err e;

	if (m->name[0] == '\0')
		rpc_finish(c, RPC_INVALID_ARGUMENT, "name is required");
	else if (read_named(gw_of(c), m->name, &p, NULL, &e) < 0)
		rpc_finish_err(c, &e);
	else
		answer(c, p);
}

static void
list_one(void *ctx, provider_msg *p)
{
	Openshell__V1__ListProvidersResponse *r = ctx;

	r->providers[r->n_providers++] = p;
}

void
rpc_ListProviders(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__ListProvidersRequest *m = (const void *)msg;
	Openshell__V1__ListProvidersResponse r =
	    OPENSHELL__V1__LIST_PROVIDERS_RESPONSE__INIT;
	uint32_t limit = gw_page(m->limit, PROVIDERS);
	struct err e;

	r.providers = mem_calloc(limit + 1, sizeof(*r.providers));
	if (provider_list(gw_of(c), limit, m->offset, list_one, &r, &e) < 0)
		rpc_finish_err(c, &e);
	else
		rpc_answer(c, &r.base);
	for (size_t i = 0; i < r.n_providers; i++)
		provider_free(r.providers[i]);
	free(r.providers);
}

/* --- update --------------------------------------------------------------- */

static int
same_type(const provider_msg *p, const char *asked, struct err *e)
{
	struct view v = view_trim(view_of(asked));
	const char *known = profile_type(v);

	if (v.n == 0 || view_eq_nocase(v, view_of(p->type)) ||
	    (known != NULL && strcmp(known, p->type) == 0))
		return 0;
	return err_set(e, ERR_INVALID,
	    "provider type cannot be changed; delete and recreate the "
	    "provider");
}

static int
update(struct gateway *g, const provider_msg *in, provider_msg **out,
    struct err *e)
{
	uint64_t version = 0;

	if (in == NULL || in->name[0] == '\0')
		return err_set(e, ERR_INVALID, "provider.name is required");
	if (in->minting != NULL)
		return err_set(e, ERR_INVALID,
		    "how a provider is minted is changed by "
		    "ConfigureProviderRefresh (provider refresh configure)");
	if (read_named(g, in->name, out, &version, e) < 0 ||
	    same_type(*out, in->type, e) < 0)
		return -1;
	for (size_t i = 0; i < in->n_credentials; i++)
		trim_value(in->credentials[i]);
	provider_merge(*out, in);
	if (provider_check(*out, e) < 0)
		return -1;
	if ((*out)->n_credentials == 0 && (*out)->minting == NULL)
		return err_set(e, ERR_DENIED,
		    "a provider without credentials is none: delete it");
	return provider_update(g, *out, version, e);
}

void
rpc_UpdateProvider(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__UpdateProviderRequest *m = (const void *)msg;
	AUTO_PROVIDER provider_msg *p = NULL;
	struct err e;
	int rc = update(gw_of(c), m->provider, &p, &e);

	wipe_request(m->provider);
	if (rc < 0 && e.code == ERR_DENIED)
		rpc_finish(c, RPC_FAILED_PRECONDITION, "%s", e.text);
	else if (rc < 0)
		rpc_finish_err(c, &e);
	if (rc < 0)
		return;
	provider_changed(gw_of(c), p->name);
	answer(c, p);
}

/* --- delete --------------------------------------------------------------- */

void
rpc_DeleteProvider(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__DeleteProviderRequest *m = (const void *)msg;
	Openshell__V1__DeleteProviderResponse r =
	    OPENSHELL__V1__DELETE_PROVIDER_RESPONSE__INIT;
	AUTO_BUF struct buf users = BUF_INIT(300);
	struct gateway *g = gw_of(c);
	bool deleted = false;
	struct err e;

	if (m->name[0] == '\0') {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "name is required");
		return;
	}
	if (!m->force && provider_exists(g, m->name) &&
	    provider_users(g, m->name, &users)) {
		rpc_finish(c, RPC_FAILED_PRECONDITION,
		    "provider '%.100s' is used by: %s; with force its "
		    "credentials are taken from them at once",
		    m->name, buf_str(&users));
		return;
	}
	if (provider_delete(g, m->name, &deleted, &e) < 0) {
		rpc_finish_err(c, &e);
		return;
	}
	if (deleted) {
		minting_changed(g, m->name);
		provider_changed(g, m->name);
	}
	r.deleted = deleted;
	rpc_answer(c, &r.base);
}

/* --- GetSandboxProviderEnvironment ---------------------------------------- */

void
rpc_GetSandboxProviderEnvironment(
    struct rpc_call *c, const ProtobufCMessage *msg)
{
	typedef Openshell__V1__GetSandboxProviderEnvironmentResponse__EnvironmentEntry
	    entry_msg;
	const Openshell__V1__GetSandboxProviderEnvironmentRequest *m =
	    (const void *)msg;
	Openshell__V1__GetSandboxProviderEnvironmentResponse r =
	    OPENSHELL__V1__GET_SANDBOX_PROVIDER_ENVIRONMENT_RESPONSE__INIT;
	AUTO_FREE entry_msg *v = NULL;
	credentials_msg *all;
	struct caller who;
	struct sbx *s;

	gw_caller(c, &who);
	if (strcmp(m->sandbox_id, who.sandbox) != 0) {
		rpc_finish(c, RPC_PERMISSION_DENIED,
		    "cannot access another sandbox's provider environment");
		return;
	}
	s = gw_need_id(c, m->sandbox_id, "sandbox_id");
	if (s == NULL)
		return;
	all = provider_credentials(s);
	v = mem_calloc(all->n_items + 1, sizeof(*v));
	r.environment = mem_calloc(all->n_items + 1, sizeof(*r.environment));
	for (size_t i = 0; i < all->n_items; i++) {
		if (all->items[i]->value.len == 0)
			continue; /* absent at present */
		openshell__v1__get_sandbox_provider_environment_response__environment_entry__init(
		    &v[i]);
		v[i].key = all->items[i]->key;
		/* Copies end with a NUL. */
		v[i].value = (char *)all->items[i]->value.data;
		r.environment[r.n_environment++] = &v[i];
	}
	rpc_answer(c, &r.base);
	free(r.environment);
	provider_credentials_free(all);
}
