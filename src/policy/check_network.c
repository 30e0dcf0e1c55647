/*
 * check_network: what each endpoint, rule and binary says must make sense by
 * itself.  A rule that could never match, or a restriction that would silently
 * not restrict, is an error.
 */
#include "policy/check.h"

#include <stdarg.h>

#include "codec/glob.h"

size_t
p_place_enter(struct p_place *pl, const char *fmt, ...)
{
	size_t before = strlen(pl->text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(pl->text + before, sizeof(pl->text) - before, fmt, ap);
	va_end(ap);
	return before;
}

void
p_place_leave(struct p_place *pl, size_t before)
{
	pl->text[before] = '\0';
}

bool
p_contains(struct view v, const char *part)
{
	return v.n > 0 && memmem(v.p, v.n, part, strlen(part)) != NULL;
}

bool
p_is_word(struct view v, const char *const *words, bool nocase)
{
	for (; *words != NULL; words++)
		if (nocase ? view_eq_nocase(v, view_of(*words))
			   : view_eq(v, view_of(*words)))
			return true;
	return false;
}

bool
p_word_is(const struct p_str *s, const char *word)
{
	return view_eq_nocase(s->v, view_of(word));
}

void
p_check_glob(struct p_place *pl, const struct p_str *s, char delim)
{
	struct glob *g = NULL;
	struct err e;

	if (glob_new(s->v, delim, &g, &e) < 0)
		P_ERROR(pl, s->h.at, "glob pattern '%s'%s %s",
		    p_show(s->v).text, e.code == ERR_LIMIT ? ":" : " has",
		    e.text);
	else if (p_contains(s->v, "]") && !p_contains(s->v, "[") &&
		 !p_contains(s->v, "\\]"))
		P_WARN(pl, s->h.at, "glob pattern '%s' has unmatched ']'",
		    p_show(s->v).text);
	glob_free(g);
}

static void
check_binary(struct p_place *pl, const struct p_binary *b)
{
	if (b->m.h.bad || b->path.h.bad || !b->path.h.set)
		return;
	if (!view_starts(b->path.v, VIEW("/")))
		P_ERROR(pl, b->path.h.at, "path must be absolute: '%s'",
		    p_show(b->path.v).text);
	if (p_contains(b->path.v, "*"))
		p_check_glob(pl, &b->path, '/');
}

/* Names end up in logs and response fields. */
static void
check_name(struct p_place *pl, const struct p_str *s)
{
	if (s->h.set && p_has_control(s->v))
		P_ERROR(pl, s->h.at, "name has control characters");
}

/* Attack: a short text that compiles to gigabytes. */
static void
check_expansion(const struct policy *p, struct policy_findings *f)
{
	size_t n = 0;

	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		for (size_t k = 0; k < q->endpoints.n; k++) {
			const struct p_endpoint *e = &p_endpoints(q)[k];

			n += e->ports.n * (1 + e->rules.n + e->deny_rules.n +
					      e->graphql_persisted_queries.n);
		}
	}
	if (n > PL_EXPANDED_MAX)
		p_error(f, p->top.network_policies.h.at, "network",
		    "%zu endpoints and rules, counted once for each port "
		    "(at most %d)",
		    n, PL_EXPANDED_MAX);
}

void
p_check_network(struct policy *p, struct policy_findings *f)
{
	const struct p_policy *all = p_policies(p);

	check_expansion(p, f);
	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *n = &all[i];
		struct p_shown key = p_show(n->m.key.v);
		struct p_endpoint *e = n->endpoints.v;
		struct p_place pl = { .f = f };
		size_t errors;

		snprintf(pl.text, sizeof(pl.text), "%s", key.text);
		check_name(&pl, &n->m.key);
		check_name(&pl, &n->name);
		if (n->m.key.v.n == 0)
			P_ERROR(&pl, n->m.key.h.at, "a policy needs a name");
		if (n->endpoints.n == 0 && !n->endpoints.h.bad && !n->m.h.bad)
			P_WARN(&pl, n->m.h.at,
			    "no endpoints: the policy never matches");
		if (n->binaries.n == 0 && !n->binaries.h.bad && !n->m.h.bad)
			P_WARN(&pl, n->m.h.at,
			    "no binaries: the policy never matches");
		for (size_t k = 0; k < n->endpoints.n; k++) {
			snprintf(pl.text, sizeof(pl.text), "%s.endpoints[%zu]",
			    key.text, k);
			errors = f->errors;
			p_check_endpoint(&pl, &e[k]);
			e[k].m.faulty |= f->errors > errors;
		}
		for (size_t k = 0; k < n->binaries.n; k++) {
			snprintf(pl.text, sizeof(pl.text), "%s.binaries[%zu]",
			    key.text, k);
			check_binary(&pl, &p_binaries(n)[k]);
		}
	}
}
