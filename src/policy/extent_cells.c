/* extent_cells: ports and hosts that the policies tell apart. */
#include "policy/extent_impl.h"

#include <stdlib.h>

#include "base/mem.h"

/* --- hosts ----------------------------------------------------------- */

struct hosts {
	struct x_run *r;
	struct x_entries all;
	size_t *set_of; /* by entry: its place in the sets, or SIZE_MAX */
	struct x_cell cell; /* ports */
	int rc;
};

static struct view
name_of(const struct x_host *h)
{
	return (struct view) { h->name.text, h->name.n };
}

/* What matches one host, sorted as all of them are. */
static bool
on_host(void *ctx, struct view word, const uint64_t *in)
{
	struct hosts *h = ctx;
	struct x_entry **v = mem_calloc(h->all.n, sizeof(struct x_entry *));
	size_t n = 0;

	for (size_t i = 0; i < h->all.n; i++) {
		const struct x_host *host = h->all.v[i]->host;

		if (host->kind == HOST_ANY ||
		    (in == NULL ? host->address && view_eq(name_of(host), word)
				: h->set_of[i] != SIZE_MAX &&
				      atoms_in(in, h->set_of[i])))
			v[n++] = h->all.v[i];
	}
	h->cell.host = word;
	if (n > 0 && v[0]->side == X_MINE)
		h->rc = x_programs(h->r, &h->cell, (struct x_entries) { v, n });
	free(v);
	return h->rc < 0 || h->r->stop;
}

static int
search_names(struct hosts *h, struct arena *tmp)
{
	struct x_run *r = h->r;
	size_t *place = ARENA_ARRAY(tmp, r->n_langs + 1, size_t);
	struct atoms_set *sets =
	    ARENA_ARRAY(tmp, h->all.n + 2, struct atoms_set);
	struct atoms_query q = { sets, 0, P_HOST_MAX };
	bool any = false;

	sets[q.n++] = (struct atoms_set) { r->names, ATOMS_MUST };
	if (r->never != NULL && r->never->host == NEVER_NAMES)
		sets[q.n++] =
		    (struct atoms_set) { r->never->names, ATOMS_MUST };
	for (size_t i = 0; i < h->all.n; i++) {
		const struct x_entry *e = h->all.v[i];
		uint32_t lang = e->host->lang;

		any |= e->side == X_MINE && e->host->kind == HOST_ANY;
		if (lang == EXTENT_NONE)
			continue;
		if (place[lang] == 0) { /* mine come first */
			place[lang] = q.n;
			sets[q.n++] = (struct atoms_set) { r->lang[lang],
				e->side == X_MINE ? ATOMS_SOME : ATOMS_FREE };
		}
		h->set_of[i] = place[lang];
	}
	for (size_t i = 0; any && i < q.n; i++)
		if (sets[i].role == ATOMS_SOME)
			sets[i].role = ATOMS_FREE;
	if (atoms_find(&q, &r->budget, on_host, h, r->e) < 0)
		return -1;
	return h->rc;
}

/* Addresses that some endpoint names; others only match any host. */
static int
search_addresses(struct hosts *h)
{
	const struct extent_never *never = h->r->never;

	if (never != NULL && never->host == NEVER_ADDRESS) {
		(void)on_host(h,
		    (struct view) { never->literal.text, never->literal.n },
		    NULL);
		return h->rc;
	}
	for (size_t i = 0; i < h->all.n && h->rc == 0 && !h->r->stop; i++) {
		const struct x_host *a = h->all.v[i]->host;
		bool before = false;

		for (size_t k = 0; k < i && a->address && !before; k++)
			before =
			    h->all.v[k]->host->address &&
			    view_eq(name_of(h->all.v[k]->host), name_of(a));
		if (a->address && !before)
			(void)on_host(h, name_of(a), NULL);
	}
	return h->rc;
}

static bool
has_names(const struct x_entries *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i]->side == X_MINE && !all->v[i]->host->address)
			return true;
	return false;
}

static int
hosts(struct x_run *r, struct x_entries all, const uint16_t *ports, size_t n)
{
	enum extent_host only =
	    r->never != NULL ? r->never->host : NEVER_ANY_HOST;
	struct arena tmp = { 0 };
	struct hosts h = {
		.r = r, .all = all, .cell = { .ports = ports, .n_ports = n }
	};
	int rc = 0;

	h.set_of = ARENA_ARRAY(&tmp, all.n, size_t);
	for (size_t i = 0; i < all.n; i++)
		h.set_of[i] = SIZE_MAX;
	if (only != NEVER_ADDRESS && has_names(&all))
		rc = search_names(&h, &tmp);
	if (rc == 0 && !r->stop && only != NEVER_NAMES)
		rc = search_addresses(&h);
	arena_fini(&tmp);
	return rc;
}

/* --- ports ----------------------------------------------------------- */

struct port {
	struct x_entry *v;
	size_t n;
};

static int
make_host(struct x_run *r, const struct p_endpoint *e, struct x_host **out)
{
	struct x_host *h = ARENA_NEW(&r->arena, struct x_host);
	AUTO_BUF struct buf text = BUF_INIT(P_HOST_MAX + 8);

	*out = h;
	h->lang = EXTENT_NONE;
	if (p_host_selector(e->host.v, &h->kind, &h->name) < 0)
		return err_set(
		    r->e, ERR_INVALID, "host '%s'", p_show(e->host.v).text);
	h->address = h->kind == HOST_EXACT && p_host_is_address(name_of(h));
	switch (h->kind) {
	case HOST_ANY:
		return 0;
	case HOST_EXACT:
		if (!h->address)
			h->lang = x_word(r, name_of(h));
		return 0;
	case HOST_STAR:
		buf_puts(&text, "*.");
		break;
	case HOST_GLOBSTAR: /* one label or more */
		buf_puts(&text, "*.**.");
		break;
	case HOST_LABEL: /* is a pattern as it stands */
		break;
	}
	buf_put(&text, name_of(h));
	return x_glob(r, buf_view(&text), '.', &h->lang);
}

/* Of one side, behind the others; counts only when `out` is NULL. */
static int
gather(struct x_run *r, unsigned side, struct x_entry *out, size_t *n)
{
	const struct policy *p = r->side[side].p;

	for (size_t i = 0; p != NULL && i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		for (size_t k = 0; k < q->endpoints.n; k++) {
			const struct p_endpoint *e = &p_endpoints(q)[k];
			struct x_host *h = NULL;

			if (out != NULL && make_host(r, e, &h) < 0)
				return -1;
			for (size_t m = 0; m < e->ports.n; m++, (*n)++)
				if (out != NULL)
					out[*n] =
					    (struct x_entry) { (uint16_t)side,
						    (uint16_t)e->ports.v[m].v,
						    (uint16_t)i, (uint16_t)k, e,
						    h };
		}
	}
	return 0;
}

static int
entry_order(const struct x_entry *a, const struct x_entry *b)
{
	if (a->side != b->side)
		return (int)a->side - (int)b->side;
	if (a->policy != b->policy)
		return (int)a->policy - (int)b->policy;
	return (int)a->endpoint - (int)b->endpoint;
}

static int
by_port(const void *ap, const void *bp)
{
	const struct x_entry *a = ap, *b = bp;

	return a->port != b->port ? (int)a->port - (int)b->port
				  : entry_order(a, b);
}

/* Ports with the same endpoints stand together. */
static int
alike(const struct port *a, const struct port *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		int c = entry_order(&a->v[i], &b->v[i]);

		if (c != 0)
			return c;
	}
	return a->n != b->n ? (a->n < b->n ? -1 : 1) : 0;
}

static int
by_entries(const void *ap, const void *bp)
{
	const struct port *a = ap, *b = bp;
	int c = alike(a, b);

	return c != 0 ? c : (int)a->v[0].port - (int)b->v[0].port;
}

/* v[0..n): ports with the same endpoints. */
static int
search_ports(struct x_run *r, const struct port *v, size_t n)
{
	uint16_t only = r->never != NULL ? r->never->port : 0;
	struct x_entries all = { .n = v->n };
	uint16_t *ports;
	size_t n_ports = 0;

	if (v->v[0].side != X_MINE)
		return 0;
	ports = ARENA_ARRAY(&r->arena, n, uint16_t);
	for (size_t i = 0; i < n; i++)
		if (only == 0 || v[i].v[0].port == only)
			ports[n_ports++] = v[i].v[0].port;
	if (n_ports == 0)
		return 0;
	all.v = ARENA_ARRAY(&r->arena, all.n, struct x_entry *);
	for (size_t i = 0; i < all.n; i++)
		all.v[i] = &v->v[i];
	return hosts(r, all, ports, n_ports);
}

int
x_cells(struct x_run *r)
{
	size_t n = 0, n_ports = 0, same;
	struct x_entry *v;
	struct port *ports;
	int rc = 0;

	(void)gather(r, X_MINE, NULL, &n);
	(void)gather(r, X_OTHER, NULL, &n);
	v = ARENA_ARRAY(&r->arena, n + 1, struct x_entry);
	ports = ARENA_ARRAY(&r->arena, n + 1, struct port);
	n = 0;
	if (gather(r, X_MINE, v, &n) < 0 || gather(r, X_OTHER, v, &n) < 0)
		return -1;
	qsort(v, n, sizeof(*v), by_port);
	for (size_t i = 0; i < n; i++)
		if (i > 0 && v[i].port == v[i - 1].port)
			ports[n_ports - 1].n++;
		else
			ports[n_ports++] = (struct port) { &v[i], 1 };
	qsort(ports, n_ports, sizeof(*ports), by_entries);
	for (size_t i = 0; i < n_ports && rc == 0 && !r->stop; i += same) {
		for (same = 1; i + same < n_ports &&
			       alike(&ports[i], &ports[i + same]) == 0;
		     same++)
			;
		rc = search_ports(r, &ports[i], same);
	}
	return rc;
}

static bool
matches_label(struct view pattern, struct view host)
{
	struct glob *g = NULL;
	struct err e;
	bool yes = glob_new(pattern, '.', &g, &e) == 0 && glob_match(g, host);

	glob_free(g);
	return yes;
}

static bool
selects(enum p_hostkind kind, struct view name, struct view host)
{
	struct view rest;
	size_t dot;

	if (kind == HOST_ANY)
		return true;
	if (kind == HOST_EXACT)
		return view_eq(name, host);
	if (kind == HOST_LABEL)
		return matches_label(name, host);
	if (host.n < name.n + 2 || !view_ends(host, name))
		return false;
	dot = host.n - name.n - 1;
	(void)view_cut(view_slice(host, 0, dot), '.', &rest);
	return host.p[dot] == '.' && (kind == HOST_GLOBSTAR || rest.p == NULL);
}

bool
x_knows_host(const struct x_side *side, struct view host)
{
	for (size_t i = 0; i < side->p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(side->p)[i];

		for (size_t k = 0; k < q->endpoints.n; k++) {
			enum p_hostkind kind;
			struct p_host name;

			if (p_host_selector(
				p_endpoints(q)[k].host.v, &kind, &name) == 0 &&
			    selects(kind, (struct view) { name.text, name.n },
				host))
				return true;
		}
	}
	return false;
}
