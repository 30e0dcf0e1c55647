/* openshell policy test FILE --binary PATH METHOD URL */
#include "base/mem.h"
#include "cli/policy_file.h"
#include "codec/json.h"
#include "codec/query.h"
#include "http/target.h"
#include "policy/decide.h"

struct args {
	const char *file, *method, *url, *binary;
	struct cli_list ancestors;
	unsigned output;
};

enum { OUT_TABLE, OUT_JSON };
static const char *const outputs[] = { "table", "json", NULL };

static const struct cli_opt opts[] = {
	{ .name = "binary",
	    .letter = 'b',
	    .kind = OPT_STR,
	    OPT(binary),
	    .value = "PATH",
	    .required = true,
	    .hint = HINT_FILE,
	    .help = "The program that asks, as the sandbox names it" },
	{ .name = "ancestor",
	    .kind = OPT_LIST,
	    OPT(ancestors),
	    .value = "PATH",
	    .hint = HINT_FILE,
	    .help = "A parent of the program, nearest first" },
	{ .name = "output",
	    .letter = 'o',
	    .kind = OPT_ENUM,
	    OPT(output),
	    .value = "FORMAT",
	    .choices = outputs,
	    .help = "How to print" },
	OPT_END
};

static const struct cli_pos pos[] = { POLICY_FILE_POS(file),
	{ .name = "METHOD",
	    .kind = OPT_STR,
	    OPT(method),
	    .help = "The request's method; CONNECT asks about the connection "
		    "alone" },
	{ .name = "URL",
	    .kind = OPT_STR,
	    OPT(url),
	    .help = "An http or https URL; HOST:PORT after CONNECT" },
	{ 0 } };

/* What is asked, and the answer. */
struct question {
	struct authority to;
	struct target target;
	bool connect_only;
};

struct answer {
	const char *verdict; /* "allow", "audit", "deny" */
	const char *policy;
	char rule[64]; /* "endpoints[0].rules[1]" */
	struct policy_reason reason;
	struct buf suggestion;
};

static int
parse_question(const struct args *a, struct buf *scratch, struct question *q,
    struct err *e)
{
	struct view rest;
	bool https;

	q->connect_only = strcmp(a->method, "CONNECT") == 0;
	if (q->connect_only)
		return authority_parse(view_of(a->url), 0, &q->to, e);
	if (absolute_parse(view_of(a->url), &https, &q->to, &rest, scratch, e) <
	    0)
		return -1;
	return target_canonical(rest, true, &q->target, e);
}

/* As the proxy: an encoded slash needs an endpoint that says so. */
static bool
slash_permitted(const struct snapshot *s, const struct policy_who *who,
    const struct question *q, struct policy_reason *why)
{
	struct view path = buf_view(&q->target.path);
	struct policy_treatment t;

	if (!target_has_slash(path) ||
	    (policy_treat_request(
		 s, who, view_of(q->to.host), q->to.port, path, &t) &&
		t.allow_encoded_slash))
		return true;
	(void)snprintf(why->text, sizeof(why->text),
	    "request-target holds an encoded slash, which needs an endpoint "
	    "with allow_encoded_slash");
	return false;
}

static void
put_verdict(struct answer *r, const struct policy_verdict *v)
{
	if (v->policy != NULL)
		r->policy = v->policy;
	r->rule[0] = '\0';
	if (v->rule != POLICY_NO_RULE)
		(void)snprintf(r->rule, sizeof(r->rule), "endpoints[%u].%s[%u]",
		    v->endpoint, v->by_deny_rule ? "deny_rules" : "rules",
		    v->rule);
	if (!v->allow)
		r->verdict = v->enforcement == POLICY_AUDIT && !v->bad_query
				 ? "audit"
				 : "deny";
}

/* As the proxy does: a POST is judged by the methods that its query gives.
 * False: one of them is not allowed. */
static bool
other_methods_permitted(const struct snapshot *s, const struct policy_who *who,
    const struct question *q, const struct policy_request *req,
    struct policy_verdict *v, struct answer *r)
{
	struct policy_request as = *req;
	struct policy_reason cause;
	struct query query;
	size_t at = 0;
	struct err e;

	if (query_decode(req->query, &query, &e) < 0)
		return true; /* it was not allowed */
	while (v->allow && query_method(&query, &at, &as.method)) {
		policy_decide_request(
		    s, who, view_of(q->to.host), q->to.port, &as, v, &cause);
		if (!v->allow)
			(void)snprintf(r->reason.text, sizeof(r->reason.text),
			    "the query's _method makes many servers act on "
			    "another method: %.800s",
			    cause.text);
	}
	return v->allow;
}

static void
ask(const struct snapshot *s, const struct policy_who *who, const char *method,
    const struct question *q, struct answer *r)
{
	struct view host = view_of(q->to.host), m = { 0 }, path = { 0 };
	struct policy_conn conn = { 0 };
	struct policy_verdict v = { 0 };
	bool hopeless = false; /* no rule about this very request would help */

	policy_decide_conn(s, who, host, q->to.port, &conn, &r->reason);
	r->policy = conn.policy;
	r->verdict = "deny";
	if (conn.allow) {
		r->verdict = "allow";
		(void)snprintf(
		    r->rule, sizeof(r->rule), "endpoints[%u]", conn.endpoint);
	}
	if (conn.allow && !q->connect_only &&
	    !slash_permitted(s, who, q, &r->reason)) {
		r->verdict = "deny";
		return; /* no rule would let it pass */
	}
	if (conn.allow && !q->connect_only &&
	    policy_protocol_is_inspected(conn.protocol)) {
		struct policy_request req = { view_of(method),
			buf_view(&q->target.path), q->target.query };

		policy_decide_request(
		    s, who, host, q->to.port, &req, &v, &r->reason);
		m = req.method;
		path = req.path;
		if (v.allow && view_eq_nocase(m, VIEW("POST")) &&
		    policy_protocol_judged(v.protocol) == POLICY_BY_REQUEST)
			hopeless =
			    !other_methods_permitted(s, who, q, &req, &v, r);
		put_verdict(r, &v);
	}
	if (strcmp(r->verdict, "allow") == 0)
		(void)snprintf(r->reason.text, sizeof(r->reason.text), "%s",
		    v.operations ? "each operation in it is judged, too" : "");
	else if (!v.bad_query && !hopeless)
		policy_suggest(
		    s, who, host, q->to.port, m, path, &r->suggestion);
}

static void
put_json(const struct args *a, const struct question *q, const struct answer *r,
    struct buf *out)
{
	struct json j = JSON_INIT(out);

	json_open(&j, '{');
	json_key(&j, "verdict");
	json_str(&j, r->verdict);
	json_key(&j, "method");
	json_str(&j, a->method);
	json_key(&j, "host");
	json_str(&j, q->to.host);
	json_key(&j, "port");
	json_uint(&j, q->to.port);
	if (!q->connect_only) {
		json_key(&j, "path");
		json_view(&j, buf_view(&q->target.path));
	}
	json_key(&j, "binary");
	json_str(&j, a->binary);
	json_key(&j, "policy");
	json_str(&j, r->policy);
	json_key(&j, "rule");
	json_str(&j, r->rule[0] != '\0' ? r->rule : NULL);
	json_key(&j, "reason");
	json_str(&j, r->reason.text[0] != '\0' ? r->reason.text : NULL);
	json_key(&j, "suggestion");
	if (r->suggestion.n > 0)
		json_view(&j, buf_view(&r->suggestion));
	else
		json_none(&j);
	json_close(&j, '}');
	buf_putc(out, '\n');
}

static void
put_row(struct cli *c, struct buf *out, const char *label, const char *value)
{
	AUTO_BUF struct buf padded = BUF_INIT(64);

	if (value == NULL || *value == '\0')
		return;
	buf_printf(&padded, "%-12s", label);
	cli_paint(out, c->color_out, COLOR_LABEL, buf_str(&padded));
	buf_put_escaped(out, view_of(value));
	buf_putc(out, '\n');
}

static void
put_table(struct cli *c, const struct answer *r, struct buf *out)
{
	struct view rest = buf_view(&r->suggestion);

	put_row(c, out, "Verdict:", r->verdict);
	put_row(c, out, "Policy:", r->policy);
	put_row(c, out, "Rule:", r->rule);
	put_row(c, out, "Reason:", r->reason.text);
	if (rest.n == 0)
		return;
	put_row(
	    c, out, "Suggestion:", "the smallest change that would allow it:");
	while (rest.n > 0) {
		struct view line = view_cut(rest, '\n', &rest);

		buf_puts(out, "  ");
		buf_put_escaped(out, line);
		buf_putc(out, '\n');
	}
}

static int
answer(struct cli *c, const struct args *a, const struct policy *p,
    const struct question *q, struct err *e)
{
	struct snapshot *s = NULL;
	struct policy_who who = { .exe = view_of(a->binary) };
	struct answer r = { .suggestion = BUF_INIT(65536) };
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	int rc;

	for (size_t i = 0; i < a->ancestors.n && i < ARRAY_LEN(who.ancestors);
	     i++)
		who.ancestors[who.n_ancestors++] = view_of(a->ancestors.v[i]);
	if (snapshot_new(p, 1, &s, e) < 0)
		return -1;
	ask(s, &who, a->method, q, &r);
	if (a->output == OUT_JSON)
		put_json(a, q, &r, &out);
	else
		put_table(c, &r, &out);
	rc = cli_out(c, &out, e);
	if (rc == 0 && strcmp(r.verdict, "deny") == 0)
		rc = CLI_FAILED;
	buf_fini(&r.suggestion);
	snapshot_unref(s);
	return rc;
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_POLICY struct policy *p = NULL;
	AUTO_BUF struct buf scratch = BUF_INIT(TARGET_MAX + 2);
	struct question q = { 0 };
	int rc;

	if (a->binary[0] != '/')
		return err_set(e, ERR_INVALID,
		    "--binary %.200s is not an absolute path", a->binary);
	rc = parse_question(a, &scratch, &q, e);
	if (rc < 0)
		(void)err_wrap(e, "cannot judge %.200s", a->url);
	else
		rc = policy_load(c, a->file, &p, e);
	if (rc == 0)
		rc = answer(c, a, p, &q, e);
	else if (rc > 0)
		rc = CLI_USAGE;
	target_fini(&q.target);
	return rc;
}

const struct cli_cmd cmd_policy_test = {
	.path = "policy test",
	.summary = "Ask a policy about one request",
	.about = "Judges one request as the proxy of a sandbox would, without "
		 "a sandbox and without touching the network, and says which "
		 "policy and rule decided and what would have to change. The "
		 "check of resolved addresses needs a name to be resolved and "
		 "is left out.\n"
		 "\n"
		 "An endpoint without a protocol is not inspected: every "
		 "request to it is allowed when its connection is.",
	.status = "0 when the request is allowed (also by an endpoint that "
		  "only audits), 1 when it is denied, 2 when the question or "
		  "the policy is wrong.",
	.examples = "openshell policy test p.yaml -b /usr/bin/curl GET "
		    "https://api.github.com/zen\n"
		    "openshell policy test p.yaml -b /usr/bin/git CONNECT "
		    "github.com:443",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.fail_status = CLI_USAGE,
	.run = run,
};
