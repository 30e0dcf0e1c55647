#include "http/egress.h"

#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "codec/base64.h"

/* ---- options to text ----------------------------------------------------- */

/* "http://HOST:PORT", and perhaps a slash. */
static int
parse_proxy(struct view url, struct authority *out, struct err *e)
{
	struct view rest = url;

	if (view_starts(url, VIEW("https://")))
		return err_set(e, ERR_INVALID,
		    "TLS to the proxy itself is not there yet: it must be "
		    "http://HOST:PORT");
	if (!view_starts(url, VIEW("http://")))
		return err_set(e, ERR_INVALID, "it must be http://HOST:PORT");
	rest = view_slice(url, 7, url.n);
	if (view_find(rest, '@') >= 0)
		return err_set(e, ERR_INVALID,
		    "a login does not belong in it: use "
		    "--upstream-proxy-auth-file");
	if (view_ends(rest, VIEW("/")))
		rest.n--;
	if (authority_parse(rest, 0, out, e) < 0)
		return err_wrap(e, "it must be http://HOST:PORT");
	return 0;
}

/* An entry with its port cut off, if it has one. */
static int
cut_port(struct view *v, uint16_t *port, struct err *e)
{
	ssize_t colon = view_find(*v, ':'), close = view_find(*v, ']');
	struct view text;
	uint64_t n;

	*port = 0;
	if (v->n > 0 && v->p[0] == '[') {
		if (close < 0)
			return err_set(e, ERR_INVALID, "'[' without ']'");
		text = view_slice(*v, (size_t)close + 1, v->n);
		*v = view_slice(*v, 1, (size_t)close);
		if (text.n == 0)
			return 0;
		if (text.p[0] != ':')
			return err_set(
			    e, ERR_INVALID, "']' is followed by ':PORT'");
		text = view_slice(text, 1, text.n);
	} else {
		/* Two colons and no brackets are an IPv6 address. */
		if (colon < 0 ||
		    view_find(view_slice(*v, (size_t)colon + 1, v->n), ':') >=
			0)
			return 0;
		text = view_slice(*v, (size_t)colon + 1, v->n);
		*v = view_slice(*v, 0, (size_t)colon);
	}
	if (!view_u64(text, 65535, &n) || n == 0)
		return err_set(e, ERR_INVALID, "malformed port");
	*port = (uint16_t)n;
	return 0;
}

static int
parse_exempt(struct view entry, struct egress_exempt *out, struct err *e)
{
	struct view v = entry;
	struct authority name;

	*out = (struct egress_exempt) { .kind = EXEMPT_ALL };
	if (cut_port(&v, &out->port, e) < 0)
		return -1;
	if (view_eq(v, VIEW("*")))
		return 0;
	out->kind = EXEMPT_NET;
	if (addr_net_parse(v, &out->net, e) == 0)
		return 0;
	if (view_find(v, '/') >= 0 || view_find(v, ':') >= 0)
		return -1;
	out->kind = EXEMPT_NAME;
	if (view_starts(v, VIEW("*.")))
		v = view_slice(v, 2, v.n);
	else if (view_starts(v, VIEW(".")))
		v = view_slice(v, 1, v.n);
	if (authority_parse(v, 80, &name, e) < 0)
		return err_wrap(e, "neither a domain nor an address");
	out->name = v;
	if (view_ends(v, VIEW(".")))
		out->name.n--;
	return 0;
}

/* The next entry of a list between commas and blanks; false at its end. */
static bool
next_entry(struct view *list, struct view *out)
{
	while (list->n > 0) {
		size_t n = 0;

		while (n < list->n && list->p[n] != ',' && list->p[n] != ' ')
			n++;
		*out = view_slice(*list, 0, n);
		*list = view_slice(*list, n + 1, list->n);
		if (out->n > 0)
			return true;
	}
	return false;
}

static int
parse_list(struct view list, struct egress *out, struct err *e)
{
	struct view entry;

	out->n_exempt = 0;
	while (next_entry(&list, &entry)) {
		if (out->n_exempt == EGRESS_EXEMPT_MAX)
			return err_set(e, ERR_LIMIT, "more than %d entries",
			    (int)EGRESS_EXEMPT_MAX);
		if (parse_exempt(entry, &out->exempt[out->n_exempt], e) < 0)
			return err_wrap(
			    e, "'%.*s'", (int)MIN(entry.n, 80u), entry.p);
		out->n_exempt++;
	}
	if (out->n_exempt == 0)
		return err_set(e, ERR_INVALID, "no entry");
	return 0;
}

/* "user:password", one line.  *text is a secret, the caller's. */
static int
read_login(const char *path, struct view *login, char **text, struct err *e)
{
	size_t n;

	if (path[0] != '/')
		return err_set(e, ERR_INVALID, "the path must be absolute");
	if (file_read_path(path, false, EGRESS_LOGIN_MAX + 2, text, &n, e) < 0)
		return -1;
	*login = (struct view) { *text, n };
	if (view_ends(*login, VIEW("\n")))
		login->n--;
	if (view_ends(*login, VIEW("\r")))
		login->n--;
	for (size_t i = 0; i < login->n; i++)
		if ((unsigned char)login->p[i] < 0x20 || login->p[i] == 0x7f)
			return err_set(e, ERR_INVALID,
			    "%s holds more than one line, or a control byte",
			    path);
	if (view_find(*login, ':') <= 0 || login->n > EGRESS_LOGIN_MAX)
		return err_set(e, ERR_INVALID,
		    "%s does not hold USER:PASSWORD, of at most %d bytes", path,
		    (int)EGRESS_LOGIN_MAX);
	return 0;
}

static int
check_login(const char *path, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct view login;
	int rc = read_login(path, &login, &text, e);

	if (text != NULL)
		mem_wipe(text, strlen(text));
	return rc;
}

/* One word of ours for each option: no value may bring a line of its own. */
static int
is_line(const char *text, struct err *e)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(e, ERR_INVALID, "it has a control byte");
	return 0;
}

static int
check_options(const struct egress_options *o, struct err *e)
{
	AUTO_FREE struct egress *scratch = NEW(struct egress);

	if (is_line(o->proxy, e) < 0 ||
	    parse_proxy(view_of(o->proxy), &scratch->proxy, e) < 0)
		return err_wrap(e, "--upstream-proxy");
	if (o->no_proxy != NULL &&
	    (is_line(o->no_proxy, e) < 0 ||
		parse_list(view_of(o->no_proxy), scratch, e) < 0))
		return err_wrap(e, "--upstream-no-proxy");
	if (o->auth_file == NULL && o->auth_insecure)
		return err_set(e, ERR_INVALID,
		    "--upstream-proxy-auth-allow-insecure is about "
		    "--upstream-proxy-auth-file, which is not given");
	if (o->auth_file == NULL)
		return 0;
	if (!o->auth_insecure)
		return err_set(e, ERR_INVALID,
		    "--upstream-proxy-auth-file: the login goes to the proxy "
		    "in the clear\nif that is known, say "
		    "--upstream-proxy-auth-allow-insecure");
	if (is_line(o->auth_file, e) < 0 || check_login(o->auth_file, e) < 0)
		return err_wrap(e, "--upstream-proxy-auth-file");
	return 0;
}

int
egress_write(const struct egress_options *o, struct buf *out, struct err *e)
{
	if (o->any_binary)
		buf_puts(out, "any-binary\n");
	if (o->proxy == NULL) {
		if (o->no_proxy == NULL && o->auth_file == NULL &&
		    !o->auth_insecure && !o->by_hostname)
			return 0;
		return err_set(e, ERR_INVALID,
		    "options of the upstream proxy are given, but no "
		    "--upstream-proxy");
	}
	if (check_options(o, e) < 0)
		return -1;
	buf_printf(out, "proxy %s\n", o->proxy);
	if (o->no_proxy != NULL)
		buf_printf(out, "no-proxy %s\n", o->no_proxy);
	if (o->by_hostname)
		buf_puts(out, "by-hostname\n");
	if (o->auth_file != NULL)
		buf_printf(out, "auth-file %s\n", o->auth_file);
	if (out->full)
		return err_set(e, ERR_LIMIT,
		    "options of the upstream proxy: more than %d bytes",
		    (int)EGRESS_TEXT_MAX);
	return 0;
}

static int
put_login(struct view path, struct buf *out, struct err *e)
{
	AUTO_FREE char *at = view_dup(path), *text = NULL;
	struct view login;
	int rc = read_login(at, &login, &text, e);

	if (rc == 0) {
		buf_puts(out, "login ");
		base64_encode(login, out);
		buf_putc(out, '\n');
	}
	if (text != NULL)
		mem_wipe(text, strlen(text));
	return rc;
}

int
egress_complete(struct view text, struct buf *out, struct err *e)
{
	/* At once, so that no copy of the login is left where it grew. */
	if (!buf_reserve(out, out->max - out->n))
		return err_set(e, ERR_LIMIT, "no room");
	while (text.n > 0) {
		struct view line = view_cut(text, '\n', &text), value;

		if (view_eq(view_cut(line, ' ', &value), VIEW("auth-file"))) {
			if (put_login(value, out, e) < 0)
				return err_wrap(
				    e, "the login of the upstream proxy");
			continue;
		}
		buf_put(out, line);
		buf_putc(out, '\n');
	}
	if (out->full)
		return err_set(e, ERR_LIMIT, "more than %zu bytes", out->max);
	return 0;
}

struct view
egress_auth_file(struct view text)
{
	while (text.n > 0) {
		struct view value, line = view_cut(text, '\n', &text);

		if (view_eq(view_cut(line, ' ', &value), VIEW("auth-file")))
			return value;
	}
	return VIEW("");
}

void
egress_wipe(struct buf *b)
{
	if (b->p != NULL)
		mem_wipe(b->p, b->n);
	buf_fini(b);
}

/* ---- text to struct ------------------------------------------------------ */

static int
take_host(struct egress *g, struct view value, struct err *e)
{
	if (g->n_hosts == EGRESS_HOSTS_MAX ||
	    !addr_parse(value, &g->hosts[g->n_hosts]))
		return err_set(e, ERR_INVALID, "no address, or too many");
	g->n_hosts++;
	return 0;
}

static int
take_closed(struct egress *g, struct view value, struct err *e)
{
	struct view port, addr = view_cut(value, ' ', &port);
	struct egress_closed *c = &g->closed[g->n_closed];
	uint64_t n;

	if (g->n_closed == EGRESS_CLOSED_MAX || !addr_parse(addr, &c->addr) ||
	    !view_u64(port, 65535, &n))
		return err_set(e, ERR_INVALID, "no address and port");
	c->port = (uint16_t)n;
	g->n_closed++;
	return 0;
}

static int
take_proxy(struct egress *g, struct view value, struct err *e)
{
	if (g->has_proxy)
		return err_set(e, ERR_INVALID, "twice");
	g->has_proxy = true;
	return parse_proxy(value, &g->proxy, e);
}

static int
take_no_proxy(struct egress *g, struct view value, struct err *e)
{
	if (g->n_exempt > 0)
		return err_set(e, ERR_INVALID, "twice");
	return parse_list(value, g, e);
}

static int
take_by_hostname(struct egress *g, struct view value, struct err *e)
{
	if (value.n > 0)
		return err_set(e, ERR_INVALID, "takes no value");
	g->by_hostname = true;
	return 0;
}

static int
take_any_binary(struct egress *g, struct view value, struct err *e)
{
	if (value.n > 0)
		return err_set(e, ERR_INVALID, "takes no value");
	g->any_binary = true;
	return 0;
}

static int
take_login(struct egress *g, struct view value, struct err *e)
{
	AUTO_BUF struct buf plain = BUF_INIT(EGRESS_LOGIN_MAX);
	bool ok = buf_reserve(&plain, EGRESS_LOGIN_MAX) &&
		  base64_decode(value, &plain) && plain.n > 0;

	if (plain.p != NULL)
		mem_wipe(plain.p, plain.n);
	if (!ok || g->login.n > 0)
		return err_set(e, ERR_INVALID, "malformed, or twice");
	g->login = value;
	return 0;
}

static const struct line {
	struct view word;
	int (*take)(struct egress *, struct view value, struct err *);
} lines[] = {
	{ VIEW("host"), take_host },
	{ VIEW("closed"), take_closed },
	{ VIEW("proxy"), take_proxy },
	{ VIEW("no-proxy"), take_no_proxy },
	{ VIEW("by-hostname"), take_by_hostname },
	{ VIEW("any-binary"), take_any_binary },
	{ VIEW("login"), take_login },
};

int
egress_parse(struct view text, struct egress *out, struct err *e)
{
	*out = (struct egress) { .n_hosts = 0 };
	while (text.n > 0) {
		struct view value, line = view_cut(text, '\n', &text),
				   word = view_cut(line, ' ', &value);
		const struct line *l = NULL;
		int rc;

		for (size_t i = 0; i < ARRAY_LEN(lines); i++)
			if (view_eq(lines[i].word, word))
				l = &lines[i];
		if (l == NULL) /* the rest may be a secret */
			return err_set(
			    e, ERR_INVALID, "the way out: an unknown line");
		rc = l->take(out, value, e);
		if (rc < 0)
			return err_wrap(
			    e, "the way out: %.*s", (int)word.n, word.p);
	}
	if (!out->has_proxy &&
	    (out->n_exempt > 0 || out->by_hostname || out->login.n > 0))
		return err_set(e, ERR_INVALID, "the way out: no proxy");
	return 0;
}

/* ---- what it means ------------------------------------------------------- */

static bool
is_below(struct view host, struct view name)
{
	return view_eq_nocase(host, name) ||
	       (host.n > name.n && host.p[host.n - name.n - 1] == '.' &&
		   view_eq_nocase(
		       view_slice(host, host.n - name.n, host.n), name));
}

static bool
all_in(const struct addr_net *net, const struct addr *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!addr_in_net(&v[i], net))
			return false;
	return n > 0;
}

static bool
is_exempt(const struct egress_exempt *x, struct view host, uint16_t port,
    const struct addr *v, size_t n)
{
	if (x->port != 0 && x->port != port)
		return false;
	switch (x->kind) {
	case EXEMPT_ALL:
		return true;
	case EXEMPT_NAME:
		return is_below(host, x->name);
	case EXEMPT_NET:
		return all_in(&x->net, v, n);
	}
	return false;
}

bool
egress_is_exempt(const struct egress *g, struct view host, uint16_t port,
    const struct addr *v, size_t n)
{
	bool loopback = n > 0;

	for (size_t i = 0; i < n; i++)
		loopback = loopback && addr_is_loopback(&v[i]);
	if (loopback)
		return true;
	for (size_t i = 0; i < g->n_exempt; i++)
		if (is_exempt(&g->exempt[i], host, port, v, n))
			return true;
	return false;
}

bool
egress_is_alias(struct view host)
{
	static const struct view names[] = { VIEW("host.openshell.internal"),
		VIEW("host.containers.internal"),
		VIEW("host.docker.internal") };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (view_eq_nocase(host, names[i]))
			return true;
	return false;
}
