#include "policy/explain.h"

#include "codec/json.h"
#include "policy/compiled.h"

struct story {
	enum policy_answer answer;
	const char *policy; /* or NULL */
	unsigned endpoint;
	int rule; /* -1 when none was needed */
	bool inspected;
	struct policy_reason why;
	struct buf rule_text, suggestion;
};

static const char *const words[] = {
	[POLICY_ALLOWED] = "allow",
	[POLICY_DENIED] = "deny",
	[POLICY_WOULD_LOG] = "audit",
};

static const struct p_endpoint *
endpoint_of(const struct snapshot *s, const struct story *t)
{
	for (size_t i = 0; i < s->npolicies; i++)
		if (view_eq(s->policies[i].m.key.v, view_of(t->policy)))
			return &p_endpoints(&s->policies[i])[t->endpoint];
	return NULL;
}

/* The method and path, or "access: read-only (GET)" for a rule of a preset. */
static void
describe_rule(const struct snapshot *s, struct story *t)
{
	const struct p_endpoint *e = endpoint_of(s, t);
	const char *const *methods;

	if (e == NULL || t->rule < 0)
		return;
	methods = p_preset(e->access.v);
	if (methods != NULL) {
		buf_puts(&t->rule_text, "access: ");
		buf_put_escaped(&t->rule_text, e->access.v);
		buf_printf(&t->rule_text, " (%s)", methods[t->rule]);
		return;
	}
	buf_put_escaped(&t->rule_text, p_rules(e)[t->rule].allow.method.v);
	buf_putc(&t->rule_text, ' ');
	buf_put_escaped(&t->rule_text, p_rules(e)[t->rule].allow.path.v);
}

static void
judge(const struct snapshot *s, const struct policy_who *who, struct view host,
    uint16_t port, const struct policy_request *r, struct story *t)
{
	struct view none = { NULL, 0 };
	struct policy_conn conn;
	struct policy_verdict v;

	t->rule = -1;
	t->answer = POLICY_DENIED;
	policy_decide_conn(s, who, host, port, &conn, &t->why);
	if (!conn.allow) {
		policy_suggest(s, who, host, port, r != NULL ? r->method : none,
		    r != NULL ? r->path : none, &t->suggestion);
		return;
	}
	t->policy = conn.policy;
	t->endpoint = conn.endpoint;
	t->inspected =
	    conn.protocol == POLICY_PROTO_REST && conn.tls != POLICY_TLS_SKIP;
	if (r == NULL || !t->inspected) {
		t->answer = POLICY_ALLOWED;
		return;
	}
	policy_decide_request(s, who, host, port, r, &v, &t->why);
	t->policy = v.policy != NULL ? v.policy : t->policy;
	t->endpoint = v.policy != NULL ? v.endpoint : t->endpoint;
	if (v.allow) {
		t->answer = POLICY_ALLOWED;
		t->rule = (int)v.rule;
		describe_rule(s, t);
		return;
	}
	if (conn.enforcement == POLICY_AUDIT && !v.bad_query)
		t->answer = POLICY_WOULD_LOG;
	if (!v.bad_query)
		policy_suggest(
		    s, who, host, port, r->method, r->path, &t->suggestion);
}

static void
put_json(struct story *t, struct buf *out)
{
	struct json j = JSON_INIT(out);

	json_open(&j, '{');
	json_key(&j, "verdict");
	json_str(&j, words[t->answer]);
	json_key(&j, "inspected");
	json_bool(&j, t->inspected);
	json_key(&j, "policy");
	json_str(&j, t->policy);
	if (t->policy != NULL) {
		json_key(&j, "endpoint");
		json_uint(&j, t->endpoint);
	}
	if (t->rule >= 0) {
		json_key(&j, "rule");
		json_int(&j, t->rule);
		json_key(&j, "rule_text");
		json_view(&j, buf_view(&t->rule_text));
	}
	if (t->why.text[0] != '\0') {
		json_key(&j, "reason");
		json_str(&j, t->why.text);
	}
	if (t->suggestion.n > 0) {
		json_key(&j, "suggestion");
		json_view(&j, buf_view(&t->suggestion));
	}
	json_close(&j, '}');
	buf_putc(out, '\n');
}

static void
put_text(struct story *t, bool request, struct buf *out)
{
	buf_printf(out, "verdict: %s\n", words[t->answer]);
	if (t->policy != NULL) {
		buf_puts(out, "policy: ");
		buf_put_escaped(out, view_of(t->policy));
		buf_printf(out, "\nendpoint: %u\n", t->endpoint);
	}
	if (t->rule >= 0)
		buf_printf(
		    out, "rule: %d: %s\n", t->rule, buf_str(&t->rule_text));
	if (t->answer == POLICY_ALLOWED && request && !t->inspected)
		buf_puts(out, "note: requests to this endpoint are not "
			      "inspected\n");
	if (t->answer == POLICY_WOULD_LOG)
		buf_puts(out, "note: the endpoint audits: the request is "
			      "logged and forwarded\n");
	if (t->why.text[0] != '\0')
		buf_printf(out, "reason: %s\n", t->why.text);
	if (t->suggestion.n > 0) {
		buf_puts(out, "to allow it, under network_policies:\n");
		buf_put(out, buf_view(&t->suggestion));
	}
}

enum policy_answer
policy_explain(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, const struct policy_request *r, bool json,
    struct buf *out)
{
	struct story t = { .rule_text = BUF_INIT(8192),
		.suggestion = BUF_INIT(32768) };

	judge(s, who, host, port, r, &t);
	if (json)
		put_json(&t, out);
	else
		put_text(&t, r != NULL, out);
	buf_fini(&t.rule_text);
	buf_fini(&t.suggestion);
	return t.answer;
}
