/* access: see access.h. */
#include "gateway/access.h"

#include <string.h>

#include "codec/sha256.h"

static const struct {
	struct view path;
	enum access_rule rule;
} rules[] = {
#define METHOD(service, name, kind, access, max_request, deadline_ms, in, out) \
	{ VIEW("/" #service "/" #name), ACCESS_##access },
#define LATER METHOD
#include "gateway/methods.def"
#undef LATER
#undef METHOD
};

enum access_rule
access_rule_of(const char *path)
{
	struct view v = view_of(path);

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (view_eq(rules[i].path, v))
			return rules[i].rule;
	return ACCESS_NONE;
}

static const enum rpc_code matrix[][CALLER_SANDBOX + 1] = {
	[ACCESS_NONE] = { [CALLER_ANONYMOUS] = RPC_UNAUTHENTICATED,
	    [CALLER_UNKNOWN] = RPC_UNAUTHENTICATED,
	    [CALLER_USER] = RPC_UNIMPLEMENTED,
	    [CALLER_SANDBOX] = RPC_PERMISSION_DENIED },
	[ACCESS_ANYONE] = { [CALLER_ANONYMOUS] = RPC_OK,
	    [CALLER_UNKNOWN] = RPC_UNAUTHENTICATED,
	    [CALLER_USER] = RPC_OK,
	    [CALLER_SANDBOX] = RPC_OK },
	[ACCESS_USER] = { [CALLER_ANONYMOUS] = RPC_UNAUTHENTICATED,
	    [CALLER_UNKNOWN] = RPC_UNAUTHENTICATED,
	    [CALLER_USER] = RPC_OK,
	    [CALLER_SANDBOX] = RPC_PERMISSION_DENIED },
	[ACCESS_SANDBOX] = { [CALLER_ANONYMOUS] = RPC_UNAUTHENTICATED,
	    [CALLER_UNKNOWN] = RPC_UNAUTHENTICATED,
	    [CALLER_USER] = RPC_PERMISSION_DENIED,
	    [CALLER_SANDBOX] = RPC_OK },
	[ACCESS_USER_OR_SANDBOX] = { [CALLER_ANONYMOUS] = RPC_UNAUTHENTICATED,
	    [CALLER_UNKNOWN] = RPC_UNAUTHENTICATED,
	    [CALLER_USER] = RPC_OK,
	    [CALLER_SANDBOX] = RPC_OK },
};

static const char *
reason(enum rpc_code code, enum access_rule rule, enum caller_kind kind)
{
	if (code == RPC_UNIMPLEMENTED)
		return "this gateway has no such method";
	if (code == RPC_PERMISSION_DENIED)
		return rule == ACCESS_SANDBOX
			   ? "only a sandbox may call this, of itself"
			   : "a sandbox may not call this";
	return kind == CALLER_UNKNOWN
		   ? "the token or certificate is not known to this gateway"
		   : "show a client certificate or a sandbox's token";
}

enum rpc_code
access_check(enum access_rule rule, enum caller_kind kind, struct buf *text)
{
	enum rpc_code code = matrix[rule][kind];

	if (code != RPC_OK)
		buf_puts(text, reason(code, rule, kind));
	return code;
}

static int
by_token(
    struct view token, struct store *store, struct caller *out, struct err *e)
{
	char hash[SHA256_HEX];

	sha256_hex(token, hash);
	if (store_token_find(store, hash, out->sandbox, e) == 0) {
		out->kind = CALLER_SANDBOX;
		return 0;
	}
	out->kind = CALLER_UNKNOWN;
	return e->code == ERR_NOT_FOUND ? 0 : -1;
}

/* The certificate of a deleted sandbox holds no more. */
static int
by_sandbox_name(
    struct view id, struct store *store, struct caller *out, struct err *e)
{
	struct store_object o;

	memcpy(out->sandbox, id.p, id.n);
	out->sandbox[id.n] = '\0';
	if (store_object_by_id(store, "sandbox", out->sandbox, &o, e) == 0) {
		store_object_fini(&o);
		out->kind = CALLER_SANDBOX;
		return 0;
	}
	out->sandbox[0] = '\0';
	return e->code == ERR_NOT_FOUND ? 0 : -1;
}

/* What follows the prefix, when it is a name and nothing else. */
static bool
cut_role(struct view uri, struct view prefix, struct view *name)
{
	if (!view_starts(uri, prefix))
		return false;
	*name = view_slice(uri, prefix.n, uri.n);
	for (size_t i = 0; i < name->n; i++) {
		char c = name->p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && strchr("._-", c) == NULL)
			return false;
	}
	return name->n > 0 && name->n < STORE_ID_SIZE;
}

static int
by_certificate(
    struct view uri, struct store *store, struct caller *out, struct err *e)
{
	struct view name;

	out->kind = CALLER_UNKNOWN;
	if (cut_role(uri, VIEW("openshell://user/"), &name))
		out->kind = CALLER_USER;
	else if (cut_role(uri, VIEW("openshell://sandbox/"), &name))
		return by_sandbox_name(name, store, out, e);
	return 0;
}

int
access_identify(const struct rpc_peer *peer, const struct access_config *c,
    struct store *store, struct caller *out, struct err *e)
{
	struct caller who = { .kind = CALLER_ANONYMOUS };
	int rc = 0;

	if (peer->bearer.p != NULL)
		rc = by_token(peer->bearer, store, &who, e);
	else if (peer->transport == RPC_UNIX) {
		/*
		 * A process in another user namespace with the owner's uid is
		 * an agent in a sandbox, not the owner.  Attack: a policy that
		 * lets the agent see the gateway's socket would make a user of
		 * it.
		 */
		if (peer->uid == c->owner && peer->beside)
			who.kind = CALLER_USER;
	} else if (peer->verified)
		rc = by_certificate(view_of(peer->san_uri), store, &who, e);
	else if (c->open_access)
		who.kind = CALLER_USER;
	if (rc == 0)
		*out = who;
	return rc;
}
