/*
 * hx_override: what makes many servers act on another method or path than the
 * request line names, which is what was judged.
 */
#include "codec/query.h"
#include "proxy/hx.h"

/* As a server that hands fields on as variables has them (CGI, WSGI): case
 * and the kind of dash are lost. */
static bool
same_variable(struct view a, struct view b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		struct view x = view_slice(a, i, i + 1);

		if (x.p[0] == '_' ? b.p[i] != '-'
				  : !view_eq_nocase(x, view_slice(b, i, i + 1)))
			return false;
	}
	return true;
}

const char *
hx_override(const struct h1_head *h)
{
	static const char *const names[] = { "X-HTTP-Method-Override",
		"X-HTTP-Method", "X-Method-Override", "X-Original-URL",
		"X-Rewrite-URL" };

	for (size_t i = 0; i < h->n_fields; i++) {
		struct view name = h->fields[i].name;

		if (name.n < 13 || (name.p[0] | 0x20) != 'x')
			continue;
		for (size_t j = 0; j < ARRAY_LEN(names); j++)
			if (same_variable(name, view_of(names[j])))
				return names[j];
	}
	return NULL;
}

/*
 * Attack: POST, which is allowed, with ?_method=DELETE.  The rules must allow
 * what it becomes, too.  Of a form in
 * the body nothing is known here.
 */
static __attribute__((noinline)) bool
parameter_permitted(struct px_conn *c, const struct policy_request *r,
    struct policy_verdict *v, struct policy_reason *why)
{
	struct policy_request as = *r;
	struct query q UNINIT;
	struct policy_reason cause;
	size_t at = 0;
	struct err e;

	if (query_decode(r->query, &q, &e) < 0) {
		/* The rules have refused it already. */
		(void)snprintf(why->text, sizeof(why->text), "%s", e.text);
		return false;
	}
	while (query_method(&q, &at, &as.method)) {
		if (px_judge_request(c, c->snap, &as, v, &cause))
			continue;
		c->hx.override = "_method"; /* no rule is suggested */
		(void)snprintf(why->text, sizeof(why->text),
		    "the query's _method makes many servers act on another "
		    "method: %.800s",
		    cause.text);
		return false;
	}
	return true;
}

bool
hx_override_permitted(struct px_conn *c, const struct policy_request *r,
    struct policy_verdict *v, struct policy_reason *why)
{
	if (c->hx.override != NULL) {
		(void)snprintf(why->text, sizeof(why->text),
		    "%s may make the server act on another method or path than "
		    "the one that was judged: send the real ones in the "
		    "request line",
		    c->hx.override);
		return false;
	}
	if (r->query.n == 0 || !view_eq_nocase(r->method, VIEW("POST")) ||
	    policy_protocol_judged(v->protocol) != POLICY_BY_REQUEST)
		return true;
	return parameter_permitted(c, r, v, why);
}
