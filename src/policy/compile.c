/*
 * compile: a policy into a snapshot: binaries, keys, and how connections are
 * treated.  Rules are in compile_rules.c and compile_ops.c.
 */
#include "policy/compile.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

uint64_t *
c_set_new(struct compiler *c)
{
	return ARENA_ARRAY(&c->s->arena, c->s->words, uint64_t);
}

const struct glob *
c_glob(struct compiler *c, struct view pattern, char delim)
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

int
c_scope_glob(
    struct compiler *c, const struct p_endpoint *e, const struct glob **out)
{
	*out = NULL;
	if (c_rank(e->path.v) == 0)
		return 0;
	*out = c_glob(c, e->path.v, '/');
	return *out != NULL ? 0 : -1;
}

int
c_glob_list(struct compiler *c, const struct p_strs *patterns, char delim,
    const struct glob *const **out)
{
	const struct glob **g =
	    ARENA_ARRAY(&c->s->arena, patterns->n, const struct glob *);

	for (size_t i = 0; i < patterns->n; i++) {
		g[i] = c_glob(c, patterns->v[i].v, delim);
		if (g[i] == NULL)
			return -1;
	}
	*out = g;
	return 0;
}

int
c_matchers(struct compiler *c, const struct p_query *q, char delim,
    const struct c_query **out, size_t *n)
{
	struct c_query *v;

	*out = NULL;
	*n = q->n;
	if (q->n == 0)
		return 0;
	v = ARENA_ARRAY(&c->s->arena, q->n, struct c_query);
	for (size_t i = 0; i < q->n; i++) {
		v[i].name = q->v[i].name.v;
		v[i].n = q->v[i].globs.n;
		if (c_glob_list(c, &q->v[i].globs, delim, &v[i].globs) < 0)
			return -1;
	}
	*out = v;
	return 0;
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
		b->policies = c_set_new(c);
		/* Only a pattern with '*' is one. */
		if (view_find(path, '*') >= 0) {
			b->glob = c_glob(c, path, '/');
			if (b->glob == NULL)
				return -1;
		}
	}
	c_set(b->policies, policy);
	if (b->glob != NULL)
		c->policy_globs[policy][c->policy_nglobs[policy]++] = at;
	return 0;
}

/* The path as written, and the file that it is a link to. */
static int
add_names(struct compiler *c, unsigned policy, struct view path)
{
	uint32_t at = strmap_get(&c->linkmap, path);

	if (add_binary(c, policy, path) < 0)
		return -1;
	if (at == STRMAP_NONE || view_find(c->links[at].target, '*') >= 0)
		return 0; /* as a file it would be a name, here a pattern */
	return add_binary(
	    c, policy, arena_view(&c->s->arena, c->links[at].target));
}

static int
compile_binaries(struct compiler *c)
{
	struct snapshot *s = c->s;
	size_t n = 0;

	for (size_t i = 0; i < s->npolicies; i++)
		n += 2 * s->policies[i].binaries.n;
	s->binaries = ARENA_ARRAY(&s->arena, n + 1, struct c_binary);
	c->seen = ARENA_ARRAY(&c->tmp, n + 1, uint32_t);
	c->policy_globs = ARENA_ARRAY(&c->tmp, s->npolicies + 1, uint32_t *);
	c->policy_nglobs = ARENA_ARRAY(&c->tmp, s->npolicies + 1, size_t);
	for (size_t i = 0; i < s->npolicies; i++) {
		const struct p_policy *p = &s->policies[i];

		c->policy_globs[i] =
		    ARENA_ARRAY(&c->tmp, p->binaries.n, uint32_t);
		for (size_t k = 0; k < p->binaries.n; k++)
			if (add_names(c, (unsigned)i, p_binaries(p)[k].path.v) <
			    0)
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

static struct view
key_text(char *to, int kind, uint16_t port, struct view name)
{
	c_key_head(to, kind, port);
	if (name.n > 0)
		memcpy(to + C_KEY_HEAD, name.p, name.n);
	return (struct view) { to, C_KEY_HEAD + name.n };
}

/* Puts the key at `at` among the label patterns of one name and port. */
static int
chain_label(
    struct compiler *c, uint32_t at, uint16_t port, const struct p_host *name)
{
	struct snapshot *s = c->s;
	struct view full = { name->text, name->n }, label, parent;
	char text[C_KEY_HEAD + P_HOST_MAX];
	struct view t;
	uint32_t head;
	size_t n = 0;

	label = view_cut(full, '.', &parent);
	s->keys[at].label = c_glob(c, label, '.');
	if (s->keys[at].label == NULL)
		return -1;
	t = key_text(text, HOST_LABELS, port, parent);
	head = strmap_get(&s->keymap, t);
	if (head == STRMAP_NONE) {
		(void)strmap_add(&s->keymap, arena_view(&s->arena, t), at);
		return 0;
	}
	s->keys[at].next_label = s->keys[head].next_label;
	s->keys[head].next_label = at;
	/* check_overlap has said so already; a look-up counts on it. */
	for (; head != C_NONE; head = s->keys[head].next_label)
		if (++n > PL_LABELS_MAX)
			return err_set(c->e, ERR_LIMIT,
			    "more than %d hosts with '*' inside the first "
			    "label for one name and port",
			    PL_LABELS_MAX);
	return 0;
}

static int
key_of(struct compiler *c, enum p_hostkind kind, uint16_t port,
    const struct p_host *name, uint32_t *out)
{
	struct snapshot *s = c->s;
	char text[C_KEY_HEAD + P_HOST_MAX];
	struct view t =
	    key_text(text, kind, port, (struct view) { name->text, name->n });

	*out = strmap_get(&s->keymap, t);
	if (*out != STRMAP_NONE)
		return 0;
	*out = (uint32_t)s->nkeys++;
	s->has_star |= kind == HOST_STAR;
	s->has_globstar |= kind == HOST_GLOBSTAR;
	s->has_any |= kind == HOST_ANY;
	s->has_label |= kind == HOST_LABEL;
	s->keys[*out].kind = kind;
	s->keys[*out].next_label = C_NONE;
	(void)strmap_add(&s->keymap, arena_view(&s->arena, t), *out);
	return kind == HOST_LABEL ? chain_label(c, *out, port, name) : 0;
}

static int
collect_endpoint(
    struct compiler *c, struct c_place at, const struct p_endpoint *e)
{
	enum p_hostkind kind;
	struct p_host name;
	uint32_t unused;

	if (p_host_selector(e->host.v, &kind, &name) < 0)
		return err_set(
		    c->e, ERR_INVALID, "host '%s'", p_show(e->host.v).text);
	for (size_t m = 0; m < e->ports.n; m++) {
		struct pending *p = &c->pending[c->npending++];

		*p = (struct pending) { .at = at, .e = e };
		if (key_of(c, kind, (uint16_t)e->ports.v[m].v, &name, &p->key) <
		    0)
			return -1;
	}
	/* Port 0 stands for any, in questions about the name alone. */
	if (e->ports.n == 0 || c->s->policies[at.policy].binaries.n == 0)
		return 0;
	return key_of(c, kind, 0, &name, &unused);
}

static size_t
count_persisted(const struct snapshot *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->npolicies; i++)
		for (size_t k = 0; k < s->policies[i].endpoints.n; k++) {
			const struct p_endpoint *e =
			    &p_endpoints(&s->policies[i])[k];

			n += e->ports.n * e->graphql_persisted_queries.n;
		}
	return n;
}

static int
collect(struct compiler *c)
{
	struct snapshot *s = c->s;
	size_t n = 0;

	for (size_t i = 0; i < s->npolicies; i++)
		for (size_t k = 0; k < s->policies[i].endpoints.n; k++)
			n += p_endpoints(&s->policies[i])[k].ports.n + 1;
	s->persisted = ARENA_ARRAY(
	    &s->arena, count_persisted(s) + 1, struct c_persisted *);
	c->pending = ARENA_ARRAY(&c->tmp, n + 1, struct pending);
	s->keys = ARENA_ARRAY(&s->arena, n + 1, struct c_key);
	for (size_t i = 0; i < s->npolicies; i++) {
		const struct p_policy *p = &s->policies[i];

		for (size_t k = 0; k < p->endpoints.n; k++)
			if (collect_endpoint(c,
				(struct c_place) { (uint16_t)i, (uint16_t)k },
				&p_endpoints(p)[k]) < 0)
				return -1;
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
	struct c_class k = { .protocol = p_protocol(e),
		.h2c = e->h2c.v,
		.advised = e->advisor_proposed.v,
		.uninspected_credentials = e->allow_uninspected_credentials.v,
		.credentials = e->credential_binding.provider.v.n > 0 ||
			       e->credential_signing.v.n > 0 ||
			       e->request_body_credential_rewrite.v ||
			       e->websocket_credential_rewrite.v ||
			       e->allow_credential_placeholders.v };
	struct policy_net *nets;

	if (view_eq(e->enforcement.v, VIEW("audit")))
		k.enforcement = POLICY_AUDIT;
	/* What is said inside a plain TCP connection is nobody's business. */
	if (view_eq(e->tls.v, VIEW("skip")) || k.protocol == POLICY_PROTO_TCP)
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
	       a->tls == b->tls && a->h2c == b->h2c &&
	       a->advised == b->advised &&
	       a->uninspected_credentials == b->uninspected_credentials &&
	       a->credentials == b->credentials && a->nnets == b->nnets &&
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
		new.policies = c_set_new(c);
		k->classes[k->nclasses++] = new;
	}
	c_set(k->classes[i].policies, p->at.policy);
}

/* v[0..n): everything under one key. */
static int
compile_key(
    struct compiler *c, struct c_key *k, const struct pending *v, size_t n)
{
	struct arena *a = &c->s->arena;

	k->policies = c_set_new(c);
	k->places = ARENA_ARRAY(a, n, struct c_place);
	k->classes = ARENA_ARRAY(a, n, struct c_class);
	for (size_t i = 0; i < n; i++) {
		c_set(k->policies, v[i].at.policy);
		k->places[k->nplaces++] = v[i].at;
		add_class(c, k, &v[i]);
	}
	compile_key_globs(c, k);
	if (c_compile_scopes(c, k, v, n) < 0 || c_compile_rules(c, k, v, n) < 0)
		return -1;
	return c_compile_ops(c, k, v, n);
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
	c_index_ops(c);
	return 0;
}

static void
ignore_binaries(struct snapshot *s)
{
	s->any_binary = ARENA_ARRAY(&s->arena, s->words + 1, uint64_t);
	for (size_t i = 0; i < s->npolicies; i++)
		if (s->policies[i].binaries.n > 0)
			s->any_binary[i / 64] |= (uint64_t)1 << i % 64;
}

int
snapshot_new_with(const struct policy *p, uint64_t generation,
    const struct snapshot_options *o, struct snapshot **out, struct err *e)
{
	struct snapshot *s = NEW(struct snapshot);
	struct compiler c = { .s = s, .e = e, .links = o->links };
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
	s->opmap = STRMAP_INIT(&s->arena);
	s->idmap = STRMAP_INIT(&s->arena);
	c.globmap = STRMAP_INIT(&c.tmp);
	c.linkmap = STRMAP_INIT(&c.tmp);
	for (size_t i = 0; i < o->n_links; i++)
		(void)strmap_add(&c.linkmap, o->links[i].path, (uint32_t)i);
	if (o->any_binary)
		ignore_binaries(s);
	rc = collect(&c);
	if (rc == 0)
		rc = c_compile_middlewares(&c);
	if (rc == 0)
		rc = compile_binaries(&c);
	if (rc == 0)
		rc = compile_keys(&c);
	if (rc == 0)
		c_index_ports(&c);
	arena_fini(&c.tmp);
	free(c.ops);
	if (rc < 0) {
		snapshot_unref(s);
		return err_wrap(e, "compile policy");
	}
	*out = s;
	return 0;
}

int
snapshot_new(const struct policy *p, uint64_t generation, struct snapshot **out,
    struct err *e)
{
	return snapshot_new_with(
	    p, generation, &(const struct snapshot_options) { 0 }, out, e);
}

const struct policy *
snapshot_policy(const struct snapshot *s)
{
	return s->source;
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
