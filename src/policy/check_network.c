/*
 * check_network: what each endpoint, rule and binary says must make sense by
 * itself.  A rule that could never match, or a restriction that would silently
 * not restrict, is an error.
 */
#include "codec/glob.h"
#include "policy/model.h"

struct place {
	struct policy_findings *f;
	char text[512]; /* "github.endpoints[0]" */
};

#define ERROR(pl, where, fmt, ...) \
	p_error((pl)->f, (where), "network", "%s: " fmt, (pl)->text, \
	    ##__VA_ARGS__)
#define WARN(pl, where, fmt, ...) \
	p_warn((pl)->f, (where), "network", "%s: " fmt, (pl)->text, \
	    ##__VA_ARGS__)

static bool
contains(struct view v, const char *part)
{
	return v.n > 0 && memmem(v.p, v.n, part, strlen(part)) != NULL;
}

static bool
is_word(struct view v, const char *const *words, bool nocase)
{
	for (; *words != NULL; words++)
		if (nocase ? view_eq_nocase(v, view_of(*words))
			   : view_eq(v, view_of(*words)))
			return true;
	return false;
}

static void
check_glob(struct place *pl, const struct p_str *s, char delim)
{
	struct glob *g = NULL;
	struct err e;

	if (glob_new(s->v, delim, &g, &e) < 0)
		ERROR(pl, s->h.at, "glob pattern '%s'%s %s", p_show(s->v).text,
		    e.code == ERR_LIMIT ? ":" : " has", e.text);
	else if (contains(s->v, "]") && !contains(s->v, "[") &&
		 !contains(s->v, "\\]"))
		WARN(pl, s->h.at, "glob pattern '%s' has unmatched ']'",
		    p_show(s->v).text);
	glob_free(g);
}

static size_t
labels(struct view v)
{
	size_t n = 1;

	for (size_t i = 0; i < v.n; i++)
		n += v.p[i] == '.';
	return n;
}

static void
check_host(struct place *pl, const struct p_endpoint *e)
{
	const struct p_str *h = &e->host;
	struct p_shown shown = p_show(h->v);
	enum p_hostkind kind;
	struct p_host name;

	if (h->h.bad)
		return;
	if (h->v.n == 0) {
		if (e->allowed_ips.n == 0 && !e->allowed_ips.h.bad)
			ERROR(pl, h->h.set ? h->h.at : e->m.h.at,
			    "an endpoint without host needs allowed_ips");
		return;
	}
	if (view_eq(h->v, VIEW("*")) || view_eq(h->v, VIEW("**"))) {
		ERROR(pl, h->h.at,
		    "host wildcard '%s' matches all hosts; use "
		    "specific patterns like '*.example.com'",
		    shown.text);
		return;
	}
	if (contains(h->v, "*") && !view_starts(h->v, VIEW("*.")) &&
	    !view_starts(h->v, VIEW("**."))) {
		ERROR(pl, h->h.at,
		    "host wildcard must start with '*.' or "
		    "'**.' (e.g., '*.example.com'), got '%s'",
		    shown.text);
		return;
	}
	if (p_host_selector(h->v, &kind, &name) < 0) {
		if (kind == HOST_EXACT)
			ERROR(pl, h->h.at,
			    "host '%s' is not a valid name or "
			    "address",
			    shown.text);
		else
			ERROR(pl, h->h.at,
			    "host wildcard '%s' must be "
			    "followed by a plain name",
			    shown.text);
	} else if (kind != HOST_EXACT && labels(h->v) <= 2)
		WARN(pl, h->h.at,
		    "host wildcard '%s' is very broad (covers "
		    "all subdomains of a TLD)",
		    shown.text);
}

/* Ranges that no list can open, of spec'd always-blocked addresses. */
static const char *const blocked[] = {
	"0.0.0.0/8",
	"127.0.0.0/8",
	"169.254.0.0/16",
	"224.0.0.0/4",
	"240.0.0.0/4",
	"::/96",
	"fe80::/10",
	"ff00::/8",
};

/* Single addresses: lists around them are fine, lists of them are not. */
static const char *const blocked_hosts[] = {
	"100.100.100.200",
	"168.63.129.16",
	"fd00:ec2::254",
};

static bool
covers(const struct policy_net *outer, const struct policy_net *inner)
{
	struct policy_net n = *inner;

	if (outer->family != inner->family || outer->prefix > inner->prefix)
		return false;
	n.prefix = outer->prefix;
	p_net_mask(&n);
	return memcmp(n.addr, outer->addr, sizeof(n.addr)) == 0;
}

/* Where IPv6 addresses carry an IPv4 one. */
static const struct {
	const char *net;
	unsigned at;
	uint8_t flip; /* Teredo inverts it, RFC 4380 section 4 */
} embedded[] = {
	{ "64:ff9b::/96", 12, 0 },
	{ "2002::/16", 2, 0 },
	{ "2001::/32", 12, 0xff },
};

/* The IPv4 network inside; false when there is none or all of them are. */
static bool
unembed(const struct policy_net *n, struct policy_net *out)
{
	struct policy_net range;

	for (size_t i = 0; i < ARRAY_LEN(embedded); i++) {
		unsigned at = embedded[i].at;

		if (p_net_parse(view_of(embedded[i].net), &range) < 0 ||
		    !covers(&range, n) || n->prefix <= 8 * at)
			continue;
		*out = (struct policy_net) {
			.family = 4,
			.prefix = (uint8_t)MIN(32u, n->prefix - 8 * at),
		};
		for (unsigned k = 0; k < 4; k++)
			out->addr[k] = n->addr[at + k] ^ embedded[i].flip;
		p_net_mask(out);
		return true;
	}
	return false;
}

static bool
is_blocked(const struct policy_net *n)
{
	struct policy_net b, inner;

	if (unembed(n, &inner))
		return is_blocked(&inner);

	for (size_t i = 0; i < ARRAY_LEN(blocked); i++)
		if (p_net_parse(view_of(blocked[i]), &b) == 0 &&
		    (covers(&b, n) || covers(n, &b)))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(blocked_hosts); i++)
		if (p_net_parse(view_of(blocked_hosts[i]), &b) == 0 &&
		    covers(&b, n))
			return true;
	return false;
}

static void
check_nets(struct place *pl, const struct p_strs *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct p_str *s = &list->v[i];
		struct p_shown shown = p_show(s->v);
		struct policy_net n;

		if (p_net_parse(s->v, &n) < 0)
			ERROR(pl, s->h.at, "invalid CIDR/IP in allowed_ips: %s",
			    shown.text);
		else if (is_blocked(&n))
			ERROR(pl, s->h.at,
			    "allowed_ips entry '%s' overlaps "
			    "addresses that are always blocked",
			    shown.text);
		else if (n.prefix < 16)
			WARN(pl, s->h.at,
			    "allowed_ips entry '%s' is very broad", shown.text);
	}
}

static bool
has_port(const struct p_endpoint *e, uint32_t port)
{
	for (size_t i = 0; i < e->ports.n; i++)
		if (e->ports.v[i].v == port)
			return true;
	return false;
}

/*
 * The words an endpoint may use; unknown ones must not fall back to less.
 * Only a protocol may be in any case: elsewhere another spelling has always
 * meant the stricter default, which "Skip" or "AUDIT" must not come to widen.
 */
static const struct word {
	size_t offset;
	const char *what, *expected;
	const char *const *words;
	bool nocase;
} words[] = {
	{ offsetof(struct p_endpoint, tls), "tls", "skip",
	    (const char *const[]) {
		"skip", "auto", "terminate", "passthrough", NULL },
	    false },
	{ offsetof(struct p_endpoint, enforcement), "enforcement",
	    "enforce or audit",
	    (const char *const[]) { "enforce", "audit", NULL }, false },
	{ offsetof(struct p_endpoint, access), "access preset",
	    "read-only, read-write, or full",
	    (const char *const[]) { "read-only", "read-write", "full", NULL },
	    false },
};

static void
check_protocol(struct place *pl, const struct p_str *s, bool known)
{
	AUTO_BUF struct buf known_words = BUF_INIT(256);

	if (s->v.n == 0 || known)
		return;
	for (int i = POLICY_PROTO_NONE + 1; i < POLICY_PROTOCOLS; i++)
		buf_printf(&known_words, "%s%s",
		    i == POLICY_PROTOCOLS - 1 ? " or "
		    : known_words.n > 0       ? ", "
					      : "",
		    policy_protocol_word((enum policy_protocol)i));
	ERROR(pl, s->h.at, "unknown protocol '%s' (expected %s)",
	    p_show(s->v).text, buf_str(&known_words));
}

static void
check_words(struct place *pl, const struct p_endpoint *e)
{
	check_protocol(pl, &e->protocol, p_protocol(e) != POLICY_PROTO_NONE);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const struct p_str *s =
		    (const void *)((const char *)e + words[i].offset);

		if (s->v.n > 0 &&
		    !is_word(s->v, words[i].words, words[i].nocase))
			ERROR(pl, s->h.at, "unknown %s '%s' (expected %s)",
			    words[i].what, p_show(s->v).text,
			    words[i].expected);
	}
}

static bool
word_is(const struct p_str *s, const char *word)
{
	return view_eq_nocase(s->v, view_of(word));
}

static void
check_treatment(struct place *pl, const struct p_endpoint *e)
{
	bool rules = e->rules.n > 0 || e->rules.h.bad;
	bool access = e->access.v.n > 0 || e->access.h.bad;
	bool protocol = e->protocol.v.n > 0;

	if (rules && access)
		ERROR(pl, e->access.h.at,
		    "rules and access are mutually exclusive");
	if (protocol && !rules && !access && !e->rules.h.set)
		ERROR(pl, e->protocol.h.at,
		    "protocol requires rules or access "
		    "to define allowed traffic");
	if (e->rules.h.set && e->rules.n == 0 && !e->rules.h.bad)
		ERROR(pl, e->rules.h.at,
		    "rules list cannot be empty (would "
		    "deny all traffic). Use `access: full` or remove rules.");
	/*
	 * Attack: a restriction that looks like one and is none.  Without a
	 * protocol nothing looks at requests (section 1.2: "L4 only"), so
	 * `access: read-only` or rules would silently let everything pass.
	 * `access: full` says just that and is taken; so is `access` left
	 * empty.  No row of 1.6 (c) gives the others a meaning to keep.
	 */
	if (!protocol && !e->protocol.h.bad &&
	    (e->rules.n > 0 ||
		(e->access.v.n > 0 && !word_is(&e->access, "full"))))
		ERROR(pl, rules ? e->rules.h.at : e->access.h.at,
		    "rules and access need a protocol (add 'protocol: rest'); "
		    "without one every request would pass");
	if (!policy_protocol_is_inspected(p_protocol(e)) &&
	    !e->protocol.h.bad && (e->deny_rules.h.set || e->path.v.n > 0))
		ERROR(pl, e->m.h.at,
		    "deny_rules and path need a protocol whose requests are "
		    "judged (add 'protocol: rest')");
	if (word_is(&e->tls, "terminate") || word_is(&e->tls, "passthrough"))
		WARN(pl, e->tls.h.at,
		    "'tls: %s' is deprecated; TLS "
		    "termination is now automatic. Use 'tls: skip' to disable.",
		    p_show(e->tls.v).text);
	if (word_is(&e->tls, "skip") && protocol)
		WARN(pl, e->tls.h.at, "'tls: skip' with L7 rules%s: %s",
		    has_port(e, 443) ? " on port 443" : "",
		    "the tunnel is passed on as it is, no request is judged");
	if (word_is(&e->protocol, "sql") && word_is(&e->enforcement, "enforce"))
		ERROR(pl, e->enforcement.h.at,
		    "SQL enforcement requires full "
		    "SQL parsing, which is not available; use audit");
	if (e->ports.n == 0 && !e->ports.h.bad && !e->port.h.bad)
		WARN(pl, e->m.h.at, "no port: the endpoint never matches");
}

static void
check_query(struct place *pl, const struct p_query *q)
{
	size_t stem = strlen(pl->text);

	for (size_t i = 0; i < q->n; i++) {
		const struct p_matcher *m = &q->v[i];

		snprintf(pl->text + stem, sizeof(pl->text) - stem,
		    ".allow.query.%s%s", p_show(m->name.v).text,
		    m->any ? ".any" : "");
		for (size_t k = 0; k < m->globs.n; k++) {
			const struct p_str *s = &m->globs.v[k];

			check_glob(pl, s, '.');
			if (contains(s->v, "*") && !contains(s->v, ".") &&
			    !contains(s->v, "**"))
				WARN(pl, s->h.at,
				    "glob pattern '%s': '*' does "
				    "not match '.' in a query value",
				    p_show(s->v).text);
		}
		pl->text[stem] = '\0';
	}
}

/* Of the wildcards, only "**" as a component can stand for the first '/'. */
static bool
may_begin_with_slash(struct view v)
{
	return view_eq(v, VIEW("**")) || view_starts(v, VIEW("**/")) ||
	       memchr("/{\\", v.p[0], 3) != NULL;
}

static void
check_rule(struct place *pl, const struct p_allow *a)
{
	static const char *const known[] = { "GET", "HEAD", "POST", "PUT",
		"DELETE", "PATCH", "OPTIONS", "*", NULL };

	if (a->m.h.bad || !a->m.h.set)
		return;
	if (a->method.v.n == 0 && !a->method.h.bad)
		ERROR(pl, a->m.h.at,
		    "method is missing: the rule would never "
		    "match (use '*' for any)");
	else if (!is_word(a->method.v, known, true) && !a->method.h.bad)
		WARN(pl, a->method.h.at,
		    "Unknown HTTP method '%s'. Standard "
		    "methods: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS",
		    p_show(a->method.v).text);
	if (a->path.v.n == 0 && !a->path.h.bad)
		ERROR(pl, a->m.h.at,
		    "path is missing: the rule would never "
		    "match (use '**' for any)");
	else if (a->path.v.n > 0) {
		check_glob(pl, &a->path, '/');
		if (!may_begin_with_slash(a->path.v))
			WARN(pl, a->path.h.at,
			    "path '%s' does not begin with '/': the rule "
			    "never matches (use '**' for any)",
			    p_show(a->path.v).text);
	}
	check_query(pl, &a->query);
}

static void
check_rules(struct place *pl, const struct p_endpoint *e)
{
	size_t stem = strlen(pl->text);

	if (!word_is(&e->protocol, "rest"))
		return;
	for (size_t i = 0; i < e->rules.n; i++) {
		snprintf(
		    pl->text + stem, sizeof(pl->text) - stem, ".rules[%zu]", i);
		check_rule(pl, &p_rules(e)[i].allow);
		pl->text[stem] = '\0';
	}
}

static void
check_endpoint(struct place *pl, const struct p_endpoint *e)
{
	if (e->m.h.bad)
		return;
	check_host(pl, e);
	check_words(pl, e);
	check_treatment(pl, e);
	check_rules(pl, e);
	check_nets(pl, &e->allowed_ips);
}

static void
check_binary(struct place *pl, const struct p_binary *b)
{
	if (b->m.h.bad || b->path.h.bad || !b->path.h.set)
		return;
	if (!view_starts(b->path.v, VIEW("/")))
		ERROR(pl, b->path.h.at, "path must be absolute: '%s'",
		    p_show(b->path.v).text);
	if (contains(b->path.v, "*"))
		check_glob(pl, &b->path, '/');
}

/* Names end up in logs and response fields. */
static void
check_name(struct place *pl, const struct p_str *s)
{
	if (s->h.set && p_has_control(s->v))
		ERROR(pl, s->h.at, "name has control characters");
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

			n += e->ports.n * (1 + e->rules.n);
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
		struct place pl = { .f = f };
		size_t errors;

		snprintf(pl.text, sizeof(pl.text), "%s", key.text);
		check_name(&pl, &n->m.key);
		check_name(&pl, &n->name);
		if (n->m.key.v.n == 0)
			ERROR(&pl, n->m.key.h.at, "a policy needs a name");
		if (n->endpoints.n == 0 && !n->endpoints.h.bad && !n->m.h.bad)
			WARN(&pl, n->m.h.at,
			    "no endpoints: the policy never matches");
		if (n->binaries.n == 0 && !n->binaries.h.bad && !n->m.h.bad)
			WARN(&pl, n->m.h.at,
			    "no binaries: the policy never matches");
		for (size_t k = 0; k < n->endpoints.n; k++) {
			snprintf(pl.text, sizeof(pl.text), "%s.endpoints[%zu]",
			    key.text, k);
			errors = f->errors;
			check_endpoint(&pl, &e[k]);
			e[k].m.faulty |= f->errors > errors;
		}
		for (size_t k = 0; k < n->binaries.n; k++) {
			snprintf(pl.text, sizeof(pl.text), "%s.binaries[%zu]",
			    key.text, k);
			check_binary(&pl, &p_binaries(n)[k]);
		}
	}
}
