#include "secrets/profile.h"

#include "base/macros.h"

static const struct profile {
	const char *type, *aliases, *vars;
	bool command;
} profiles[] = {
#define PROFILE(type, aliases, vars, command) { type, aliases, vars, command },
#define BOUND(type, key, host, path)
#include "secrets/profiles.def"
#undef PROFILE
#undef BOUND
};

static const struct bound {
	const char *type, *key, *host, *path;
} bounds[] = {
#define PROFILE(type, aliases, vars, command)
#define BOUND(type, key, host, path) { type, key, host, path },
#include "secrets/profiles.def"
#undef PROFILE
#undef BOUND
};

/* The n-th of words with a blank between. */
static struct view
word(const char *words, size_t n)
{
	struct view rest = view_of(words), w = { 0 };

	for (size_t i = 0; i <= n; i++) {
		if (rest.p == NULL)
			return (struct view) { 0 };
		w = view_cut(rest, ' ', &rest);
	}
	return w;
}

static const struct profile *
find(struct view written)
{
	struct view v = view_trim(written), w;

	for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
		if (view_eq_nocase(v, view_of(profiles[i].type)))
			return &profiles[i];
		for (size_t k = 0; (w = word(profiles[i].aliases, k)).n > 0;
		     k++)
			if (view_eq_nocase(v, w))
				return &profiles[i];
	}
	return NULL;
}

const char *
profile_type(struct view written)
{
	const struct profile *p = find(written);

	return p != NULL ? p->type : NULL;
}

const char *
profile_nth(size_t n)
{
	return n < ARRAY_LEN(profiles) ? profiles[n].type : NULL;
}

struct view
profile_var(const char *type, size_t n)
{
	const struct profile *p = find(view_of(type));

	return p != NULL ? word(p->vars, n) : (struct view) { 0 };
}

const char *
profile_of_command(struct view w)
{
	const struct profile *p;
	ssize_t slash;

	while ((slash = view_find(w, '/')) >= 0)
		w = view_slice(w, (size_t)slash + 1, w.n);
	p = find(w);
	return p != NULL && p->command ? p->type : NULL;
}

/* "api.x", "*.x" (one label), "**.x" (one or more). */
static bool
host_is(struct view host, struct view pattern)
{
	bool deep = view_starts(pattern, VIEW("**."));
	struct view tail, label;

	if (!deep && !view_starts(pattern, VIEW("*.")))
		return view_eq_nocase(host, pattern);
	tail = view_slice(pattern, deep ? 2 : 1, pattern.n);
	if (host.n <= tail.n ||
	    !view_eq_nocase(view_slice(host, host.n - tail.n, host.n), tail))
		return false;
	label = view_slice(host, 0, host.n - tail.n);
	return deep || view_find(label, '.') < 0;
}

/* A pattern that ends in two stars: everything below; else that path. */
static bool
path_is(struct view path, struct view pattern)
{
	if (!view_ends(pattern, VIEW("/**")))
		return view_eq(path, pattern);
	return view_starts(path, view_slice(pattern, 0, pattern.n - 2));
}

static bool
bound(struct view type, struct view key, struct view host, uint16_t port,
    const struct view *path)
{
	for (size_t i = 0; port == 443 && i < ARRAY_LEN(bounds); i++) {
		const struct bound *b = &bounds[i];

		if (view_eq(type, view_of(b->type)) &&
		    (b->key[0] == '\0' || view_eq(key, view_of(b->key))) &&
		    host_is(host, view_of(b->host)) &&
		    (path == NULL || path_is(*path, view_of(b->path))))
			return true;
	}
	return false;
}

bool
profile_bound(struct view type, struct view key, struct view host,
    uint16_t port, struct view path)
{
	return bound(type, key, host, port, &path);
}

bool
profile_reaches(
    struct view type, struct view key, struct view host, uint16_t port)
{
	return bound(type, key, host, port, NULL);
}

struct view
profile_host(const char *type, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		if (strcmp(bounds[i].type, type) == 0 && n-- == 0)
			return view_of(bounds[i].host);
	return VIEW("");
}

/* --- names ---------------------------------------------------------------- */

static const struct reserved {
	enum { IS, BEGINS, ENDS } how;
	const char *text;
} reserved[] = {
	{ IS, "PATH" },
	{ IS, "HOME" },
	{ IS, "USER" },
	{ IS, "LOGNAME" },
	{ IS, "SHELL" },
	{ IS, "TERM" },
	{ IS, "TMPDIR" },
	{ IS, "LANG" },
	{ IS, "IFS" },
	{ IS, "ENV" },
	{ IS, "BASH_ENV" },
	{ IS, "SSL_CERT_FILE" },
	{ IS, "SSL_CERT_DIR" },
	{ IS, "DENO_CERT" },
	{ IS, "PIP_CERT" },
	{ IS, "NIX_SSL_CERT_FILE" },
	{ IS, "npm_config_cafile" },
	{ IS, "YARN_HTTPS_CA_FILE_PATH" },
	{ IS, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" },
	{ IS, "NODE_OPTIONS" },
	{ IS, "NODE_EXTRA_CA_CERTS" },
	{ IS, "PYTHONSTARTUP" },
	{ IS, "PYTHONPATH" },
	{ IS, "BUN_OPTIONS" },
	{ BEGINS, "LD_" },
	{ BEGINS, "OPENSHELL_" },
	{ BEGINS, "NODE_USE_ENV_" },
	{ ENDS, "_PROXY" },
	{ ENDS, "_CA_BUNDLE" },
	{ ENDS, "_CA_CERTIFICATE" },
	{ ENDS, "_CAINFO" },
};

bool
profile_reserved(struct view key)
{
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		struct view text = view_of(reserved[i].text);
		struct view part = key;

		if (reserved[i].how == BEGINS)
			part = view_slice(key, 0, text.n);
		else if (reserved[i].how == ENDS && key.n > text.n)
			part = view_slice(key, key.n - text.n, key.n);
		/* Programs read http_proxy as well as HTTP_PROXY. */
		if (view_eq_nocase(part, text))
			return true;
	}
	return false;
}
