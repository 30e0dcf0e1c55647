#include "extent_points.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/glob.h"
#include "policy/model.h"
#include "policy/extent.h"

/* --- choices from bytes ------------------------------------------------ */

struct dice {
	const uint8_t *p;
	size_t n;
};

/* 0 once the bytes are used up, which is always the plainest choice. */
static unsigned
roll(struct dice *d, unsigned sides)
{
	if (d->n == 0)
		return 0;
	d->n--;
	return *d->p++ % sides;
}

#define PICK(d, menu) ((menu)[roll((d), (unsigned)ARRAY_LEN(menu))])

static const char *const binaries[] = { "/a", "/b", "/*", "/d/*", "/d/**",
	"/**", "/?", "/*{a,b}" };
static const char *const hosts[] = { "x.t", "a.x.t", "*.x.t", "**.x.t", "y.t",
	"1.2.3.4", "", "a*.x.t", "*a.x.t" };
static const char *const methods[] = { "GET", "POST", "'*'", "HEAD", "foo",
	"WEBSOCKET_TEXT", "OPTIONS" };
static const char *const paths[] = { "**", "/**", "/a", "/a/*", "/a/**", "/?",
	"/[!a]", "/{a,b}/**", "/*a", "/**/b", "/%20", "[*]", "/a*b", "//a" };
static const char *const globs[] = { "a", "a*", "**", "{a,b}", "?", "b", "[!a]",
	"*" };

static void
put_query(struct dice *d, struct buf *y)
{
	unsigned n = roll(d, 4);

	if (n == 0 || n == 3)
		return;
	buf_puts(y, ", query: {");
	for (unsigned i = 0; i < n; i++) {
		buf_printf(y, "%s%c: ", i > 0 ? ", " : "",
		    (roll(d, 4) == 3 ? 'P' : 'p') + (int)i);
		if (roll(d, 3) == 2)
			buf_printf(y, "{any: ['%s', '%s']}", PICK(d, globs),
			    PICK(d, globs));
		else
			buf_printf(y, "'%s'", PICK(d, globs));
	}
	buf_putc(y, '}');
}

static void
put_rules(struct dice *d, struct buf *y)
{
	unsigned n = 1 + roll(d, 3);

	if (roll(d, 8) == 7) {
		buf_puts(y, ", access: read-only");
		return;
	}
	buf_puts(y, ", rules: [");
	for (unsigned i = 0; i < n; i++) {
		buf_printf(y, "%s{allow: {method: %s, path: '%s'",
		    i > 0 ? ", " : "", PICK(d, methods), PICK(d, paths));
		put_query(d, y);
		buf_puts(y, "}}");
	}
	buf_putc(y, ']');
}

static void
put_denies(struct dice *d, struct buf *y)
{
	unsigned n = 1 + roll(d, 2);

	buf_puts(y, ", deny_rules: [");
	for (unsigned i = 0; i < n; i++) {
		buf_printf(
		    y, "%s{path: '%s'", i > 0 ? ", " : "", PICK(d, paths));
		if (roll(d, 2) == 1)
			buf_printf(y, ", method: %s", PICK(d, methods));
		put_query(d, y);
		buf_puts(y, "}");
	}
	buf_putc(y, ']');
}

static void
put_endpoint(struct dice *d, struct buf *y)
{
	static const char *const ports[] = { "1", "2", "1, 2" };
	const char *host = PICK(d, hosts);
	unsigned what = roll(d, 8);

	buf_printf(y, "    - {host: '%s', ports: [%s]", host, PICK(d, ports));
	if (*host == '\0')
		buf_puts(y, ", allowed_ips: [10.0.0.0/16]");
	if (what == 5 && *host != '\0' && *host != '1' && roll(d, 2) == 1) {
		buf_puts(y, ", protocol: tcp}\n");
		return;
	}
	if (what == 1)
		buf_puts(
		    y, ", protocol: sql, enforcement: audit, access: full");
	if (what >= 2) {
		buf_puts(y,
		    what == 7 ? ", protocol: websocket" : ", protocol: rest");
		put_rules(d, y);
		if (roll(d, 3) == 2)
			put_denies(d, y);
		if (roll(d, 3) == 2)
			buf_printf(y, ", path: '%s'", PICK(d, paths));
	}
	if (what == 3)
		buf_puts(y, ", enforcement: audit");
	if (what == 6)
		buf_puts(y, ", allow_encoded_slash: true");
	if (what == 4)
		buf_puts(y, ", tls: skip");
	buf_puts(y, "}\n");
}

static void
put_policy(struct dice *d, struct buf *y)
{
	unsigned n = 1 + roll(d, 3);

	buf_puts(y, "version: 1\nnetwork_policies:\n");
	for (unsigned i = 0; i < n; i++) {
		unsigned endpoints = 1 + roll(d, 2), bins = 1 + roll(d, 2);

		buf_printf(y, "  p%u:\n    endpoints:\n", i);
		for (unsigned k = 0; k < endpoints; k++)
			put_endpoint(d, y);
		buf_puts(y, "    binaries: [");
		for (unsigned k = 0; k < bins; k++)
			buf_printf(y, "%s{path: '%s'}", k > 0 ? ", " : "",
			    PICK(d, binaries));
		buf_puts(y, "]\n");
	}
}

/* --- the points -------------------------------------------------------- */

static const char *const at_programs[] = { "/a", "/d/b", "/d/e/b", "/?" };
static const char *const at_hosts[] = { "x.t", "a.x.t", "b.a.x.t", "y.t",
	"1.2.3.4", "z" };
static const char *const at_methods[] = { "GET", "POST", "HEAD", "FOO",
	"OPTIONS", "WEBSOCKET_TEXT" };
static const char *const at_paths[] = { "/", "/a", "/b", "/a/", "/a/b", "/ba",
	"/a/b/a", "/%20", "/c", "*", "/acb", "/a%2Fa" };
static const char *const at_queries[] = { NULL, "p=a", "p=b", "p=a&p=b", "P=a",
	"P=b&p=a", "P=a&p=b&q=a", "Q=a&p=a", "p=c&p=ab", "p=a&q=a", "p=a&q=b",
	"p=b&q=b", "p=.", "p=" };

struct question {
	const char *methods, *host, *port, *path, *program;
};

static const char *const q_methods[] = { "", "* ", "GET ", "POST,FOO ", "HEAD ",
	"OPTIONS ", "WEBSOCKET_TEXT " };
static const char *const q_hosts[] = { "*", "x.t", "*.x.t", "**.x.t", "1.2.3.4",
	"[ab].x.t", "?" };
static const char *const q_ports[] = { "", ":1", ":2", ":3" };
static const char *const q_paths[] = { "", "/**", "/a", "/a/**", "/*", "/?",
	"/**/b", "/%20" };
static const char *const q_programs[] = { "", "", "/a", "/d/**", "/*" };

/* A message of a WebSocket: its upgrade passes, and what looks into it, too. */
static bool
message_passes(const struct snapshot *s, const struct policy_who *who,
    const struct extent_request *q, enum policy_protocol p)
{
	struct policy_request r = { VIEW("GET"), q->path, q->query };
	struct policy_op text = { .kind = POLICY_OP_TEXT };
	struct policy_reason why;
	struct policy_verdict v;

	policy_decide_request(s, who, q->host, q->port, &r, &v, &why);
	if (v.bad_query || (!v.allow && v.enforcement != POLICY_AUDIT))
		return false;
	if (p == POLICY_PROTO_REST)
		return true;
	policy_decide_op(s, who, q->host, q->port, &r, &text, &v, &why);
	return p == POLICY_PROTO_WEBSOCKET &&
	       (v.allow || v.enforcement == POLICY_AUDIT);
}

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
	if (!conn.allow || conn.tls == POLICY_TLS_SKIP ||
	    !policy_protocol_is_inspected(conn.protocol))
		return conn.allow;
	(void)policy_treat_request(s, &who, q->host, q->port, q->path, &t);
	if (!t.allow_encoded_slash && memmem(q->path.p, q->path.n, "%2F", 3))
		return false;
	if (view_eq(q->method, VIEW("WEBSOCKET_TEXT")))
		return message_passes(s, &who, q, t.protocol);
	policy_decide_request(s, &who, q->host, q->port, &r, &v, &why);
	return v.allow || (!v.bad_query && v.enforcement == POLICY_AUDIT);
}

static bool
globbed(const char *pattern, struct view v, char delim)
{
	struct glob *g = NULL;
	struct err e;
	bool yes;

	if (glob_new(view_of(pattern), delim, &g, &e) < 0)
		abort();
	yes = glob_match(g, v);
	glob_free(g);
	return yes;
}

static bool
in_methods(const char *list, struct view m)
{
	struct view rest = view_trim(view_of(list));

	if (rest.n == 0 || view_eq(rest, VIEW("*")))
		return true;
	while (rest.p != NULL)
		if (view_eq(view_cut(rest, ',', &rest), m))
			return true;
	return false;
}

static bool
in_host(const char *pattern, struct view host)
{
	if (strcmp(pattern, "*") == 0)
		return true;
	if (host.p[0] >= '0' && host.p[0] <= '9') /* no wildcard takes it */
		return view_eq(host, view_of(pattern));
	if (strncmp(pattern, "**.", 3) == 0 && view_eq(host, VIEW("x.t")))
		return false;
	return globbed(pattern, host, '.');
}

static bool
asked(const struct question *a, const struct extent_request *q)
{
	return in_methods(a->methods, q->method) && in_host(a->host, q->host) &&
	       (*a->port == '\0' || a->port[1] - '0' == q->port) &&
	       (*a->path == '\0' || globbed(a->path, q->path, '/')) &&
	       (*a->program == '\0' || globbed(a->program, q->program, '/'));
}

/* --- what must agree
 * ------------------------------------------------ */

struct test {
	struct buf yaml[2], never;
	struct policy *p[2];
	struct snapshot *s[2];
	struct question ask;
	bool queries; /* some rule looks at one */
	bool in_set; /* some point of the set passes in policy 0 */
	bool more, less; /* some point passes in one policy only */
};

#define MUST(t, cond, what) \
	do { \
		if (!(cond)) \
			fail_at(t, what); \
	} while (0)

static void
fail_at(struct test *t, const char *what)
{
	fprintf(stderr, "%s\n--- A\n%s--- B\n%s--- never %s by '%s'\n", what,
	    buf_str(&t->yaml[0]), buf_str(&t->yaml[1]), buf_str(&t->never),
	    t->ask.program);
	abort();
}

static void
see_point(struct test *t, const struct extent_request *q)
{
	bool a = passes(t->s[0], q), b = passes(t->s[1], q);

	t->in_set |= a && asked(&t->ask, q);
	t->more |= b && !a;
	t->less |= a && !b;
}

static void
see_requests(struct test *t, struct extent_request q)
{
	for (size_t m = 0; m < ARRAY_LEN(at_methods); m++)
		for (size_t i = 0; i < ARRAY_LEN(at_paths); i++)
			for (size_t k = 0;
			     k < (t->queries ? ARRAY_LEN(at_queries) : 1);
			     k++) {
				q.method = view_of(at_methods[m]);
				q.path = view_of(at_paths[i]);
				q.query = view_of(at_queries[k]);
				if (view_eq(q.path, VIEW("*")) &&
				    (q.query.n > 0 ||
					!view_eq(q.method, VIEW("OPTIONS"))))
					continue;
				see_point(t, &q);
			}
}

static void
see_points(struct test *t)
{
	struct extent_request q = { .method = VIEW("") };
	struct policy_reason why;
	struct policy_conn a, b;

	for (size_t i = 0; i < ARRAY_LEN(at_programs); i++)
		for (size_t k = 0; k < ARRAY_LEN(at_hosts); k++)
			for (uint16_t port = 1; port <= 2; port++) {
				struct policy_who who = { .exe = view_of(
							      at_programs[i]) };

				q.program = who.exe;
				q.host = view_of(at_hosts[k]);
				q.port = port;
				policy_decide_conn(
				    t->s[0], &who, q.host, port, &a, &why);
				policy_decide_conn(
				    t->s[1], &who, q.host, port, &b, &why);
				if (a.allow || b.allow)
					see_requests(t, q);
			}
}

static void
check_proof(struct test *t)
{
	AUTO_NEVER struct extent_never *n = NULL;
	AUTO_PROOF struct extent_proof r = { 0 };
	struct view program = view_of(t->ask.program);
	struct err e;

	if (extent_never_parse(buf_view(&t->never), &n, &e) < 0 ||
	    extent_prove(t->p[0], n, &program, program.n > 0, &r, &e) < 0)
		fail_at(t, e.text);
	MUST(t, !r.holds || !t->in_set, "proved what is not so");
	if (r.holds)
		return;
	MUST(t, passes(t->s[0], &r.request), "the example does not pass");
	MUST(t, asked(&t->ask, &r.request), "the example is not in the set");
}

static void
check_diff(struct test *t)
{
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	bool more = false, less = false;
	struct err e;

	if (extent_compare(t->p[0], t->p[1], &d, &e) < 0)
		fail_at(t, e.text);
	for (size_t i = 0; i < d.n; i++) {
		const struct extent_change *c = &d.v[i];
		bool a = passes(t->s[0], &c->request);
		bool b = passes(t->s[1], &c->request);

		MUST(t, c->dim == EXTENT_ADDRESS || a != b, "no difference");
		more |= c->kind == EXTENT_WIDENS;
		less |= c->kind == EXTENT_NARROWS;
		MUST(t, c->kind != EXTENT_WIDENS || b, "wider, but denied");
		MUST(t, c->kind != EXTENT_NARROWS || a, "narrower, but denied");
	}
	MUST(t, more || !t->more, "a wider point was not seen");
	MUST(t, less || !t->less, "a narrower point was not seen");
	extent_diff_fini(&d);
	if (extent_compare(t->p[0], t->p[0], &d, &e) < 0)
		fail_at(t, e.text);
	MUST(t, d.n == 0, "differs from itself");
}

static void
make_question(struct dice *d, struct test *t)
{
	t->ask.methods = PICK(d, q_methods);
	t->ask.host = PICK(d, q_hosts);
	t->ask.port = PICK(d, q_ports);
	t->ask.path = PICK(d, q_paths);
	t->ask.program = PICK(d, q_programs);
	t->never = BUF_INIT(256);
	buf_printf(&t->never, "%s%s%s%s", t->ask.methods, t->ask.host,
	    t->ask.port, t->ask.path);
}

static bool
make_policy(struct dice *d, struct test *t, unsigned i)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct err e;

	t->yaml[i] = BUF_INIT(1 << 16);
	put_policy(d, &t->yaml[i]);
	if (p_parse_lenient(buf_view(&t->yaml[i]), P_OVERLAPPING | P_UNENFORCED,
		&t->p[i], &f) < 0) {
		t->p[i] = NULL;
		return false;
	}
	if (snapshot_new(t->p[i], 1, &t->s[i], &e) < 0)
		abort();
	t->queries |= strstr(buf_str(&t->yaml[i]), "query") != NULL;
	return true;
}

/*
 * Two of their own kind, or (mostly) one and an edit of it: the same dice but
 * for one.  false: not valid, which the dice cannot always help.
 */
static bool
make_policies(struct dice *d, struct test *t)
{
	unsigned kind = roll(d, 4), at = roll(d, 128), other = roll(d, 64);
	uint8_t same[128];
	struct dice edited = { same, MIN(d->n, sizeof(same)) };

	if (edited.n > 0)
		memcpy(same, d->p, edited.n);
	if (edited.n > 0)
		same[at % edited.n] = (uint8_t)other;
	return make_policy(d, t, 0) &&
	       make_policy(kind == 0 ? d : &edited, t, 1);
}

void
extent_points_check(const uint8_t *bytes, size_t n)
{
	struct dice d = { bytes, n };
	struct test t = { 0 };

	make_question(&d, &t);
	if (make_policies(&d, &t)) {
		see_points(&t);
		check_proof(&t);
		check_diff(&t);
	}
	for (unsigned i = 0; i < 2; i++) {
		snapshot_unref(t.s[i]);
		policy_free(t.p[i]);
		buf_fini(&t.yaml[i]);
	}
	buf_fini(&t.never);
}
