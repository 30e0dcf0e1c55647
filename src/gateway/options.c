/* options: see options.h. */
#include "gateway/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "rpc/services.h"

enum kind {
	OPT_TEXT,
	OPT_PORT,
	OPT_LEVEL,
	OPT_FLAG,
	OPT_LIST,
	OPT_FD,
	OPT_SERVICE
};

struct row {
	const char *name, *env, *value;
	enum kind kind;
	size_t at;
	const char *preset, *help;
};

#define AT(field) offsetof(struct options, field)

static const struct row rows[] = {
	{ "name", NULL, "NAME", OPT_TEXT, AT(name), "openshell",
	    "name of the gateway" },
	{ "state-dir", NULL, "DIR", OPT_TEXT, AT(state_dir), NULL,
	    "what it keeps (default ~/.openshell/gateways/NAME)" },
	{ "client-bundle", NULL, "DIR", OPT_TEXT, AT(bundle), NULL,
	    "where the command line finds its certificates" },
	{ "port", "OPENSHELL_SERVER_PORT", "PORT", OPT_PORT, AT(port), "8080",
	    "TCP port of 127.0.0.1; 0 picks a free one" },
	{ "log-level", "OPENSHELL_LOG_LEVEL", "LEVEL", OPT_LEVEL, AT(log_level),
	    "info", "error, warn, info, debug or trace" },
	{ "log-file", NULL, "FILE", OPT_TEXT, AT(log_file), NULL,
	    "append the log there; SIGHUP opens it anew (default stderr)" },
	{ "driver", NULL, "NAME", OPT_TEXT, AT(driver), "native",
	    "what runs sandboxes" },
	{ "sandbox-image", "OPENSHELL_SANDBOX_IMAGE", "IMAGE", OPT_TEXT,
	    AT(image), "", "default image of sandboxes" },
	{ "tls-san", NULL, "NAME", OPT_LIST, AT(sans), NULL,
	    "another name or address of the server; may be repeated" },
	{ "disable-tls", "OPENSHELL_DISABLE_TLS", NULL, OPT_FLAG,
	    AT(disable_tls), NULL,
	    "plain text (needs OPENSHELL_ALLOW_INSECURE=1)" },
	{ "disable-gateway-auth", "OPENSHELL_DISABLE_GATEWAY_AUTH", NULL,
	    OPT_FLAG, AT(disable_auth), NULL,
	    "whoever connects is the user (needs OPENSHELL_ALLOW_INSECURE=1)" },
	/* Never a variable: what starts a gateway has no say (8.9). */
	{ "upstream-proxy", NULL, "URL", OPT_TEXT, AT(upstream_proxy), NULL,
	    "let sandboxes out through this HTTP proxy, http://HOST:PORT" },
	{ "upstream-no-proxy", NULL, "LIST", OPT_TEXT, AT(upstream_no_proxy),
	    NULL, "domains, addresses, networks that are reached without it" },
	{ "upstream-proxy-auth-file", NULL, "FILE", OPT_TEXT,
	    AT(upstream_auth_file), NULL,
	    "log in to it with USER:PASSWORD of this file" },
	{ "upstream-proxy-auth-allow-insecure", NULL, NULL, OPT_FLAG,
	    AT(upstream_auth_insecure), NULL,
	    "yes, the login goes to it unencrypted" },
	{ "upstream-proxy-connect-by-hostname", NULL, NULL, OPT_FLAG,
	    AT(upstream_by_hostname), NULL,
	    "ask it for names, where addresses are refused" },
	{ "ignore-binaries", NULL, NULL, OPT_FLAG, AT(ignore_binaries), NULL,
	    "judge sandboxes by destination alone, whatever the program" },
	{ "middleware", NULL, "NAME=ADDRESS", OPT_SERVICE, AT(middlewares),
	    NULL,
	    "a service that policies may let look at requests: unix:/path, "
	    "http://127.0.0.1:PORT or https://HOST:PORT,ca=FILE[,cert=FILE,"
	    "key=FILE], and maybe ,timeout=MS; may be repeated" },
	{ "ready-fd", NULL, "N", OPT_FD, AT(ready_fd), NULL,
	    "descriptor that gets \"R\", the port and a newline once it "
	    "answers" },
	{ "help", NULL, NULL, OPT_FLAG, AT(help), NULL, "this text" },
	{ "version", NULL, NULL, OPT_FLAG, AT(version), NULL, "the version" },
};

void
options_fini(struct options *o)
{
	free(o->name);
	free(o->state_dir);
	free(o->bundle);
	free(o->driver);
	free(o->image);
	free(o->log_file);
	free(o->upstream_proxy);
	free(o->upstream_no_proxy);
	free(o->upstream_auth_file);
	free(o->middlewares);
	for (size_t i = 0; i < o->nsans; i++)
		free(o->sans[i]);
	*o = (struct options) { .ready_fd = -1 };
}

static void
set_text(struct options *o, const struct row *r, const char *text)
{
	char **at = (char **)(void *)((char *)o + r->at);

	free(*at);
	*at = mem_strdup(text);
}

static int
set_flag(struct options *o, const struct row *r, const char *text)
{
	static const struct {
		const char *word;
		bool on;
	} words[] = { { "1", true }, { "true", true }, { "yes", true },
		{ "on", true }, { "0", false }, { "false", false },
		{ "no", false }, { "off", false } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (view_eq_nocase(
			view_of(words[i].word), view_trim(view_of(text)))) {
			*(bool *)((char *)o + r->at) = words[i].on;
			return 0;
		}
	return -1;
}

static int
set_number(struct options *o, const struct row *r, const char *text)
{
	uint64_t max = r->kind == OPT_PORT ? UINT16_MAX : INT16_MAX, n;

	if (!view_u64(view_of(text), max, &n))
		return -1;
	if (r->kind == OPT_PORT)
		o->port = (uint16_t)n;
	else
		o->ready_fd = (int)n;
	return 0;
}

/* Each is checked here, all of them together where they are used. */
static int
add_service(struct options *o, const char *text)
{
	AUTO_SERVICES struct services one = { .n = 0 };
	char *before = o->middlewares;
	struct err e;

	if (services_add(&one, view_of(text), &e) < 0)
		return -1;
	o->middlewares = mem_printf("%s%s%s", before != NULL ? before : "",
	    before != NULL ? ";" : "", text);
	free(before);
	return 0;
}

static int
set_one(struct options *o, const struct row *r, const char *text)
{
	switch (r->kind) {
	case OPT_TEXT:
		set_text(o, r, text);
		return 0;
	case OPT_LEVEL:
		return log_level_named(text, &o->log_level) ? 0 : -1;
	case OPT_FLAG:
		return set_flag(o, r, text);
	case OPT_PORT:
	case OPT_FD:
		return set_number(o, r, text);
	case OPT_SERVICE:
		return add_service(o, text);
	case OPT_LIST:
		if (o->nsans == PKI_SANS_MAX)
			return -1;
		o->sans[o->nsans++] = mem_strdup(text);
		return 0;
	}
	return -1;
}

static int
set(struct options *o, const struct row *r, const char *from, const char *text,
    struct err *e)
{
	AUTO_BUF struct buf shown = BUF_INIT(128);

	if (set_one(o, r, text) == 0)
		return 0;
	buf_put_escaped(&shown, view_of(text));
	return err_set(e, ERR_INVALID, "%s%s: '%s' is not valid: %s",
	    from == r->name ? "--" : "", from, buf_str(&shown), r->help);
}

static const struct row *
find(struct view name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (view_eq(view_of(rows[i].name), name))
			return &rows[i];
	return NULL;
}

static int
parse_words(struct options *o, int argc, char *argv[], struct err *e)
{
	for (int i = 1; i < argc; i++) {
		struct view rest, word = view_of(argv[i]), name;
		const struct row *r = NULL;
		const char *text = "1";

		name = view_cut(word, '=', &rest);
		if (view_starts(name, VIEW("--")))
			r = find(view_slice(name, 2, name.n));
		if (r == NULL || (r->kind == OPT_FLAG && rest.p != NULL))
			return err_set(e, ERR_INVALID,
			    "unknown option %s: see --help", argv[i]);
		if (r->kind != OPT_FLAG) {
			text = rest.p != NULL ? rest.p : argv[++i];
			if (text == NULL)
				return err_set(e, ERR_INVALID,
				    "--%s needs a value", r->name);
		}
		if (set(o, r, r->name, text, e) < 0)
			return -1;
	}
	return 0;
}

/* One validator for gateway names (cli.md 3.1): it becomes a path. */
static bool
is_name(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= 'A' && s[i] <= 'Z') &&
		    !(s[i] >= '0' && s[i] <= '9') &&
		    strchr("._-", s[i]) == NULL)
			return false;
	return n > 0 && n <= 253 && s[0] != '-' && strcmp(s, ".") != 0 &&
	       strcmp(s, "..") != 0;
}

static const char *
home(struct err *e)
{
	const char *h = getenv("HOME");

	if (h != NULL && h[0] == '/')
		return h;
	(void)err_set(e, ERR_INVALID,
	    "HOME is not set: set it, or give --state-dir and --client-bundle");
	return NULL;
}

static int
fill_places(struct options *o, struct err *e)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *h;

	if (o->state_dir == NULL) {
		if ((h = home(e)) == NULL)
			return -1;
		o->state_dir =
		    mem_printf("%s/.openshell/gateways/%s", h, o->name);
	}
	if (o->bundle == NULL && config != NULL && config[0] == '/')
		o->bundle = mem_printf(
		    "%s/openshell/gateways/%s/mtls", config, o->name);
	if (o->bundle == NULL) {
		if ((h = home(e)) == NULL)
			return -1;
		o->bundle = mem_printf(
		    "%s/.config/openshell/gateways/%s/mtls", h, o->name);
	}
	if (o->state_dir[0] != '/' || o->bundle[0] != '/')
		return err_set(e, ERR_INVALID,
		    "--state-dir and --client-bundle must be absolute");
	return 0;
}

int
options_parse(struct options *o, int argc, char *argv[], struct err *e)
{
	*o = (struct options) { .ready_fd = -1 };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		const char *env = r->env != NULL ? getenv(r->env) : NULL;

		if (r->preset != NULL && set_one(o, r, r->preset) < 0)
			return err_set(e, ERR_INTERNAL, "--%s", r->name);
		if (env != NULL && *env != '\0' &&
		    set(o, r, r->env, env, e) < 0)
			return -1;
	}
	if (parse_words(o, argc, argv, e) < 0)
		return -1;
	if (o->help || o->version)
		return 0;
	if (!is_name(o->name))
		return err_set(e, ERR_INVALID,
		    "--name: letters, digits, '.', '_' and '-' make a name");
	return fill_places(o, e);
}

void
options_usage(struct buf *b)
{
	buf_puts(b, "usage: openshell-gateway [OPTIONS]\n\n"
		    "The control plane of one user's sandboxes.  'openshell "
		    "gateway start' starts it.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		buf_printf(b, "  --%s%s%s\n      %s", r->name,
		    r->value != NULL ? " " : "",
		    r->value != NULL ? r->value : "", r->help);
		if (r->preset != NULL && *r->preset != '\0')
			buf_printf(b, " (default %s)", r->preset);
		if (r->env != NULL)
			buf_printf(b, " [%s]", r->env);
		buf_putc(b, '\n');
	}
}

bool
options_confirm(const struct options *o, struct buf *say)
{
	static const char confirm[] =
	    "Set OPENSHELL_ALLOW_INSECURE=1 to confirm.\n";
	const char *env = getenv("OPENSHELL_ALLOW_INSECURE");
	bool allowed = env != NULL && strcmp(env, "1") == 0;

	if (o->disable_tls)
		buf_puts(say, allowed ? "WARNING: TLS disabled — all traffic "
					"is plaintext\n"
				      : "ERROR: --disable-tls removes all "
					"transport security.\n");
	else if (o->disable_auth)
		buf_puts(say, allowed ? "WARNING: gateway authentication "
					"disabled — whoever connects is the "
					"user\n"
				      : "ERROR: --disable-gateway-auth lets in "
					"whoever connects.\n");
	else
		return true;
	if (!allowed)
		buf_puts(say, confirm);
	return allowed;
}
