/*
 * denials: what was denied goes to the gateway, with rules that would allow it,
 * for a person to decide.  Always: the setting agent_policy_proposals_enabled
 * is about what the agent proposes, and these are ours.
 *
 * The first one starts the interval, so a sandbox that is denied nothing wakes
 * nobody.  What could not be told is told later, with longer and longer waits;
 * what the gateway refuses as such is not told again.
 */
#include "keeper/impl.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "keeper/analysis.h"

enum { INTERVAL_S = 10, INTERVAL_MAX_S = 3600, WAIT_MAX_MS = 600000 };

#define INTERVAL_VARIABLE "OPENSHELL_DENIAL_FLUSH_INTERVAL_SECS"

static unsigned
interval_ms(void)
{
	const char *said = getenv(INTERVAL_VARIABLE);
	uint64_t s = INTERVAL_S;

	if (said != NULL &&
	    (!view_u64(view_of(said), INTERVAL_MAX_S, &s) || s == 0)) {
		LOG_WARN("DENIAL_INTERVAL", KV_STR("ignored", said),
		    KV_UINT("seconds", INTERVAL_S));
		s = INTERVAL_S;
	}
	return (unsigned)s * 1000;
}

static void flush(struct keeper *k);

static void
on_timer(uv_timer_t *t)
{
	flush(t->data);
}

static void
start(struct keeper *k, unsigned ms)
{
	if (k->gone || k->denials_sent != NULL ||
	    denials_count(k->denials) == 0 ||
	    uv_is_active((uv_handle_t *)&k->denials_timer))
		return;
	(void)uv_timer_start(&k->denials_timer, on_timer, ms, 0);
}

/* After failures: the interval, twice, four times it... */
static unsigned
wait_ms(const struct keeper *k)
{
	uint64_t ms = k->denials_ms;

	for (unsigned i = 0; i < k->denials_failed && ms < WAIT_MAX_MS; i++)
		ms *= 2;
	return (unsigned)MIN(ms, (uint64_t)MAX(k->denials_ms, WAIT_MAX_MS));
}

/* It is no answer about what was sent. */
static bool
is_passing(enum rpc_code code)
{
	return code == RPC_UNAVAILABLE || code == RPC_DEADLINE_EXCEEDED ||
	       code == RPC_ABORTED || code == RPC_INTERNAL ||
	       code == RPC_CANCELLED || code == RPC_UNKNOWN;
}

static void
took(const Openshell__V1__SubmitPolicyAnalysisResponse *m)
{
	LOG_DEBUG("DENIALS_TOLD", KV_UINT("proposals", m->accepted_chunks),
	    KV_UINT("refused", m->rejected_chunks));
	for (size_t i = 0; i < m->n_rejection_reasons; i++)
		LOG_DEBUG("PROPOSAL_REFUSED",
		    KV_STR("reason", m->rejection_reasons[i]));
}

static void
on_answer(
    void *ctx, enum rpc_code code, ProtobufCMessage **answer, const char *text)
{
	struct keeper *k = ctx;
	struct denials *sent = take_ptr(k->denials_sent);

	if (code == RPC_OK) {
		took((const void *)*answer);
		k->denials_failed = 0;
	} else
		LOG_WARN("DENIALS_UNTOLD", KV_STR("code", rpc_code_name(code)),
		    KV_STR("reason", text));
	if (is_passing(code)) {
		k->denials_failed++;
		denials_merge(k->denials, sent);
	} else
		denials_free(sent);
	if (!k->gone)
		start(k, wait_ms(k));
	else if (code != RPC_OK || !keeper_denials_last(k))
		keeper_farewell(k);
}

static void
ask(struct keeper *k)
{
	AUTO_ANALYSIS a;
	struct err e;

	analysis_make(&a, k->denials, k->msg->name);
	if (a.unproposed > 0)
		LOG_DEBUG("PROPOSALS_LEFT_OUT", KV_UINT("n", a.unproposed));
	if (keeper_ask(k, "SubmitPolicyAnalysis", &a.m.base,
		&openshell__v1__submit_policy_analysis_response__descriptor,
		on_answer, k, &e) < 0) {
		LOG_DEBUG("DENIALS_UNTOLD", KV_STR("reason", e.text));
		return;
	}
	k->denials_sent = k->denials;
	k->denials = denials_new();
}

static void
flush(struct keeper *k)
{
	if (denials_count(k->denials) == 0 || k->denials_sent != NULL)
		return;
	ask(k);
	/* Nobody was there to be asked. */
	start(k, k->denials_ms);
}

void
keeper_denials_init(struct keeper *k)
{
	(void)uv_timer_init(&k->loop, &k->denials_timer);
	k->denials_timer.data = k;
	k->denials = denials_new();
	k->denials_ms = interval_ms();
}

void
keeper_denials_add(struct keeper *k, const struct audit_event *ev)
{
	if (denials_add(k->denials, ev))
		start(k, k->denials_ms);
}

bool
keeper_denials_last(struct keeper *k)
{
	(void)uv_timer_stop(&k->denials_timer);
	flush(k);
	return k->denials_sent != NULL;
}

void
keeper_denials_fini(struct keeper *k)
{
	denials_free(take_ptr(k->denials));
	denials_free(take_ptr(k->denials_sent));
}
