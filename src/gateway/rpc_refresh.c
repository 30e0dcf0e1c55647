/* rpc_refresh: providers whose credentials the gateway gets by itself. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/gw.h"
#include "gateway/minting.h"

typedef Openshell__V1__GetProviderRefreshStatusResponse status_answer;

enum { STATUSES_MAX = 1000 };

/* --- status ----------------------------------------------------------------
 */

/* What `each` borrows does not last: copied as bytes. */
static void
keep_status(void *ctx, const minting_status_msg *s)
{
	status_answer *r = ctx;
	size_t n = openshell__v1__provider_refresh_status__get_packed_size(s);
	AUTO_FREE uint8_t *p = mem_calloc(1, n + 1);

	if (r->n_statuses == STATUSES_MAX)
		return;
	(void)openshell__v1__provider_refresh_status__pack(s, p);
	r->statuses[r->n_statuses++] =
	    openshell__v1__provider_refresh_status__unpack(NULL, n, p);
}

static void
answer_status(struct rpc_call *c, const char *name)
{
	status_answer r =
	    OPENSHELL__V1__GET_PROVIDER_REFRESH_STATUS_RESPONSE__INIT;

	r.statuses = mem_calloc(STATUSES_MAX, sizeof(*r.statuses));
	if (!minting_status(gw_of(c), name, keep_status, &r) && name[0] != '\0')
		rpc_finish(c,
		    provider_exists(gw_of(c), name) ? RPC_FAILED_PRECONDITION
						    : RPC_NOT_FOUND,
		    provider_exists(gw_of(c), name)
			? "provider '%.100s' is not minted: its credentials "
			  "were given"
			: "provider '%.100s' not found",
		    name);
	else
		rpc_answer(c, &r.base);
	for (size_t i = 0; i < r.n_statuses; i++)
		openshell__v1__provider_refresh_status__free_unpacked(
		    r.statuses[i], NULL);
	free(r.statuses);
}

void
rpc_GetProviderRefreshStatus(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__GetProviderRefreshStatusRequest *m =
	    (const void *)msg;

	answer_status(c, m->provider);
}

/* --- rotate ----------------------------------------------------------------
 */

struct rotation {
	struct call_data data;
	struct rpc_call *call;
	struct minting_wait wait;
	char *name;
	bool waits;
};

static void
on_done(struct minting_wait *w, const char *why)
{
	struct rotation *r = CONTAINER_OF(w, struct rotation, wait);

	r->waits = false;
	if (why == NULL)
		answer_status(r->call, r->name);
	else
		rpc_finish(r->call, RPC_FAILED_PRECONDITION,
		    "the credentials of provider '%.100s' could not be "
		    "minted: %.600s",
		    r->name, why);
}

static void
rotation_closed(struct rpc_call *c, enum rpc_code why UNUSED)
{
	struct rotation *r = rpc_call_data(c);

	if (r->waits && gw_of(c)->minting != NULL)
		minting_forget(gw_of(c), r->name, &r->wait);
	free(r->name);
	free(r);
}

static const struct call_ops rotation_ops = { .closed = rotation_closed };

void
rpc_RotateProviderCredential(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__RotateProviderCredentialRequest *m =
	    (const void *)msg;
	struct rotation *r;

	if (m->provider[0] == '\0') {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "provider is required");
		return;
	}
	r = NEW(struct rotation);
	r->data.ops = &rotation_ops;
	r->call = c;
	r->wait.done = on_done;
	r->name = mem_strdup(m->provider);
	rpc_call_set_data(c, r);
	r->waits = minting_now(gw_of(c), m->provider, &r->wait);
	if (!r->waits)
		answer_status(c, m->provider); /* which says why not */
}

/* --- configure, delete -----------------------------------------------------
 */

static minting_msg *
copy_of(const minting_msg *in)
{
	size_t n = openshell__datamodel__v1__minting__get_packed_size(in);
	uint8_t *p = mem_calloc(1, n + 1);
	minting_msg *out;

	(void)openshell__datamodel__v1__minting__pack(in, p);
	out = openshell__datamodel__v1__minting__unpack(NULL, n, p);
	mem_wipe(p, n);
	free(p);
	return out;
}

static int
configure(struct gateway *g, const char *name, const minting_msg *in,
    provider_msg **out, struct err *e)
{
	minting_msg *old, *now;
	uint64_t version = 0;

	if (name[0] == '\0' || in == NULL)
		return err_set(
		    e, ERR_INVALID, "provider and minting are required");
	if (provider_read(g, name, out, &version, e) < 0)
		return e->code == ERR_NOT_FOUND
			   ? err_set(e, ERR_NOT_FOUND, "provider not found")
			   : -1;
	now = copy_of(in);
	old = (*out)->minting;
	minting_keep_secrets(now, old);
	(*out)->minting = now;
	minting_wipe(old);
	openshell__datamodel__v1__minting__free_unpacked(old, NULL);
	return provider_check(*out, e) < 0
		   ? -1
		   : provider_update(g, *out, version, e);
}

void
rpc_ConfigureProviderRefresh(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__ConfigureProviderRefreshRequest *m =
	    (const void *)msg;
	Openshell__V1__ProviderResponse r =
	    OPENSHELL__V1__PROVIDER_RESPONSE__INIT;
	AUTO_PROVIDER provider_msg *p = NULL;
	struct err e;
	int rc = configure(gw_of(c), m->provider, m->minting, &p, &e);

	minting_wipe(m->minting);
	if (rc < 0) {
		rpc_finish_err(c, &e);
		return;
	}
	minting_changed(gw_of(c), p->name);
	provider_changed(gw_of(c), p->name);
	provider_redact(p);
	r.provider = p;
	rpc_answer(c, &r.base);
}

static int
unconfigure(struct gateway *g, const char *name, bool *deleted, struct err *e)
{
	AUTO_PROVIDER provider_msg *p = NULL;
	uint64_t version = 0;

	if (provider_read(g, name, &p, &version, e) < 0)
		return e->code == ERR_NOT_FOUND
			   ? err_set(e, ERR_NOT_FOUND, "provider not found")
			   : -1;
	if (p->minting == NULL)
		return 0;
	if (p->n_credentials == 0)
		return err_set(e, ERR_DENIED,
		    "a provider without credentials is none: delete it");
	minting_wipe(p->minting);
	openshell__datamodel__v1__minting__free_unpacked(
	    take_ptr(p->minting), NULL);
	*deleted = true;
	return provider_update(g, p, version, e);
}

void
rpc_DeleteProviderRefresh(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__DeleteProviderRefreshRequest *m =
	    (const void *)msg;
	Openshell__V1__DeleteProviderRefreshResponse r =
	    OPENSHELL__V1__DELETE_PROVIDER_REFRESH_RESPONSE__INIT;
	bool deleted = false;
	struct err e;

	if (m->provider[0] == '\0') {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "provider is required");
		return;
	}
	if (unconfigure(gw_of(c), m->provider, &deleted, &e) < 0) {
		if (e.code == ERR_DENIED)
			rpc_finish(c, RPC_FAILED_PRECONDITION, "%s", e.text);
		else
			rpc_finish_err(c, &e);
		return;
	}
	if (deleted) {
		minting_changed(gw_of(c), m->provider);
		provider_changed(gw_of(c), m->provider);
	}
	r.deleted = deleted;
	rpc_answer(c, &r.base);
}
