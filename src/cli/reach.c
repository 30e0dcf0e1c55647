#include "cli/reach.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/dial_url.h"
#include "cli/edge.h"
#include "cli/healthz.h"
#include "cli/state.h"

enum { CALL_MS = 60000, OFFER_MS = 2000, OFFER_MAX = 200 };

struct reach {
	uv_loop_t loop;
	bool loop_on, ready, lost;
	unsigned connect_ms; /* 0: as long as the client thinks right */
	struct err why; /* when lost */
	struct rpc_client *rpc;
	char *name, *url, *ca, *cert, *key, *sandbox;
	bool edge; /* a token takes the place of certificates */
	char *token, *cookie;
	int tunnel; /* made, and not given to the client yet; or -1 */
};

/* --- which gateway ------------------------------------------------------- */

static bool
is_endpoint_of(const char *name, const char *wanted)
{
	AUTO_FREE char *have = NULL;
	AUTO_GATEWAY g = { 0 };
	struct err ignored;

	if (state_gateway_load(name, &g, &ignored) < 0)
		return false;
	have = url_without_slash(g.endpoint);
	return strcmp(have, wanted) == 0;
}

/* The registered name of an endpoint; the active one is tried first. */
static char *
name_of_endpoint(const char *url)
{
	AUTO_FREE char *wanted = url_without_slash(url),
		       *active = state_active();
	char **names = NULL, *found = NULL;
	struct err ignored;
	size_t n = 0;

	if (active != NULL && state_is_name(active) &&
	    is_endpoint_of(active, wanted))
		return mem_strdup(active);
	if (state_gateways(&names, &n, &ignored) == 0)
		for (size_t i = 0; i < n && found == NULL; i++)
			if (is_endpoint_of(names[i], wanted))
				found = mem_strdup(names[i]);
	state_names_free(names);
	return found;
}

static int
by_endpoint(struct reach *r, const struct cli *c)
{
	AUTO_GATEWAY g = { 0 };
	struct err ignored;

	r->url = mem_strdup(c->endpoint);
	if (c->gateway != NULL && state_is_name(c->gateway) &&
	    state_gateway_load(c->gateway, &g, &ignored) == 0)
		r->name = mem_strdup(c->gateway);
	else
		r->name = name_of_endpoint(c->endpoint);
	return 0;
}

static int
by_name(struct reach *r, const struct cli *c, struct err *e)
{
	AUTO_GATEWAY g = { 0 };

	if (c->gateway != NULL)
		r->name = view_dup(view_trim(view_of(c->gateway)));
	else
		r->name = state_active();
	if (r->name == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "No active gateway.\n"
		    "Choose one: openshell gateway select <name>\n"
		    "Or start one: openshell gateway start");
	if (state_gateway_load(r->name, &g, e) < 0) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		return err_set(e, ERR_NOT_FOUND,
		    "Unknown gateway '%.100s'.\n"
		    "Start it: openshell gateway start --name %.100s\n"
		    "Or choose another: openshell gateway select",
		    r->name, r->name);
	}
	r->url = mem_strdup(g.endpoint);
	return 0;
}

static bool
is_edge(const char *name)
{
	AUTO_GATEWAY g = { 0 };
	struct err ignored;

	return name != NULL && state_is_name(name) &&
	       state_gateway_load(name, &g, &ignored) == 0 &&
	       g.auth_mode != NULL && strcmp(g.auth_mode, EDGE_AUTH_MODE) == 0;
}

static int
find_token(struct reach *r, const struct cli *c, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(512);
	struct cli say = *c;
	unsigned soon;

	if (edge_token_load(r->name, &r->token, &soon, e) < 0)
		return -1;
	r->cookie = mem_printf("CF_Authorization=%s", r->token);
	if (soon == 0)
		return 0;
	buf_printf(&b,
	    "! The edge token expires in %u s: openshell gateway login "
	    "%.100s\n",
	    soon, r->name);
	cli_note(&say, &b);
	return 0;
}

/* Attack: an endpoint elsewhere that reads everything that is sent. */
static bool
is_loopback(const char *rest)
{
	static const char *const hosts[] = { "//127.0.0.1", "//localhost",
		"//[::1]" };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		size_t n = strlen(hosts[i]);

		if (strncmp(rest, hosts[i], n) == 0 &&
		    strchr(":/", rest[n]) != NULL)
			return true; /* also at the end: strchr finds NUL */
	}
	return false;
}

static int
find_certificates(struct reach *r, struct err *e)
{
	AUTO_FREE char *dir = NULL;

	if (strncmp(r->url, "http:", 5) == 0 && !is_loopback(r->url + 5))
		return err_set(e, ERR_DENIED,
		    "%.200s: plain text is for this machine only\n"
		    "use https://, or a tunnel to a local port",
		    r->url);
	if (r->edge || strncmp(r->url, "https:", 6) != 0)
		return 0;
	if (r->name == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "no gateway is registered for %.200s, so there are no "
		    "certificates for it\nname the gateway with --gateway",
		    r->url);
	if (state_gateway_dir(r->name, &dir, e) < 0)
		return -1;
	r->ca = mem_printf("%s/mtls/ca.crt", dir);
	r->cert = mem_printf("%s/mtls/tls.crt", dir);
	r->key = mem_printf("%s/mtls/tls.key", dir);
	return 0;
}

/* --- the connection ------------------------------------------------------ */

static void
on_ready(void *ctx)
{
	((struct reach *)ctx)->ready = true;
}

static void
on_lost(void *ctx, const struct err *e)
{
	struct reach *r = ctx;

	r->lost = true;
	r->why = *e;
}

/* Through the one WebSocket that an edge lets pass. */
static bool
by_tunnel(const struct reach *r)
{
	return r->edge && strncmp(r->url, "https:", 6) == 0;
}

static int
connect_now(struct reach *r, struct err *e)
{
	const struct rpc_client_hooks hooks = { on_ready, on_lost, r };
	const struct rpc_metadata metadata[] = {
		{ "cf-access-jwt-assertion", r->token },
		{ "cookie", r->cookie },
		{ NULL, NULL },
	};
	bool tunnel = by_tunnel(r);
	const struct rpc_target t = { .url = r->url,
		.fd = tunnel ? &r->tunnel : NULL,
		.metadata = r->edge ? metadata : NULL,
		.ca = r->ca,
		.cert = r->cert,
		.key = r->key,
		.connect_ms = r->connect_ms };

	if (tunnel && r->tunnel < 0 &&
	    edge_tunnel_open(r->name, r->url, r->token, &r->tunnel, e) < 0)
		return -1;
	r->ready = r->lost = false;
	return rpc_client_new(&r->loop, &t, &hooks, &r->rpc, e);
}

/* What to call it: an endpoint need not be registered. */
static const char *
title(const struct reach *r)
{
	return r->name != NULL ? r->name : r->url;
}

/* What the connection says about its end tells more than UNAVAILABLE. */
static int
explain(const struct reach *r, struct err *e)
{
	if (!r->lost)
		return -1;
	if (r->why.code == ERR_NOT_FOUND)
		return err_set(e, ERR_NOT_FOUND,
		    "Gateway '%.100s' is not reachable: %.200s\n"
		    "Start it: openshell gateway start%s%.100s",
		    title(r), r->why.text, r->name != NULL ? " --name " : "",
		    reach_name(r));
	*e = r->why;
	if (strstr(e->text, "expired") != NULL)
		return err_set(e, r->why.code,
		    "Gateway '%.100s' is not reachable.\n%.200s\n"
		    "Renew its certificates: openshell gateway restart%s%.100s",
		    title(r), r->why.text, r->name != NULL ? " --name " : "",
		    reach_name(r));
	return err_wrap(e, "Gateway '%.100s' is not reachable.", title(r));
}

/* Which gateway, and by what it is proved; nothing is connected. */
static int
choose(struct reach *r, const struct cli *c, struct err *e)
{
	r->tunnel = -1;
	if ((c->endpoint != NULL ? by_endpoint(r, c) : by_name(r, c, e)) < 0)
		return -1;
	r->edge = is_edge(r->name);
	if (find_certificates(r, e) < 0)
		return -1;
	return r->edge ? find_token(r, c, e) : 0;
}

static int
open_within(const struct cli *c, unsigned ms, struct reach **out, struct err *e)
{
	AUTO_REACH struct reach *r = NEW(struct reach);

	r->connect_ms = ms;
	if (choose(r, c, e) < 0)
		return -1;
	if (uv_loop_init(&r->loop) != 0)
		return err_set(e, ERR_IO, "no event loop");
	r->loop_on = true;
	if (connect_now(r, e) < 0)
		return err_wrap(e, "cannot reach gateway '%.100s'", title(r));
	/* The first answer, so that what is wrong is said once, with its fix.
	 */
	while (!r->ready && !r->lost)
		(void)uv_run(&r->loop, UV_RUN_ONCE);
	if (!r->ready)
		return explain(r, e);
	*out = take_ptr(r);
	return 0;
}

int
reach_open(const struct cli *c, struct reach **out, struct err *e)
{
	return open_within(c, 0, out, e);
}

int
reach_healthz(const struct cli *c, unsigned *status, struct err *e)
{
	AUTO_REACH struct reach *r = NEW(struct reach);
	struct healthz_target t = { 0 };

	if (choose(r, c, e) < 0)
		return -1;
	t.url = r->url;
	t.files = (struct mutual_files) { r->cert, r->key, r->ca };
	if (by_tunnel(r)) {
		if (edge_tunnel_open(r->name, r->url, r->token, &r->tunnel, e) <
		    0)
			return -1;
		t.fd = &r->tunnel;
	}
	return healthz_get(&t, status, e);
}

int
reach_target(const struct cli *c, char **name, char **url, struct err *e)
{
	AUTO_REACH struct reach *r = NEW(struct reach);
	int rc;

	r->tunnel = -1;
	rc = c->endpoint != NULL ? by_endpoint(r, c) : by_name(r, c, e);

	*name = mem_strdup(reach_name(r));
	if (rc < 0 && (*name)[0] == '\0') {
		free(*name);
		*name = NULL;
	}
	if (rc == 0)
		*url = take_ptr(r->url);
	return rc;
}

static void
reach_close(struct reach *r)
{
	if (r == NULL)
		return;
	rpc_client_free(r->rpc);
	if (r->loop_on) {
		(void)uv_run(&r->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&r->loop);
	}
	fd_close(&r->tunnel);
	edge_token_free(&r->token);
	edge_token_free(&r->cookie);
	free(r->name);
	free(r->url);
	free(r->ca);
	free(r->cert);
	free(r->key);
	free(r->sandbox);
	free(r);
}

void
reach_close_at(struct reach **r)
{
	reach_close(*r);
}

struct rpc_client *
reach_rpc(struct reach *r)
{
	return r->rpc;
}

uv_loop_t *
reach_loop(struct reach *r)
{
	return &r->loop;
}

const char *
reach_name(const struct reach *r)
{
	return r->name != NULL ? r->name : "";
}

bool
reach_has_token(const struct reach *r)
{
	return r->edge;
}

struct rpc_client *
reach_again(struct reach *r)
{
	struct rpc_client *old = r->rpc;
	struct err ignored;

	/* When there is none now, the lost one still answers: UNAVAILABLE. */
	if (connect_now(r, &ignored) < 0)
		return NULL;
	rpc_client_free(old);
	return r->rpc;
}

/* --- calls --------------------------------------------------------------- */

int
reach_call(struct reach *r, const char *method, const ProtobufCMessage *m,
    const ProtobufCMessageDescriptor *type, void *answer, enum rpc_code *code,
    struct err *e)
{
	AUTO_FREE char *path = mem_printf("/openshell.v1.OpenShell/%s", method);
	ProtobufCMessage *a = NULL;
	enum rpc_code mine;

	if (rpc_unary(r->rpc, path, m, type, &a, CALL_MS, &mine, e) == 0) {
		*(void **)answer = a;
		return 0;
	}
	if (code != NULL)
		*code = mine;
	return mine == RPC_UNAVAILABLE ? explain(r, e) : -1;
}

int
reach_find(struct reach *r, const char *name,
    Openshell__Datamodel__V1__Sandbox **out, struct err *e)
{
	Openshell__V1__GetSandboxRequest q =
	    OPENSHELL__V1__GET_SANDBOX_REQUEST__INIT;
	AUTO_FREE char *copy = mem_strdup(name);
	Openshell__V1__SandboxResponse *s = NULL;
	enum rpc_code code = RPC_OK;

	q.name = copy;
	if (reach_call(r, "GetSandbox", &q.base,
		&openshell__v1__sandbox_response__descriptor, &s, &code, e) < 0)
		return code == RPC_NOT_FOUND
			   ? err_set(e, ERR_NOT_FOUND,
				 "sandbox not found: %.100s\nSee what there "
				 "is: openshell sandbox list",
				 name)
			   : -1;
	*out = take_ptr(s->sandbox);
	openshell__v1__sandbox_response__free_unpacked(s, NULL);
	if (*out == NULL)
		return err_set(
		    e, ERR_PROTO, "the gateway's answer has no sandbox");
	return 0;
}

const char *
reach_sandbox(struct cli *c, struct reach *r, const char *given, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	if (given != NULL)
		return given;
	free(r->sandbox);
	r->sandbox = r->name != NULL ? state_last_sandbox(r->name) : NULL;
	if (r->sandbox == NULL) {
		(void)err_set(e, ERR_NOT_FOUND,
		    "No sandbox name provided and no last-used sandbox.\n"
		    "Name one: openshell sandbox connect <name>");
		return NULL;
	}
	buf_printf(&b, "%s Using sandbox '", c->utf8 ? "→" : "-");
	buf_put_escaped(&b, view_of(r->sandbox));
	buf_puts(&b, "' (last used)\n");
	cli_note(c, &b);
	return r->sandbox;
}

char *
reach_sandbox_id(struct reach *r, const char *name, struct err *e)
{
	Openshell__Datamodel__V1__Sandbox *s = NULL;
	char *id;

	if (reach_find(r, name, &s, e) < 0)
		return NULL;
	id = mem_strdup(s->id);
	openshell__datamodel__v1__sandbox__free_unpacked(s, NULL);
	return id;
}

void
reach_remember(struct reach *r, const char *sandbox)
{
	if (r->name != NULL)
		state_set_last_sandbox(r->name, sandbox);
}

/* --- completion ---------------------------------------------------------- */

static void
offer(const char *name, const char *word, const char *text, struct buf *out)
{
	/* A name of the gateway's own making could be a directive. */
	if (state_is_name(name) && strncmp(name, word, strlen(word)) == 0)
		buf_printf(out, "%s\t%s\n", name, text);
}

/* What the gateway answers while a completion can wait for it, or NULL. */
static ProtobufCMessage *
ask_to_offer(const char *path, const ProtobufCMessage *q,
    const ProtobufCMessageDescriptor *answer)
{
	const struct cli c = { .gateway = getenv("OPENSHELL_GATEWAY") };
	AUTO_REACH struct reach *r = NULL;
	ProtobufCMessage *m;
	struct err ignored;

	if (open_within(&c, OFFER_MS, &r, &ignored) < 0 ||
	    rpc_unary(r->rpc, path, q, answer, &m, OFFER_MS, NULL, &ignored) <
		0)
		return NULL;
	return m;
}

void
reach_offer_sandboxes(const char *word, struct buf *out)
{
	Openshell__V1__ListSandboxesRequest q =
	    OPENSHELL__V1__LIST_SANDBOXES_REQUEST__INIT;
	const Openshell__V1__ListSandboxesResponse *l;
	ProtobufCMessage *m;

	q.limit = OFFER_MAX;
	m = ask_to_offer("/openshell.v1.OpenShell/ListSandboxes", &q.base,
	    &openshell__v1__list_sandboxes_response__descriptor);
	l = (const Openshell__V1__ListSandboxesResponse *)(const void *)m;
	for (size_t i = 0; l != NULL && i < l->n_sandboxes; i++)
		offer(l->sandboxes[i]->name, word, "sandbox", out);
	protobuf_c_message_free_unpacked(m, NULL);
}

void
reach_offer_providers(const char *word, struct buf *out)
{
	Openshell__V1__ListProvidersRequest q =
	    OPENSHELL__V1__LIST_PROVIDERS_REQUEST__INIT;
	const Openshell__V1__ListProvidersResponse *l;
	ProtobufCMessage *m;

	q.limit = OFFER_MAX;
	m = ask_to_offer("/openshell.v1.OpenShell/ListProviders", &q.base,
	    &openshell__v1__list_providers_response__descriptor);
	l = (const Openshell__V1__ListProvidersResponse *)(const void *)m;
	for (size_t i = 0; l != NULL && i < l->n_providers; i++)
		offer(l->providers[i]->name, word, l->providers[i]->type, out);
	protobuf_c_message_free_unpacked(m, NULL);
}

void
reach_offer_gateways(const char *word, struct buf *out)
{
	char **names = NULL;
	struct err ignored;
	size_t n = 0;

	if (state_gateways(&names, &n, &ignored) == 0)
		for (size_t i = 0; i < n; i++)
			offer(names[i], word, "gateway", out);
	state_names_free(names);
}
