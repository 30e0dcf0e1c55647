#include "policy/compiled.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct compiler {
	struct snapshot *s;
	struct strmap globmap; /* delimiter and pattern to place in s->globs */
	size_t globs_cap;
	struct arena tmp;
	uint32_t **policy_globs; /* places in s->binaries, by policy */
	size_t *policy_nglobs;
	uint32_t *seen; /* by binary: the stamp of the last key with it */
	uint32_t stamp;
	struct pending *pending; /* one for each (endpoint, port) */
	size_t npending;
	struct err *e;
};

/* An endpoint under one of its ports, on the way to its key. */
struct pending {
	uint32_t key;
	struct c_place at;
	const struct p_endpoint *e;
};

static const struct preset {
	const char *name;
	const char *methods[7];
} presets[] = {
	{ "read-only", { "GET", "HEAD", "OPTIONS" } },
	{ "read-write", { "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH" } },
	{ "full", { "*" } },
};

const char *const *
p_preset(struct view access)
{
	for (size_t i = 0; i < ARRAY_LEN(presets); i++)
		if (view_eq(access, view_of(presets[i].name)))
			return presets[i].methods;
	return NULL;
}

uint16_t
c_method(struct view m)
{
	static const struct {
		struct view name;
		uint16_t bit;
	} known[] = {
		{ { "GET", 3 }, METHOD_GET },
		{ { "POST", 4 }, METHOD_POST },
		{ { "HEAD", 4 }, METHOD_HEAD },
		{ { "PUT", 3 }, METHOD_PUT },
		{ { "DELETE", 6 }, METHOD_DELETE },
		{ { "PATCH", 5 }, METHOD_PATCH },
		{ { "OPTIONS", 7 }, METHOD_OPTIONS },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (view_eq_nocase(m, known[i].name))
			return known[i].bit;
	return METHOD_OTHER;
}

static uint64_t *
set_new(struct compiler *c)
{
	return ARENA_ARRAY(&c->s->arena, c->s->words, uint64_t);
}

/* One compiled glob for each distinct pattern; NULL on error. */
static const struct glob *
intern_glob(struct compiler *c, struct view pattern, char delim)
{
	struct snapshot *s = c->s;
	char *key = arena_alloc(&c->tmp, pattern.n + 1, 1);
	uint32_t at;

	key[0] = delim;
	memcpy(key + 1, pattern.p, pattern.n);
	at = strmap_add(&c->globmap, (struct view) { key, pattern.n + 1 },
	    (uint32_t)s->nglobs);
	if (at < s->nglobs)
		return s->globs[at];
	if (s->nglobs == c->globs_cap) {
		c->globs_cap = c->globs_cap > 0 ? 2 * c->globs_cap : 16;
		s->globs =
		    mem_realloc(s->globs, c->globs_cap, sizeof(struct glob *));
	}
	s->globs[s->nglobs] = NULL;
	if (glob_new(pattern, delim, &s->globs[s->nglobs], c->e) < 0) {
		err_wrap(c->e, "pattern '%s'", p_show(pattern).text);
		return NULL;
	}
	return s->globs[s->nglobs++];
}

/* --- binaries ----------------------------------------------------------- */

static int
add_binary(struct compiler *c, unsigned policy, struct view path)
{
	struct snapshot *s = c->s;
	uint32_t at = strmap_add(&s->binmap, path, (uint32_t)s->nbinaries);
	struct c_binary *b = &s->binaries[at];

	if (at == s->nbinaries) {
		s->nbinaries++;
		b->path = path;
		b->policies = set_new(c);
		/* Only a pattern with '*' is one. */
		if (view_find(path, '*') >= 0) {
			b->glob = intern_glob(c, path, '/');
			if (b->glob == NULL)
				return -1;
		}
	}
	c_set(b->policies, policy);
	if (b->glob != NULL)
		c->policy_globs[policy][c->policy_nglobs[policy]++] = at;
	return 0;
}

static int
compile_binaries(struct compiler *c)
{
	struct snapshot *s = c->s;
	size_t n = 0;

	for (size_t i = 0; i < s->npolicies; i++)
		n += s->policies[i].binaries.n;
	s->binaries = ARENA_ARRAY(&s->arena, n + 1, struct c_binary);
	c->seen = ARENA_ARRAY(&c->tmp, n + 1, uint32_t);
	c->policy_globs = ARENA_ARRAY(&c->tmp, s->npolicies + 1, uint32_t *);
	c->policy_nglobs = ARENA_ARRAY(&c->tmp, s->npolicies + 1, size_t);
	for (size_t i = 0; i < s->npolicies; i++) {
		const struct p_policy *p = &s->policies[i];

		c->policy_globs[i] =
		    ARENA_ARRAY(&c->tmp, p->binaries.n, uint32_t);
		for (size_t k = 0; k < p->binaries.n; k++)
			if (add_binary(
				c, (unsigned)i, p_binaries(p)[k].path.v) < 0)
				return -1;
	}
	return 0;
}

/* The distinct binary globs of the key's policies. */
static void
compile_key_globs(struct compiler *c, struct c_key *k)
{
	struct snapshot *s = c->s;
	uint32_t *out = NULL, stamp = ++c->stamp;
	size_t cap = 0, last = SIZE_MAX;

	for (size_t i = 0; i < k->nplaces; i++) {
		size_t p = k->places[i].policy;

		if (p == last)
			continue;
		last = p; /* places are sorted */
		cap += c->policy_nglobs[p];
	}
	if (cap == 0)
		return;
	out = ARENA_ARRAY(&s->arena, cap, uint32_t);
	last = SIZE_MAX;
	for (size_t i = 0; i < k->nplaces; i++) {
		size_t p = k->places[i].policy;

		if (p == last)
			continue;
		last = p;
		for (size_t n = 0; n < c->policy_nglobs[p]; n++) {
			uint32_t g = c->policy_globs[p][n];

			if (c->seen[g] == stamp)
				continue;
			c->seen[g] = stamp;
			out[k->nglobs++] = g;
		}
	}
	k->globs = out;
}

/* --- keys ------------------------------------------------------------- */

static uint32_t
key_of(struct compiler *c, enum p_hostkind kind, uint16_t port,
    const struct p_host *name)
{
	struct snapshot *s = c->s;
	char text[C_KEY_HEAD + P_HOST_MAX];
	struct view t = { text, C_KEY_HEAD + name->n };
	uint32_t at;

	c_key_head(text, kind, port);
	memcpy(text + C_KEY_HEAD, name->text, name->n);
	at = strmap_get(&s->keymap, t);
	if (at != STRMAP_NONE)
		return at;
	s->has_star |= kind == HOST_STAR;
	s->has_globstar |= kind == HOST_GLOBSTAR;
	s->has_any |= kind == HOST_ANY;
	s->keys[s->nkeys].exact = kind == HOST_EXACT;
	return strmap_add(
	    &s->keymap, arena_view(&s->arena, t), (uint32_t)s->nkeys++);
}

static int
collect(struct compiler *c)
{
	struct snapshot *s = c->s;
	size_t n = 0;

	for (size_t i = 0; i < s->npolicies; i++)
		for (size_t k = 0; k < s->policies[i].endpoints.n; k++)
			n += p_endpoints(&s->policies[i])[k].ports.n;
	c->pending = ARENA_ARRAY(&c->tmp, n + 1, struct pending);
	s->keys = ARENA_ARRAY(&s->arena, n + 1, struct c_key);
	for (size_t i = 0; i < s->npolicies; i++) {
		const struct p_policy *p = &s->policies[i];

		for (size_t k = 0; k < p->endpoints.n; k++) {
			const struct p_endpoint *e = &p_endpoints(p)[k];
			enum p_hostkind kind;
			struct p_host name;

			if (p_host_selector(e->host.v, &kind, &name) < 0)
				return err_set(c->e, ERR_INVALID, "host '%s'",
				    p_show(e->host.v).text);
			for (size_t m = 0; m < e->ports.n; m++)
				c->pending[c->npending++] = (struct pending) {
					.key = key_of(c, kind,
					    (uint16_t)e->ports.v[m].v, &name),
					.at = { (uint16_t)i, (uint16_t)k },
					.e = e,
				};
		}
	}
	return 0;
}

static int
pending_order(const void *ap, const void *bp)
{
	const struct pending *a = ap, *b = bp;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->at.policy != b->at.policy)
		return a->at.policy < b->at.policy ? -1 : 1;
	return (int)a->at.endpoint - (int)b->at.endpoint;
}

static struct c_class
class_of(struct compiler *c, const struct p_endpoint *e)
{
	struct c_class k = { 0 };
	struct policy_net *nets;

	if (view_eq_nocase(e->protocol.v, VIEW("rest")))
		k.protocol = POLICY_PROTO_REST;
	else if (view_eq_nocase(e->protocol.v, VIEW("sql")))
		k.protocol = POLICY_PROTO_SQL;
	if (view_eq(e->enforcement.v, VIEW("audit")))
		k.enforcement = POLICY_AUDIT;
	if (view_eq(e->tls.v, VIEW("skip")))
		k.tls = POLICY_TLS_SKIP;
	if (e->allowed_ips.n == 0)
		return k;
	k.nets = nets =
	    ARENA_ARRAY(&c->s->arena, e->allowed_ips.n, struct policy_net);
	for (size_t i = 0; i < e->allowed_ips.n; i++)
		if (p_net_parse(e->allowed_ips.v[i].v, &nets[k.nnets]) == 0)
			k.nnets++;
	return k;
}

static bool
class_eq(const struct c_class *a, const struct c_class *b)
{
	return a->protocol == b->protocol && a->enforcement == b->enforcement &&
	       a->tls == b->tls && a->nnets == b->nnets &&
	       (a->nnets == 0 ||
		   memcmp(a->nets, b->nets, a->nnets * sizeof(*a->nets)) == 0);
}

static void
add_class(struct compiler *c, struct c_key *k, const struct pending *p)
{
	struct c_class new = class_of(c, p->e);
	size_t i = 0;

	while (i < k->nclasses && !class_eq(&k->classes[i], &new))
		i++;
	if (i == k->nclasses) {
		new.policies = set_new(c);
		k->classes[k->nclasses++] = new;
	}
	c_set(k->classes[i].policies, p->at.policy);
}

/* --- rules ------------------------------------------------------------ */

static uint16_t
rule_methods(struct view method)
{
	uint16_t bit = c_method(method);

	if (view_eq(method, VIEW("*")))
		return METHOD_ANY;
	if (bit == METHOD_GET)
		return METHOD_GET | METHOD_HEAD;
	return bit == METHOD_OTHER ? 0 : bit;
}

static int
compile_query(struct compiler *c, const struct p_query *q, struct c_rule *out)
{
	struct c_query *v = ARENA_ARRAY(&c->s->arena, q->n, struct c_query);

	for (size_t i = 0; i < q->n; i++) {
		const struct p_strs *globs = &q->v[i].globs;
		const struct glob **g =
		    ARENA_ARRAY(&c->s->arena, globs->n, const struct glob *);

		for (size_t k = 0; k < globs->n; k++) {
			g[k] = intern_glob(c, globs->v[k].v, '.');
			if (g[k] == NULL)
				return -1;
		}
		v[i] = (struct c_query) { q->v[i].name.v, g, globs->n };
	}
	out->query = v;
	out->nquery = q->n;
	return 0;
}

static size_t
rule_count(const struct p_endpoint *e)
{
	const char *const *methods = p_preset(e->access.v);
	size_t n = e->rules.n;

	if (!view_eq_nocase(e->protocol.v, VIEW("rest")))
		return 0;
	while (methods != NULL && *methods != NULL) {
		methods++;
		n++;
	}
	return n;
}

static int
add_rule(struct compiler *c, struct c_key *k, const struct pending *p,
    size_t index, struct view method, struct view path,
    const struct p_query *query)
{
	struct c_rule *r = &k->rules[k->nrules];

	*r = (struct c_rule) { .policy = p->at.policy,
		.endpoint = p->at.endpoint,
		.rule = (uint16_t)index,
		.methods = rule_methods(method),
		.method = method };
	r->path = intern_glob(c, path, '/');
	if (r->path == NULL)
		return -1;
	if (query != NULL && query->n > 0) {
		k->has_query = true;
		if (compile_query(c, query, r) < 0)
			return -1;
	}
	k->nrules++;
	return 0;
}

static int
add_rules(struct compiler *c, struct c_key *k, const struct pending *p)
{
	const char *const *methods = p_preset(p->e->access.v);

	if (rule_count(p->e) == 0)
		return 0;
	for (size_t i = 0; methods != NULL && methods[i] != NULL; i++)
		if (add_rule(
			c, k, p, i, view_of(methods[i]), VIEW("**"), NULL) < 0)
			return -1;
	for (size_t i = 0; i < p->e->rules.n; i++) {
		const struct p_allow *a = &p_rules(p->e)[i].allow;

		if (add_rule(c, k, p, i, a->method.v, a->path.v, &a->query) < 0)
			return -1;
	}
	return 0;
}

/* By prefix, then by place. */
static int
rule_order(const void *ap, const void *bp)
{
	const struct c_rule *a = ap, *b = bp;
	int c = view_cmp(glob_prefix(a->path), glob_prefix(b->path));

	if (c != 0)
		return c;
	if (a->policy != b->policy)
		return a->policy < b->policy ? -1 : 1;
	if (a->endpoint != b->endpoint)
		return a->endpoint < b->endpoint ? -1 : 1;
	return (int)a->rule - (int)b->rule;
}

static void
group_rules(struct compiler *c, struct c_key *k)
{
	if (k->nrules == 0)
		return;
	qsort(k->rules, k->nrules, sizeof(*k->rules), rule_order);
	k->groups = ARENA_ARRAY(&c->s->arena, k->nrules, struct c_group);
	for (size_t i = 0; i < k->nrules; i++) {
		struct view prefix = glob_prefix(k->rules[i].path);
		struct c_group *g = k->groups + k->ngroups;
		uint32_t parent = (uint32_t)k->ngroups - 1;

		if (k->ngroups > 0 && view_eq(g[-1].prefix, prefix)) {
			g[-1].n++;
			continue;
		}
		if (k->ngroups == 0)
			parent = C_NONE;
		/* Sorted: every prefix of this one is on that chain. */
		while (parent != C_NONE &&
		       !view_starts(prefix, k->groups[parent].prefix))
			parent = k->groups[parent].parent;
		*g = (struct c_group) { prefix, parent, (uint32_t)i, 1 };
		k->ngroups++;
	}
}

/* v[0..n): everything under one key. */
static int
compile_key(
    struct compiler *c, struct c_key *k, const struct pending *v, size_t n)
{
	struct arena *a = &c->s->arena;
	size_t rules = 0;

	for (size_t i = 0; i < n; i++)
		rules += rule_count(v[i].e);
	k->policies = set_new(c);
	k->places = ARENA_ARRAY(a, n, struct c_place);
	k->classes = ARENA_ARRAY(a, n, struct c_class);
	k->rules = ARENA_ARRAY(a, rules, struct c_rule);
	for (size_t i = 0; i < n; i++) {
		c_set(k->policies, v[i].at.policy);
		k->places[k->nplaces++] = v[i].at;
		add_class(c, k, &v[i]);
		if (add_rules(c, k, &v[i]) < 0)
			return -1;
	}
	group_rules(c, k);
	compile_key_globs(c, k);
	return 0;
}

static int
compile_keys(struct compiler *c)
{
	size_t n;

	if (c->npending > 0)
		qsort(c->pending, c->npending, sizeof(*c->pending),
		    pending_order);
	for (size_t i = 0; i < c->npending; i += n) {
		for (n = 1; i + n < c->npending &&
			    c->pending[i + n].key == c->pending[i].key;
		     n++)
			;
		if (compile_key(c, &c->s->keys[c->pending[i].key],
			&c->pending[i], n) < 0)
			return -1;
	}
	return 0;
}

int
snapshot_new(const struct policy *p, uint64_t generation, struct snapshot **out,
    struct err *e)
{
	struct snapshot *s = NEW(struct snapshot);
	struct compiler c = { .s = s, .e = e };
	int rc;

	atomic_init(&s->refs, 1);
	s->generation = generation;
	s->source = policy_ref(p);
	s->policies = p_policies(p);
	s->npolicies = p->top.network_policies.n;
	s->words = (s->npolicies + 63) / 64;
	assert(s->words <= C_WORDS_MAX);
	s->keymap = STRMAP_INIT(&s->arena);
	s->binmap = STRMAP_INIT(&s->arena);
	c.globmap = STRMAP_INIT(&c.tmp);
	rc = collect(&c);
	if (rc == 0)
		rc = compile_binaries(&c);
	if (rc == 0)
		rc = compile_keys(&c);
	arena_fini(&c.tmp);
	if (rc < 0) {
		snapshot_unref(s);
		return err_wrap(e, "compile policy");
	}
	*out = s;
	return 0;
}

struct snapshot *
snapshot_ref(struct snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
snapshot_unref(struct snapshot *s)
{
	if (s == NULL ||
	    atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < s->nglobs; i++)
		glob_free(s->globs[i]);
	free(s->globs);
	arena_fini(&s->arena);
	policy_free(s->source);
	free(s);
}

uint64_t
snapshot_generation(const struct snapshot *s)
{
	return s->generation;
}
