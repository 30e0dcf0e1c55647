/*
 * extent_messages: text messages of WebSockets, as a policy lets them out.
 *
 * A message has the path and query of the upgrade that opened its WebSocket,
 * so two rules have to hold of the same request: one that admits the GET and,
 * where messages are judged (protocol websocket), one about WEBSOCKET_TEXT.
 * Under a path that is of protocol rest nobody looks into a WebSocket: there
 * the first is enough.
 *
 * Of two policies only what the rules about messages make of it is told here:
 * where the upgrade itself is out of reach on the other side, that is a request
 * more that does not pass there, which extent_requests.c finds.  Where messages
 * are judged by the GraphQL in them, extent_ops_messages.c does.
 */
#include "policy/extent_impl.h"

struct search {
	struct x_run *r;
	const struct x_cell *cell;
	struct arena tmp;
	struct x_rules rules; /* of both, about requests and messages */
	enum x_other other;
	enum extent_how how; /* of mine; EXTENT_RULE: messages are judged */
	const struct x_rule **denies, **their_allows, **their_denies;
	/* What is being tried: */
	const struct x_entry *free; /* all passes by it; NULL: rules */
	const struct x_rule *upgrade;
	const struct x_rule *text; /* NULL: under protocol rest */
	bool operations; /* the other side takes nothing but GraphQL there */
	int rc;
};

static struct policy_treatment
treatment(const struct search *s, unsigned side, struct view path)
{
	struct policy_who who = { .exe = s->cell->program };
	struct policy_treatment t;

	(void)policy_treat_request(s->r->side[side].s, &who, s->cell->host,
	    s->cell->ports[0], path, &t);
	return t;
}

/* Is this path treated as what is being tried takes it to be? */
static bool
fits(const struct search *s, struct view path, bool *judged)
{
	struct policy_treatment t;

	*judged = false;
	if (view_eq(path, VIEW("*")))
		return false;
	if (s->how != EXTENT_RULE)
		return true;
	t = treatment(s, X_MINE, path);
	*judged = t.protocol == POLICY_PROTO_WEBSOCKET;
	if ((extent_has_slash(path) && !t.allow_encoded_slash) ||
	    (t.enforcement == POLICY_AUDIT) != (s->free != NULL))
		return false;
	if (s->free != NULL)
		return true;
	if (*judged)
		return !t.graphql_messages && s->text != NULL;
	return t.protocol == POLICY_PROTO_REST && s->text == NULL;
}

static bool
applies(const struct x_rule *r, const uint64_t *in)
{
	return r->set != EXTENT_IGNORED && atoms_in(in, r->set) &&
	       (r->scope_set == EXTENT_IGNORED || atoms_in(in, r->scope_set));
}

/* The rules that have this path, by what they say of it. */
static void
gather(struct search *s, const uint64_t *in, bool judged, struct x_demand *d,
    bool *their_path)
{
	*d = (struct x_demand) { .my_denies = s->denies,
		.their_allows = s->their_allows,
		.their_denies = s->their_denies };
	*their_path = false;
	for (size_t i = 0; i < s->rules.n; i++) {
		const struct x_rule *r = &s->rules.v[i];

		if (!applies(r, in))
			continue;
		if (x_is_mine(r)) {
			if (r->deny && s->free == NULL &&
			    (x_has_method(r, VIEW("GET")) ||
				(judged && x_is_about_text(r))))
				s->denies[d->n_my_denies++] = r;
			continue;
		}
		*their_path |= !r->deny;
		if (!x_is_about_text(r) || s->operations)
			continue;
		if (r->deny)
			s->their_denies[d->n_their_denies++] = r;
		else
			s->their_allows[d->n_their_allows++] = r;
	}
}

/* Messages under this path need a rule of their own there, too. */
static bool
is_judged_there(struct search *s, struct view path)
{
	struct policy_treatment t = treatment(s, X_OTHER, path);

	s->operations = t.graphql_messages;
	return t.protocol == POLICY_PROTO_WEBSOCKET &&
	       t.enforcement != POLICY_AUDIT &&
	       !(extent_has_slash(path) && !t.allow_encoded_slash);
}

static enum extent_dim
dim_of(const struct search *s, const struct x_demand *d, bool their_path)
{
	if (s->other == NOT_THERE)
		return EXTENT_HOST; /* nobody asks */
	if (s->free != NULL || s->operations)
		return EXTENT_INSPECTION;
	for (size_t i = 0; i < d->n_their_denies; i++)
		if (d->their_denies[i]->query == NULL)
			return EXTENT_PATH; /* refused, whatever the query */
	if (d->n_their_allows > 0)
		return EXTENT_QUERY;
	return their_path ? EXTENT_METHOD : EXTENT_PATH;
}

static struct x_hit
hit_of(const struct search *s, enum extent_dim dim)
{
	const struct x_rule *cause = s->text != NULL ? s->text : s->upgrade;

	return (struct x_hit) { .cell = s->cell,
		.how = s->how == EXTENT_RULE && s->free != NULL ? EXTENT_AUDIT
								: s->how,
		.dim = dim,
		.entry = s->free != NULL ? s->free : cause->entry,
		.rule = s->free != NULL ? EXTENT_NONE : cause->rule,
		.method = VIEW(EXTENT_TEXT) };
}

static int
try_path(struct search *s, struct view path, const uint64_t *in, bool judged)
{
	AUTO_BUF struct buf query = BUF_INIT(1 << 16);
	struct x_demand demand;
	struct x_hit hit;
	bool their_path;
	int rc;

	gather(s, in, judged, &demand, &their_path);
	hit = hit_of(s, dim_of(s, &demand, their_path));
	hit.path = path;
	if (s->r->known(s->r, &hit))
		return 0;
	if (s->upgrade != NULL)
		demand.allow = s->upgrade->query;
	if (s->text != NULL)
		demand.also = s->text->query;
	rc = x_query(s->r, &demand, &query);
	if (rc <= 0)
		return rc;
	if (query.n > 0)
		hit.query = buf_view(&query);
	return s->r->hit(s->r, &hit, s->r->e);
}

static bool
on_path(void *ctx, struct view word, const uint64_t *in)
{
	struct search *s = ctx;
	bool judged;

	if (!fits(s, word, &judged) ||
	    (s->other == JUDGES && !is_judged_there(s, word)))
		return false;
	s->rc = try_path(s, word, in, judged);
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
	return s->free != NULL && s->how == EXTENT_RULE
		   ? add(sets, x_scope(s->free->e), ATOMS_MUST, &unused)
		   : 0;
}

static int
search_paths(struct search *s)
{
	const struct extent_never *never = s->r->never;
	struct atoms_query q = { .longest = EXTENT_PATH_MAX };
	struct sets sets = { .r = s->r };
	size_t unused;
	uint32_t star;

	sets.v = ARENA_ARRAY(
	    &s->tmp, 2 * s->rules.n + s->cell->at.n + 9, struct atoms_set);
	sets.v[sets.n++] = (struct atoms_set) { s->r->paths, ATOMS_MUST };
	if (never != NULL && never->paths != NULL)
		sets.v[sets.n++] =
		    (struct atoms_set) { never->paths, ATOMS_MUST };
	if (add_musts(s, &sets) < 0)
		return -1;
	for (size_t i = 0; i < s->rules.n; i++) {
		struct x_rule *r = &s->rules.v[i];

		r->set = r->scope_set = EXTENT_IGNORED;
		if ((r->deny || !x_is_mine(r)) &&
		    (add(&sets, r->path, ATOMS_FREE, &r->set) < 0 ||
			add(&sets, r->scope, ATOMS_FREE, &r->scope_set) < 0))
			return -1;
	}
	for (size_t i = 0; i < s->cell->at.n; i++)
		if (add(&sets, x_scope(s->cell->at.v[i]->e), ATOMS_FREE,
			&unused) < 0)
			return -1;
	sets.v[sets.n++] = (struct atoms_set) { s->r->slashes, ATOMS_FREE };
	/* No upgrade has it: it cannot stand for other paths. */
	star = x_word(s->r, VIEW("*"));
	sets.v[sets.n++] = (struct atoms_set) { s->r->lang[star], ATOMS_FREE };
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
		if (x_is_mine(s->text) && !s->text->deny &&
		    x_is_about_text(s->text) && search_paths(s) < 0)
			return -1;
	}
	return 0;
}

static int
search_rules(struct search *s)
{
	int rc = 0;

	for (size_t i = 0; i < s->rules.n && rc == 0 && !s->r->stop; i++) {
		s->upgrade = &s->rules.v[i];
		if (x_is_mine(s->upgrade) && !s->upgrade->deny &&
		    x_has_method(s->upgrade, VIEW("GET")))
			rc = search_texts(s);
	}
	s->upgrade = s->text = NULL;
	return rc;
}

int
x_messages(struct x_run *r, const struct x_cell *c, enum extent_how how,
    enum x_other other)
{
	struct search s = { .r = r, .cell = c, .how = how, .other = other };
	size_t n;
	int rc;

	x_rules_collect(r, c, &s.tmp, &s.rules);
	n = s.rules.n + 1;
	s.denies = ARENA_ARRAY(&s.tmp, n, const struct x_rule *);
	s.their_allows = ARENA_ARRAY(&s.tmp, n, const struct x_rule *);
	s.their_denies = ARENA_ARRAY(&s.tmp, n, const struct x_rule *);
	rc = how == EXTENT_RULE ? search_rules(&s) : 0;
	for (size_t i = 0; i < c->at.n && rc == 0 && !r->stop; i++) {
		s.free = c->at.v[i];
		if (s.free->side != X_MINE)
			continue;
		if (how != EXTENT_RULE || x_is_audit(s.free->e))
			rc = search_paths(&s);
	}
	arena_fini(&s.tmp);
	return rc;
}
