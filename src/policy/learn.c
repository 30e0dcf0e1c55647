#include "policy/learn.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "policy/compiled.h"
#include "policy/learn_impl.h"
#include "policy/overlap.h"

enum { KEY_STEM_MAX = 64 };

/* What one program asked of one host and port. */
struct place {
	UT_hash_handle hh; /* by `key` */
	struct view key, binary, host;
	uint16_t port;
	const struct p_endpoint *beside; /* one that must agree, or NULL */
	struct learn_request *v;
	size_t n, cap;
	struct learn_rule *rules; /* when written */
	size_t n_rules;
	/* Operations of that endpoint instead of requests; NULL: requests. */
	const struct p_endpoint *judge;
	struct learn_op *ops;
	size_t n_ops, cap_ops;
};

struct request {
	UT_hash_handle hh; /* by `key`: all of them, to tell the same apart */
	char key[];
};

struct learner {
	struct policy *current; /* a copy of our own */
	struct snapshot *snap;
	unsigned distinct;
	struct arena arena;
	struct place *places;
	struct request *seen;
	size_t n;
};

static const char *const skip_texts[LEARN_NSKIPS] = {
	[LEARN_TAKEN] = "learned",
	[LEARN_ALLOWED] = "allowed by the policy already",
	[LEARN_NO_PROGRAM] = "of a program that is not known",
	[LEARN_BAD_HOST] = "to what is neither a name nor an address",
	[LEARN_BAD_REQUEST] = "with a method or path that no rule can name",
	[LEARN_PROTOCOL] = "to an endpoint whose protocol has no such rules",
	[LEARN_GRAPHQL] = "of GraphQL, whose root fields the record does not "
			  "name",
	[LEARN_ARGUMENTS] = "of a tool whose arguments a rule restricts: what "
			    "was sent is in no record",
	[LEARN_REFUSED] = "refused by deny_rules, which no rule outweighs",
	[LEARN_TOO_MANY] = "more than can be learned from at once",
};

const char *
learn_skip_text(enum learn_skip s)
{
	return (unsigned)s < LEARN_NSKIPS ? skip_texts[s] : "";
}

/* --- what it starts from ------------------------------------------------ */

/* A copy, by way of its text. */
static int
copy(const struct policy *p, struct policy **out, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_FINDINGS struct policy_findings found = { 0 };

	policy_canonical(p, &text);
	if (policy_parse(buf_view(&text), out, &found) < 0)
		return err_set(e, ERR_INTERNAL, "the policy cannot be copied");
	return 0;
}

static void
set_enforce(struct policy *p)
{
	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];
		struct p_endpoint *e = q->endpoints.v;

		for (size_t k = 0; k < q->endpoints.n; k++)
			if (view_eq(e[k].enforcement.v, VIEW("audit")))
				e[k].enforcement.v = VIEW("enforce");
	}
}

int
learner_new(const struct policy *current, unsigned distinct, bool enforce,
    struct learner **out, struct err *e)
{
	AUTO_LEARNER struct learner *l = NEW(struct learner);

	l->distinct = distinct;
	if (copy(current, &l->current, e) < 0)
		return -1;
	if (enforce)
		set_enforce(l->current);
	if (snapshot_new(l->current, 1, &l->snap, e) < 0)
		return -1;
	*out = take_ptr(l);
	return 0;
}

void
learner_free(struct learner *l)
{
	struct place *p, *next_p;
	struct request *r, *next_r;

	if (l == NULL)
		return;
	HASH_ITER (hh, l->places, p, next_p) {
		HASH_DEL(l->places, p);
		free(p->v);
		free(p->ops);
		free(p);
	}
	HASH_ITER (hh, l->seen, r, next_r) {
		HASH_DEL(l->seen, r);
		free(r);
	}
	if (l->snap != NULL)
		snapshot_unref(l->snap);
	policy_free(l->current);
	arena_fini(&l->arena);
	free(l);
}

void
learner_free_at(struct learner **l)
{
	learner_free(*l);
}

/* --- one request -------------------------------------------------------- */

bool
learn_method_fits(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!(v.p[i] >= 'A' && v.p[i] <= 'Z') && v.p[i] != '-')
			return false;
	return v.n > 0 && v.n <= 32;
}

/* What the current policy says of it: allowed, refused, or LEARN_TAKEN. */
static enum learn_skip
ask_policy(const struct learner *l, const struct policy_seen *seen)
{
	const struct policy_who who = { .exe = seen->binary };
	const struct policy_request r = { seen->method, seen->path,
		{ NULL, 0 } };
	struct policy_conn conn;
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_conn(l->snap, &who, seen->host, seen->port, &conn, &why);
	if (!conn.allow)
		return LEARN_TAKEN;
	if (seen->method.n == 0 || !policy_protocol_is_inspected(conn.protocol))
		return LEARN_ALLOWED;
	policy_decide_request(
	    l->snap, &who, seen->host, seen->port, &r, &v, &why);
	if (v.by_deny_rule)
		return LEARN_REFUSED;
	return v.allow ? LEARN_ALLOWED : LEARN_TAKEN;
}

/* Its `path` takes the request's in; a connection may carry any. */
static bool
is_about(const struct p_endpoint *e, struct view path)
{
	struct glob *g = NULL;
	struct err err;
	bool yes;

	if (c_rank(e->path.v) == 0 || path.n == 0)
		return true;
	if (glob_new(e->path.v, '/', &g, &err) < 0)
		return false;
	yes = glob_match(g, path);
	glob_free(g);
	return yes;
}

/* An endpoint about every path says more than one about some. */
static bool
says_more(const struct p_endpoint *a, const struct p_endpoint *b)
{
	bool whole_a = c_rank(a->path.v) == 0, whole_b = c_rank(b->path.v) == 0;

	if (whole_a != whole_b)
		return whole_a;
	return a->protocol.v.n > 0 && b->protocol.v.n == 0;
}

/*
 * The endpoint that stands for this host and port already and that a new one
 * must agree with, or NULL; *fits when it and others leave room for rules.
 */
static const struct p_endpoint *
endpoint_beside(
    const struct learner *l, const struct policy_seen *seen, bool *fits)
{
	const struct policy_who who = { .exe = seen->binary };
	const struct p_endpoint *found = NULL;
	struct c_found f;

	*fits = true;
	if (!c_find(l->snap, &who, seen->host, seen->port, &f))
		return NULL;
	for (size_t i = 0; i < f.n; i++)
		for (size_t k = 0; k < f.keys[i]->nplaces; k++) {
			const struct c_place *at = &f.keys[i]->places[k];
			const struct p_endpoint *e = &p_endpoints(
			    &l->snap->policies[at->policy])[at->endpoint];
			enum policy_protocol p = p_protocol(e);

			if (p != POLICY_PROTO_NONE && p != POLICY_PROTO_REST &&
			    is_about(e, seen->path))
				*fits = false;
			if (found == NULL || says_more(e, found))
				found = e;
		}
	return found;
}

static void
put_part(struct buf *b, struct view v)
{
	buf_put(b, v);
	buf_putc(b, '\0');
}

static struct place *
place_of(struct learner *l, const struct policy_seen *seen,
    const struct p_endpoint *beside, const struct p_endpoint *judge)
{
	AUTO_BUF struct buf key = BUF_INIT(1 << 16);
	struct place *p = NULL;

	put_part(&key, seen->binary);
	put_part(&key, seen->host);
	buf_printf(&key, "%05u", seen->port);
	if (judge != NULL)
		put_part(&key, judge->path.v);
	HASH_FIND(hh, l->places, key.p, key.n, p);
	if (p != NULL)
		return p;
	p = NEW(struct place);
	p->key = arena_view(&l->arena, buf_view(&key));
	p->binary = arena_view(&l->arena, seen->binary);
	p->host = arena_view(&l->arena, seen->host);
	p->port = seen->port;
	p->beside = beside;
	p->judge = judge;
	HASH_ADD_KEYPTR(hh, l->places, p->key.p, p->key.n, p);
	return p;
}

/* false: it was there. */
static bool
remember(struct learner *l, const struct policy_seen *seen)
{
	AUTO_BUF struct buf key = BUF_INIT(1 << 16);
	struct request *r = NULL;

	put_part(&key, seen->binary);
	put_part(&key, seen->host);
	put_part(&key, seen->method);
	put_part(&key, seen->path);
	put_part(&key, seen->operation);
	put_part(&key, seen->tool);
	put_part(&key, seen->fields);
	buf_printf(&key, "%u", seen->port);
	HASH_FIND(hh, l->seen, key.p, key.n, r);
	if (r != NULL)
		return false;
	r = mem_calloc(1, sizeof(*r) + key.n);
	memcpy(r->key, key.p, key.n);
	HASH_ADD(hh, l->seen, key, key.n, r);
	l->n++;
	return true;
}

static enum learn_skip
check(struct policy_seen *seen, struct p_host *host)
{
	if (seen->binary.n == 0 || seen->binary.p[0] != '/' ||
	    seen->binary.n > PL_PATTERN_MAX ||
	    view_find(seen->binary, '*') >= 0 || p_has_control(seen->binary))
		return LEARN_NO_PROGRAM;
	if (seen->port == 0 || p_host_normalise(seen->host, host) < 0)
		return LEARN_BAD_HOST;
	seen->host = (struct view) { host->text, host->n };
	if (seen->method.n == 0 && seen->path.n == 0)
		return LEARN_TAKEN;
	if (seen->method.n == 0 ||
	    (!learn_method_fits(seen->method) &&
		!view_eq(seen->method, VIEW("WEBSOCKET_TEXT"))) ||
	    !learn_path_fits(seen->path))
		return LEARN_BAD_REQUEST;
	return LEARN_TAKEN;
}

static void
push_op(
    struct learner *l, struct place *p, struct view method, struct view tool)
{
	if (p->n_ops == p->cap_ops) {
		p->cap_ops = p->cap_ops > 0 ? 2 * p->cap_ops : 8;
		p->ops = mem_realloc(p->ops, p->cap_ops, sizeof(*p->ops));
	}
	p->ops[p->n_ops++] = (struct learn_op) {
		arena_view(&l->arena, method),
		arena_view(&l->arena, tool),
	};
}

static void
push_request(struct learner *l, struct place *p, const struct policy_seen *seen)
{
	if (p->n == p->cap) {
		p->cap = p->cap > 0 ? 2 * p->cap : 8;
		p->v = mem_realloc(p->v, p->cap, sizeof(*p->v));
	}
	p->v[p->n++] = (struct learn_request) {
		arena_view(&l->arena, seen->method),
		arena_view(&l->arena, seen->path),
	};
}

/* The name of an operation is the client's own word, and in no rule. */
static enum learn_skip
add_fields(struct learner *l, struct place *p, struct policy_seen *seen)
{
	struct view unused, rest = seen->fields, field;
	size_t n = 0;

	seen->operation = view_cut(seen->operation, ' ', &unused);
	while (learn_next_field(&rest, &field))
		n++;
	/* All of one operation must stand in one rule. */
	if (p->n_ops + n > LEARN_FIELDS_MAX)
		return LEARN_TOO_MANY;
	if (!remember(l, seen))
		return LEARN_TAKEN;
	for (rest = seen->fields; learn_next_field(&rest, &field);)
		push_op(l, p, seen->operation, field);
	return LEARN_TAKEN;
}

/* One call of an endpoint that judges them. */
static enum learn_skip
add_op(struct learner *l, const struct policy_seen *seen)
{
	const struct p_endpoint *judge;
	enum learn_skip skip = learn_op_ask(l->snap, seen, &judge);
	struct policy_seen call = *seen;
	struct place *p;

	if (skip != LEARN_TAKEN)
		return skip;
	if (l->n == LEARN_SEEN_MAX)
		return LEARN_TOO_MANY;
	/* The same call over another path of the endpoint is the same rule. */
	call.path = judge->path.v;
	p = place_of(l, seen, judge, judge);
	if (learn_is_graphql(judge))
		return add_fields(l, p, &call);
	if (remember(l, &call))
		push_op(l, p, seen->operation, seen->tool);
	return LEARN_TAKEN;
}

/* An upgrade to a WebSocket, or a text message in one. */
static enum learn_skip
add_socket(struct learner *l, const struct policy_seen *seen,
    const struct p_endpoint *judge)
{
	if (l->n == LEARN_SEEN_MAX)
		return LEARN_TOO_MANY;
	if (remember(l, seen))
		push_request(l, place_of(l, seen, judge, judge), seen);
	return LEARN_TAKEN;
}

enum learn_skip
learner_add(struct learner *l, const struct policy_seen *given)
{
	struct policy_seen seen = *given;
	const struct p_endpoint *beside, *judge;
	struct p_host host;
	struct place *p;
	enum learn_skip skip = check(&seen, &host);
	bool fits;

	if (skip != LEARN_TAKEN)
		return skip;
	if (seen.operation.n > 0)
		return add_op(l, &seen);
	skip = seen.method.n > 0 ? learn_socket_ask(l->snap, &seen, &judge)
				 : LEARN_NSKIPS;
	if (skip != LEARN_NSKIPS)
		return skip != LEARN_TAKEN ? skip : add_socket(l, &seen, judge);
	skip = ask_policy(l, &seen);
	if (skip != LEARN_TAKEN)
		return skip;
	beside = endpoint_beside(l, &seen, &fits);
	if (!fits)
		return LEARN_PROTOCOL;
	if (l->n == LEARN_SEEN_MAX)
		return LEARN_TOO_MANY;
	if (!remember(l, &seen))
		return LEARN_TAKEN;
	p = place_of(l, &seen, beside, NULL);
	if (seen.method.n > 0)
		push_request(l, p, &seen);
	return LEARN_TAKEN;
}

size_t
learner_count(const struct learner *l)
{
	return l->n;
}

/* --- the text ----------------------------------------------------------- */

static void
put_pair(struct buf *out, const char *key, struct view value)
{
	buf_puts(out, key);
	ydoc_put_str(out, value);
	buf_putc(out, '\n');
}

static void
put_comment(struct buf *out, const char *indent, struct view text)
{
	while (text.n > 0) {
		struct view line = view_cut(text, '\n', &text);

		buf_puts(out, indent);
		buf_puts(out, line.n > 0 ? "# " : "#");
		buf_put_escaped(out, line);
		buf_putc(out, '\n');
	}
}

static void
put_rules(struct buf *out, const struct learn_rule *v, size_t n)
{
	struct view last = { NULL, 0 };

	buf_puts(out, "      rules:\n");
	for (size_t i = 0; i < n; i++) {
		const struct learn_rule *r = &v[i];

		if (r->note.n > 0 && r->note.p != last.p) {
			buf_puts(out, "      # generalised: ");
			buf_put(out, r->note);
			buf_putc(out, '\n');
		}
		last = r->note;
		buf_puts(out, "      - allow:\n");
		put_pair(out, "          method: ", r->method);
		put_pair(out, "          path: ", r->glob);
	}
}

static bool
is_closed(const struct place *p)
{
	return p->beside != NULL && view_eq(p->beside->tls.v, VIEW("skip"));
}

/* The rules [from, from + n) of it. */
static void
put_endpoint(struct buf *out, const struct place *p, size_t from, size_t n)
{
	bool closed = is_closed(p);

	if (closed)
		put_comment(out, "    ",
		    VIEW("its TLS stays closed here: every request on the "
			 "connection is allowed"));
	else if (n == 0)
		put_comment(out, "    ",
		    VIEW("only connections were seen, no requests: reading is "
			 "allowed; learn again from what it then asks for"));
	put_pair(out, "    - host: ", p->host);
	buf_printf(out, "      port: %u\n", p->port);
	if (!closed)
		buf_puts(out, "      protocol: rest\n");
	if (p->beside != NULL)
		p_put_shared(out, p->beside,
		    c_rank(p->beside->path.v) == 0 &&
			p->beside->protocol.v.n > 0);
	if (n > 0)
		put_rules(out, p->rules + from, n);
	else if (!closed)
		buf_puts(out, "      access: read-only\n");
}

static bool
key_taken(const struct learner *l, struct view text, struct view key)
{
	AUTO_BUF struct buf line = BUF_INIT(512);

	for (size_t i = 0; i < l->current->top.network_policies.n; i++)
		if (view_eq(p_policies(l->current)[i].m.key.v, key))
			return true;
	buf_puts(&line, "\n  ");
	buf_put(&line, key);
	buf_puts(&line, ":\n");
	return memmem(text.p, text.n, line.p, line.n) != NULL;
}

/* learned_curl, with a number behind it when that is taken. */
static void
put_key(const struct learner *l, struct view binary, struct buf *out)
{
	AUTO_BUF struct buf key = BUF_INIT(256);
	size_t at = binary.n, stem;

	while (at > 0 && binary.p[at - 1] != '/')
		at--;
	buf_puts(&key, "learned_");
	for (size_t i = at; i < binary.n && i - at < KEY_STEM_MAX; i++) {
		char c = binary.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');

		buf_putc(&key, plain ? c : '_');
	}
	stem = key.n;
	for (unsigned i = 2; key_taken(l, buf_view(out), buf_view(&key)); i++) {
		key.n = stem;
		buf_printf(&key, "_%u", i);
	}
	buf_puts(out, "  ");
	buf_put(out, buf_view(&key));
	buf_puts(out, ":\n");
}

static int
place_order(struct place *a, struct place *b)
{
	return view_cmp(a->key, b->key);
}

/* What is written, and how full its policy is. */
struct pages {
	struct learner *l;
	struct buf *out;
	struct view binary; /* of the policy that is open */
	size_t endpoints;
};

/* The endpoints of a policy are bounded: another one goes on. */
static void
turn_page(struct pages *w, const struct place *p)
{
	if (view_eq(w->binary, p->binary) && w->endpoints++ < PL_ENDPOINTS_MAX)
		return;
	put_key(w->l, p->binary, w->out);
	buf_puts(w->out, "    binaries:\n");
	put_pair(w->out, "    - path: ", p->binary);
	buf_puts(w->out, "    endpoints:\n");
	w->binary = p->binary;
	w->endpoints = 1;
}

/* As the endpoint that judges them, but for what it allows. */
static void
put_judge(struct pages *w, const struct place *p)
{
	const struct p_endpoint *e = p->judge;

	turn_page(w, p);
	put_pair(w->out, "    - host: ", p->host);
	buf_printf(w->out, "      port: %u\n", p->port);
	if (e->path.v.n > 0)
		put_pair(w->out, "      path: ", e->path.v);
	put_pair(w->out, "      protocol: ", e->protocol.v);
	p_put_shared(w->out, e, true);
}

static void
put_calls(struct pages *w, struct place *p)
{
	qsort(p->ops, p->n_ops, sizeof(*p->ops), learn_op_order);
	if (learn_is_graphql(p->judge)) {
		put_judge(w, p);
		learn_graphql_rules(p->ops, p->n_ops, w->out);
		return;
	}
	for (size_t from = 0, n; from < p->n_ops; from += n) {
		n = MIN(p->n_ops - from, (size_t)PL_RULES_MAX);
		put_judge(w, p);
		learn_op_rules(p->ops + from, n, w->out);
	}
}

static void
put_sockets(struct pages *w, struct place *p)
{
	p->n_rules =
	    learn_paths(p->v, p->n, w->l->distinct, &w->l->arena, &p->rules);
	for (size_t from = 0, n; from < p->n_rules; from += n) {
		n = MIN(p->n_rules - from, (size_t)PL_RULES_MAX);
		put_judge(w, p);
		put_rules(w->out, p->rules + from, n);
	}
}

/* The rules of an endpoint are bounded, too. */
static void
put_place(struct pages *w, struct place *p)
{
	size_t from = 0, n;

	if (p->judge != NULL) {
		if (p->n_ops > 0)
			put_calls(w, p);
		if (p->n > 0)
			put_sockets(w, p);
		return;
	}
	if (!is_closed(p))
		p->n_rules = learn_paths(
		    p->v, p->n, w->l->distinct, &w->l->arena, &p->rules);
	do {
		n = MIN(p->n_rules - from, (size_t)PL_RULES_MAX);
		turn_page(w, p);
		put_endpoint(w->out, p, from, n);
		from += n;
	} while (from < p->n_rules);
}

static void
put_places(struct learner *l, struct buf *out)
{
	struct pages w = { .l = l, .out = out };
	struct place *p, *next;

	HASH_SRT(hh, l->places, place_order);
	HASH_ITER (hh, l->places, p, next)
		put_place(&w, p);
}

/* Defence against ourselves: nobody is given a policy that does not load. */
static int
check_result(struct view text, struct err *e)
{
	AUTO_FINDINGS struct policy_findings found = { 0 };
	AUTO_POLICY struct policy *p = NULL;

	if (policy_parse(text, &p, &found) == 0)
		return 0;
	return err_set(e, ERR_LIMIT,
	    "what was learned makes no policy: %s\nlearn from fewer records",
	    found.n > 0 ? found.v[0].text : "it is too large");
}

int
learner_yaml(
    struct learner *l, struct view head, struct buf *out, struct err *e)
{
	put_comment(out, "", head);
	policy_canonical(l->current, out);
	if (l->places != NULL && l->current->top.network_policies.n == 0)
		buf_puts(out, "network_policies:\n");
	put_places(l, out);
	if (out->full)
		return err_set(e, ERR_LIMIT, "the policy would be too large");
	return check_result(buf_view(out), e);
}
