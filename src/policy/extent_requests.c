/*
 * extent_requests: the requests of one cell.
 *
 * Rule by rule of mine: the paths it allows, cut by all other rules that have
 * a say; for each piece and each method the question that remains is one of
 * parameters, which extent_query.c answers.
 */
#include "policy/extent_impl.h"

struct scan {
	struct x_run *r;
	const struct x_cell *cell;
	struct arena tmp;
	struct x_rules rules; /* of both sides */
	enum extent_how how; /* of mine; EXTENT_RULE: requests are judged */
	enum x_other other;
	bool shut; /* the other side refuses this path, whatever its rules */
	bool inspects; /* and looks at the operations there */
	/* What one rule, or (NULL) the lack of rules, lets pass: */
	const struct x_rule *rule;
	const struct x_entry *entry;
	const struct x_rule **my_denies, **their_allows, **their_denies;
	int rc;
};

static enum extent_how
how_of(const struct policy_conn *c)
{
	if (c->protocol == POLICY_PROTO_TCP)
		return EXTENT_TCP;
	if (c->tls == POLICY_TLS_SKIP)
		return EXTENT_TLS_SKIP;
	if (policy_protocol_is_inspected(c->protocol))
		return EXTENT_RULE;
	return c->protocol == POLICY_PROTO_SQL ? EXTENT_SQL
					       : EXTENT_UNINSPECTED;
}

/* --- one piece of the paths ------------------------------------------ */

struct piece {
	struct x_demand demand;
	bool their_path; /* some rule of theirs has the path, at least */
};

/* The rules that have the path and the method. */
static void
gather(struct scan *s, const uint64_t *in, struct view method, bool bare,
    struct piece *p)
{
	size_t mine = 0, allows = 0, denies = 0;

	*p = (struct piece) { .demand = {
				  .allow =
				      s->rule != NULL ? s->rule->query : NULL,
				  .my_denies = s->my_denies,
				  .their_allows = s->their_allows,
				  .their_denies = s->their_denies,
			      } };
	for (size_t i = 0; i < s->rules.n; i++) {
		const struct x_rule *o = &s->rules.v[i];

		if (o->set == EXTENT_IGNORED || !atoms_in(in, o->set) ||
		    (o->scope_set != EXTENT_IGNORED &&
			!atoms_in(in, o->scope_set)))
			continue;
		if ((s->shut || s->inspects) && !x_is_mine(o))
			continue;
		p->their_path |= !x_is_mine(o) && !o->deny;
		if (!x_has_method(o, method) || (bare && o->query != NULL))
			continue;
		if (x_is_mine(o))
			s->my_denies[mine++] = o;
		else if (o->deny)
			s->their_denies[denies++] = o;
		else
			s->their_allows[allows++] = o;
	}
	p->demand.n_my_denies = mine;
	p->demand.n_their_allows = allows;
	p->demand.n_their_denies = denies;
}

enum extent_dim
x_conn_dim(const struct x_run *r, const struct x_cell *c)
{
	if (c->others)
		return EXTENT_PROGRAM;
	return x_knows_host(&r->side[X_OTHER], c->host) ? EXTENT_PORT
							: EXTENT_HOST;
}

static enum extent_dim
dim_of(const struct scan *s, const struct piece *p)
{
	if (s->other == NOT_THERE)
		return EXTENT_HOST; /* nobody asks */
	if (s->other == DENIES)
		return x_conn_dim(s->r, s->cell);
	if (s->rule == NULL || s->inspects)
		return EXTENT_INSPECTION;
	for (size_t i = 0; i < p->demand.n_their_denies; i++)
		if (p->demand.their_denies[i]->query == NULL)
			return EXTENT_PATH; /* refused, whatever the query */
	if (p->demand.n_their_allows > 0)
		return EXTENT_QUERY;
	return p->their_path ? EXTENT_METHOD : EXTENT_PATH;
}

static struct x_hit
hit_of(const struct scan *s, enum extent_dim dim)
{
	return (struct x_hit) { .cell = s->cell,
		.how = s->how == EXTENT_RULE && s->rule == NULL ? EXTENT_AUDIT
								: s->how,
		.dim = dim,
		.entry = s->entry,
		.rule = s->rule != NULL ? s->rule->rule : EXTENT_NONE };
}

static int
try_request(
    struct scan *s, struct view path, struct view method, const uint64_t *in)
{
	AUTO_BUF struct buf query = BUF_INIT(1 << 16);
	bool bare = view_eq(path, VIEW("*")); /* which has no query */
	struct x_hit hit;
	struct piece p;
	int rc;

	if (bare && (!view_eq_nocase(method, VIEW("OPTIONS")) ||
			(s->rule != NULL && s->rule->query != NULL)))
		return 0;
	gather(s, in, method, bare, &p);
	hit = hit_of(s, dim_of(s, &p));
	if (s->r->known(s->r, &hit))
		return 0;
	rc = x_query(s->r, &p.demand, &query);
	if (rc <= 0)
		return rc;
	hit.method = method;
	hit.path = path;
	if (query.n > 0)
		hit.query = buf_view(&query);
	return s->r->hit(s->r, &hit, s->r->e);
}

/* How one side treats the requests under a path. */
static struct policy_treatment
treatment(const struct scan *s, unsigned side, struct view path)
{
	struct policy_who who = { .exe = s->cell->program };
	struct policy_treatment t;

	(void)policy_treat_request(s->r->side[side].s, &who, s->cell->host,
	    s->cell->ports[0], path, &t);
	return t;
}

/* Rules about requests say nothing there: extent_ops.c. */
static bool
is_of_operations(const struct policy_treatment *t)
{
	return policy_protocol_judged(t->protocol) == POLICY_BY_OPERATION;
}

/*
 * Whether s->rule, or the lack of rules, is what decides under this path; and
 * what the other side does there.
 */
static bool
has_say(struct scan *s, struct view path)
{
	bool slash = extent_has_slash(path);
	struct policy_treatment t;

	s->shut = s->inspects = false;
	if (s->how == EXTENT_RULE) {
		t = treatment(s, X_MINE, path);
		if ((t.enforcement == POLICY_AUDIT) != (s->rule == NULL) ||
		    (s->rule != NULL && is_of_operations(&t)) ||
		    (slash && !t.allow_encoded_slash))
			return false;
	}
	if (s->other != JUDGES)
		return true;
	t = treatment(s, X_OTHER, path);
	s->shut = slash && !t.allow_encoded_slash;
	s->inspects = is_of_operations(&t);
	return s->shut || t.enforcement != POLICY_AUDIT;
}

static bool
on_path(void *ctx, struct view word, const uint64_t *in)
{
	struct scan *s = ctx;

	if (!has_say(s, word))
		return false;
	for (size_t i = 0; i < s->rules.n_methods && s->rc == 0; i++)
		if ((s->rule == NULL ||
			x_has_method(s->rule, s->rules.methods[i])) &&
		    !s->r->stop)
			s->rc = try_request(s, word, s->rules.methods[i], in);
	return s->rc < 0 || s->r->stop;
}

/* --- one rule -------------------------------------------------------- */

struct sets {
	struct x_run *r;
	struct atoms_set *v;
	size_t n, musts;
};

static int
must(struct sets *s, struct view pattern)
{
	uint32_t lang;

	if (pattern.n == 0)
		return 0;
	if (x_glob(s->r, pattern, '/', &lang) < 0)
		return -1;
	s->v[s->n++] = (struct atoms_set) { s->r->lang[lang], ATOMS_MUST };
	s->musts = s->n;
	return 0;
}

/* The place of a pattern that paths may match or not. */
static int
may(struct sets *s, struct view pattern, size_t *out)
{
	size_t k = s->musts;
	uint32_t lang;

	*out = EXTENT_IGNORED;
	if (pattern.n == 0)
		return 0;
	if (x_glob(s->r, pattern, '/', &lang) < 0)
		return -1;
	while (k < s->n && s->v[k].a != s->r->lang[lang])
		k++;
	if (k == s->n)
		s->v[s->n++] =
		    (struct atoms_set) { s->r->lang[lang], ATOMS_FREE };
	*out = k;
	return 0;
}

/* Has it a say in whether a request of s->rule passes here but not there? */
static bool
matters(const struct scan *s, const struct x_rule *o)
{
	return x_is_mine(o) ? o->deny && s->rule != NULL : s->other == JUDGES;
}

static bool
varies(const struct scan *s, unsigned side)
{
	return s->rules.audits[side] || s->rules.slashes[side] ||
	       s->rules.ops[side];
}

/* Paths that one side treats in another way than others are told apart. */
static int
add_scopes(struct scan *s, struct sets *sets)
{
	const struct x_entries *at = &s->cell->at;
	size_t unused;

	for (size_t i = 0; i < at->n; i++)
		if (x_is_judged(at->v[i]->e) && varies(s, at->v[i]->side) &&
		    may(sets, x_scope(at->v[i]->e), &unused) < 0)
			return -1;
	return 0;
}

static int
add_patterns(struct scan *s, struct sets *sets)
{
	for (size_t i = 0; i < s->rules.n; i++) {
		struct x_rule *o = &s->rules.v[i];

		o->set = o->scope_set = EXTENT_IGNORED;
		if (matters(s, o) &&
		    (may(sets, o->path, &o->set) < 0 ||
			may(sets, o->scope, &o->scope_set) < 0))
			return -1;
	}
	return add_scopes(s, sets);
}

/* What s->rule, or s->entry without rules, lets pass. */
static int
scan_paths(struct scan *s)
{
	const struct extent_never *never = s->r->never;
	struct sets sets = { .r = s->r };
	struct atoms_query q = { .longest = EXTENT_PATH_MAX };
	uint32_t star;

	sets.v = ARENA_ARRAY(
	    &s->tmp, 2 * s->rules.n + s->cell->at.n + 6, struct atoms_set);
	sets.v[sets.n++] = (struct atoms_set) { s->r->paths, ATOMS_MUST };
	if (never != NULL && never->paths != NULL)
		sets.v[sets.n++] =
		    (struct atoms_set) { never->paths, ATOMS_MUST };
	sets.musts = sets.n;
	if (s->rule != NULL && must(&sets, s->rule->path) < 0)
		return -1;
	if (s->how == EXTENT_RULE && must(&sets, x_scope(s->entry->e)) < 0)
		return -1;
	if (add_patterns(s, &sets) < 0)
		return -1;
	sets.v[sets.n++] = (struct atoms_set) { s->r->slashes, ATOMS_FREE };
	/* Only OPTIONS has it: it cannot stand for other paths. */
	star = x_word(s->r, VIEW("*"));
	sets.v[sets.n++] = (struct atoms_set) { s->r->lang[star], ATOMS_FREE };
	q.v = sets.v;
	q.n = sets.n;
	if (atoms_find(&q, &s->r->budget, on_path, s, s->r->e) < 0)
		return -1;
	return s->rc;
}

static bool
is_known(const struct scan *s, enum extent_dim dim)
{
	struct x_hit h = hit_of(s, dim);

	return s->r->known(s->r, &h);
}

/* Nothing that could still be found with this rule would be news. */
static bool
exhausted(const struct scan *s)
{
	if (s->other == NOT_THERE)
		return false;
	if (s->other == DENIES)
		return is_known(s, x_conn_dim(s->r, s->cell));
	if (s->rule == NULL)
		return is_known(s, EXTENT_INSPECTION);
	return is_known(s, EXTENT_PATH) && is_known(s, EXTENT_METHOD) &&
	       is_known(s, EXTENT_QUERY) &&
	       (!s->rules.ops[X_OTHER] || is_known(s, EXTENT_INSPECTION));
}

static bool
has_a_method(const struct scan *s)
{
	for (size_t i = 0; i < s->rules.n_methods; i++)
		if (x_has_method(s->rule, s->rules.methods[i]))
			return true;
	return false;
}

static int
scan_rules(struct scan *s)
{
	for (size_t i = 0; i < s->rules.n && !s->r->stop; i++) {
		s->rule = &s->rules.v[i];
		s->entry = s->rule->entry;
		if (!x_is_mine(s->rule) || s->rule->deny || !has_a_method(s) ||
		    exhausted(s) ||
		    (s->other == JUDGES && x_is_covered(&s->rules, s->rule)))
			continue;
		if (scan_paths(s) < 0)
			return -1;
	}
	s->rule = NULL;
	return 0;
}

/* Endpoints that only record what no rule allows. */
static int
scan_audits(struct scan *s)
{
	const struct x_entries *at = &s->cell->at;

	for (size_t i = 0; i < at->n && !s->r->stop; i++) {
		if (at->v[i]->side != X_MINE || !x_is_audit(at->v[i]->e))
			continue;
		s->entry = at->v[i];
		if (!exhausted(s) && scan_paths(s) < 0)
			return -1;
	}
	return 0;
}

/* Everything passes, by grace of this endpoint. */
static int
scan_free(struct scan *s)
{
	const struct x_entries *at = &s->cell->at;

	s->entry = at->v[0]; /* mine come first */
	for (size_t i = at->n; i-- > 0;)
		if (at->v[i]->side == X_MINE &&
		    p_protocol(at->v[i]->e) == s->cell->conn[X_MINE].protocol)
			s->entry = at->v[i];
	return exhausted(s) ? 0 : scan_paths(s);
}

/* --- addresses ------------------------------------------------------- */

static bool
has_list(const struct policy_conn *c, const struct policy_net *v, size_t n)
{
	for (size_t i = 0; i < c->n_nets; i++) {
		size_t both = 0;

		for (size_t k = 0; k < n; k++)
			for (size_t m = 0; m < c->nets[i].n; m++)
				if (memcmp(&v[k], &c->nets[i].v[m],
					sizeof(*v)) == 0) {
					both++;
					break;
				}
		if (both == n && c->nets[i].n == n)
			return true;
	}
	return false;
}

/* Do the two mean the same addresses, as far as the text says? */
static bool
same_addresses(const struct policy_conn *a, const struct policy_conn *b)
{
	if (a->n_nets != b->n_nets || a->exact_host != b->exact_host)
		return false;
	for (size_t i = 0; i < a->n_nets; i++)
		if (!has_list(b, a->nets[i].v, a->nets[i].n) ||
		    !has_list(a, b->nets[i].v, b->nets[i].n))
			return false;
	return true;
}

static int
compare_addresses(struct scan *s)
{
	const struct policy_conn *conn = s->cell->conn;
	struct x_hit hit;

	if (same_addresses(&conn[X_MINE], &conn[X_OTHER]))
		return 0;
	s->entry = s->cell->at.v[0]; /* mine come first */
	hit = hit_of(s, EXTENT_ADDRESS);
	s->entry = NULL;
	return s->r->known(s->r, &hit) ? 0 : s->r->hit(s->r, &hit, s->r->e);
}

static enum x_other
other_of(const struct x_run *r, const struct policy_conn *c)
{
	if (r->side[X_OTHER].s == NULL)
		return NOT_THERE;
	if (!c->allow)
		return DENIES;
	return how_of(c) == EXTENT_RULE ? JUDGES : PASSES_ALL;
}

static void
prepare(struct scan *s)
{
	size_t n;

	x_rules_collect(s->r, s->cell, &s->tmp, &s->rules);
	n = s->rules.n + 1;
	s->my_denies = ARENA_ARRAY(&s->tmp, n, const struct x_rule *);
	s->their_allows = ARENA_ARRAY(&s->tmp, n, const struct x_rule *);
	s->their_denies = ARENA_ARRAY(&s->tmp, n, const struct x_rule *);
}

static bool
has_messages(const struct x_cell *c)
{
	for (size_t i = 0; i < c->at.n; i++)
		if (p_protocol(c->at.v[i]->e) == POLICY_PROTO_WEBSOCKET)
			return true;
	return false;
}

/*
 * Of one policy, when the question is about them; what is not inspected lets
 * them pass as every request.  Of two, where both look at what is sent.
 */
static bool
asks_messages(const struct scan *s)
{
	const struct extent_never *never = s->r->never;

	if (s->other == NOT_THERE)
		return s->how == EXTENT_RULE && never != NULL &&
		       never->messages && !s->r->stop;
	return s->other == JUDGES && has_messages(s->cell) &&
	       (never == NULL || (never->n_methods == 0 && !never->op));
}

int
x_requests(struct x_run *r, const struct x_cell *c)
{
	struct scan s = { .r = r,
		.cell = c,
		.how = how_of(&c->conn[X_MINE]),
		.other = other_of(r, &c->conn[X_OTHER]) };
	bool same =
	    r->side[X_OTHER].s != NULL && has_messages(c) && x_says_the_same(c);
	int rc = 0;

	if (s.other == JUDGES || s.other == PASSES_ALL)
		rc = compare_addresses(&s);
	if (rc == 0 && s.other != PASSES_ALL && !same) {
		prepare(&s);
		if (s.how != EXTENT_RULE)
			rc = scan_free(&s);
		else if (r->never == NULL || !r->never->messages)
			rc = scan_rules(&s) < 0 ? -1 : scan_audits(&s);
		if (rc == 0 && asks_messages(&s))
			rc = x_messages(r, c, s.how, s.other);
		if (rc == 0 && s.how == EXTENT_RULE && !r->stop &&
		    (s.rules.ops[X_MINE] || has_messages(c)))
			rc = x_operations(r, c, s.other);
	}
	arena_fini(&s.tmp);
	return rc;
}
