/* extent: the two questions, and that no example is shown unjudged. */
#include "policy/extent_impl.h"

#include <stdlib.h>

#include "base/mem.h"

static const struct how {
	const char *word, *text;
} hows[] = {
	[EXTENT_RULE] = { "rule", NULL },
	[EXTENT_UNINSPECTED] = { "uninspected",
	    "not inspected: every method and path passes" },
	[EXTENT_TLS_SKIP] = { "tls_skip",
	    "tls: skip, not inspected: every method and path passes" },
	[EXTENT_TCP] = { "tcp", "protocol tcp, not inspected: everything "
				"passes" },
	[EXTENT_SQL] = { "sql", "protocol sql, not inspected: everything "
				"passes" },
	[EXTENT_KNOWN] = { "known", "allow_all_known_mcp_methods" },
	[EXTENT_STREAM] = { "stream", "no operation is in it: an answer, MCP's "
				      "stream or its end" },
	[EXTENT_AUDIT] = { "audit", "enforcement audit: what no rule allows is "
				    "recorded, and passes" },
};

const char *
extent_how_text(enum extent_how h)
{
	return hows[h].text;
}

const char *
extent_how_word(enum extent_how h)
{
	return hows[h].word;
}

const char *
extent_dim_word(enum extent_dim d)
{
	static const char *const words[] = {
		[EXTENT_HOST] = "host",
		[EXTENT_PORT] = "port",
		[EXTENT_PROGRAM] = "program",
		[EXTENT_INSPECTION] = "inspection",
		[EXTENT_METHOD] = "method",
		[EXTENT_PATH] = "path",
		[EXTENT_QUERY] = "query",
		[EXTENT_OPERATION] = "operation",
		[EXTENT_ADDRESS] = "address",
	};

	return words[d];
}

/* --- the engine's word ----------------------------------------------- */

/* What is in a request that may carry operations. */
static bool
carried_passes(const struct snapshot *s, const struct policy_who *who,
    const struct extent_request *q, const struct policy_request *r)
{
	struct policy_treatment t;
	struct policy_reason why;
	struct policy_verdict v;

	switch (q->carries) {
	case EXTENT_ANYTHING:
		return false;
	case EXTENT_NOTHING:
		(void)policy_treat_request(
		    s, who, q->host, q->port, q->path, &t);
		return t.protocol == POLICY_PROTO_MCP;
	case EXTENT_OPERATION_IN:
		policy_decide_op(s, who, q->host, q->port, r, &q->op, &v, &why);
		return v.allow;
	}
	return false;
}

/* A text message, with what is in it, of the WebSocket that q opens. */
static bool
message_passes(const struct snapshot *s, const struct policy_who *who,
    const struct extent_request *q, const struct policy_treatment *t)
{
	struct policy_request r = { VIEW("GET"), q->path, q->query };
	const struct policy_op text = { .kind = POLICY_OP_TEXT }, *op = &text;
	struct policy_reason why;
	struct policy_verdict v;

	policy_decide_request(s, who, q->host, q->port, &r, &v, &why);
	if (v.bad_query || !(v.allow || v.enforcement == POLICY_AUDIT))
		return false;
	if (t->protocol != POLICY_PROTO_WEBSOCKET &&
	    t->protocol != POLICY_PROTO_GRAPHQL)
		return t->protocol == POLICY_PROTO_REST ||
		       t->enforcement == POLICY_AUDIT;
	if (t->graphql_messages && q->carries == EXTENT_OPERATION_IN)
		op = &q->op;
	policy_decide_op(s, who, q->host, q->port, &r, op, &v, &why);
	return v.allow || v.enforcement == POLICY_AUDIT;
}

/* Would the proxy pass it on?  The connection and, where that is judged, it. */
static bool
passes(const struct snapshot *s, const struct extent_request *q)
{
	struct policy_who who = { .exe = q->program };
	struct policy_request r = { q->method, q->path, q->query };
	struct policy_reason why;
	struct policy_conn conn;
	struct policy_treatment t;
	struct policy_verdict v;

	policy_decide_conn(s, &who, q->host, q->port, &conn, &why);
	if (!conn.allow || q->method.n == 0 || conn.tls == POLICY_TLS_SKIP ||
	    !policy_protocol_is_inspected(conn.protocol))
		return conn.allow;
	(void)policy_treat_request(s, &who, q->host, q->port, q->path, &t);
	if (extent_has_slash(q->path) && !t.allow_encoded_slash)
		return false;
	if (view_eq(q->method, VIEW(EXTENT_TEXT)))
		return message_passes(s, &who, q, &t);
	policy_decide_request(s, &who, q->host, q->port, &r, &v, &why);
	if (!v.bad_query && v.enforcement == POLICY_AUDIT)
		return true;
	return v.allow && (!v.operations || carried_passes(s, &who, q, &r));
}

static int
confirm(struct x_run *r, const struct x_hit *h, const struct extent_request *q,
    struct err *e)
{
	const struct snapshot *other = r->side[X_OTHER].s;
	bool here = passes(r->side[X_MINE].s, q);
	bool there = other != NULL && passes(other, q);

	if (here && there == (h->dim == EXTENT_ADDRESS && other != NULL))
		return 0;
	return err_set(e, ERR_INTERNAL,
	    "the search and the engine disagree about '%s %s:%u%s' by %s: "
	    "please report this as a bug",
	    p_show(q->method).text, p_show(q->host).text, q->port,
	    p_show(q->path).text, p_show(q->program).text);
}

/* The entry of binaries that the program owes its place to. */
static uint32_t
binary_of(const struct p_policy *p, struct view program)
{
	for (uint32_t i = 0; i < p->binaries.n; i++) {
		struct view path = p_binaries(p)[i].path.v;
		struct glob *g = NULL;
		struct err e;
		bool match = false;

		if (view_find(path, '*') < 0)
			match = view_eq(path, program);
		else if (glob_new(path, '/', &g, &e) == 0)
			match = glob_match(g, program);
		glob_free(g);
		if (match)
			return i;
	}
	return EXTENT_NONE;
}

/* An operation, with strings that stay. */
static struct policy_op
keep_op(struct arena *a, const struct policy_op *op)
{
	struct policy_param *params =
	    ARENA_ARRAY(a, op->n_params + 1, struct policy_param);
	struct view *fields = ARENA_ARRAY(a, op->n_fields + 1, struct view);
	struct policy_op out = { .kind = op->kind,
		.method = arena_view(a, op->method),
		.service = arena_view(a, op->service),
		.type = arena_view(a, op->type),
		.name = arena_view(a, op->name),
		.persisted = arena_view(a, op->persisted),
		.params = params,
		.n_params = op->n_params,
		.fields = fields,
		.n_fields = op->n_fields };

	for (size_t i = 0; i < op->n_params; i++)
		params[i] =
		    (struct policy_param) { arena_view(a, op->params[i].name),
			    arena_view(a, op->params[i].value) };
	for (size_t i = 0; i < op->n_fields; i++)
		fields[i] = arena_view(a, op->fields[i]);
	return out;
}

/* What was found, with strings that stay. */
static int
keep(struct x_run *r, const struct x_hit *h, struct arena *a,
    struct extent_request *q, struct extent_cause *cause, struct err *e)
{
	const struct x_cell *c = h->cell;
	const struct p_policy *p =
	    &p_policies(r->side[X_MINE].p)[h->entry->policy];

	*q = (struct extent_request) { arena_view(a, c->program),
		arena_view(a, c->host), c->ports[0], arena_view(a, h->method),
		arena_view(a, h->path), { 0 }, h->carries, { 0 } };
	if (h->op != NULL)
		q->op = keep_op(a, h->op);
	if (h->query.p != NULL)
		q->query = arena_view(a, h->query);
	*cause = (struct extent_cause) { .how = h->how,
		.policy = arena_view(a, p->m.key.v),
		.endpoint = h->entry->endpoint,
		.rule = h->rule,
		.binary = binary_of(p, c->program) };
	if (h->rule != EXTENT_NONE && h->entry->e->rules.n == 0)
		cause->access = arena_view(a, h->entry->e->access.v);
	return confirm(r, h, q, e);
}

/* --- prove ----------------------------------------------------------- */

static bool
none_known(struct x_run *r UNUSED, const struct x_hit *h UNUSED)
{
	return false;
}

static int
take_first(struct x_run *r, const struct x_hit *h, struct err *e)
{
	struct extent_proof *out = r->out;

	r->stop = true;
	out->holds = false;
	return keep(r, h, &out->arena, &out->request, &out->cause, e);
}

int
extent_prove(const struct policy *p, const struct extent_never *never,
    const struct view *programs, size_t n_programs, struct extent_proof *out,
    struct err *e)
{
	struct x_run r = { .never = never,
		.programs = programs,
		.n_programs = n_programs,
		.budget = { EXTENT_STEPS },
		.hit = take_first,
		.known = none_known,
		.out = out,
		.e = e };
	int rc;

	*out = (struct extent_proof) { .holds = true };
	for (size_t i = 0; i < n_programs; i++)
		if (extent_program_check(programs[i], e) < 0)
			return -1;
	r.side[X_MINE].p = p;
	if (snapshot_new(p, 1, &r.side[X_MINE].s, e) < 0)
		return -1;
	x_init(&r);
	rc = x_cells(&r);
	x_fini(&r);
	snapshot_unref(r.side[X_MINE].s);
	return rc;
}

void
extent_proof_fini(struct extent_proof *p)
{
	arena_fini(&p->arena);
}

/* --- diff ------------------------------------------------------------ */

/* What is told once; the fields of a hit that make it another one. */
struct key {
	uint8_t kind, dim;
	uint16_t policy, endpoint, port;
	uint32_t rule, binary;
};

struct compare {
	struct extent_diff *out;
	enum extent_kind kind;
	struct strmap seen;
	struct arena tmp;
	size_t cap;
};

/*
 * A program is news once for each entry of binaries, a host or a port once for
 * each endpoint; all else once for each rule.
 */
static struct key
key_of(struct x_run *r, const struct x_hit *h)
{
	const struct compare *c = r->out;
	const struct p_policy *p =
	    &p_policies(r->side[X_MINE].p)[h->entry->policy];
	struct key k;

	memset(&k, 0, sizeof(k)); /* compared as bytes */
	k.kind = (uint8_t)c->kind;
	k.dim = (uint8_t)h->dim;
	k.policy = h->entry->policy;
	switch (h->dim) {
	case EXTENT_PROGRAM:
		k.binary = binary_of(p, h->cell->program);
		return k;
	case EXTENT_PORT:
		k.port = h->cell->ports[0];
		k.endpoint = h->entry->endpoint;
		return k;
	case EXTENT_HOST:
	case EXTENT_ADDRESS:
		k.endpoint = h->entry->endpoint;
		return k;
	case EXTENT_INSPECTION:
	case EXTENT_METHOD:
	case EXTENT_PATH:
	case EXTENT_QUERY:
	case EXTENT_OPERATION:
		k.endpoint = h->entry->endpoint;
		k.rule = h->rule;
		return k;
	}
	return k;
}

static bool
was_told(struct x_run *r, const struct x_hit *h)
{
	const struct compare *c = r->out;
	struct key k = key_of(r, h);

	/* Addresses are compared once, not in both directions. */
	if (h->dim == EXTENT_ADDRESS && c->kind == EXTENT_NARROWS)
		return true;
	return strmap_get(&c->seen, (struct view) { (const char *)&k,
					sizeof(k) }) != STRMAP_NONE;
}

static int
take_change(struct x_run *r, const struct x_hit *h, struct err *e)
{
	struct compare *c = r->out;
	struct extent_diff *d = c->out;
	struct key k = key_of(r, h);
	struct extent_change change = { .kind = c->kind, .dim = h->dim };
	uint16_t *ports;

	(void)strmap_add(&c->seen,
	    arena_view(&c->tmp, (struct view) { (const char *)&k, sizeof(k) }),
	    0);
	if (keep(r, h, &d->arena, &change.request, &change.cause, e) < 0)
		return -1;
	if (d->n == EXTENT_CHANGES_MAX) {
		d->dropped++;
		return 0;
	}
	ports = ARENA_ARRAY(&d->arena, h->cell->n_ports, uint16_t);
	memcpy(ports, h->cell->ports, h->cell->n_ports * sizeof(*ports));
	change.ports = ports;
	change.n_ports = h->cell->n_ports;
	if (h->dim == EXTENT_ADDRESS)
		change.kind = EXTENT_CHANGES;
	if (d->n == c->cap) {
		c->cap = c->cap > 0 ? 2 * c->cap : 16;
		d->v = mem_realloc(d->v, c->cap, sizeof(*d->v));
	}
	d->v[d->n++] = change;
	return 0;
}

/* What `mine` lets pass and `other` does not. */
static int
one_way(struct compare *c, struct x_side mine, struct x_side other,
    const struct extent_never *within, uint64_t *steps, struct err *e)
{
	struct x_run r = { .side = { mine, other },
		.never = within,
		.budget = { *steps },
		.hit = take_change,
		.known = was_told,
		.out = c,
		.e = e };
	int rc;

	x_init(&r);
	rc = x_cells(&r);
	*steps = r.budget.left;
	x_fini(&r);
	return rc;
}

int
extent_cause_order(const struct extent_cause *a, const struct extent_cause *b)
{
	int c = view_cmp(a->policy, b->policy);

	if (c != 0)
		return c;
	if (a->endpoint != b->endpoint)
		return a->endpoint < b->endpoint ? -1 : 1;
	if (a->rule != b->rule) /* the endpoint itself first */
		return a->rule + 1 < b->rule + 1 ? -1 : 1;
	return 0;
}

/* In policy order, kind by kind. */
static int
change_order(const void *ap, const void *bp)
{
	const struct extent_change *a = ap, *b = bp;
	int c = extent_cause_order(&a->cause, &b->cause);

	if (a->kind != b->kind)
		return (int)a->kind - (int)b->kind;
	if (c != 0)
		return c;
	if (a->dim != b->dim)
		return (int)a->dim - (int)b->dim;
	if (a->request.port != b->request.port)
		return (int)a->request.port - (int)b->request.port;
	return view_cmp(a->request.program, b->request.program);
}

static bool
same_words(const char *const *a, const char *const *b)
{
	while (*a != NULL && *b != NULL && strcmp(*a, *b) == 0) {
		a++;
		b++;
	}
	return *a == NULL && *b == NULL;
}

static bool
same_static(const struct policy *a, const struct policy *b)
{
	struct policy_fs x, y;

	policy_filesystem(a, &x);
	policy_filesystem(b, &y);
	return x.include_workdir == y.include_workdir &&
	       same_words(x.read_only, y.read_only) &&
	       same_words(x.read_write, y.read_write) &&
	       policy_landlock_mode(a) == policy_landlock_mode(b);
}

static int
compare(const struct policy *from, const struct policy *to,
    const struct extent_never *within, bool both, uint64_t *steps,
    struct extent_diff *out, struct err *e)
{
	struct compare c = { .out = out };
	struct x_side a = { .p = from }, b = { .p = to };
	int rc;

	*out =
	    (struct extent_diff) { .static_differs = !same_static(from, to) };
	if (both)
		extent_compare_middlewares(from, to, out);
	c.seen = STRMAP_INIT(&c.tmp);
	rc = snapshot_new(from, 1, &a.s, e);
	if (rc == 0)
		rc = snapshot_new(to, 1, &b.s, e);
	c.kind = EXTENT_WIDENS;
	if (rc == 0)
		rc = one_way(&c, b, a, within, steps, e);
	c.kind = EXTENT_NARROWS;
	if (rc == 0 && both)
		rc = one_way(&c, a, b, within, steps, e);
	arena_fini(&c.tmp);
	snapshot_unref(a.s);
	snapshot_unref(b.s);
	if (rc == 0 && out->n > 0)
		qsort(out->v, out->n, sizeof(*out->v), change_order);
	return rc;
}

int
extent_compare(const struct policy *from, const struct policy *to,
    struct extent_diff *out, struct err *e)
{
	uint64_t steps = 2ULL * EXTENT_STEPS; /* two questions */

	return compare(from, to, NULL, true, &steps, out, e);
}

int
extent_widened(const struct policy *from, const struct policy *to,
    const struct extent_never *within, uint64_t *steps, struct extent_diff *out,
    struct err *e)
{
	return compare(from, to, within, false, steps, out, e);
}

void
extent_diff_fini(struct extent_diff *d)
{
	free(d->v);
	arena_fini(&d->arena);
}
