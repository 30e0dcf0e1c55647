#include "cli/reach.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "openshell.pb-c.h"

enum {
	STATE_MAX = 65536,
	NAME_MAX_BYTES = 253,
	CALL_MS = 30000,
	OFFER_MS = 2000,
	OFFER_MAX = 200
};

struct reach {
	uv_loop_t loop;
	bool loop_on;
	struct rpc_client *rpc;
	bool ready, lost;
	unsigned connect_ms; /* 0: as long as the client thinks right */
	struct err why; /* of lost */
	char *config, *name, *dir, *url, *ca, *cert, *key, *sandbox;
};

/* One rule for what becomes part of a path. */
static bool
is_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > NAME_MAX_BYTES || s[0] == '-' ||
	    strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			 "0123456789._-") == n;
}

static int
find_config(struct reach *r, struct err *e)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg != NULL && xdg[0] == '/')
		r->config = mem_printf("%s/openshell", xdg);
	else if (home != NULL && home[0] == '/')
		r->config = mem_printf("%s/.config/openshell", home);
	else
		return err_set(e, ERR_INVALID, "HOME is not set");
	return 0;
}

/* A small state file without the white space around; NULL: none. */
static char *
read_word(const char *path)
{
	AUTO_FREE char *text = NULL;
	struct err ignored;
	size_t n, from = 0;

	if (file_read_path(path, false, STATE_MAX, &text, &n, &ignored) < 0)
		return NULL;
	while (from < n && strchr(" \t\r\n", text[from]) != NULL)
		from++;
	while (n > from && strchr(" \t\r\n", text[n - 1]) != NULL)
		n--;
	return n > from ? mem_strndup(text + from, n - from) : NULL;
}

static int
find_name(struct reach *r, struct err *e)
{
	const char *env = getenv("OPENSHELL_GATEWAY");
	AUTO_FREE char *path = mem_printf("%s/active_gateway", r->config);

	if (env != NULL && view_trim(view_of(env)).n > 0)
		r->name = view_dup(view_trim(view_of(env)));
	else
		r->name = read_word(path);
	if (r->name == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "No active gateway.\n"
		    "choose one: openshell gateway select <name>\n"
		    "or start one: openshell gateway start");
	if (!is_name(r->name))
		return err_set(e, ERR_INVALID,
		    "'%.100s' is no name of a gateway\nletters, digits, '.', "
		    "'_' and '-' make one",
		    r->name);
	r->dir = mem_printf("%s/gateways/%s", r->config, r->name);
	return 0;
}

static int
read_metadata(struct reach *r, struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/metadata.json", r->dir);
	AUTO_FREE char *text = NULL;
	json_error_t why;
	const char *url;
	json_t *doc;
	size_t n;

	if (file_read_path(path, false, STATE_MAX, &text, &n, e) < 0)
		return err_set(e, ERR_NOT_FOUND,
		    "Unknown gateway '%.100s'.\n"
		    "start it: openshell gateway start --name %.100s\n"
		    "or choose another: openshell gateway select",
		    r->name, r->name);
	doc = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	url = json_string_value(json_object_get(doc, "gateway_endpoint"));
	if (url != NULL)
		r->url = mem_strdup(url);
	json_decref(doc);
	if (r->url == NULL)
		return err_set(e, ERR_INVALID,
		    "%.200s is malformed\nstart the gateway again: openshell "
		    "gateway start --name %.100s",
		    path, r->name);
	r->ca = mem_printf("%s/mtls/ca.crt", r->dir);
	r->cert = mem_printf("%s/mtls/tls.crt", r->dir);
	r->key = mem_printf("%s/mtls/tls.key", r->dir);
	return 0;
}

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

static int
connect_now(struct reach *r, struct err *e)
{
	const struct rpc_client_hooks hooks = {
		.ready = on_ready, .lost = on_lost, .ctx = r
	};
	bool tls = strncmp(r->url, "https:", 6) == 0;
	const struct rpc_target t = { .url = r->url,
		.ca = tls ? r->ca : NULL,
		.cert = tls ? r->cert : NULL,
		.key = tls ? r->key : NULL,
		.connect_ms = r->connect_ms };

	r->ready = r->lost = false;
	return rpc_client_new(&r->loop, &t, &hooks, &r->rpc, e);
}

/* The first answer, so that what is wrong is said once and with its fix. */
static int
wait_ready(struct reach *r, struct err *e)
{
	while (!r->ready && !r->lost)
		(void)uv_run(&r->loop, UV_RUN_ONCE);
	if (r->ready)
		return 0;
	return err_set(e, r->why.code,
	    "gateway '%.100s' cannot be reached\n%.200s\n"
	    "see what it does: openshell gateway status; start it: openshell "
	    "gateway start",
	    r->name, r->why.text);
}

static int
open_within(unsigned ms, struct reach **out, struct err *e)
{
	AUTO_REACH struct reach *r = NEW(struct reach);

	r->connect_ms = ms;
	if (find_config(r, e) < 0 || find_name(r, e) < 0 ||
	    read_metadata(r, e) < 0)
		return -1;
	if (uv_loop_init(&r->loop) != 0)
		return err_set(e, ERR_IO, "no event loop");
	r->loop_on = true;
	if (connect_now(r, e) < 0)
		return err_wrap(e, "reach gateway '%.100s'", r->name);
	if (wait_ready(r, e) < 0)
		return -1;
	*out = take_ptr(r);
	return 0;
}

int
reach_open(struct reach **out, struct err *e)
{
	return open_within(0, out, e);
}

void
reach_close(struct reach *r)
{
	if (r == NULL)
		return;
	if (r->rpc != NULL)
		rpc_client_free(r->rpc);
	if (r->loop_on) {
		(void)uv_run(&r->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&r->loop);
	}
	free(r->config);
	free(r->name);
	free(r->dir);
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

struct rpc_client *
reach_again(void *ctx)
{
	struct reach *r = ctx;
	struct err ignored;

	rpc_client_free(take_ptr(r->rpc));
	return connect_now(r, &ignored) == 0 ? r->rpc : NULL;
}

const char *
reach_sandbox(struct cli *c, struct reach *r, const char *given, struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/last_sandbox", r->dir);
	AUTO_BUF struct buf b = BUF_INIT(1024);

	if (given != NULL)
		return given;
	free(r->sandbox);
	r->sandbox = read_word(path);
	if (r->sandbox == NULL) {
		(void)err_set(e, ERR_NOT_FOUND,
		    "No sandbox name provided and no last-used sandbox.\n"
		    "name one: openshell sandbox connect <name>");
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
	Openshell__V1__GetSandboxRequest q =
	    OPENSHELL__V1__GET_SANDBOX_REQUEST__INIT;
	AUTO_FREE char *copy = mem_strdup(name);
	const Openshell__V1__SandboxResponse *s;
	ProtobufCMessage *m;
	enum rpc_code code;
	char *id;

	q.name = copy;
	if (rpc_unary(r->rpc, "/openshell.v1.OpenShell/GetSandbox", &q.base,
		&openshell__v1__sandbox_response__descriptor, &m, CALL_MS,
		&code, e) < 0) {
		(void)(code == RPC_NOT_FOUND
			   ? err_set(e, ERR_NOT_FOUND,
				 "sandbox not found: %.100s\nsee what there "
				 "is: openshell sandbox list",
				 name)
			   : err_wrap(e, "reach gateway '%.100s'", r->name));
		return NULL;
	}
	s = (const Openshell__V1__SandboxResponse *)(const void *)m;
	id = s->sandbox != NULL ? mem_strdup(s->sandbox->id) : NULL;
	protobuf_c_message_free_unpacked(m, NULL);
	if (id == NULL)
		(void)err_set(
		    e, ERR_PROTO, "the gateway's answer has no sandbox");
	return id;
}

/* Written whole or not at all; a failure costs only the convenience. */
void
reach_remember(struct reach *r, const char *sandbox)
{
	AUTO_FREE char *path = mem_printf("%s/last_sandbox", r->dir);
	AUTO_FREE char *temp = mem_printf("%s/last_sandbox.XXXXXX", r->dir);
	AUTO_CLOSE int fd = mkostemp(temp, O_CLOEXEC);
	struct err ignored;

	if (fd < 0)
		return;
	if (fd_write_all(fd, sandbox, strlen(sandbox), &ignored) < 0 ||
	    rename(temp, path) < 0)
		(void)unlink(temp);
}

/* --- completion --- */

static void
offer(const char *name, const char *word, const char *text, struct buf *out)
{
	/* A name of the gateway's own making could be a directive. */
	if (is_name(name) && strncmp(name, word, strlen(word)) == 0)
		buf_printf(out, "%s\t%s\n", name, text);
}

void
reach_offer_sandboxes(const char *word, struct buf *out)
{
	Openshell__V1__ListSandboxesRequest q =
	    OPENSHELL__V1__LIST_SANDBOXES_REQUEST__INIT;
	AUTO_REACH struct reach *r = NULL;
	const Openshell__V1__ListSandboxesResponse *l;
	ProtobufCMessage *m;
	struct err ignored;

	if (open_within(OFFER_MS, &r, &ignored) < 0)
		return;
	q.limit = OFFER_MAX;
	if (rpc_unary(r->rpc, "/openshell.v1.OpenShell/ListSandboxes", &q.base,
		&openshell__v1__list_sandboxes_response__descriptor, &m,
		OFFER_MS, NULL, &ignored) < 0)
		return;
	l = (const Openshell__V1__ListSandboxesResponse *)(const void *)m;
	for (size_t i = 0; i < l->n_sandboxes; i++)
		offer(l->sandboxes[i]->name, word, "sandbox", out);
	protobuf_c_message_free_unpacked(m, NULL);
}

void
reach_offer_gateways(const char *word, struct buf *out)
{
	struct reach r = { 0 };
	AUTO_FREE char *path = NULL;
	struct err ignored;
	struct dirent *d;
	DIR *dir;

	if (find_config(&r, &ignored) < 0)
		return;
	path = mem_printf("%s/gateways", r.config);
	free(r.config);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((d = readdir(dir)) != NULL) {
		AUTO_FREE char *meta =
		    mem_printf("%s/%s/metadata.json", path, d->d_name);

		if (access(meta, R_OK) == 0)
			offer(d->d_name, word, "gateway", out);
	}
	(void)closedir(dir);
}
