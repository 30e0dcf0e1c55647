/*
 * middleware: which requests a middleware sees, and whether it can.
 *
 * One that could silently not run is refused: Attack: a policy that relies on
 * a look at everything that goes to a host, and has an endpoint for it into
 * which nobody can look.
 */
#include "policy/middleware.h"

#include <stdlib.h>

#include "policy/check.h"
#include "policy/compile.h"
#include "policy/hosts.h"

struct c_middleware {
	struct policy_middleware m;
	struct hosts *include, *exclude;
	size_t n_include, n_exclude;
};

/* ---- checks -------------------------------------------------------------- */

struct sets {
	struct hosts include[PL_SELECTORS_MAX], exclude[PL_SELECTORS_MAX];
	size_t n_include, n_exclude;
};

static void
check_selector(
    struct p_place *pl, const struct p_str *s, struct hosts *v, size_t *n)
{
	if (p_contains(s->v, "{") || p_contains(s->v, "}"))
		P_ERROR(pl, s->h.at,
		    "'%s': braces are not understood here; name each host",
		    p_show(s->v).text);
	else if (view_eq(s->v, VIEW("*")))
		P_ERROR(pl, s->h.at,
		    "'*' would be names of one label only; write ** for every "
		    "host");
	else if (hosts_of(s->v, &v[*n]) < 0)
		P_ERROR(pl, s->h.at,
		    "'%s' is no host: a name, an address, *.name, **.name, a "
		    "name with * inside its first label, or **",
		    p_show(s->v).text);
	else
		(*n)++;
}

static void
check_selection(
    struct p_place *pl, const struct p_selection *s, struct sets *out)
{
	size_t n = s->include.n + s->exclude.n;

	*out = (struct sets) { .n_include = 0 };
	if (!s->m.h.set || s->m.h.bad)
		return;
	if (s->include.n == 0 && !s->include.h.bad)
		P_ERROR(pl, s->m.h.at,
		    "endpoints.include must name at least one host");
	if (n > PL_SELECTORS_MAX) {
		P_ERROR(pl, s->m.h.at,
		    "endpoints: %zu hosts in include and exclude (at most %d)",
		    n, PL_SELECTORS_MAX);
		return;
	}
	for (size_t i = 0; i < s->include.n; i++)
		check_selector(
		    pl, &s->include.v[i], out->include, &out->n_include);
	for (size_t i = 0; i < s->exclude.n; i++)
		check_selector(
		    pl, &s->exclude.v[i], out->exclude, &out->n_exclude);
}

static bool
is_excluded(const struct sets *s, const struct hosts *what)
{
	for (size_t i = 0; i < s->n_exclude; i++)
		if (hosts_contain(&s->exclude[i], what))
			return true;
	return false;
}

/* Some host of `e` may be one that it sees. */
static bool
covers(const struct sets *s, const struct hosts *e)
{
	if (is_excluded(s, e))
		return false;
	for (size_t i = 0; i < s->n_include; i++)
		if (hosts_meet(&s->include[i], e) &&
		    !is_excluded(s, &s->include[i]))
			return true;
	return false;
}

/* Why nobody sees what goes to the endpoint; NULL: somebody does. */
static const char *
unseen(const struct p_endpoint *e)
{
	if (view_eq(e->tls.v, VIEW("skip")))
		return "tls: skip leaves TLS closed";
	if (!policy_protocol_is_inspected(p_protocol(e)))
		return "it has no protocol whose requests are inspected";
	return NULL;
}

static void
check_endpoint(struct p_place *pl, const struct p_middleware *w,
    const struct p_policy *q, size_t at)
{
	const struct p_endpoint *e = &p_endpoints(q)[at];
	bool open = view_eq(w->on_error.v, VIEW("fail_open"));
	const char *why = unseen(e);

	if (open)
		P_WARN(pl, w->m.h.at,
		    "does not see what goes to %s.endpoints[%zu] (%s): %s",
		    p_show(q->m.key.v).text, at,
		    e->host.v.n > 0 ? p_show(e->host.v).text : "any host", why);
	else
		P_ERROR(pl, w->m.h.at,
		    "fail_closed, but it cannot see what goes to "
		    "%s.endpoints[%zu] (%s): %s; inspect that endpoint, "
		    "exclude its host, or say on_error: fail_open",
		    p_show(q->m.key.v).text, at,
		    e->host.v.n > 0 ? p_show(e->host.v).text : "any host", why);
}

static void
check_covered(struct p_place *pl, const struct policy *p,
    const struct p_middleware *w, const struct sets *s)
{
	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		for (size_t k = 0; k < q->endpoints.n; k++) {
			const struct p_endpoint *e = &p_endpoints(q)[k];
			struct hosts host;

			if (e->m.faulty || unseen(e) == NULL ||
			    p_host_selector(e->host.v, &host.kind, &host.name) <
				0)
				continue;
			if (covers(s, &host))
				check_endpoint(pl, w, q, k);
		}
	}
}

/* The built-in ones, and whether a config is one of theirs. */
static const struct built_in {
	const char *name;
	const char *const *configs; /* in canonical form */
	const char *known;
} built_ins[] = {
	{ POLICY_REGEX,
	    (const char *const[]) { "{\"mode\": \"redact\"}", NULL },
	    "mode: redact" },
};

bool
policy_service_name(struct view name)
{
	size_t slashes = 0;

	if (name.n == 0 || name.n > 64)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool ends = i == 0 || i == name.n - 1;

		slashes += c == '/';
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    (ends || (c != '.' && c != '_' && c != '-' && c != '/')))
			return false;
	}
	return slashes <= 1 && !view_starts(name, VIEW(POLICY_BUILT_IN));
}

static void
check_built_in(struct p_place *pl, const struct p_middleware *w)
{
	for (size_t i = 0; i < ARRAY_LEN(built_ins); i++) {
		const struct built_in *b = &built_ins[i];

		if (!view_eq(w->middleware.v, view_of(b->name)))
			continue;
		if (w->config.v.n > 0 &&
		    !p_is_word(w->config.v, b->configs, false))
			P_ERROR(pl, w->config.h.at,
			    "config of %s: nothing but '%s' is known", b->name,
			    b->known);
		return;
	}
	P_ERROR(pl, w->middleware.h.at,
	    "no built-in middleware '%s' (known: %s)",
	    p_show(w->middleware.v).text, POLICY_REGEX);
}

static void
check_name(struct p_place *pl, const struct p_middleware *w)
{
	if (!w->middleware.h.set || w->middleware.h.bad)
		return;
	if (view_starts(w->middleware.v, VIEW(POLICY_BUILT_IN)))
		check_built_in(pl, w);
	else if (!policy_service_name(w->middleware.v))
		P_ERROR(pl, w->middleware.h.at,
		    "'%s' cannot be the name of a middleware: 1 to 64 of a-z, "
		    "0-9, '.', '_', '-' and one '/', with a letter or digit at "
		    "both ends",
		    p_show(w->middleware.v).text);
}

static void
check_order(struct p_place *pl, const struct policy *p, size_t at)
{
	const struct p_middleware *w = &p_middlewares(p)[at];

	for (size_t i = 0; i < at; i++) {
		const struct p_middleware *o = &p_middlewares(p)[i];

		if (!w->order.h.bad && !o->order.h.bad &&
		    w->order.v == o->order.v)
			P_ERROR(pl, w->order.h.set ? w->order.h.at : w->m.h.at,
			    "order %d is that of '%s' too; each needs its own",
			    w->order.v, p_show(o->m.key.v).text);
	}
}

void
p_check_middlewares(const struct policy *p, struct policy_findings *f)
{
	for (size_t i = 0; i < p->top.network_middlewares.n; i++) {
		const struct p_middleware *w = &p_middlewares(p)[i];
		struct p_place pl = { .f = f };
		struct sets sets;

		(void)snprintf(pl.text, sizeof(pl.text),
		    "network_middlewares.%s", p_show(w->m.key.v).text);
		if (w->m.h.bad)
			continue;
		if (w->m.key.v.n == 0 || p_has_control(w->m.key.v) ||
		    p_has_control(w->name.v))
			P_ERROR(&pl, w->m.key.h.at,
			    "a middleware needs a name without control "
			    "characters");
		check_name(&pl, w);
		check_order(&pl, p, i);
		if (w->on_error.v.n > 0 &&
		    !view_eq(w->on_error.v, VIEW("fail_closed")) &&
		    !view_eq(w->on_error.v, VIEW("fail_open")))
			P_ERROR(&pl, w->on_error.h.at,
			    "unknown on_error '%s' (expected fail_closed or "
			    "fail_open)",
			    p_show(w->on_error.v).text);
		check_selection(&pl, &w->endpoints, &sets);
		check_covered(&pl, p, w, &sets);
	}
}

int
policy_check_services(const struct policy *p, const char *const *names,
    size_t n, struct policy_findings *f)
{
	AUTO_BUF struct buf known = BUF_INIT(1024);
	size_t before = f->errors;

	buf_puts(&known, POLICY_REGEX);
	for (size_t i = 0; i < n; i++)
		buf_printf(&known, ", %s", names[i]);
	for (size_t i = 0; i < p->top.network_middlewares.n; i++) {
		const struct p_middleware *w = &p_middlewares(p)[i];
		size_t k = 0;

		if (view_starts(w->middleware.v, VIEW(POLICY_BUILT_IN)))
			continue;
		while (k < n && !view_eq(w->middleware.v, view_of(names[k])))
			k++;
		if (k == n)
			p_error(f, w->middleware.h.at, "network",
			    "network_middlewares.%s: no middleware '%s' is "
			    "registered here (known: %s)",
			    p_show(w->m.key.v).text,
			    p_show(w->middleware.v).text, buf_str(&known));
	}
	return f->errors > before ? -1 : 0;
}

/* ---- compiled ------------------------------------------------------------ */

static struct policy_middleware
public_of(const struct p_middleware *w)
{
	return (struct policy_middleware) { .key = w->m.key.v,
		.middleware = w->middleware.v,
		.built_in = view_starts(w->middleware.v, VIEW(POLICY_BUILT_IN)),
		.fail_open = view_eq(w->on_error.v, VIEW("fail_open")),
		.order = w->order.v,
		.config = w->config.v };
}

bool
policy_middleware_at(
    const struct policy *p, size_t i, struct policy_middleware *out)
{
	if (i >= p->top.network_middlewares.n)
		return false;
	*out = public_of(&p_middlewares(p)[i]);
	return true;
}

static int
compile_list(struct compiler *c, const struct p_strs *s, struct hosts **out)
{
	*out = ARENA_ARRAY(&c->s->arena, s->n + 1, struct hosts);
	for (size_t i = 0; i < s->n; i++)
		if (hosts_of(s->v[i].v, &(*out)[i]) < 0)
			return err_set(c->e, ERR_INVALID, "host '%s'",
			    p_show(s->v[i].v).text);
	return 0;
}

static int
by_order(const void *a, const void *b)
{
	int32_t x = ((const struct c_middleware *)a)->m.order;
	int32_t y = ((const struct c_middleware *)b)->m.order;

	return (x > y) - (x < y);
}

int
c_compile_middlewares(struct compiler *c)
{
	struct snapshot *s = c->s;
	size_t n = s->source->top.network_middlewares.n;

	s->middlewares = ARENA_ARRAY(&s->arena, n + 1, struct c_middleware);
	for (size_t i = 0; i < n; i++) {
		const struct p_middleware *w = &p_middlewares(s->source)[i];
		struct c_middleware *m = &s->middlewares[i];

		m->m = public_of(w);
		m->n_include = w->endpoints.include.n;
		m->n_exclude = w->endpoints.exclude.n;
		if (compile_list(c, &w->endpoints.include, &m->include) < 0 ||
		    compile_list(c, &w->endpoints.exclude, &m->exclude) < 0)
			return -1;
	}
	if (n > 0)
		qsort(s->middlewares, n, sizeof(*s->middlewares), by_order);
	s->n_middlewares = n;
	return 0;
}

static bool
any_contains(const struct hosts *v, size_t n, const struct hosts *host)
{
	for (size_t i = 0; i < n; i++)
		if (hosts_contain(&v[i], host))
			return true;
	return false;
}

size_t
policy_middlewares(const struct snapshot *s, struct view host,
    const struct policy_middleware *out[POLICY_MIDDLEWARES_MAX])
{
	struct hosts h = { .kind = HOST_EXACT };
	size_t n = 0;

	/* No name, and yet a request goes there: all of them see it. */
	if (s->n_middlewares == 0)
		return 0;
	if (p_host_normalise(host, &h.name) < 0)
		h.name.n = 0;
	for (size_t i = 0; i < s->n_middlewares; i++) {
		const struct c_middleware *m = &s->middlewares[i];

		if (h.name.n == 0 ||
		    (any_contains(m->include, m->n_include, &h) &&
			!any_contains(m->exclude, m->n_exclude, &h)))
			out[n++] = &m->m;
	}
	return n;
}

bool
policy_has_middlewares(const struct snapshot *s)
{
	return s->n_middlewares > 0;
}

static bool
any_names(const struct p_strs *s, const struct hosts *host)
{
	for (size_t i = 0; i < s->n; i++) {
		struct hosts h;

		if (hosts_of(s->v[i].v, &h) == 0 && hosts_contain(&h, host))
			return true;
	}
	return false;
}

size_t
policy_middleware_keys(const struct policy *p, struct view host,
    struct view out[POLICY_MIDDLEWARES_MAX])
{
	struct hosts h = { .kind = HOST_EXACT };
	size_t n = 0;

	if (p_host_normalise(host, &h.name) < 0)
		return 0;
	for (size_t i = 0; i < p->top.network_middlewares.n; i++) {
		const struct p_middleware *w = &p_middlewares(p)[i];

		if (any_names(&w->endpoints.include, &h) &&
		    !any_names(&w->endpoints.exclude, &h))
			out[n++] = w->m.key.v;
	}
	return n;
}
