/* extent_rules: the rules that have a say in a cell. */
#include "policy/extent_impl.h"

struct view
x_scope(const struct p_endpoint *e)
{
	return c_rank(e->path.v) == 0 ? VIEW("") : e->path.v;
}

bool
x_is_judged(const struct p_endpoint *e)
{
	return policy_protocol_is_inspected(p_protocol(e));
}

bool
x_is_audit(const struct p_endpoint *e)
{
	return x_is_judged(e) && view_eq(e->enforcement.v, VIEW("audit"));
}

bool
x_has_operations(const struct p_endpoint *e)
{
	return policy_protocol_judged(p_protocol(e)) == POLICY_BY_OPERATION;
}

static const char *const *
preset_of(const struct p_endpoint *e)
{
	static const char *const none[] = { NULL };
	const char *const *m = p_preset(p_protocol(e), e->access.v);

	return m != NULL ? m : none;
}

static void
add_rule(struct x_rules *s, const struct x_entry *entry, size_t place,
    bool deny, const struct p_allow *a)
{
	bool method = a->method.v.n > 0, path = a->path.v.n > 0;

	s->v[s->n++] = (struct x_rule) {
		.entry = entry,
		.rule = (uint32_t)place,
		.deny = deny,
		.method = method ? a->method.v : VIEW("*"),
		.path = path ? a->path.v : VIEW("**"),
		.scope = x_scope(entry->e),
		.query = a->query.n > 0 ? &a->query : NULL,
	};
}

bool
x_is_graphql(const struct p_allow *a)
{
	return a->operation_type.v.n > 0 || a->operation_name.v.n > 0 ||
	       a->fields.n > 0;
}

static void
add_endpoint(struct x_rules *s, const struct x_entry *entry)
{
	const struct p_endpoint *e = entry->e;
	const char *const *m = preset_of(e);

	for (size_t k = 0; m[k] != NULL; k++) {
		struct p_allow a = { .method.v = view_of(m[k]) };

		add_rule(s, entry, k, false, &a);
	}
	for (size_t k = 0; k < e->rules.n; k++)
		if (!x_is_graphql(&p_rules(e)[k].allow))
			add_rule(s, entry, k, false, &p_rules(e)[k].allow);
	for (size_t k = 0; k < e->deny_rules.n; k++)
		if (!x_is_graphql(&p_deny_rules(e)[k]))
			add_rule(s, entry, k, true, &p_deny_rules(e)[k]);
}

bool
x_is_mine(const struct x_rule *r)
{
	return r->entry->side == X_MINE;
}

/* As the engine has it: GET is HEAD too, and text messages no requests. */
bool
x_has_method(const struct x_rule *r, struct view m)
{
	if (view_eq_nocase(r->method, VIEW("WEBSOCKET_TEXT")))
		return false;
	return view_eq(r->method, VIEW("*")) || view_eq_nocase(r->method, m) ||
	       (view_eq_nocase(r->method, VIEW("GET")) &&
		   view_eq_nocase(m, VIEW("HEAD")));
}

bool
x_is_about_text(const struct x_rule *r)
{
	return p_protocol(r->entry->e) == POLICY_PROTO_WEBSOCKET &&
	       (view_eq(r->method, VIEW("*")) ||
		   view_eq_nocase(r->method, VIEW(EXTENT_TEXT)));
}

static void
add_method(struct x_rules *s, struct view m)
{
	if (!extent_method_valid(m) || view_eq(m, VIEW("*")))
		return;
	for (size_t i = 0; i < s->n_methods; i++)
		if (view_eq_nocase(s->methods[i], m))
			return;
	s->methods[s->n_methods++] = m;
}

/* Those asked about; or all that some rule names, and one that none does. */
static void
add_methods(
    struct x_rules *s, const struct extent_never *never, struct arena *a)
{
	static const char *const known[] = { "GET", "POST", "PUT", "DELETE",
		"PATCH", "HEAD", "OPTIONS" };
	size_t asked = never != NULL ? never->n_methods : 0;
	char other[EXTENT_METHOD_MAX + 1];

	s->methods =
	    ARENA_ARRAY(a, asked + s->n + ARRAY_LEN(known) + 1, struct view);
	for (size_t i = 0; i < asked; i++)
		add_method(s, never->methods[i]);
	if (asked > 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		add_method(s, view_of(known[i]));
	for (size_t i = 0; i < s->n; i++)
		add_method(s, s->v[i].method);
	/* More names than there are rules: one is new. */
	for (size_t i = 0, n = s->n_methods; i <= n && s->n_methods == n; i++) {
		(void)snprintf(other, sizeof(other), "OTHER%zu", i + 1);
		add_method(s, arena_view(a, view_of(other)));
	}
}

void
x_rules_collect(const struct x_run *r, const struct x_cell *c, struct arena *a,
    struct x_rules *out)
{
	size_t n = 0;

	*out = (struct x_rules) { 0 };
	for (size_t i = 0; i < c->at.n; i++)
		n += PL_PRESET_MAX + c->at.v[i]->e->rules.n +
		     c->at.v[i]->e->deny_rules.n;
	out->v = ARENA_ARRAY(a, n + 1, struct x_rule);
	for (size_t i = 0; i < c->at.n; i++) {
		const struct x_entry *e = c->at.v[i];

		if (!x_is_judged(e->e))
			continue;
		out->audits[e->side] |= x_is_audit(e->e);
		out->slashes[e->side] |= e->e->allow_encoded_slash.v;
		if (x_has_operations(e->e))
			out->ops[e->side] = true;
		else
			add_endpoint(out, e);
	}
	add_methods(out, r->never, a);
}

bool
x_same_query(const struct p_query *a, const struct p_query *b)
{
	if (a == b)
		return true;
	if (a == NULL || b == NULL || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct p_strs *g = &a->v[i].globs, *h = &b->v[i].globs;

		if (!view_eq(a->v[i].name.v, b->v[i].name.v) || g->n != h->n)
			return false;
		for (size_t k = 0; k < g->n; k++)
			if (!view_eq(g->v[k].v, h->v[k].v))
				return false;
	}
	return true;
}

bool
x_is_covered(const struct x_rules *all, const struct x_rule *mine)
{
	bool yes = false;

	if (all->slashes[X_MINE] || all->ops[X_OTHER])
		return false;
	for (size_t i = 0; i < all->n; i++) {
		const struct x_rule *o = &all->v[i];

		if (x_is_mine(o))
			continue;
		if (o->deny)
			return false;
		yes |=
		    view_eq(o->path, mine->path) &&
		    view_eq(o->scope, mine->scope) &&
		    (view_eq(o->method, VIEW("*")) ||
			view_eq_nocase(o->method, mine->method)) &&
		    (o->query == NULL || x_same_query(o->query, mine->query));
	}
	return yes;
}

/* All that an endpoint says of requests, in canonical words. */
static void
put_words(const struct p_endpoint *e, struct buf *out)
{
	struct p_rows rows = p_rows_of(P_endpoint);

	for (size_t i = 0; i < rows.n; i++)
		if (!view_eq(rows.v[i].key, VIEW("host")) &&
		    !view_eq(rows.v[i].key, VIEW("port")) &&
		    !view_eq(rows.v[i].key, VIEW("ports")))
			p_put_key(out, &rows.v[i], e, 0);
}

/* The other side has an endpoint that says the same. */
static bool
has_twin(const struct x_cell *c, const struct x_entry *at)
{
	AUTO_BUF struct buf words = BUF_INIT(POLICY_TEXT_MAX);
	bool found = false;

	put_words(at->e, &words);
	for (size_t i = 0; i < c->at.n && !found && !words.full; i++) {
		AUTO_BUF struct buf other = BUF_INIT(POLICY_TEXT_MAX);

		if (c->at.v[i]->side == at->side)
			continue;
		put_words(c->at.v[i]->e, &other);
		found = view_eq(buf_view(&words), buf_view(&other));
	}
	return found;
}

bool
x_says_the_same(const struct x_cell *c)
{
	for (size_t i = 0; i < c->at.n; i++)
		if (!has_twin(c, c->at.v[i]))
			return false;
	return true;
}
