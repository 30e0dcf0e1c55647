#include "cli/providers.h"
#include "cli/refresh.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "secrets/profile.h"
#include "secrets/rewrite.h"

typedef Openshell__Datamodel__V1__Provider__CredentialsEntry credential_msg;
typedef Openshell__Datamodel__V1__Provider__ConfigEntry config_msg;

provider_msg *
provider_new(void)
{
	provider_msg *p = NEW(provider_msg);

	openshell__datamodel__v1__provider__init(p);
	return p;
}

void
provider_free_at(provider_msg **p)
{
	if (*p == NULL)
		return;
	for (size_t i = 0; i < (*p)->n_credentials; i++)
		mem_wipe((*p)->credentials[i]->value,
		    strlen((*p)->credentials[i]->value));
	refresh_wipe((*p)->minting);
	openshell__datamodel__v1__provider__free_unpacked(*p, NULL);
}

/* --- credentials -----------------------------------------------------------
 */

static void
put(provider_msg *p, struct view key, struct view value)
{
	credential_msg *en = NULL;

	for (size_t i = 0; i < p->n_credentials; i++)
		if (view_eq(view_of(p->credentials[i]->key), key))
			en = p->credentials[i];
	if (en != NULL) {
		mem_wipe(en->value, strlen(en->value));
		free(en->value);
	} else {
		en = NEW(credential_msg);
		openshell__datamodel__v1__provider__credentials_entry__init(en);
		en->key = view_dup(key);
		p->credentials = mem_realloc(p->credentials,
		    p->n_credentials + 1, sizeof(*p->credentials));
		p->credentials[p->n_credentials++] = en;
	}
	en->value = view_dup(value);
}

static struct view
without_newline(struct view v)
{
	while (v.n > 0 && (v.p[v.n - 1] == '\n' || v.p[v.n - 1] == '\r'))
		v.n--;
	return v;
}

/* Where one that is given comes from, and what it is called. */
struct giving {
	struct cli *c;
	const char *option; /* "credential" */
	bool empty_ok;
};

static int
from_file(const struct giving *g, provider_msg *p, struct view key,
    const char *path, struct err *e)
{
	char *text = NULL;
	size_t n = 0;

	if (file_read_path(path, false, RW_VALUE_MAX + 2, &text, &n, e) < 0)
		return err_wrap(e, "--%s %.*s@FILE", g->option,
		    (int)MIN(key.n, 100), key.p);
	put(p, key, without_newline((struct view) { text, n }));
	mem_wipe(text, n);
	free(text);
	return 0;
}

static void
prompt(struct cli *c, struct view key)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	buf_puts(&b, "Value of ");
	buf_put_escaped(&b, view_slice(key, 0, 100));
	buf_puts(&b, " (not shown): ");
	cli_note(c, &b);
}

/* A line; on a terminal what is typed is not shown. */
static int
from_input(
    const struct giving *g, provider_msg *p, struct view key, struct err *e)
{
	struct cli *c = g->c;
	struct termios was, quiet;
	bool tty = isatty(c->in) && tcgetattr(c->in, &was) == 0;
	AUTO_RW_OUT struct buf line = BUF_INIT(0);
	ssize_t n = 1;
	char byte = 0;

	rw_out_init(&line, RW_VALUE_MAX + 2);
	if (tty) {
		prompt(c, key);
		quiet = was;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(c->in, TCSAFLUSH, &quiet);
	}
	while (byte != '\n' && (n = read(c->in, &byte, 1)) == 1)
		buf_putc(&line, byte);
	if (tty) {
		AUTO_BUF struct buf end = BUF_INIT(2);

		(void)tcsetattr(c->in, TCSAFLUSH, &was);
		buf_putc(&end, '\n');
		cli_note(c, &end);
	}
	if (n < 0)
		return err_sys(e, "read standard input");
	if (line.full || line.n == 0)
		return err_set(e, ERR_INVALID,
		    "--%s %.*s=-: standard input has no line of at most %d "
		    "bytes",
		    g->option, (int)MIN(key.n, 100), key.p, (int)RW_VALUE_MAX);
	put(p, key, without_newline(buf_view(&line)));
	return 0;
}

static bool
is_blank(const char *s)
{
	return s == NULL || view_trim(view_of(s)).n == 0;
}

static int
from_env(
    const struct giving *g, provider_msg *p, struct view key, struct err *e)
{
	AUTO_FREE char *name = view_dup(key);
	const char *value = getenv(name);

	if (is_blank(value))
		return err_set(e, ERR_NOT_FOUND,
		    "--%s %.100s requires local env var '%.100s' to be set "
		    "to a non-empty value",
		    g->option, name, name);
	put(p, key, view_of(value));
	return 0;
}

static int
add_one(
    const struct giving *g, provider_msg *p, const char *given, struct err *e)
{
	struct view value, file, key = view_cut(view_of(given), '=', &value);

	if (value.p == NULL) {
		key = view_trim(view_cut(view_of(given), '@', &file));
		if (key.n > 0 && file.p != NULL)
			return from_file(g, p, key, file.p, e);
	}
	key = view_trim(key);
	if (key.n == 0)
		return err_set(
		    e, ERR_INVALID, "--%s key cannot be empty", g->option);
	if (value.p == NULL)
		return from_env(g, p, key, e);
	if (view_eq(value, VIEW("-")))
		return from_input(g, p, key, e);
	if (value.n == 0 && !g->empty_ok)
		return err_set(e, ERR_INVALID, "--%s %.*s= has no value",
		    g->option, (int)MIN(key.n, 100), key.p);
	put(p, key, value);
	return 0;
}

static int
add_all(const struct giving *g, provider_msg *p, const struct cli_list *given,
    struct err *e)
{
	for (size_t i = 0; i < given->n; i++)
		if (add_one(g, p, given->v[i], e) < 0)
			return -1;
	return 0;
}

int
provider_add_credentials(struct cli *c, provider_msg *p,
    const struct cli_list *given, bool empty_ok, struct err *e)
{
	const struct giving g = { c, "credential", empty_ok };

	return add_all(&g, p, given, e);
}

int
provider_read_secrets(
    struct cli *c, provider_msg *p, const struct cli_list *given, struct err *e)
{
	const struct giving g = { c, "mint-secret", false };

	return add_all(&g, p, given, e);
}

static void
put_config(provider_msg *p, struct view key, struct view value)
{
	config_msg *en = NULL;

	for (size_t i = 0; i < p->n_config; i++)
		if (view_eq(view_of(p->config[i]->key), key))
			en = p->config[i];
	if (en == NULL) {
		en = NEW(config_msg);
		openshell__datamodel__v1__provider__config_entry__init(en);
		en->key = view_dup(key);
		p->config =
		    mem_realloc(p->config, p->n_config + 1, sizeof(*p->config));
		p->config[p->n_config++] = en;
	} else {
		free(en->value);
	}
	en->value = view_dup(value);
}

int
provider_add_config(
    provider_msg *p, const struct cli_list *given, struct err *e)
{
	for (size_t i = 0; i < given->n; i++) {
		struct view value;
		struct view key =
		    view_trim(view_cut(view_of(given->v[i]), '=', &value));

		if (value.p == NULL)
			return err_set(e, ERR_INVALID,
			    "--config expects KEY=VALUE, got '%.100s'",
			    given->v[i]);
		if (key.n == 0)
			return err_set(
			    e, ERR_INVALID, "--config key cannot be empty");
		put_config(p, key, value);
	}
	return 0;
}

/* Does not override what was given. */
int
provider_discover(provider_msg *p, struct err *e)
{
	struct view var;
	bool any = false;

	for (size_t i = 0; (var = profile_var(p->type, i)).n > 0; i++) {
		AUTO_FREE char *name = view_dup(var);
		const char *value = getenv(name);

		if (is_blank(value))
			continue;
		any = true;
		put(p, var, view_of(value));
	}
	return any ? 0
		   : err_set(e, ERR_NOT_FOUND,
			 "no existing local credentials/config found for "
			 "provider type '%s'",
			 p->type);
}

const char *
provider_type(const char *given, struct err *e)
{
	const char *type = profile_type(view_of(given));
	AUTO_BUF struct buf known = BUF_INIT(512);
	const char *one;

	if (type != NULL)
		return type;
	for (size_t i = 0; (one = profile_nth(i)) != NULL; i++) {
		buf_puts(&known, i > 0 ? ", " : "");
		buf_puts(&known, one);
	}
	(void)err_set(e, ERR_INVALID,
	    "'%.100s' is not a known provider type (known: %s)", given,
	    buf_str(&known));
	return NULL;
}

/* --- the gateway -----------------------------------------------------------
 */

int
provider_find(struct reach *r, const char *name, provider_msg **out,
    enum rpc_code *code, struct err *e)
{
	Openshell__V1__GetProviderRequest q =
	    OPENSHELL__V1__GET_PROVIDER_REQUEST__INIT;
	Openshell__V1__ProviderResponse *a = NULL;
	AUTO_FREE char *copy = mem_strdup(name);

	q.name = copy;
	if (reach_call(r, "GetProvider", &q.base,
		&openshell__v1__provider_response__descriptor, &a, code, e) < 0)
		return -1;
	*out = take_ptr(a->provider);
	openshell__v1__provider_response__free_unpacked(a, NULL);
	return *out != NULL
		   ? 0
		   : err_set(e, ERR_PROTO, "provider missing from response");
}

int
provider_send(struct reach *r, const char *method, provider_msg *p,
    enum rpc_code *code, struct err *e)
{
	/* CreateProvider and UpdateProvider ask in one shape. */
	Openshell__V1__CreateProviderRequest create =
	    OPENSHELL__V1__CREATE_PROVIDER_REQUEST__INIT;
	Openshell__V1__UpdateProviderRequest update =
	    OPENSHELL__V1__UPDATE_PROVIDER_REQUEST__INIT;
	Openshell__V1__ProviderResponse *a = NULL;
	bool is_update = strcmp(method, "UpdateProvider") == 0;
	int rc;

	create.provider = update.provider = p;
	rc = reach_call(r, method, is_update ? &update.base : &create.base,
	    &openshell__v1__provider_response__descriptor, &a, code, e);
	openshell__v1__provider_response__free_unpacked(a, NULL);
	return rc;
}

/* --- shown -----------------------------------------------------------------
 */

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those that were given and those that are minted, sorted, borrowed. */
static const char **
credential_keys(const provider_msg *p, size_t *n)
{
	const char **v =
	    mem_calloc(p->n_credentials + WAY_VALUES_MAX + 1, sizeof(*v));
	const char *key;

	*n = 0;
	for (size_t i = 0; i < p->n_credentials; i++)
		v[(*n)++] = p->credentials[i]->key;
	for (size_t i = 0; p->minting != NULL && i < WAY_VALUES_MAX &&
			   (key = refresh_key(p->minting, i)) != NULL;
	     i++)
		v[(*n)++] = key;
	qsort(v, *n, sizeof(*v), by_text);
	return v;
}

static void
emit_words(struct emit_val *at, const char *key, const char *const *v, size_t n)
{
	AUTO_BUF struct buf b = BUF_INIT(16384);

	for (size_t i = 0; i < n; i++) {
		buf_puts(&b, i > 0 ? ", " : "");
		buf_puts(&b, v[i]);
	}
	emit_text(at, key, n > 0 ? buf_str(&b) : "<none>");
}

static void
emit_config(struct emit_val *at, const provider_msg *p, bool table)
{
	AUTO_FREE char **v = mem_calloc(p->n_config + 1, sizeof(*v));
	struct emit_val *map;

	if (table) {
		for (size_t i = 0; i < p->n_config; i++)
			v[i] = p->config[i]->key;
		qsort(v, p->n_config, sizeof(*v), by_text);
		emit_words(at, "config", (const char *const *)v, p->n_config);
		return;
	}
	map = emit_object(at, "config");
	for (size_t i = 0; i < p->n_config; i++)
		emit_str_dyn(map, view_of(p->config[i]->key),
		    view_of(p->config[i]->value));
}

void
provider_emit(struct emit_val *at, const provider_msg *p, bool table)
{
	size_t n;
	AUTO_FREE const char **keys = credential_keys(p, &n);

	emit_text(at, "id", p->id);
	emit_text(at, "name", p->name);
	emit_text(at, "type", p->type);
	if (table) {
		emit_words(at, "credential_keys", keys, n);
		emit_uint(at, "credentials", n);
		emit_uint(at, "configs", p->n_config);
	} else {
		struct emit_val *list = emit_list(at, "credential_keys");

		for (size_t i = 0; i < n; i++)
			emit_text(list, NULL, keys[i]);
	}
	emit_config(at, p, table);
	refresh_emit(at, p->minting, table);
}
