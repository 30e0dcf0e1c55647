/*
 * middleware_diff: what of two policies differs in who looks at requests.  One
 * that is gone, sees fewer hosts, or lets pass what it could not look at,
 * widens what may leave.
 */
#include "policy/extent_impl.h"
#include "policy/hosts.h"

/* What two of them say in common. */
static bool
same_strs(const struct p_strs *a, const struct p_strs *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!view_eq(a->v[i].v, b->v[i].v))
			return false;
	return true;
}

static bool
same_work(const struct p_middleware *a, const struct p_middleware *b)
{
	return view_eq(a->middleware.v, b->middleware.v) &&
	       view_eq(a->config.v, b->config.v);
}

static bool
is_open(const struct p_middleware *w)
{
	return view_eq(w->on_error.v, VIEW("fail_open"));
}

static bool
same_meaning(const struct p_middleware *a, const struct p_middleware *b)
{
	return same_work(a, b) && is_open(a) == is_open(b) &&
	       same_strs(&a->endpoints.include, &b->endpoints.include) &&
	       same_strs(&a->endpoints.exclude, &b->endpoints.exclude);
}

/* Each of `a` lies in one of `b`. */
static bool
within(const struct p_strs *a, const struct p_strs *b)
{
	for (size_t i = 0; i < a->n; i++) {
		struct hosts x, y;
		bool found = false;

		if (hosts_of(a->v[i].v, &x) < 0)
			return false;
		for (size_t k = 0; k < b->n && !found; k++)
			found = hosts_of(b->v[k].v, &y) == 0 &&
				hosts_contain(&y, &x);
		if (!found)
			return false;
	}
	return true;
}

/* Every host that `a` sees, `b` does. */
static bool
sees_no_more(const struct p_middleware *a, const struct p_middleware *b)
{
	return within(&a->endpoints.include, &b->endpoints.include) &&
	       within(&b->endpoints.exclude, &a->endpoints.exclude);
}

static void
tell(struct extent_diff *d, enum extent_kind kind, const struct p_middleware *w,
    const char *what)
{
	struct extent_middleware *m = &d->middlewares[d->n_middlewares++];

	m->kind = kind;
	m->key = arena_view(&d->arena, w->m.key.v);
	m->middleware = arena_view(&d->arena, w->middleware.v);
	m->what = what;
}

static void
compare_hosts(struct extent_diff *d, const struct p_middleware *a,
    const struct p_middleware *b)
{
	bool fewer = sees_no_more(b, a), more = sees_no_more(a, b);

	if (fewer && more)
		return;
	if (fewer)
		tell(d, EXTENT_WIDENS, b, "it sees fewer hosts");
	else if (more)
		tell(d, EXTENT_NARROWS, b, "it sees more hosts");
	else
		tell(d, EXTENT_CHANGES, b, "it sees other hosts");
}

static void
compare_one(struct extent_diff *d, const struct p_middleware *a,
    const struct p_middleware *b)
{
	if (!same_work(a, b))
		tell(d, EXTENT_CHANGES, b,
		    view_eq(a->middleware.v, b->middleware.v)
			? "its config is another"
			: "another middleware does the work");
	compare_hosts(d, a, b);
	if (is_open(b) && !is_open(a))
		tell(d, EXTENT_WIDENS, b,
		    "what it fails to look at passes: on_error fail_open");
	else if (is_open(a) && !is_open(b))
		tell(d, EXTENT_NARROWS, b,
		    "what it fails to look at is denied: on_error fail_closed");
}

static const struct p_middleware *
by_key(const struct policy *p, struct view key)
{
	for (size_t i = 0; i < p->top.network_middlewares.n; i++)
		if (view_eq(p_middlewares(p)[i].m.key.v, key))
			return &p_middlewares(p)[i];
	return NULL;
}

/* Under another name, in a policy that has none of this name. */
static bool
is_renamed(const struct policy *in, const struct policy *other,
    const struct p_middleware *w)
{
	for (size_t i = 0; i < in->top.network_middlewares.n; i++) {
		const struct p_middleware *o = &p_middlewares(in)[i];

		if (same_meaning(o, w) && by_key(other, o->m.key.v) == NULL)
			return true;
	}
	return false;
}

static bool
same_order(const struct p_middleware *a, const struct p_middleware *b,
    const struct p_middleware *x, const struct p_middleware *y)
{
	return (a->order.v < b->order.v) == (x->order.v < y->order.v);
}

/* Two that both have, which now are asked the other way round. */
static void
compare_order(
    struct extent_diff *d, const struct policy *from, const struct policy *to)
{
	for (size_t i = 0; i < to->top.network_middlewares.n; i++) {
		const struct p_middleware *x = &p_middlewares(to)[i];
		const struct p_middleware *a = by_key(from, x->m.key.v);

		for (size_t k = 0; k < i && a != NULL; k++) {
			const struct p_middleware *y = &p_middlewares(to)[k];
			const struct p_middleware *b = by_key(from, y->m.key.v);

			if (b == NULL || same_order(a, b, x, y))
				continue;
			tell(d, EXTENT_CHANGES, x,
			    "it is asked in another order");
			break;
		}
	}
}

void
extent_compare_middlewares(
    const struct policy *from, const struct policy *to, struct extent_diff *d)
{
	for (size_t i = 0; i < from->top.network_middlewares.n; i++) {
		const struct p_middleware *a = &p_middlewares(from)[i];
		const struct p_middleware *b = by_key(to, a->m.key.v);

		if (b != NULL)
			compare_one(d, a, b);
		else if (!is_renamed(to, from, a))
			tell(d, EXTENT_WIDENS, a, "it is gone");
	}
	for (size_t i = 0; i < to->top.network_middlewares.n; i++) {
		const struct p_middleware *b = &p_middlewares(to)[i];

		if (by_key(from, b->m.key.v) == NULL &&
		    !is_renamed(from, to, b))
			tell(d, EXTENT_NARROWS, b, "it is new");
	}
	compare_order(d, from, to);
}
