/* decide: who may connect where.  Requests are in decide_request.c. */
#include "policy/decide.h"

#include "policy/compiled.h"

static bool
intersects(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t w = 0; w < words; w++)
		if ((a[w] & b[w]) != 0)
			return true;
	return false;
}

static bool
is_empty(const uint64_t *set, size_t words)
{
	return c_first(set, words) < 0;
}

int
c_first(const uint64_t *set, size_t words)
{
	for (size_t w = 0; w < words; w++)
		if (set[w] != 0)
			return (int)(w * 64) + __builtin_ctzll(set[w]);
	return -1;
}

static void
find_key(
    const struct snapshot *s, const char *text, size_t n, struct c_found *out)
{
	uint32_t at = strmap_get(&s->keymap, (struct view) { text, n });

	if (at != STRMAP_NONE)
		out->keys[out->n++] = &s->keys[at];
}

/* The keys whose label pattern takes in the first label. */
static void
find_labels(const struct snapshot *s, const char *text, size_t n,
    struct view label, struct c_found *out)
{
	uint32_t at = strmap_get(&s->keymap, (struct view) { text, n });

	for (; at != C_NONE; at = s->keys[at].next_label)
		if (glob_match(s->keys[at].label, label))
			out->keys[out->n++] = &s->keys[at];
}

/*
 * Each suffix of the host is looked up with a head put in front of it, over
 * bytes that are no longer needed.
 */
static bool
find_keys(const struct snapshot *s, struct view host, uint16_t port,
    struct c_found *out)
{
	char text[C_KEY_HEAD + P_HOST_MAX + 1] UNINIT;
	struct p_host h UNINIT;
	struct view name = { text + C_KEY_HEAD, 0 }, rest, label;
	char *head;

	if (p_host_normalise(host, &h) < 0)
		return false;
	name.n = h.n;
	memcpy(text + C_KEY_HEAD, h.text, h.n);
	c_key_head(text, HOST_EXACT, port);
	find_key(s, text, C_KEY_HEAD + name.n, out);
	if (s->has_star || s->has_globstar || s->has_label) {
		bool parent = true;

		label = view_cut((struct view) { h.text, h.n }, '.', &rest);
		for ((void)view_cut(name, '.', &rest); rest.p != NULL;
		     (void)view_cut(rest, '.', &rest)) {
			head = text + (rest.p - text) - C_KEY_HEAD;
			if (parent && s->has_star) {
				c_key_head(head, HOST_STAR, port);
				find_key(s, head, C_KEY_HEAD + rest.n, out);
			}
			if (parent && s->has_label) {
				c_key_head(head, HOST_LABELS, port);
				find_labels(
				    s, head, C_KEY_HEAD + rest.n, label, out);
			}
			parent = false;
			if (s->has_globstar) {
				c_key_head(head, HOST_GLOBSTAR, port);
				find_key(s, head, C_KEY_HEAD + rest.n, out);
			}
		}
	}
	if (s->has_any) {
		c_key_head(text, HOST_ANY, port);
		find_key(s, text, C_KEY_HEAD, out);
	}
	return true;
}

static void
add_exact(const struct snapshot *s, struct view path, uint64_t *set)
{
	uint32_t at = strmap_get(&s->binmap, path);

	/* A pattern is found under its own text, which is no match. */
	if (at == STRMAP_NONE || s->binaries[at].glob != NULL)
		return;
	for (size_t w = 0; w < s->words; w++)
		set[w] |= s->binaries[at].policies[w];
}

static bool
glob_names(const struct glob *g, const struct policy_who *who)
{
	if (glob_match(g, who->exe))
		return true;
	for (size_t i = 0; i < who->n_ancestors; i++)
		if (glob_match(g, who->ancestors[i]))
			return true;
	return false;
}

/* A glob is worth its time only if it can add a policy of this key. */
static void
add_globs(const struct snapshot *s, const struct c_key *k,
    const struct policy_who *who, uint64_t *set)
{
	for (size_t i = 0; i < k->nglobs; i++) {
		const struct c_binary *b = &s->binaries[k->globs[i]];
		bool useful = false;

		for (size_t w = 0; w < s->words && !useful; w++)
			useful =
			    (b->policies[w] & k->policies[w] & ~set[w]) != 0;
		if (!useful || !glob_names(b->glob, who))
			continue;
		for (size_t w = 0; w < s->words; w++)
			set[w] |= b->policies[w];
	}
}

/* The policies that name the program, among others. */
static void
find_programs(
    const struct snapshot *s, const struct policy_who *who, struct c_found *out)
{
	if (s->any_binary != NULL) {
		memcpy(out->match, s->any_binary,
		    s->words * sizeof(out->match[0]));
		return;
	}
	add_exact(s, who->exe, out->match);
	for (size_t i = 0; i < who->n_ancestors; i++)
		add_exact(s, who->ancestors[i], out->match);
	for (size_t i = 0; i < out->n; i++)
		add_globs(s, out->keys[i], who, out->match);
}

bool
c_find(const struct snapshot *s, const struct policy_who *who, struct view host,
    uint16_t port, struct c_found *out)
{
	out->n = 0;
	for (size_t w = 0; w < s->words; w++)
		out->endpoint[w] = out->match[w] = 0;
	if (!find_keys(s, host, port, out))
		return false;
	for (size_t i = 0; i < out->n; i++)
		for (size_t w = 0; w < s->words; w++)
			out->endpoint[w] |= out->keys[i]->policies[w];
	if (out->n > 0)
		find_programs(s, who, out);
	for (size_t w = 0; w < s->words; w++)
		out->match[w] &= out->endpoint[w];
	return true;
}

size_t
c_place_find(const struct c_place *v, size_t n, unsigned policy)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v[mid].policy < policy)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && v[lo].policy == policy ? lo : n;
}

unsigned
c_endpoint_of(const struct c_found *f, unsigned policy)
{
	unsigned best = UINT16_MAX;

	for (size_t i = 0; i < f->n; i++) {
		const struct c_key *k = f->keys[i];
		size_t at = c_place_find(k->places, k->nplaces, policy);

		if (at < k->nplaces)
			best = MIN(best, k->places[at].endpoint);
	}
	return best;
}

const char *
c_name(const struct snapshot *s, unsigned policy)
{
	return s->policies[policy].m.key.v.p; /* NUL-terminated in its arena */
}

/* --- connections ------------------------------------------------------ */

/* The set of lists an address must satisfy; false when there are too many. */
static bool
add_nets(struct policy_conn *out, const struct policy_net *v, size_t n)
{
	if (n == 0)
		return true;
	for (size_t i = 0; i < out->n_nets; i++)
		if (out->nets[i].n == n &&
		    memcmp(out->nets[i].v, v, n * sizeof(*v)) == 0)
			return true;
	if (out->n_nets == POLICY_MATCHED_MAX)
		return false;
	out->nets[out->n_nets].v = v;
	out->nets[out->n_nets++].n = n;
	return true;
}

/*
 * The most restrictive of all that match (2.6).  Enforcement is a matter of
 * those that judge requests at all.
 */
static bool
merge(
    const struct snapshot *s, const struct c_found *f, struct policy_conn *out)
{
	bool judged = false;

	out->tls = POLICY_TLS_SKIP;
	out->uninspected_credentials = true;
	for (size_t i = 0; i < f->n; i++) {
		const struct c_key *k = f->keys[i];

		for (size_t n = 0; n < k->nclasses; n++) {
			const struct c_class *c = &k->classes[n];

			if (!intersects(c->policies, f->match, s->words))
				continue;
			if (k->kind == HOST_EXACT && !c->advised)
				out->exact_host = true;
			if (c->tls == POLICY_TLS_AUTO)
				out->tls = POLICY_TLS_AUTO;
			out->protocol = MAX(out->protocol, c->protocol);
			if (!c->uninspected_credentials)
				out->uninspected_credentials = false;
			out->credentials |= c->credentials;
			if (c->protocol != POLICY_PROTO_NONE) {
				if (!judged || c->enforcement == POLICY_ENFORCE)
					out->enforcement = c->enforcement;
				if (!judged || !c->h2c)
					out->h2c = c->h2c;
				judged = true;
			}
			if (!add_nets(out, c->nets, c->nnets))
				return false;
		}
	}
	return true;
}

static void
put_binary(struct c_text *t, const struct policy_who *who, const char *policy)
{
	c_puts(t, "binary '");
	c_put(t, who->exe);
	c_puts(t, "' (ancestors: [");
	for (size_t i = 0; i < who->n_ancestors; i++) {
		c_puts(t, i > 0 ? " -> " : "");
		c_put(t, who->ancestors[i]);
	}
	c_puts(t, "], cmdline: [");
	c_put(t, who->cmdline);
	c_puts(t, "]) not allowed in policy '");
	c_put(t, view_of(policy));
	c_puts(t, "'");
}

static void
put_missing(const struct snapshot *s, const struct c_found *f, struct view host,
    uint16_t port, struct c_text *t)
{
	for (unsigned i = 0; i < s->npolicies && !t->cut; i++) {
		if (c_has(f->endpoint, i))
			continue;
		c_puts(t, t->n > 0 ? "; endpoint " : "endpoint ");
		c_put_host(t, host, port);
		c_puts(t, " not in policy '");
		c_put(t, view_of(c_name(s, i)));
		c_puts(t, "'");
	}
}

static void
put_refused(const struct snapshot *s, const struct c_found *f,
    const struct policy_who *who, struct c_text *t)
{
	for (unsigned i = 0; i < s->npolicies && !t->cut; i++) {
		if (!c_has(f->endpoint, i))
			continue;
		c_puts(t, t->n > 0 ? "; " : "");
		put_binary(t, who, c_name(s, i));
	}
}

static void
explain_conn(const struct snapshot *s, const struct c_found *f,
    const struct policy_who *who, struct view host, uint16_t port,
    struct c_text *t)
{
	if (s->npolicies == 0) {
		c_puts(t, "network connections not allowed by policy");
	} else if (is_empty(f->endpoint, s->words)) {
		c_puts(t, "endpoint ");
		c_put_host(t, host, port);
		c_puts(t, " is not allowed by any policy");
	} else {
		put_missing(s, f, host, port, t);
		put_refused(s, f, who, t);
		if (t->cut) {
			/* Too long: what matters is who was refused where. */
			t->n = 0;
			t->cut = false;
			put_refused(s, f, who, t);
		}
	}
}

/* The verdict in *out; the words in *t when denied. */
static void
judge_conn(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, struct policy_conn *out, struct c_text *t)
{
	struct c_found f UNINIT;
	int first;

	if (host.n == 0 || port == 0) {
		c_puts(t, "missing input.network");
		return;
	}
	if (who->exe.n == 0) {
		c_puts(t, "missing input.exec");
		return;
	}
	if (!c_find(s, who, host, port, &f)) {
		c_puts(t, "endpoint ");
		c_put_host(t, host, port);
		c_puts(t, " is not a valid name or address");
		return;
	}
	first = c_first(f.match, s->words);
	if (first < 0) {
		explain_conn(s, &f, who, host, port, t);
		return;
	}
	if (!merge(s, &f, out)) {
		c_puts(t, "policy evaluation error: too many allowed_ips "
			  "lists match");
		return;
	}
	out->allow = true;
	out->policy = c_name(s, (unsigned)first);
	out->endpoint = c_endpoint_of(&f, (unsigned)first);
}

void
policy_decide_conn(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, struct policy_conn *out,
    struct policy_reason *why)
{
	struct c_text t = { .p = why->text, .max = sizeof(why->text) };

	*out = (struct policy_conn) { 0 };
	judge_conn(s, who, host, port, out, &t);
	c_end(&t);
}

/* --- names -------------------------------------------------------------- */

static enum policy_name
best_name(const struct c_found *f)
{
	static const enum policy_name names[] = {
		[HOST_ANY] = POLICY_NAME_HOSTLESS,
		[HOST_EXACT] = POLICY_NAME_EXACT,
		[HOST_STAR] = POLICY_NAME_WILDCARD,
		[HOST_GLOBSTAR] = POLICY_NAME_WILDCARD,
		[HOST_LABEL] = POLICY_NAME_WILDCARD,
	};
	enum policy_name best = POLICY_NAME_NONE;

	for (size_t i = 0; i < f->n; i++)
		best = MAX(best, names[f->keys[i]->kind]);
	return best;
}

enum policy_name
policy_names(const struct snapshot *s, struct view host)
{
	struct c_found f UNINIT;

	f.n = 0;
	return find_keys(s, host, 0, &f) ? best_name(&f) : POLICY_NAME_NONE;
}
