/* edit: see edit.h. */
#include "policy/edit.h"

#include "codec/utf8.h"
#include "policy/merge_impl.h"

struct edit {
	const struct policy_edit *op;
	struct merge g;
	struct err *e;
};

/* --- what is meant -------------------------------------------------------- */

static int
no_rule(const struct edit *d)
{
	return err_set(d->e, ERR_NOT_FOUND, "the policy has no rule '%s'",
	    p_show(d->op->rule).text);
}

static int
no_endpoint(const struct edit *d)
{
	return err_set(d->e, ERR_NOT_FOUND,
	    "the policy has no endpoint %s:%u%s%s%s", p_show(d->op->host).text,
	    d->op->port, d->op->rule.n > 0 ? " in rule '" : "",
	    d->op->rule.n > 0 ? p_show(d->op->rule).text : "",
	    d->op->rule.n > 0 ? "'" : "");
}

static struct p_policy *
need_rule(struct edit *d)
{
	struct p_policy *to = merge_find(&d->g, d->op->rule);

	if (to == NULL)
		(void)no_rule(d);
	return to;
}

static bool
is_meant(const struct edit *d, const struct p_policy *p)
{
	return d->op->rule.n == 0 || view_eq(p->m.key.v, d->op->rule);
}

static bool
is_at(const struct edit *d, const struct p_endpoint *e)
{
	return view_eq_nocase(e->host.v, d->op->host) &&
	       p_has_port(e, d->op->port);
}

/*
 * The one endpoint of that host and port; its rule's list becomes our own.
 * Those that nothing looks into are no place for rules.
 */
static struct p_endpoint *
need_endpoint(struct edit *d)
{
	struct p_endpoint *found = NULL, *v;
	bool closed = false;

	for (size_t i = 0; i < d->g.n; i++) {
		struct p_policy *p = &d->g.v[i];

		if (!is_meant(d, p))
			continue;
		v = merge_copy(
		    &d->g.arena, p->endpoints.v, p->endpoints.n, 0, sizeof(*v));
		p->endpoints.v = v;
		for (size_t k = 0; k < p->endpoints.n; k++) {
			if (!is_at(d, &v[k]))
				continue;
			if (policy_protocol_judged(p_protocol(&v[k])) ==
			    POLICY_BY_CONNECTION) {
				closed = true;
				continue;
			}
			if (found != NULL) {
				(void)err_set(d->e, ERR_EXISTS,
				    "more than one endpoint is %s:%u: name "
				    "the rule",
				    p_show(d->op->host).text, d->op->port);
				return NULL;
			}
			found = &v[k];
		}
	}
	if (found == NULL && closed)
		(void)err_set(d->e, ERR_INVALID,
		    "requests to %s:%u are not looked into: give the endpoint "
		    "a protocol first",
		    p_show(d->op->host).text, d->op->port);
	else if (found == NULL)
		(void)no_endpoint(d);
	return found;
}

/* --- removing ------------------------------------------------------------- */

static int
remove_rule(struct edit *d)
{
	struct p_policy *to = need_rule(d);

	if (to == NULL)
		return -1;
	merge_drop(&d->g, to);
	return 0;
}

static int
remove_binary(struct edit *d)
{
	struct p_policy *to = need_rule(d);
	struct p_binary *v;
	size_t n = 0;

	if (to == NULL)
		return -1;
	v = ARENA_ARRAY(&d->g.arena, to->binaries.n + 1, struct p_binary);
	for (size_t i = 0; i < to->binaries.n; i++)
		if (!view_eq(p_binaries(to)[i].path.v, d->op->binary))
			v[n++] = p_binaries(to)[i];
	if (n == to->binaries.n)
		return err_set(d->e, ERR_NOT_FOUND,
		    "rule '%s' has no binary '%s'", p_show(d->op->rule).text,
		    p_show(d->op->binary).text);
	to->binaries.v = v;
	to->binaries.n = n;
	if (n == 0)
		merge_drop(&d->g, to);
	return 0;
}

/* The endpoint without that port; false when it was its last. */
static bool
drop_port(struct edit *d, struct p_endpoint *e)
{
	struct p_uint *v =
	    ARENA_ARRAY(&d->g.arena, e->ports.n + 1, struct p_uint);
	size_t n = 0;

	for (size_t i = 0; i < e->ports.n; i++)
		if (e->ports.v[i].v != d->op->port)
			v[n++] = e->ports.v[i];
	e->ports.v = v;
	e->ports.n = n;
	e->port.v = n == 1 ? v[0].v : 0;
	return n > 0;
}

static size_t
drop_endpoints(struct edit *d, struct p_policy *p)
{
	struct p_endpoint *v = merge_copy(
	    &d->g.arena, p->endpoints.v, p->endpoints.n, 0, sizeof(*v));
	size_t n = 0, hits = 0;

	for (size_t i = 0; i < p->endpoints.n; i++) {
		bool at = is_at(d, &v[i]);

		hits += at;
		if (!at || drop_port(d, &v[i]))
			v[n++] = v[i];
	}
	p->endpoints.v = v;
	p->endpoints.n = n;
	return hits;
}

static int
remove_endpoint(struct edit *d)
{
	size_t hits = 0;

	if (d->op->rule.n > 0 && need_rule(d) == NULL)
		return -1;
	for (size_t i = d->g.n; i > 0; i--) {
		struct p_policy *p = &d->g.v[i - 1];
		size_t n = is_meant(d, p) ? drop_endpoints(d, p) : 0;

		hits += n;
		if (n > 0 && p->endpoints.n == 0)
			merge_drop(&d->g, p);
	}
	return hits > 0 ? 0 : no_endpoint(d);
}

/* --- adding --------------------------------------------------------------- */

static const struct p_endpoint *
given(const struct edit *d)
{
	return &p_endpoints(&p_policies(d->op->what)[0])[0];
}

/* A preset as the rules that it stands for. */
static int
spell_out(struct edit *d, struct p_endpoint *to)
{
	enum policy_protocol protocol = p_protocol(to);
	const char *const *words = p_preset(protocol, to->access.v);
	struct p_rule *v =
	    ARENA_ARRAY(&d->g.arena, PL_PRESET_MAX + 1, struct p_rule);
	size_t n = 0;

	if (to->access.v.n == 0)
		return 0;
	if (words == NULL || (protocol != POLICY_PROTO_REST &&
				 protocol != POLICY_PROTO_WEBSOCKET))
		return err_set(d->e, ERR_INVALID,
		    "the endpoint %s:%u has 'access: %s': write rules in its "
		    "place first",
		    p_show(d->op->host).text, d->op->port,
		    p_show(to->access.v).text);
	for (; words[n] != NULL; n++) {
		v[n].m.h.set = v[n].allow.m.h.set = true;
		v[n].allow.method.v = view_of(words[n]);
		v[n].allow.path.v = VIEW("**");
	}
	to->rules.v = v;
	to->rules.n = n;
	to->access = (struct p_str) { 0 };
	return 0;
}

static int
add_allow(struct edit *d)
{
	struct p_endpoint *to = need_endpoint(d);
	struct p_list more;

	if (to == NULL || spell_out(d, to) < 0)
		return -1;
	more = merge_rules(&d->g.arena, given(d), to, false);
	merge_add_rules(&d->g.arena, to, &more);
	return 0;
}

static int
add_deny(struct edit *d)
{
	struct p_endpoint *to = need_endpoint(d);
	const struct p_list *more;
	struct p_allow *v;

	if (to == NULL)
		return -1;
	more = &given(d)->deny_rules;
	if (more->n == 0)
		return 0;
	v = merge_copy(&d->g.arena, to->deny_rules.v, to->deny_rules.n, more->n,
	    sizeof(*v));
	memcpy(v + to->deny_rules.n, more->v, more->n * sizeof(*v));
	to->deny_rules.v = v;
	to->deny_rules.n += more->n;
	return 0;
}

static int (*const ops[])(struct edit *d) = {
	[EDIT_REMOVE_ENDPOINT] = remove_endpoint,
	[EDIT_REMOVE_RULE] = remove_rule,
	[EDIT_ADD_DENY_RULES] = add_deny,
	[EDIT_ADD_ALLOW_RULES] = add_allow,
	[EDIT_REMOVE_BINARY] = remove_binary,
};

const char *
policy_edit_protocol(const struct policy *base, const struct policy_edit *op)
{
	const struct edit d = { .op = op };
	enum policy_protocol found = POLICY_PROTO_NONE;

	for (size_t i = 0; i < base->top.network_policies.n; i++) {
		const struct p_policy *p = &p_policies(base)[i];

		for (size_t k = 0; is_meant(&d, p) && k < p->endpoints.n; k++) {
			const struct p_endpoint *e = &p_endpoints(p)[k];
			enum policy_protocol is = p_protocol(e);

			if (!is_at(&d, e) ||
			    policy_protocol_judged(is) == POLICY_BY_CONNECTION)
				continue;
			if (found != POLICY_PROTO_NONE && found != is)
				return "";
			found = is;
		}
	}
	return policy_protocol_word(found);
}

/* --- one after the other -------------------------------------------------- */

static int
no_policy(const struct policy_findings *f, struct err *e)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->v[i].warning) {
			struct view v = utf8_clip(view_of(f->v[i].text), 400);

			return err_set(e, ERR_INVALID,
			    "the policy would be invalid: %.*s", (int)v.n, v.p);
		}
	return err_set(e, ERR_INVALID, "the policy would be too large");
}

static int
run(const struct policy *base, const struct policy_edit *op,
    struct policy **next, struct err *e)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_MERGED struct policy_merged m = { 0 };
	struct edit d = { .op = op, .e = e };
	int rc;

	if (op->kind == EDIT_ADD_RULE)
		return policy_merge(base, op->what, next, &m, &f) == 0
			   ? 0
			   : no_policy(&f, e);
	merge_begin(&d.g, base);
	rc = ops[op->kind](&d);
	if (rc == 0 && merge_finish(&d.g, next, &f) < 0)
		rc = no_policy(&f, e);
	arena_fini(&d.g.arena);
	return rc;
}

int
policy_edit(const struct policy *base, const struct policy_edit *v, size_t n,
    struct policy **next, struct err *e)
{
	struct policy *now = policy_ref(base);
	char was[65], is[65];

	for (size_t i = 0; i < n; i++) {
		struct policy *step = NULL;

		if (run(now, &v[i], &step, e) < 0) {
			policy_free(now);
			return -1;
		}
		if (step == NULL)
			continue;
		policy_free(now);
		now = step;
	}
	policy_hash(base, was);
	policy_hash(now, is);
	if (strcmp(was, is) == 0) {
		policy_free(now);
		now = NULL;
	}
	*next = now;
	return 0;
}
