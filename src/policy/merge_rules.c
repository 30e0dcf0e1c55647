/*
 * merge_rules: a policy in the making.
 *
 * It is the old one's top with other lists in it; written as canonical text and
 * parsed again, so that what comes out has passed every check that a policy
 * from a person passes.
 */
#include "base/mem.h"
#include "policy/merge_impl.h"

enum { KEYS_MAX = 1000 };

void
merge_begin(struct merge *g, const struct policy *base)
{
	*g = (struct merge) { .top = base->top };
	g->n = base->top.network_policies.n;
	g->v = merge_copy(
	    &g->arena, p_policies(base), g->n, 1, sizeof(struct p_policy));
}

int
merge_finish(struct merge *g, struct policy **next, struct policy_findings *f)
{
	AUTO_BUF struct buf text = BUF_INIT(POLICY_TEXT_MAX);
	struct policy made = { .top = g->top };
	size_t before = f->errors;

	made.top.network_policies.h.set = true;
	made.top.network_policies.v = g->v;
	made.top.network_policies.n = g->n;
	policy_canonical(&made, &text);
	if (!text.full)
		return policy_parse(buf_view(&text), next, f);
	if (f->errors == before)
		p_error(f, (struct p_mark) { 0 }, "parse",
		    "canonical form larger than %d bytes", POLICY_TEXT_MAX);
	return -1;
}

char *
merge_text(const struct p_top *like, const struct p_policy *rule)
{
	AUTO_BUF struct buf text = BUF_INIT(POLICY_TEXT_MAX);
	struct policy made = { .top = { .version = like->version } };

	made.top.network_policies = like->network_policies;
	made.top.network_policies.h.set = true;
	made.top.network_policies.v = (void *)(uintptr_t)rule;
	made.top.network_policies.n = 1;
	policy_canonical(&made, &text);
	return mem_strdup(buf_str(&text));
}

struct p_policy *
merge_find(const struct merge *g, struct view key)
{
	for (size_t i = 0; i < g->n; i++)
		if (view_eq(g->v[i].m.key.v, key))
			return &g->v[i];
	return NULL;
}

/* `key`, or when it is taken, the first of key_2, key_3 ... that is free. */
static struct view
free_key(struct merge *g, struct view key)
{
	char text[PL_NAME_MAX + 1];

	if (merge_find(g, key) == NULL)
		return key;
	for (unsigned i = 2; i < KEYS_MAX; i++) {
		int n = snprintf(text, sizeof(text), "%.*s_%u",
		    (int)MIN(key.n, (size_t)PL_NAME_MAX - 4), key.p, i);
		struct view v = { text, (size_t)n };

		if (merge_find(g, v) == NULL)
			return arena_view(&g->arena, v);
	}
	return key; /* twice: no valid policy, as the parser will say */
}

struct p_policy *
merge_new_rule(struct merge *g, const struct p_policy *like, struct view key)
{
	struct view new_key = free_key(g, key);
	struct p_policy *to = &g->v[g->n++];

	*to = *like;
	to->m.key.v = new_key;
	/* Its label was the key's, unless it is another one. */
	if (view_eq(to->name.v, key))
		to->name.v = to->m.key.v;
	return to;
}

void
merge_drop(struct merge *g, struct p_policy *at)
{
	memmove(at, at + 1, (size_t)(g->v + --g->n - at) * sizeof(*at));
}
