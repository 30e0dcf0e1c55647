#include "proxy/proposal.h"

#include "base/mem.h"
#include "codec/json.h"
#include "codec/utf8.h"
#include "inspect/jdoc.h"
#include "policy/policy.h"

enum {
	/* Each byte of a body may become six in what is written of it. */
	DOCUMENT_MAX = PROPOSAL_BODY_MAX * 6 + 4096,
	FAULTS_MAX = 400 /* of a struct err's 480 */
};

static int
refuse(struct err *e, const char *what)
{
	return err_set(e, ERR_INVALID, "%s", what);
}

/* An object that has each of these members, and no other. */
static int
members(const struct jdoc *d, const struct jdoc_node *o, const char *what,
    const char *const *names, size_t n, struct err *e)
{
	if (o->type != JDOC_OBJECT)
		return err_set(e, ERR_INVALID, "%s is not an object", what);
	for (size_t i = 0; i < n; i++)
		if (jdoc_get(d, o, names[i]) == NULL)
			return err_set(
			    e, ERR_INVALID, "%s lacks %s", what, names[i]);
	if (o->n != n)
		return err_set(e, ERR_INVALID,
		    "%s has a member that is not known here", what);
	return 0;
}

/* ---- JSON as YAML ------------------------------------------------------ */

/*
 * JSON that was read strictly and is written anew by codec/json.h is a YAML
 * document (YAML 1.2 section 1.3), so the reader of policies reads it; there
 * are not two readers of one language.  Our own member says who wrote it.
 */
static void put_value(
    struct json *j, const struct jdoc *d, const struct jdoc_node *v);

static void
put_members(struct json *j, const struct jdoc *d, const struct jdoc_node *v)
{
	JDOC_EACH(at, d, v)
	{
		json_key_view(j, at->key);
		put_value(j, d, at);
	}
}

static void
put_raw(struct json *j, struct view v)
{
	if (j->comma)
		buf_putc(j->out, ',');
	buf_put(j->out, v);
	j->comma = true;
}

static void
put_value(struct json *j, const struct jdoc *d, const struct jdoc_node *v)
{
	switch (v->type) {
	case JDOC_NULL:
	case JDOC_FALSE:
	case JDOC_TRUE:
	case JDOC_NUMBER:
		put_raw(j, v->raw);
		break;
	case JDOC_STRING:
		json_view(j, v->str);
		break;
	case JDOC_ARRAY:
		json_open(j, '[');
		JDOC_EACH(at, d, v)
		put_value(j, d, at);
		json_close(j, ']');
		break;
	case JDOC_OBJECT:
		json_open(j, '{');
		put_members(j, d, v);
		json_close(j, '}');
		break;
	}
}

/*
 * Attack: a rule for a name that leads inside, as an owner who writes a name
 * means what it leads to.  An agent's is never believed in that.
 */
static int
put_endpoints(struct json *j, const struct jdoc *d, const struct jdoc_node *v,
    struct err *e)
{
	if (v->type != JDOC_ARRAY)
		return refuse(e, "endpoints is not a list");
	json_open(j, '[');
	JDOC_EACH(at, d, v)
	{
		if (at->type != JDOC_OBJECT)
			return refuse(e, "an endpoint is not an object");
		if (jdoc_get(d, at, "advisor_proposed") != NULL)
			return refuse(e,
			    "advisor_proposed is not for you to say: it is "
			    "set on every endpoint that is proposed");
		json_open(j, '{');
		put_members(j, d, at);
		json_key(j, "advisor_proposed");
		json_bool(j, true);
		json_close(j, '}');
	}
	json_close(j, ']');
	return 0;
}

static int
put_rule(struct json *j, const struct jdoc *d, const struct jdoc_node *rule,
    struct err *e)
{
	const struct jdoc_node *binaries = jdoc_get(d, rule, "binaries");

	if (rule->type != JDOC_OBJECT)
		return refuse(e, "rule is not an object");
	if (binaries == NULL || binaries->type != JDOC_ARRAY ||
	    binaries->n == 0)
		return refuse(e,
		    "rule names no program: give binaries, a list of "
		    "{\"path\": ...}");
	json_open(j, '{');
	JDOC_EACH(at, d, rule)
	{
		json_key_view(j, at->key);
		if (!view_eq(at->key, VIEW("endpoints")))
			put_value(j, d, at);
		else if (put_endpoints(j, d, at, e) < 0)
			return -1;
	}
	json_close(j, '}');
	return 0;
}

/* ---- the envelope ------------------------------------------------------ */

/* What the gateway derives has such keys, and nobody else may. */
static int
check_name(const struct jdoc_node *name, struct err *e)
{
	if (name->type != JDOC_STRING || name->str.n == 0)
		return refuse(e, "ruleName is not a text");
	if (view_starts(name->str, VIEW("_provider_")))
		return refuse(e, "ruleName: _provider_... is reserved");
	return 0;
}

static int
put_operation(struct json *j, const struct jdoc *d, const struct jdoc_node *op,
    struct proposal *out, struct err *e)
{
	static const char *const op_names[] = { "addRule" };
	static const char *const rule_names[] = { "ruleName", "rule" };
	const struct jdoc_node *add, *name;

	if (members(d, op, "an operation", op_names, 1, e) < 0)
		return -1;
	add = jdoc_get(d, op, "addRule");
	if (members(d, add, "addRule", rule_names, 2, e) < 0)
		return -1;
	name = jdoc_get(d, add, "ruleName");
	if (check_name(name, e) < 0)
		return -1;
	if (out->n_rules++ > 0)
		buf_puts(&out->names, ", ");
	buf_put(&out->names, name->str);
	json_key_view(j, name->str);
	return put_rule(j, d, jdoc_get(d, add, "rule"), e);
}

static int
put_document(
    const struct jdoc *d, struct buf *text, struct proposal *out, struct err *e)
{
	static const char *const names[] = { "intent_summary", "operations" };
	const struct jdoc_node *intent, *ops;
	struct json j = JSON_INIT(text);

	if (members(d, &d->v[0], "the proposal", names, 2, e) < 0)
		return -1;
	intent = jdoc_get(d, &d->v[0], "intent_summary");
	ops = jdoc_get(d, &d->v[0], "operations");
	if (intent->type != JDOC_STRING || intent->str.n == 0)
		return refuse(e, "intent_summary is not a text");
	if (intent->str.n > PROPOSAL_INTENT_MAX ||
	    memchr(intent->str.p, '\0', intent->str.n) != NULL)
		return err_set(e, ERR_INVALID,
		    "intent_summary: at most %d bytes, and no NUL",
		    PROPOSAL_INTENT_MAX);
	if (ops->type != JDOC_ARRAY || ops->n == 0 ||
	    ops->n > PROPOSAL_RULES_MAX)
		return err_set(e, ERR_INVALID,
		    "operations is not a list of 1 to %d", PROPOSAL_RULES_MAX);
	buf_put(&out->intent, intent->str);
	json_open(&j, '{');
	json_key(&j, "version");
	json_uint(&j, 1);
	json_key(&j, "network_policies");
	json_open(&j, '{');
	JDOC_EACH(op, d, ops)
	if (put_operation(&j, d, op, out, e) < 0)
		return -1;
	json_close(&j, '}');
	json_close(&j, '}');
	return text->full ? refuse(e, "too much text") : 0;
}

/* ---- the rules --------------------------------------------------------- */

/*
 * As many as an error has room for.  Places are those of our own document, and
 * say nothing to who wrote it.
 */
static int
faults(const struct policy_findings *f, struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(FAULTS_MAX + 8);

	for (size_t i = 0; i < f->n && out.n < FAULTS_MAX; i++) {
		struct view text = view_of(f->v[i].text), fits;

		if (f->v[i].warning)
			continue;
		if (out.n > 0)
			buf_putc(&out, '\n');
		fits = utf8_clip(
		    text, FAULTS_MAX - MIN(out.n, (size_t)FAULTS_MAX));
		buf_put(&out, fits);
		buf_puts(&out, fits.n < text.n ? "..." : "");
	}
	return err_set(e, ERR_INVALID, "%s", buf_str(&out));
}

static int
check_rules(struct view text, struct proposal *out, struct err *e)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL;

	if (policy_parse(text, &p, &f) < 0)
		return faults(&f, e);
	policy_canonical(p, &out->yaml);
	if (out->yaml.full)
		return err_set(e, ERR_INVALID,
		    "the rules are more than %d bytes as YAML: propose them "
		    "in parts",
		    PROPOSAL_TEXT_MAX);
	return 0;
}

void
proposal_fini(struct proposal *p)
{
	buf_fini(&p->intent);
	buf_fini(&p->yaml);
	buf_fini(&p->names);
	p->n_rules = 0;
}

int
proposal_parse(struct view body, struct proposal *out, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(DOCUMENT_MAX);
	AUTO_JDOC struct jdoc d = { 0 };

	*out = (struct proposal) { .intent = BUF_INIT(PROPOSAL_INTENT_MAX),
		.yaml = BUF_INIT(PROPOSAL_TEXT_MAX),
		.names = BUF_INIT(PROPOSAL_BODY_MAX) };
	if (body.n > PROPOSAL_BODY_MAX)
		return err_set(
		    e, ERR_INVALID, "more than %d bytes", PROPOSAL_BODY_MAX);
	if (jdoc_parse(body, &d, e) < 0) {
		e->code = ERR_INVALID;
		return -1;
	}
	if (put_document(&d, &text, out, e) == 0 &&
	    check_rules(buf_view(&text), out, e) == 0)
		return 0;
	proposal_fini(out);
	return -1;
}
