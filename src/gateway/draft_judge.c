/*
 * draft_judge: the prover as a gate (policy-and-proxy 8.11).
 *
 * What a proposal means for the credentials of its sandbox is worked out
 * exactly (policy/extent.h) from the policy as it is and as it would be.  With
 * proposal_approval_mode auto, one in which nothing is found, and which has no
 * security note, is approved without a person; every doubt (a finding, a note,
 * a policy over all, one that cannot be compared, no time left) leaves it to
 * one.
 *
 * Attack: proposals that are slow to compare keep the loop of the gateway from
 * everybody else: the steps of one are bounded, and the time of a sandbox; what
 * is left over waits.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/draft.h"
#include "gateway/effective.h"
#include "gateway/provider.h"
#include "policy/extent.h"
#include "policy/merge.h"
#include "secrets/profile.h"

enum {
	JUDGE_MS = 200,
	SPAN_MS = 5000,
	PLACES_MAX = 256,
	FINDINGS_SHOWN = 3,
	HTTPS = 443
};

/* Where the credentials of a sandbox belong. */
struct places {
	struct extent_place v[PLACES_MAX];
	size_t n;
	char *types[PLACES_MAX]; /* what the places borrow from */
	size_t n_types;
	bool all; /* none is missing */
};

static void
places_fini(struct places *p)
{
	for (size_t i = 0; i < p->n_types; i++)
		free(p->types[i]);
}

static void
add_type(struct places *p, const char *type)
{
	struct view host;
	const char *kept;

	if (p->n_types == PLACES_MAX) {
		p->all = false;
		return;
	}
	kept = p->types[p->n_types++] = mem_strdup(type);
	for (size_t i = 0; (host = profile_host(kept, i)).n > 0; i++) {
		if (p->n == PLACES_MAX) {
			p->all = false;
			return;
		}
		p->v[p->n++] =
		    (struct extent_place) { view_of(kept), host, HTTPS };
	}
}

static void
find_places(const struct sbx *s, struct places *p)
{
	const Openshell__Datamodel__V1__SandboxSpec *spec = s->msg->spec;

	*p = (struct places) { .all = true };
	for (size_t i = 0; spec != NULL && i < spec->n_providers; i++) {
		AUTO_PROVIDER provider_msg *m = NULL;
		struct err e;

		if (provider_read(s->g, spec->providers[i], &m, NULL, &e) == 0)
			add_type(p, m->type);
		else
			p->all = false;
	}
}

/* --- one proposal --------------------------------------------------------- */

static void
put_finding(struct buf *why, const struct extent_finding *f)
{
	const struct extent_request *q = &f->request;

	buf_puts(why, extent_finding_word(f->kind));
	if (f->provider.n > 0) {
		buf_puts(why, " of ");
		buf_put_escaped(why, f->provider);
	}
	buf_puts(why, ": ");
	buf_put_escaped(why, q->method);
	buf_puts(why, q->method.n > 0 ? " " : "");
	buf_put_escaped(why, q->host);
	buf_printf(why, ":%u", q->port);
	buf_put_escaped(why, q->path);
	buf_puts(why, " by ");
	buf_put_escaped(why, q->program);
}

static void
put_findings(struct buf *why, const struct extent_findings *f)
{
	for (size_t i = 0; i < f->n && i < FINDINGS_SHOWN; i++) {
		buf_puts(why, i > 0 ? "; " : "");
		put_finding(why, &f->v[i]);
	}
	if (f->n > FINDINGS_SHOWN)
		buf_printf(why, " and %zu more", f->n - FINDINGS_SHOWN);
}

static void
put_no_policy(struct buf *why, const struct policy_findings *f)
{
	struct err e;

	(void)draft_no_policy(f, &e);
	buf_puts(why, e.text);
}

/* Nothing is found; else why not. */
static bool
is_harmless(struct sbx *s, const struct store_chunk *c, const struct places *p,
    struct buf *why)
{
	AUTO_POLICY struct policy *base = NULL, *rule = NULL, *next = NULL;
	AUTO_EXTENT_FINDINGS struct extent_findings found = { 0 };
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_MERGED struct policy_merged m = { 0 };
	struct err e;

	if (gw_policy_now(s, &base, &e) < 0 || draft_rule(c, &rule, &e) < 0) {
		buf_puts(why, e.text);
		return false;
	}
	if (policy_merge(base, rule, &next, &m, &f) < 0) {
		put_no_policy(why, &f);
		return false;
	}
	if (next != NULL && extent_find(base, next, p->v, p->n,
				EXTENT_STEPS_SOON, &found, &e) < 0) {
		buf_printf(why, "could not be compared: %s", e.text);
		return false;
	}
	put_findings(why, &found);
	if (found.n == 0 && !p->all)
		buf_puts(why, "not all credentials could be looked at");
	return found.n == 0 && p->all;
}

/* Approved without a person, unless something speaks against it. */
static bool
may_approve(const struct sbx *s, const struct store_chunk *c)
{
	return c->security_notes[0] == '\0' && s->g->global.version == 0 &&
	       setting_is(s, SETTING_ID_proposal_approval_mode, VIEW("auto"));
}

static int
judge(struct sbx *s, const char *id, const struct places *p, bool may,
    bool *added, struct err *e)
{
	AUTO_BUF struct buf why = BUF_INIT(DRAFT_TEXT_MAX);
	struct store_chunk c = { 0 };
	struct gw_revision r = { 0 };
	bool harmless;
	int rc;

	if (store_chunk_get(s->g->store, s->id, id, &c, e) < 0)
		return -1;
	if (c.status != CHUNK_PENDING) {
		store_chunk_fini(&c);
		return 0;
	}
	harmless = is_harmless(s, &c, p, &why);
	if (harmless)
		buf_puts(&why, "no finding");
	rc = store_chunk_verdict(s->g->store, s->id, id, buf_str(&why), e);
	if (rc == 0 && may && harmless && may_approve(s, &c)) {
		rc = draft_approve(s, &c, &r, e);
		if (rc == 0)
			sbx_log(s, "INFO",
			    "rule '%s' was approved by the gateway: "
			    "proposal_approval_mode is auto and nothing was "
			    "found against it",
			    c.rule_name);
	}
	*added |= r.added;
	store_chunk_fini(&c);
	return rc;
}

/* For one that was never looked at; it is when it is proposed again. */
static int
put_off(struct sbx *s, const char *id, struct err *e)
{
	struct store_chunk c = { 0 };
	int rc = store_chunk_get(s->g->store, s->id, id, &c, e);

	if (rc == 0 && c.status == CHUNK_PENDING && c.validation[0] == '\0')
		rc = store_chunk_verdict(s->g->store, s->id, id,
		    "not compared: too many proposals at once", e);
	store_chunk_fini(&c);
	return rc;
}

/* As one change: each would wait for the disk. */
static int
put_off_all(struct sbx *s, char *const *ids, size_t n, struct err *e)
{
	if (n == 0)
		return 0;
	if (store_begin(s->g->store, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (put_off(s, ids[i], e) < 0) {
			store_rollback(s->g->store);
			return -1;
		}
	return store_commit(s->g->store, e);
}

static void
complain(const struct sbx *s, const struct err *e)
{
	LOG_WARN("PROPOSAL_JUDGE", KV_STR("sandbox", s->name),
	    KV_STR("reason", e->text));
}

/* Milliseconds that its proposals may take now. */
static unsigned
time_left(struct sbx *s, uint64_t now)
{
	if (now - s->judged_ms > SPAN_MS) {
		s->judged_ms = now;
		s->judge_spent = 0;
	}
	return JUDGE_MS - MIN(s->judge_spent, (unsigned)JUDGE_MS);
}

void
draft_judge(struct sbx *s, char *const *ids, size_t n, bool may)
{
	uint64_t start = clock_mono_ms();
	uint64_t end = start + time_left(s, start);
	bool added = false;
	struct places p;
	struct err e;
	size_t i = 0;

	find_places(s, &p);
	for (; i < n && clock_mono_ms() < end; i++)
		if (judge(s, ids[i], &p, may, &added, &e) < 0)
			complain(s, &e);
	s->judge_spent += (unsigned)(clock_mono_ms() - start);
	if (put_off_all(s, ids + i, n - i, &e) < 0)
		complain(s, &e);
	if (added)
		gw_policy_tell(s);
	places_fini(&p);
}
