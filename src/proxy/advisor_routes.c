/*
 * advisor_routes: what http://policy.local answers.  A row a route; a request
 * that none has is 404, one with another method 405.
 */
#include "proxy/advisor.h"

#include "base/mem.h"
#include "codec/json.h"
#include "codec/query.h"
#include "proxy/proposal.h"

enum { LAST_DEFAULT = 10, WAIT_DEFAULT_S = 60, MINUTE_MS = 60000 };

/* ---- GET /v1/policy/current ---------------------------------------------- */

static enum px_next
get_policy(struct px_conn *c)
{
	AUTO_BUF struct buf yaml = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_BUF struct buf body = BUF_INIT(POLICY_TEXT_MAX * 6 + 1024);
	struct json j = JSON_INIT(&body);

	policy_canonical(snapshot_policy(c->px->snap), &yaml);
	if (yaml.full)
		return adv_refuse(c, 404, "policy_unavailable",
		    VIEW("the policy is larger than what is shown here"));
	json_open(&j, '{');
	json_key(&j, "format");
	json_str(&j, "yaml");
	json_key(&j, "policy_yaml");
	json_view(&j, buf_view(&yaml));
	json_key(&j, "revision");
	json_uint(&j, c->px->generation);
	json_close(&j, '}');
	buf_putc(&body, '\n');
	return adv_answer(c, 200, buf_view(&body));
}

/* ---- the query ----------------------------------------------------------- */

/* A number of the query, given at most once; -1 and it is answered. */
static int
number(struct px_conn *c, const char *name, uint64_t least, uint64_t most,
    uint64_t *out, enum px_next *next)
{
	AUTO_FREE struct query *q = NEW(struct query);
	AUTO_BUF struct buf why = BUF_INIT(128);
	unsigned seen = 0;
	struct err e;
	bool ok = true;

	if (!c->hx.has_query)
		return 0;
	ok = query_decode(buf_view(&c->hx.query), q, &e) == 0;
	for (size_t i = 0; ok && i < q->n; i++)
		if (view_eq(q->pairs[i].name, view_of(name)))
			ok = seen++ == 0 &&
			     view_u64(q->pairs[i].value, most, out) &&
			     *out >= least;
	if (ok)
		return 0;
	buf_printf(&why, "%s is a number from %llu to %llu", name,
	    (unsigned long long)least, (unsigned long long)most);
	*next = adv_refuse(c, 400, "bad_request", buf_view(&why));
	return -1;
}

/* ---- GET /v1/denials ----------------------------------------------------- */

static enum px_next
get_denials(struct px_conn *c)
{
	const struct denylog *d = c->px->advisor->denylog;
	AUTO_BUF struct buf body =
	    BUF_INIT(DENYLOG_MAX * (DENYLOG_LINE_MAX * 6 + 4) + 256);
	struct json j = JSON_INIT(&body);
	uint64_t last = LAST_DEFAULT;
	enum px_next next;

	if (number(c, "last", 1, DENYLOG_MAX, &last, &next) < 0)
		return next;
	json_open(&j, '{');
	json_key(&j, "denials");
	json_open(&j, '[');
	for (size_t i = 0; i < last && denylog_at(d, i).n > 0; i++)
		json_view(&j, denylog_at(d, i));
	json_close(&j, ']');
	json_key(&j, "log_available");
	json_bool(&j, true);
	json_close(&j, '}');
	buf_putc(&body, '\n');
	return adv_answer(c, 200, buf_view(&body));
}

/* ---- POST /v1/proposals -------------------------------------------------- */

/* Attack: a person who is asked so often that he says yes. */
static bool
may_propose(struct px_conn *c)
{
	struct advisor *all = c->px->advisor;
	uint64_t now = uv_now(&c->px->loop);

	if (all->minute == 0 || now - all->minute >= MINUTE_MS) {
		all->minute = now;
		all->proposed = 0;
	}
	return all->proposed++ < ADV_PER_MINUTE;
}

static enum px_next
post_proposal(struct px_conn *c)
{
	AUTO_PROPOSAL struct proposal p = { 0 };
	struct adv *a = c->adv;
	struct err e;

	if (!may_propose(c))
		return adv_refuse(c, 429, "too_many_proposals",
		    VIEW("at most 10 proposals a minute: put what belongs "
			 "together into one"));
	if (proposal_parse(buf_view(&a->body), &p, &e) < 0)
		return adv_refuse(c, 400, "invalid_proposal", view_of(e.text));
	px_event_proposal(
	    c, buf_view(&p.names), buf_view(&p.intent), buf_view(&p.yaml));
	buf_fini(&a->yaml);
	a->yaml = p.yaml;
	p.yaml = BUF_INIT(0);
	a->intent = p.intent;
	p.intent = BUF_INIT(0);
	px_deadline(c, ADV_ANSWER_MS);
	return adv_ask(c);
}

/* ---- GET /v1/proposals/{id} and .../wait -----------------------------------
 */

enum px_next
adv_tell(struct px_conn *c)
{
	AUTO_BUF struct buf body = BUF_INIT(ADVICE_REASON * 12 + 1024);
	struct json j = JSON_INIT(&body);
	const struct adv *a = c->adv;

	json_open(&j, '{');
	json_key(&j, "chunk_id");
	json_str(&j, a->name);
	json_key(&j, "status");
	json_str(&j, advice_state_word(a->state));
	if (a->state == ADVICE_APPROVED) {
		json_key(&j, "policy_reloaded");
		json_bool(&j, a->in_force);
	}
	if (a->state == ADVICE_REJECTED) {
		json_key(&j, "rejection_reason");
		json_str(&j, a->reason);
	}
	if (a->validation[0] != '\0') {
		json_key(&j, "validation_result");
		json_str(&j, a->validation);
	}
	json_close(&j, '}');
	buf_putc(&body, '\n');
	return adv_answer(c, 200, buf_view(&body));
}

/* The segment of the path that names it. */
static bool
name_of(struct px_conn *c)
{
	struct view rest = buf_view(&c->hx.path), s;

	for (unsigned i = 0; i < 4; i++)
		s = view_cut(rest, '/', &rest);
	if (s.n == 0 || s.n >= sizeof(c->adv->name))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char l = (char)(s.p[i] | 0x20);

		if (!(l >= 'a' && l <= 'z') &&
		    !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != '-')
			return false;
	}
	memcpy(c->adv->name, s.p, s.n);
	return true;
}

static enum px_next
no_such(struct px_conn *c)
{
	return adv_refuse(
	    c, 404, "not_found", VIEW("there is no such proposal"));
}

static enum px_next
get_proposal(struct px_conn *c)
{
	if (!name_of(c))
		return no_such(c);
	px_deadline(c, ADV_ANSWER_MS);
	return adv_ask(c);
}

static enum px_next
wait_proposal(struct px_conn *c)
{
	struct advisor *all = c->px->advisor;
	uint64_t seconds = WAIT_DEFAULT_S;
	enum px_next next;

	if (!name_of(c))
		return no_such(c);
	if (number(c, "timeout", 1, ADV_WAIT_MAX_S, &seconds, &next) < 0)
		return next;
	if (all->n_waiters == ADV_WAITERS_MAX)
		return adv_refuse(c, 429, "too_many_waiters",
		    VIEW("at most 8 requests of this sandbox wait at a time"));
	all->n_waiters++;
	c->adv->waits = true;
	px_deadline(c, seconds * 1000);
	return adv_ask(c);
}

/* ---- the table ------------------------------------------------------------
 */

static const struct adv_route {
	const char *method, *path; /* "*": one segment, whatever it is */
	enum px_next (*run)(struct px_conn *c);
} routes[] = {
	{ "GET", "/v1/policy/current", get_policy },
	{ "GET", "/v1/denials", get_denials },
	{ "POST", "/v1/proposals", post_proposal },
	{ "GET", "/v1/proposals/*", get_proposal },
	{ "GET", "/v1/proposals/*/wait", wait_proposal },
};

static bool
is_at(struct view path, const char *pattern)
{
	struct view left = view_of(pattern);

	while (left.n > 0 || path.n > 0) {
		struct view want = view_cut(left, '/', &left);
		struct view is = view_cut(path, '/', &path);

		if (!view_eq(want, VIEW("*")) && !view_eq(want, is))
			return false;
		if ((left.p == NULL) != (path.p == NULL))
			return false;
	}
	return true;
}

enum px_next
adv_disabled(struct px_conn *c)
{
	return adv_refuse(c, 404, "feature_disabled",
	    VIEW("the owner of this sandbox takes no proposals: "
		 "agent_policy_proposals_enabled is off"));
}

enum px_next
adv_route(struct px_conn *c)
{
	const struct adv_route *at = NULL;

	if (!advisor_is_on(c->px))
		return adv_disabled(c);
	for (size_t i = 0; i < ARRAY_LEN(routes) && at == NULL; i++)
		if (is_at(buf_view(&c->hx.path), routes[i].path))
			at = &routes[i];
	if (at == NULL)
		return adv_refuse(c, 404, "not_found",
		    VIEW("here are GET /v1/policy/current, GET /v1/denials, "
			 "POST /v1/proposals, GET /v1/proposals/ID and GET "
			 "/v1/proposals/ID/wait"));
	if (strcmp(c->hx.method, at->method) != 0)
		return adv_refuse(c, 405, "method_not_allowed",
		    VIEW("reading is GET, proposing is POST"));
	px_event_request(c, AUDIT_HTTP_REQUEST, AUDIT_ALLOW, "",
	    view_of(c->hx.method), buf_view(&c->hx.path),
	    buf_view(&c->hx.query), VIEW("answered by the proxy"), VIEW(""));
	return at->run(c);
}
