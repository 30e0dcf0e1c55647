/*
 * draft_undo: an approval taken back from under later ones.
 *
 * What an approval added is told against the policy it was added to.  One that
 * came later to the same rule may stand on it: "a.example, also at 10.0.0.1"
 * adds an address to the endpoint that an earlier approval made.  So those are
 * lifted first, newest first, and put back when the one below is gone.  One
 * that would not come back as it was (its owner changed the rule since) is left
 * where it is: an undo restores nothing that a person has taken away.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/draft.h"
#include "policy/merge.h"

struct later {
	struct store_chunk c; /* id, rule, name and merge_* */
	struct policy *rule;
	bool lifted;
};

struct undo {
	const struct store_chunk *c;
	struct policy *now; /* the policy so far */
	struct later *v; /* newest decision first */
	size_t n;
};

static int
on_chunk(void *ctx, const struct store_chunk *c)
{
	struct undo *u = ctx;
	struct later *l;

	if (c->decided_ms <= u->c->decided_ms ||
	    strcmp(c->merge_rule, u->c->merge_rule) != 0)
		return 0;
	u->v = mem_realloc(u->v, u->n + 1, sizeof(*u->v));
	l = &u->v[u->n++];
	*l = (struct later) { 0 };
	l->c.id = mem_strdup(c->id);
	l->c.rule_name = mem_strdup(c->rule_name);
	l->c.rule = mem_strndup(c->rule, c->n_rule);
	l->c.n_rule = c->n_rule;
	l->c.decided_ms = c->decided_ms;
	l->c.merge_rule = mem_strdup(c->merge_rule);
	l->c.merge_added = mem_strdup(c->merge_added);
	l->c.merge_parts = mem_strdup(c->merge_parts);
	return 0;
}

static int
later_cmp(const void *a, const void *b)
{
	const struct later *x = a, *y = b;

	return (x->c.decided_ms < y->c.decided_ms) -
	       (x->c.decided_ms > y->c.decided_ms);
}

static void
undo_fini(struct undo *u)
{
	for (size_t i = 0; i < u->n; i++) {
		policy_free(u->v[i].rule);
		store_chunk_fini(&u->v[i].c);
	}
	free(u->v);
	policy_free(u->now);
}

/* Takes `next` as the policy so far, unless it is NULL. */
static void
go_on(struct undo *u, struct policy *next)
{
	if (next == NULL)
		return;
	policy_free(u->now);
	u->now = next;
}

static bool
is_same(const struct policy *a, const struct policy *b)
{
	char x[65], y[65];

	policy_hash(a, x);
	policy_hash(b, y);
	return strcmp(x, y) == 0;
}

/* Off the policy, if it can be put back as it was. */
static int
lift(struct undo *u, struct later *l, struct err *e)
{
	const struct policy_merged was = { l->c.merge_rule, l->c.merge_added,
		l->c.merge_parts };
	AUTO_FINDINGS struct policy_findings ignored = { 0 };
	AUTO_MERGED struct policy_merged m = { 0 };
	AUTO_POLICY struct policy *off = NULL, *on = NULL;

	if (draft_rule(&l->c, &l->rule, e) < 0)
		return -1;
	if (policy_unmerge(u->now, &was, &off, &ignored) < 0 || off == NULL ||
	    policy_merge(off, l->rule, &on, &m, &ignored) < 0 || on == NULL ||
	    !is_same(on, u->now))
		return 0;
	l->lifted = true;
	go_on(u, take_ptr(off));
	return 0;
}

static void
set(char **at, const char *text)
{
	free(*at);
	*at = mem_strdup(text);
}

static int
put_back(struct undo *u, struct sbx *s, struct later *l, struct err *e)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_MERGED struct policy_merged m = { 0 };
	struct policy *on = NULL;

	if (policy_merge(u->now, l->rule, &on, &m, &f) < 0)
		return draft_no_policy(&f, e);
	go_on(u, on);
	set(&l->c.merge_rule, m.target);
	set(&l->c.merge_added, m.added);
	set(&l->c.merge_parts, m.parts);
	return store_chunk_merged(s->g->store, s->id, &l->c, e);
}

static int
take_out(struct undo *u, struct sbx *s, struct err *e)
{
	const struct policy_merged was = { u->c->merge_rule, u->c->merge_added,
		u->c->merge_parts };
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct policy *off = NULL;

	for (size_t i = 0; i < u->n; i++)
		if (lift(u, &u->v[i], e) < 0)
			return -1;
	if (policy_unmerge(u->now, &was, &off, &f) < 0)
		return draft_no_policy(&f, e);
	go_on(u, off);
	for (size_t i = u->n; i > 0; i--)
		if (u->v[i - 1].lifted && put_back(u, s, &u->v[i - 1], e) < 0)
			return -1;
	return 0;
}

int
draft_without(struct sbx *s, const struct policy *base,
    const struct store_chunk *c, struct policy **next, struct err *e)
{
	struct undo u = { .c = c, .now = policy_ref(base) };
	int rc =
	    store_chunk_list(s->g->store, s->id, "approved", on_chunk, &u, e);

	if (u.n > 1)
		qsort(u.v, u.n, sizeof(*u.v), later_cmp);
	if (rc == 0)
		rc = take_out(&u, s, e);
	if (rc == 0 && !is_same(base, u.now))
		*next = take_ptr(u.now);
	undo_fini(&u);
	return rc;
}
