/*
 * check_overlap: two endpoints that can match the same connection, or the same
 * request, must agree on how to treat it, or the outcome would depend on their
 * names (Attack: an added policy "aaa" that switches inspection off).
 *
 * Endpoints with the same port and selector stand under one key.  Within a key
 * every endpoint is compared with the first; between keys only the first ones
 * are, since agreement carries over.  What is said about requests only has to
 * agree where paths overlap and neither is the more specific one: one endpoint
 * stands for all of its path, and paths are compared in pairs.  That finds a
 * fault whenever there is one, though it does not list every pair.
 *
 * Pairs of paths can be many (Attack: a policy that keeps the gateway busy):
 * they are counted, and so is what each comparison costs; a policy that asks
 * for more than WORK_MAX is refused.
 */
#include <stdlib.h>

#include "codec/strmap.h"
#include "policy/overlap.h"

enum { WORK_MAX = 20 * 1000 * 1000 };

/* An endpoint under one of its ports. */
struct entry {
	uint32_t key;
	struct overlap_side *p;
};

struct key {
	const struct overlap_side *first; /* in document order */
	/* One for each path, the most specific first. */
	struct entry *paths;
	size_t npaths;
	bool uniform; /* all of them treat alike */
	uint32_t port;
	uint32_t next_label; /* of the same name; STRMAP_NONE ends */
};

struct check {
	struct arena arena;
	struct strmap map; /* key text to place in keys */
	struct key *keys;
	size_t n;
	struct entry *entries;
	size_t nentries;
	size_t work;
	bool tired; /* more than WORK_MAX */
	struct policy_findings *f;
};

/* --- told ------------------------------------------------------------------
 */

static void
put_selector(struct buf *out, const struct p_endpoint *e)
{
	buf_puts(out, e->host.v.n > 0 ? p_show(e->host.v).text : "any host");
	for (size_t i = 0; i < e->ports.n && i < 16; i++)
		buf_printf(out, "%c%u", i > 0 ? ',' : ':', e->ports.v[i].v);
	if (e->path.v.n > 0)
		buf_printf(out, " %s", p_show(e->path.v).text);
}

/* `port` is the one under which they met; each pair is told at its first. */
static void
tell(struct check *c, const struct overlap_side *a,
    const struct overlap_side *b, uint32_t port, const struct buf *what)
{
	AUTO_BUF struct buf ports = BUF_INIT(256);
	AUTO_BUF struct buf sela = BUF_INIT(1024), selb = BUF_INIT(1024);

	for (size_t i = 0; i < a->e->ports.n; i++) {
		uint32_t p = a->e->ports.v[i].v;

		if (!p_has_port(b->e, p))
			continue;
		if (ports.n == 0 && p != port)
			return;
		buf_printf(&ports, "%s%u", ports.n > 0 ? ", " : "", p);
	}
	put_selector(&sela, a->e);
	put_selector(&selb, b->e);
	p_error(c->f, b->e->m.h.at, "network",
	    "network policies '%s' endpoint[%zu] (%s) and '%s' endpoint[%zu] "
	    "(%s) overlap on port(s) %s with conflicting metadata: %.*s",
	    p_show(a->policy->m.key.v).text, a->index, buf_str(&sela),
	    p_show(b->policy->m.key.v).text, b->index, buf_str(&selb),
	    buf_str(&ports), (int)what->n, what->p);
}

/* Two that must agree on the connection, and, if `same`, on requests. */
static void
compare(struct check *c, const struct overlap_side *a,
    const struct overlap_side *b, uint32_t port, bool same)
{
	AUTO_BUF struct buf what = BUF_INIT(8192);

	if (a == b)
		return;
	if (a > b) { /* both in one array, in order of policy and index */
		const struct overlap_side *swap = a;

		a = b;
		b = swap;
	}
	p_conn_conflicts(a->e, b->e, &what);
	if (same && a->judged && b->judged)
		p_request_conflicts(a, b, &what);
	if (what.n > 0)
		tell(c, a, b, port, &what);
}

/* --- paths -----------------------------------------------------------------
 */

static bool
spend(struct check *c, size_t n)
{
	c->work += n;
	if (c->work <= WORK_MAX)
		return true;
	if (!c->tired)
		p_error(c->f, (struct p_mark) { 0 }, "network",
		    "too many endpoint paths to compare with each other; use "
		    "fewer or simpler ones for one host");
	c->tired = true;
	return false;
}

static const struct glob *
glob_of(struct overlap_side *p)
{
	struct err e;

	if (p->path == NULL && glob_new(p->e->path.v, '/', &p->path, &e) < 0)
		return NULL; /* never: faulty ones were left out */
	return p->path;
}

/* Some path is of both. */
static bool
overlap(struct check *c, struct overlap_side *a, struct overlap_side *b)
{
	const struct glob *x, *y;
	size_t work = 0;
	bool yes;

	if (a->rank == 0 || view_eq(a->e->path.v, b->e->path.v))
		return true;
	x = glob_of(a);
	y = glob_of(b);
	if (x == NULL || y == NULL)
		return true;
	yes = glob_overlaps(x, y, &work);
	return spend(c, work) && yes;
}

/* Paths of equal rank that overlap must be treated alike. */
static void
compare_paths(struct check *c, struct overlap_side *a, struct overlap_side *b,
    uint32_t port)
{
	if (a == b || !spend(c, 1) || c_treatment_eq(&a->t, &b->t) ||
	    !p_conn_agree(a->e, b->e)) /* told already */
		return;
	if (overlap(c, a, b))
		compare(c, a, b, port, true);
}

static void
compare_all_paths(struct check *c, const struct key *k, const struct key *o)
{
	size_t at = 0;

	if (k->npaths == 0 || o->npaths == 0 ||
	    (k->uniform && o->uniform &&
		c_treatment_eq(&k->paths[0].p->t, &o->paths[0].p->t)))
		return;
	for (size_t i = 0; i < k->npaths && !c->tired; i++) {
		struct overlap_side *a = k->paths[i].p;

		while (at < o->npaths && o->paths[at].p->rank > a->rank)
			at++;
		for (size_t m = at; m < o->npaths && !c->tired &&
				    o->paths[m].p->rank == a->rank;
		     m++)
			if (k != o || m > i)
				compare_paths(c, a, o->paths[m].p, k->port);
	}
}

/* --- keys ------------------------------------------------------------------
 */

static struct view
key_text(char *to, int kind, uint32_t port, struct view name)
{
	c_key_head(to, kind, (uint16_t)port);
	if (name.n > 0)
		memcpy(to + C_KEY_HEAD, name.p, name.n);
	return (struct view) { to, name.n + C_KEY_HEAD };
}

static struct view
host_of(const struct overlap_side *p)
{
	return (struct view) { p->name.text, p->name.n };
}

/* Label patterns of one name, of which a look-up goes through all. */
static void
chain_label(
    struct check *c, uint32_t at, const struct overlap_side *p, uint32_t port)
{
	char to[P_HOST_MAX + C_KEY_HEAD];
	struct view parent, t;
	uint32_t head;
	size_t n = 1;

	(void)view_cut(host_of(p), '.', &parent);
	t = key_text(to, HOST_LABELS, port, parent);
	head = strmap_get(&c->map, t);
	if (head == STRMAP_NONE) {
		(void)strmap_add(&c->map, arena_view(&c->arena, t), at);
		return;
	}
	c->keys[at].next_label = c->keys[head].next_label;
	c->keys[head].next_label = at;
	for (; c->keys[head].next_label != STRMAP_NONE;
	     head = c->keys[head].next_label)
		n++;
	if (n == PL_LABELS_MAX + 1)
		p_error(c->f, p->e->host.h.at, "network",
		    "%s.endpoints[%zu]: more than %d hosts with '*' inside "
		    "the first label for one name and port",
		    p_show(p->policy->m.key.v).text, p->index, PL_LABELS_MAX);
}

static void
add(struct check *c, struct overlap_side *p, uint32_t port)
{
	char to[P_HOST_MAX + C_KEY_HEAD];
	struct view t = key_text(to, p->kind, port, host_of(p));
	uint32_t at = strmap_get(&c->map, t);

	if (at == STRMAP_NONE) {
		at = (uint32_t)c->n++;
		(void)strmap_add(&c->map, arena_view(&c->arena, t), at);
		c->keys[at] = (struct key) {
			.first = p, .port = port, .next_label = STRMAP_NONE
		};
		if (p->kind == HOST_LABEL)
			chain_label(c, at, p, port);
	}
	c->entries[c->nentries++] = (struct entry) { at, p };
}

/* By key, the most specific path first, then as written. */
static int
entry_order(const void *ap, const void *bp)
{
	const struct entry *a = ap, *b = bp;
	int c;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->p->rank != b->p->rank)
		return a->p->rank > b->p->rank ? -1 : 1;
	c = view_cmp(a->p->e->path.v, b->p->e->path.v);
	if (c != 0)
		return c;
	return a->p < b->p ? -1 : a->p > b->p;
}

static bool
same_path(const struct overlap_side *a, const struct overlap_side *b)
{
	return a->rank == b->rank &&
	       (a->rank == 0 || view_eq(a->e->path.v, b->e->path.v));
}

/* v[0..n): all of one key.  Keeps one judged endpoint for each path. */
static void
compare_within(struct check *c, struct key *k, struct entry *v, size_t n)
{
	k->paths = v;
	k->uniform = true;
	for (size_t i = 0; i < n; i++) {
		struct overlap_side *p = v[i].p;
		struct overlap_side *last =
		    k->npaths > 0 ? v[k->npaths - 1].p : NULL;

		if (!p_conn_agree(k->first->e, p->e))
			compare(
			    c, k->first, p, k->port, same_path(k->first, p));
		if (!p->judged)
			continue;
		if (last != NULL && same_path(last, p)) {
			if (!c_treatment_eq(&last->t, &p->t) &&
			    p_conn_agree(last->e, p->e))
				compare(c, last, p, k->port, true);
			continue;
		}
		k->paths[k->npaths++] = v[i];
		k->uniform &= c_treatment_eq(&k->paths[0].p->t, &p->t);
	}
	compare_all_paths(c, k, k);
}

static void
compare_keys(struct check *c, const struct key *k, const struct key *o)
{
	if (k == o)
		return;
	if (!p_conn_agree(k->first->e, o->first->e))
		compare(c, k->first, o->first, k->port,
		    same_path(k->first, o->first));
	compare_all_paths(c, k, o);
}

static void
compare_with(struct check *c, const struct key *k, enum p_hostkind kind,
    struct view name)
{
	char to[P_HOST_MAX + C_KEY_HEAD];
	uint32_t at = strmap_get(&c->map, key_text(to, kind, k->port, name));

	if (at != STRMAP_NONE)
		compare_keys(c, k, &c->keys[at]);
}

/* The labels that one of the two can be the other's, too. */
static bool
labels_overlap(struct check *c, struct view a, struct view b)
{
	struct glob *x = NULL, *y = NULL;
	size_t work = 0;
	struct err e;
	bool yes = glob_new(a, '.', &x, &e) == 0 &&
		   glob_new(b, '.', &y, &e) == 0 && glob_overlaps(x, y, &work);

	glob_free(x);
	glob_free(y);
	return spend(c, work) && yes;
}

static void
compare_labels(struct check *c, const struct key *k, struct view parent)
{
	char to[P_HOST_MAX + C_KEY_HEAD];
	uint32_t at =
	    strmap_get(&c->map, key_text(to, HOST_LABELS, k->port, parent));
	struct view unused, mine = view_cut(host_of(k->first), '.', &unused);

	for (; at != STRMAP_NONE && !c->tired; at = c->keys[at].next_label) {
		const struct key *o = &c->keys[at];

		/* Of two patterns, the one that came first asks. */
		if (k->first->kind == HOST_LABEL && o <= k)
			continue;
		if (labels_overlap(
			c, mine, view_cut(host_of(o->first), '.', &unused)))
			compare_keys(c, k, o);
	}
}

/* Every wider selector that overlaps this one. */
static void
compare_wider(struct check *c, const struct key *k)
{
	const struct overlap_side *e = k->first;
	struct view name = host_of(e), rest;

	if (e->kind == HOST_ANY)
		return;
	compare_with(c, k, HOST_ANY, VIEW(""));
	if (e->kind == HOST_STAR || e->kind == HOST_GLOBSTAR)
		compare_with(c, k, HOST_GLOBSTAR, name);
	(void)view_cut(name, '.', &rest);
	if ((e->kind == HOST_EXACT || e->kind == HOST_LABEL) &&
	    rest.p != NULL) {
		compare_with(c, k, HOST_STAR, rest);
		compare_labels(c, k, rest);
	}
	while (rest.p != NULL) {
		compare_with(c, k, HOST_GLOBSTAR, rest);
		(void)view_cut(rest, '.', &rest);
	}
}

static void
fill(struct overlap_side *p)
{
	enum policy_protocol proto = p_protocol(p->e);

	p->judged = proto != POLICY_PROTO_NONE && proto != POLICY_PROTO_TCP;
	p->rank = c_rank(p->e->path.v);
	p->t = c_treatment(p->e);
}

static struct overlap_side *
collect(struct check *c, const struct policy *p, size_t *count)
{
	size_t n = 0, ports = 0;
	struct overlap_side *all;

	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		n += q->endpoints.n;
		for (size_t k = 0; k < q->endpoints.n; k++)
			ports += p_endpoints(q)[k].ports.n;
	}
	all = ARENA_ARRAY(&c->arena, n + 1, struct overlap_side);
	c->keys = ARENA_ARRAY(&c->arena, ports + 1, struct key);
	c->entries = ARENA_ARRAY(&c->arena, ports + 1, struct entry);
	*count = n;
	n = 0;
	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		for (size_t k = 0; k < q->endpoints.n; k++) {
			struct overlap_side *e = &all[n++];

			*e = (struct overlap_side) {
				.policy = q, .e = &p_endpoints(q)[k], .index = k
			};
			if (e->e->m.faulty || p_host_selector(e->e->host.v,
						  &e->kind, &e->name) < 0)
				continue;
			fill(e);
			for (size_t m = 0; m < e->e->ports.n; m++)
				add(c, e, e->e->ports.v[m].v);
		}
	}
	return all;
}

void
p_check_overlap(const struct policy *p, struct policy_findings *f)
{
	struct check c = { .f = f };
	struct overlap_side *all;
	size_t count, n;

	c.map = STRMAP_INIT(&c.arena);
	all = collect(&c, p, &count);
	if (c.nentries > 0)
		qsort(c.entries, c.nentries, sizeof(*c.entries), entry_order);
	for (size_t i = 0; i < c.nentries; i += n) {
		for (n = 1; i + n < c.nentries &&
			    c.entries[i + n].key == c.entries[i].key;
		     n++)
			;
		compare_within(&c, &c.keys[c.entries[i].key], &c.entries[i], n);
	}
	for (size_t i = 0; i < c.n && !c.tired; i++)
		compare_wider(&c, &c.keys[i]);
	for (size_t i = 0; i < count; i++)
		glob_free(all[i].path);
	arena_fini(&c.arena);
}
