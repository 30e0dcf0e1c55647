/* merge_sets: see merge_impl.h. */
#include "policy/merge_impl.h"

enum { TEXT_MAX = 1 << 20 };

static bool
is_one(struct view key, const char *const *keys)
{
	for (; *keys != NULL; keys++)
		if (view_eq(key, view_of(*keys)))
			return true;
	return false;
}

/* Both say the same under every key of theirs but those of `but`. */
static bool
same_keys(
    enum p_owner owner, const void *a, const void *b, const char *const *but)
{
	AUTO_BUF struct buf x = BUF_INIT(TEXT_MAX), y = BUF_INIT(TEXT_MAX);
	struct p_rows rows = p_rows_of(owner);

	for (size_t i = 0; i < rows.n; i++) {
		if (is_one(rows.v[i].key, but))
			continue;
		p_put_key(&x, &rows.v[i], a, 0);
		p_put_key(&y, &rows.v[i], b, 0);
	}
	return !x.full && !y.full && view_eq(buf_view(&x), buf_view(&y));
}

static bool
ports_in(const struct p_endpoint *a, const struct p_endpoint *b)
{
	for (size_t i = 0; i < a->ports.n; i++)
		if (!p_has_port(b, a->ports.v[i].v))
			return false;
	return true;
}

bool
merge_same_place(const struct p_endpoint *a, const struct p_endpoint *b)
{
	return view_eq_nocase(a->host.v, b->host.v) && ports_in(a, b) &&
	       ports_in(b, a) && view_eq(a->path.v, b->path.v);
}

bool
merge_meets(const struct p_endpoint *a, const struct p_endpoint *b)
{
	if (!view_eq_nocase(a->host.v, b->host.v))
		return false;
	for (size_t i = 0; i < a->ports.n; i++)
		if (p_has_port(b, a->ports.v[i].v))
			return true;
	/* Such endpoints match nothing, and are one another all the same. */
	return a->ports.n == 0 && b->ports.n == 0;
}

bool
merge_same_treatment(const struct p_endpoint *a, const struct p_endpoint *b)
{
	static const char *const but[] = { "host", "port", "ports", "path",
		"rules", "allowed_ips", "advisor_proposed", NULL };

	return same_keys(P_endpoint, a, b, but);
}

static bool
same_rule(const struct p_rule *a, const struct p_rule *b)
{
	static const char *const none[] = { NULL };

	return same_keys(P_rule, a, b, none);
}

static bool
has_rule(const struct p_endpoint *e, const struct p_rule *r)
{
	for (size_t i = 0; i < e->rules.n; i++)
		if (same_rule(&p_rules(e)[i], r))
			return true;
	return false;
}

static bool
has_net(const struct p_endpoint *e, struct view net)
{
	for (size_t i = 0; i < e->allowed_ips.n; i++)
		if (view_eq_nocase(e->allowed_ips.v[i].v, net))
			return true;
	return false;
}

static bool
lists_in(const struct p_endpoint *a, const struct p_endpoint *b)
{
	for (size_t i = 0; i < a->rules.n; i++)
		if (!has_rule(b, &p_rules(a)[i]))
			return false;
	for (size_t i = 0; i < a->allowed_ips.n; i++)
		if (!has_net(b, a->allowed_ips.v[i].v))
			return false;
	return true;
}

bool
merge_same_endpoint(const struct p_endpoint *a, const struct p_endpoint *b)
{
	return merge_same_place(a, b) && merge_same_treatment(a, b) &&
	       lists_in(a, b) && lists_in(b, a);
}

bool
merge_has_program(const struct p_policy *p, struct view path)
{
	for (size_t i = 0; i < p->binaries.n; i++)
		if (view_eq(p_binaries(p)[i].path.v, path))
			return true;
	return false;
}

bool
merge_programs_in(const struct p_policy *a, const struct p_policy *b)
{
	for (size_t i = 0; i < a->binaries.n; i++)
		if (!merge_has_program(b, p_binaries(a)[i].path.v))
			return false;
	return true;
}

void *
merge_copy(struct arena *a, const void *v, size_t n, size_t more, size_t size)
{
	void *copy = arena_alloc(a, n + more + 1, size);

	if (n > 0)
		memcpy(copy, v, n * size);
	return copy;
}

struct p_list
merge_rules(struct arena *a, const struct p_endpoint *x,
    const struct p_endpoint *y, bool in)
{
	struct p_rule *v = ARENA_ARRAY(a, x->rules.n + 1, struct p_rule);
	struct p_list out = { .h = x->rules.h, .v = v };

	for (size_t i = 0; i < x->rules.n; i++)
		if (has_rule(y, &p_rules(x)[i]) == in)
			v[out.n++] = p_rules(x)[i];
	return out;
}

struct p_strs
merge_nets(struct arena *a, const struct p_endpoint *x,
    const struct p_endpoint *y, bool in)
{
	struct p_strs out = { .h = x->allowed_ips.h,
		.v = ARENA_ARRAY(a, x->allowed_ips.n + 1, struct p_str) };

	for (size_t i = 0; i < x->allowed_ips.n; i++)
		if (has_net(y, x->allowed_ips.v[i].v) == in)
			out.v[out.n++] = x->allowed_ips.v[i];
	return out;
}

void
merge_add_rules(
    struct arena *a, struct p_endpoint *to, const struct p_list *more)
{
	struct p_rule *v =
	    ARENA_ARRAY(a, to->rules.n + more->n + 1, struct p_rule);

	if (to->rules.n > 0)
		memcpy(v, to->rules.v, to->rules.n * sizeof(*v));
	if (more->n > 0)
		memcpy(v + to->rules.n, more->v, more->n * sizeof(*v));
	to->rules.v = v;
	to->rules.n += more->n;
}

void
merge_add_nets(
    struct arena *a, struct p_endpoint *to, const struct p_strs *more)
{
	struct p_str *v =
	    ARENA_ARRAY(a, to->allowed_ips.n + more->n + 1, struct p_str);

	if (to->allowed_ips.n > 0)
		memcpy(v, to->allowed_ips.v, to->allowed_ips.n * sizeof(*v));
	if (more->n > 0)
		memcpy(v + to->allowed_ips.n, more->v, more->n * sizeof(*v));
	to->allowed_ips.v = v;
	to->allowed_ips.n += more->n;
}
