/*
 * advisor_ask: questions of policy.local to the owner of the sandbox, and what
 * is made of the answers.  One question a connection at a time; its number
 * comes back with the answer, which nobody may wait for any more.
 */
#include "proxy/advisor.h"

#include "codec/json.h"
#include "codec/sha256.h"
#include "policy/extent.h"

/* ---- questions ----------------------------------------------------------- */

static int
send_question(struct px_conn *c, struct err *e)
{
	union net_msg *m = c->px->events.msg;
	struct adv *a = c->adv;

	if (a->name[0] != '\0') {
		memset(&m->inquire, 0, sizeof(m->inquire));
		m->inquire.id = c->id;
		memcpy(m->inquire.name, a->name, sizeof(m->inquire.name));
		return net_send(c->px->ctl, m, NET_INQUIRE, NULL, 0, e);
	}
	memset(&m->propose, 0, offsetof(struct advice_propose, yaml));
	m->propose.id = c->id;
	m->propose.n = (uint32_t)a->yaml.n;
	memcpy(m->propose.intent, a->intent.p, a->intent.n);
	memcpy(m->propose.yaml, a->yaml.p, a->yaml.n);
	return net_send(c->px->ctl, m, NET_PROPOSE, NULL, 0, e);
}

/* As that of its identity it may have to wait until ctl takes it. */
enum px_next
adv_ask(struct px_conn *c)
{
	struct adv *a = c->adv;
	struct err e;

	if (!advisor_is_on(c->px)) /* not any more */
		return adv_disabled(c);
	a->phase = ADV_ASKED;
	c->quiet_at = 0;
	c->who_unsent = false;
	if (send_question(c, &e) == 0)
		a->asked = true;
	else if (e.code == ERR_AGAIN)
		c->who_unsent = c->px->who_unsent = true;
	else
		return adv_refuse(
		    c, 503, "gateway_unavailable", view_of(e.text));
	return PX_WAIT;
}

/* Who does not wait for the answer any more need not have it. */
static bool
has_left(struct px_conn *c)
{
	struct err e;

	c->client.reading = px_in(&c->client).n == 0;
	if (!c->client.reading)
		return false; /* it says more, which nobody reads */
	switch (px_fill(&c->client, &e)) {
	case PX_IO_OK:
		c->client.reading = false;
		return false;
	case PX_IO_AGAIN:
		return false;
	case PX_IO_EOF:
	case PX_IO_FAIL:
		break;
	}
	return true;
}

enum px_next
adv_rest(struct px_conn *c)
{
	uint64_t now = uv_now(&c->px->loop);

	if (has_left(c))
		return PX_CLOSE;
	if (c->quiet_at > now)
		return PX_WAIT;
	return adv_ask(c);
}

enum px_next
adv_await(struct px_conn *c)
{
	if (has_left(c))
		return PX_CLOSE;
	return c->adv->asked ? PX_WAIT : adv_ask(c);
}

/* Whose question it was, when it still waits for the answer. */
static struct px_conn *
asker_of(struct px *px, uint32_t id)
{
	struct px_conn *c = px->slot[id % PX_SLOTS];

	if (c == NULL || c->id != id || c->step != PX_ADVISE ||
	    c->adv->phase != ADV_ASKED || !c->adv->asked)
		return NULL;
	c->adv->asked = false;
	return c;
}

/* What an answer makes of it; the connection goes on by itself. */
static void
go_on(struct px_conn *c, enum px_next next)
{
	if (next == PX_CLOSE)
		px_close(c, false);
	else
		px_run(c);
}

static enum px_next
no_answer(struct px_conn *c, enum advice_answer a, struct view why)
{
	bool failed = a == ADVICE_FAILED;

	return adv_refuse(c, failed ? 502 : 503,
	    failed ? "gateway_error" : "gateway_unavailable", why);
}

static void
put_texts(struct json *j, const char *key, const struct advice_proposed *m,
    unsigned from, unsigned n)
{
	json_key(j, key);
	json_open(j, '[');
	for (unsigned i = 0; i < n; i++)
		json_view(j, advice_text(m, from + i));
	json_close(j, ']');
}

void
advisor_proposed(struct px *px, const struct advice_proposed *m)
{
	struct px_conn *c = asker_of(px, m->id);
	AUTO_BUF struct buf body = BUF_INIT(ADVICE_TEXT_MAX * 6 + 1024);
	struct json j = JSON_INIT(&body);

	if (c == NULL || c->adv->name[0] != '\0')
		return;
	if (m->answer != ADVICE_ANSWERED) {
		go_on(c, no_answer(c, m->answer, advice_text(m, 0)));
		return;
	}
	json_open(&j, '{');
	json_key(&j, "status");
	json_str(&j, "submitted");
	json_key(&j, "accepted_chunks");
	json_uint(&j, m->accepted);
	json_key(&j, "rejected_chunks");
	json_uint(&j, m->rejected);
	put_texts(&j, "rejection_reasons", m, m->accepted, m->rejected);
	put_texts(&j, "accepted_chunk_ids", m, 0, m->accepted);
	json_close(&j, '}');
	buf_putc(&body, '\n');
	go_on(c, adv_answer(c, 202, buf_view(&body)));
}

static bool
covers(const struct policy *live, struct view yaml)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *rules = NULL;
	bool yes = false;
	struct err e;

	return policy_parse(yaml, &rules, &f) == 0 &&
	       extent_covers(live, rules, EXTENT_STEPS_SOON, &yes, &e) == 0 &&
	       yes;
}

/*
 * Whether what was decided about is in force here, of which the owner's word
 * says nothing: the policy comes another way, and may say less.  Asked once of
 * each policy, as it takes a while where that is large; what is too intricate
 * to find out in a moment is never told to be in force.
 */
static bool
is_in_force(struct px *px, struct view yaml)
{
	struct advisor *all = px->advisor;
	struct adv_covered *at;
	unsigned char digest[SHA256_SIZE];

	sha256(yaml, digest);
	for (size_t i = 0; i < ADV_COVERED_MAX; i++) {
		at = &all->covered[i];
		if (at->generation == px->generation &&
		    memcmp(at->digest, digest, sizeof(digest)) == 0)
			return at->yes;
	}
	at = &all->covered[all->n_covered++ % ADV_COVERED_MAX];
	at->generation = px->generation;
	memcpy(at->digest, digest, sizeof(digest));
	at->yes = covers(snapshot_policy(px->snap), yaml);
	return at->yes;
}

static enum px_next
take_state(struct px_conn *c, const struct advice_proposal *m)
{
	struct adv *a = c->adv;
	bool decided = m->state == ADVICE_REJECTED;

	a->state = m->state;
	memcpy(a->reason, m->reason, sizeof(a->reason));
	memcpy(a->validation, m->validation, sizeof(a->validation));
	if (m->state == ADVICE_APPROVED)
		decided = a->in_force =
		    is_in_force(c->px, (struct view) { m->yaml, m->n });
	return decided || !a->waits ? adv_tell(c) : PX_WAIT;
}

void
advisor_proposal(struct px *px, const struct advice_proposal *m)
{
	struct px_conn *c = asker_of(px, m->id);
	enum px_next next = PX_WAIT;

	if (c == NULL || c->adv->name[0] == '\0')
		return;
	if (m->answer == ADVICE_ANSWERED)
		next = take_state(c, m);
	else if (m->answer == ADVICE_UNKNOWN)
		next = adv_refuse(c, 404, "not_found", view_of(m->reason));
	else if (!c->adv->waits) /* who waits asks again */
		next = no_answer(c, m->answer, view_of(m->reason));
	if (next == PX_WAIT) {
		c->adv->phase = ADV_PAUSE;
		c->quiet_at = uv_now(&px->loop) + ADV_POLL_MS;
	}
	go_on(c, next);
}

void
advisor_policy(struct px *px)
{
	if (px->advisor == NULL || px->advisor->n_waiters == 0)
		return;
	for (unsigned i = 0; i < PX_SLOTS; i++) {
		struct px_conn *c = px->slot[i];

		if (c == NULL || c->step != PX_ADVISE ||
		    c->adv->phase != ADV_PAUSE)
			continue;
		c->quiet_at = 0;
		px_run(c);
	}
}
