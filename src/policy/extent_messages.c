/*
 * extent_messages: text messages of WebSockets, as a policy lets them out.
 *
 * A message has the path and query of the upgrade that opened its WebSocket,
 * so two rules have to hold of the same request: one that admits the GET and,
 * where messages are judged (protocol websocket), one about WEBSOCKET_TEXT.
 * Under a path that is of protocol rest nobody looks into a WebSocket: there
 * the first is enough.  For prove alone; diff compares no messages.
 */
#include "policy/extent_impl.h"

struct search {
	struct x_run *r;
	const struct x_cell *cell;
	struct arena tmp;
	struct x_rules rules; /* of mine, about requests and messages */
	const struct x_rule **denies;
	/* What is being tried: */
	const struct x_entry *audit; /* it only records; NULL: rules */
	const struct x_rule *upgrade;
	const struct x_rule *text; /* NULL: under protocol rest */
	int rc;
};

static bool
is_about_text(const struct x_rule *r)
{
	return p_protocol(r->entry->e) == POLICY_PROTO_WEBSOCKET &&
	       (view_eq(r->method, VIEW("*")) ||
		   view_eq_nocase(r->method, VIEW(EXTENT_TEXT)));
}

/* The parameters that both demand; -1 when each says something of one. */
static int
both(struct search *s, const struct p_query **out)
{
	const struct p_query *a = s->upgrade != NULL ? s->upgrade->query : NULL;
	const struct p_query *b = s->text != NULL ? s->text->query : NULL;
	struct p_query *q;

	*out = a != NULL ? a : b;
	if (a == NULL || b == NULL || a == b)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			if (view_eq(a->v[i].name.v, b->v[k].name.v))
				return err_set(s->r->e, ERR_INVALID,
				    "two rules look at the parameter '%s' of "
				    "one WebSocket: that cannot be answered "
				    "yet",
				    p_show(a->v[i].name.v).text);
	q = ARENA_NEW(&s->tmp, struct p_query);
	q->v = ARENA_ARRAY(&s->tmp, a->n + b->n, struct p_matcher);
	memcpy(q->v, a->v, a->n * sizeof(*q->v));
	memcpy(q->v + a->n, b->v, b->n * sizeof(*q->v));
	q->n = a->n + b->n;
	*out = q;
	return 0;
}

/* Is this path treated as what is being tried takes it to be? */
static bool
fits(const struct search *s, struct view path, bool *judged)
{
	struct policy_who who = { .exe = s->cell->program };
	struct policy_treatment t;

	(void)policy_treat_request(s->r->side[X_MINE].s, &who, s->cell->host,
	    s->cell->ports[0], path, &t);
	*judged = t.protocol == POLICY_PROTO_WEBSOCKET;
	if (view_eq(path, VIEW("*")) ||
	    (extent_has_slash(path) && !t.allow_encoded_slash) ||
	    (t.enforcement == POLICY_AUDIT) != (s->audit != NULL))
		return false;
	if (s->audit != NULL)
		return true;
	if (*judged)
		return !t.graphql_messages && s->text != NULL;
	return t.protocol == POLICY_PROTO_REST && s->text == NULL;
}

static bool
applies(const struct x_rule *d, const uint64_t *in)
{
	return atoms_in(in, d->set) &&
	       (d->scope_set == EXTENT_IGNORED || atoms_in(in, d->scope_set));
}

static bool
on_path(void *ctx, struct view word, const uint64_t *in)
{
	struct search *s = ctx;
	AUTO_BUF struct buf query = BUF_INIT(1 << 16);
	struct x_demand demand = { .my_denies = s->denies };
	const struct x_rule *cause = s->text != NULL ? s->text : s->upgrade;
	struct x_hit hit = { .cell = s->cell,
		.how = s->audit != NULL ? EXTENT_AUDIT : EXTENT_RULE,
		.dim = EXTENT_HOST,
		.entry = s->audit != NULL ? s->audit : cause->entry,
		.rule = s->audit != NULL ? EXTENT_NONE : cause->rule,
		.method = VIEW(EXTENT_TEXT),
		.path = word };
	bool judged;

	if (!fits(s, word, &judged))
		return false;
	for (size_t i = 0; i < s->rules.n && s->audit == NULL; i++) {
		const struct x_rule *d = &s->rules.v[i];

		if (d->deny && applies(d, in) &&
		    (x_has_method(d, VIEW("GET")) ||
			(judged && is_about_text(d))))
			s->denies[demand.n_my_denies++] = d;
	}
	s->rc = both(s, &demand.allow);
	if (s->rc == 0)
		s->rc = x_query(s->r, &demand, &query);
	if (s->rc > 0) {
		if (query.n > 0)
			hit.query = buf_view(&query);
		s->rc = s->r->hit(s->r, &hit, s->r->e);
	}
	return s->rc < 0 || s->r->stop;
}

/* --- paths --------------------------------------------------------------- */

struct sets {
	struct x_run *r;
	struct atoms_set *v;
	size_t n;
};

static int
add(struct sets *s, struct view pattern, enum atoms_role role, size_t *at)
{
	uint32_t lang;

	*at = EXTENT_IGNORED;
	if (pattern.n == 0)
		return 0;
	if (x_glob(s->r, pattern, '/', &lang) < 0)
		return -1;
	*at = s->n;
	s->v[s->n++] = (struct atoms_set) { s->r->lang[lang], role };
	return 0;
}

static int
add_musts(struct search *s, struct sets *sets)
{
	const struct x_rule *const rules[] = { s->upgrade, s->text };
	size_t unused;

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i] != NULL &&
		    (add(sets, rules[i]->path, ATOMS_MUST, &unused) < 0 ||
			add(sets, rules[i]->scope, ATOMS_MUST, &unused) < 0))
			return -1;
	return s->audit != NULL
		   ? add(sets, x_scope(s->audit->e), ATOMS_MUST, &unused)
		   : 0;
}

static int
search_paths(struct search *s)
{
	const struct extent_never *never = s->r->never;
	struct atoms_query q = { .longest = EXTENT_PATH_MAX };
	struct sets sets = { .r = s->r };
	size_t unused;

	sets.v = ARENA_ARRAY(
	    &s->tmp, 2 * s->rules.n + s->cell->at.n + 8, struct atoms_set);
	sets.v[sets.n++] = (struct atoms_set) { s->r->paths, ATOMS_MUST };
	if (never->paths != NULL)
		sets.v[sets.n++] =
		    (struct atoms_set) { never->paths, ATOMS_MUST };
	if (add_musts(s, &sets) < 0)
		return -1;
	for (size_t i = 0; i < s->rules.n; i++) {
		struct x_rule *d = &s->rules.v[i];

		if (d->deny &&
		    (add(&sets, d->path, ATOMS_FREE, &d->set) < 0 ||
			add(&sets, d->scope, ATOMS_FREE, &d->scope_set) < 0))
			return -1;
	}
	for (size_t i = 0; i < s->cell->at.n; i++)
		if (add(&sets, x_scope(s->cell->at.v[i]->e), ATOMS_FREE,
			&unused) < 0)
			return -1;
	sets.v[sets.n++] = (struct atoms_set) { s->r->slashes, ATOMS_FREE };
	q.v = sets.v;
	q.n = sets.n;
	if (atoms_find(&q, &s->r->budget, on_path, s, s->r->e) < 0)
		return -1;
	return s->rc;
}

/* --- rules --------------------------------------------------------------- */

/* With each rule that admits the messages of what s->upgrade lets open. */
static int
search_texts(struct search *s)
{
	s->text = NULL;
	if (search_paths(s) < 0)
		return -1;
	for (size_t i = 0; i < s->rules.n && !s->r->stop; i++) {
		s->text = &s->rules.v[i];
		if (!s->text->deny && is_about_text(s->text) &&
		    search_paths(s) < 0)
			return -1;
	}
	return 0;
}

int
x_messages(struct x_run *r, const struct x_cell *c)
{
	struct search s = { .r = r, .cell = c };
	int rc = 0;

	x_rules_collect(r, c, &s.tmp, &s.rules);
	s.denies = ARENA_ARRAY(&s.tmp, s.rules.n + 1, const struct x_rule *);
	for (size_t i = 0; i < s.rules.n && rc == 0 && !r->stop; i++) {
		s.upgrade = &s.rules.v[i];
		if (!s.upgrade->deny && x_has_method(s.upgrade, VIEW("GET")))
			rc = search_texts(&s);
	}
	s.upgrade = s.text = NULL;
	for (size_t i = 0; i < c->at.n && rc == 0 && !r->stop; i++) {
		s.audit = c->at.v[i];
		if (x_is_audit(s.audit->e))
			rc = search_paths(&s);
	}
	arena_fini(&s.tmp);
	return rc;
}
