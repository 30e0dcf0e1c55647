/*
 * run_advice: rules that an agent proposes to who runs it (--advisor).
 *
 * There is nobody to ask but the user, and no place for a decision but the
 * policy file: each proposal is shown as it comes, and counts as approved once
 * the policy that is sent covers it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/run_impl.h"
#include "policy/extent.h"

enum { SHOWN_MAX = 4096 };

struct run_proposal {
	char name[ADVICE_NAME];
	char *intent, *yaml;
	struct policy *rules;
};

void
run_advice_fini(struct run *r)
{
	for (size_t i = 0; i < r->n_proposals; i++) {
		free(r->proposals[i].intent);
		free(r->proposals[i].yaml);
		policy_free(r->proposals[i].rules);
	}
	free(r->proposals);
}

/* Sooner or later asked about again: the answer may change with the file. */
static bool
is_covered(const struct run *r, const struct run_proposal *p)
{
	bool covers = false;
	struct err e;

	return r->policy != NULL &&
	       extent_covers(
		   r->policy, p->rules, EXTENT_STEPS_SOON, &covers, &e) == 0 &&
	       covers;
}

/* The rules without what every policy begins with; ready to be pasted. */
static struct view
rules_of(const struct run_proposal *p)
{
	static const char key[] = "\nnetwork_policies:\n";
	const char *at = strstr(p->yaml, key);

	return view_of(at != NULL ? at + sizeof(key) - 1 : p->yaml);
}

static void
put_proposal(const struct run_proposal *p, struct buf *out)
{
	struct view rules = rules_of(p);

	buf_puts(out, p->intent);
	buf_puts(out, "\n");
	buf_put(out, view_slice(rules, 0, SHOWN_MAX));
	if (rules.n > SHOWN_MAX)
		buf_puts(out, "\n... and more; see the record PROPOSED");
}

static void
say(struct run *r, const struct run_proposal *p)
{
	AUTO_BUF struct buf b = BUF_INIT(SHOWN_MAX + ADVICE_INTENT + 512);

	if (r->o->quiet)
		return;
	buf_puts(&b, "the agent proposes: ");
	put_proposal(p, &b);
	while (b.n > 0 && b.p[b.n - 1] == '\n')
		b.n--;
	buf_printf(&b, "\nto allow it, put that under network_policies of %s",
	    r->o->policy != NULL ? r->o->policy
				 : "a policy, and run it with --policy");
	run_say_lines(r, COLOR_WARN, "?", buf_view(&b));
}

/* 0, or why it is not taken. */
static const char *
keep(struct run *r, const struct advice_propose *m)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct run_proposal *p;
	struct policy *rules = NULL;

	if (!r->o->advisor)
		return "nobody takes proposals in this run";
	if (r->n_proposals == RUN_PROPOSALS_MAX)
		return "too many proposals in one run";
	/* What the proxy read is read again: it met the agent's bytes. */
	if (policy_parse((struct view) { m->yaml, m->n }, &rules, &f) < 0)
		return "the rules are not valid";
	r->proposals = mem_realloc(
	    r->proposals, r->n_proposals + 1, sizeof(*r->proposals));
	p = &r->proposals[r->n_proposals++];
	*p = (struct run_proposal) { .intent = mem_strdup(m->intent),
		.yaml = mem_strndup(m->yaml, m->n),
		.rules = rules };
	(void)snprintf(p->name, sizeof(p->name), "%zu", r->n_proposals);
	say(r, p);
	return NULL;
}

void
run_propose(struct run *r, const struct advice_propose *m)
{
	AUTO_FREE union session_msg *answer = NEW(union session_msg);
	struct advice_proposed *a = &answer->proposed;
	const char *why = keep(r, m);

	advice_proposed_init(a, m->id);
	if (why != NULL)
		advice_proposed_fail(a, ADVICE_UNAVAILABLE, why);
	else
		advice_accept(a, r->proposals[r->n_proposals - 1].name);
	run_send(r, answer, SESSION_PROPOSED, NULL, 0);
}

void
run_inquire(struct run *r, const struct advice_inquire *m)
{
	AUTO_FREE union session_msg *answer = NEW(union session_msg);
	struct advice_proposal *a = &answer->proposal;
	const struct run_proposal *p = NULL;

	for (size_t i = 0; i < r->n_proposals && p == NULL; i++)
		if (strcmp(r->proposals[i].name, m->name) == 0)
			p = &r->proposals[i];
	if (p == NULL) {
		advice_proposal_fail(
		    a, m->id, ADVICE_UNKNOWN, "there is no such proposal");
	} else {
		a->id = m->id;
		a->answer = ADVICE_ANSWERED;
		a->state = is_covered(r, p) ? ADVICE_APPROVED : ADVICE_PENDING;
		a->n = (uint32_t)strlen(p->yaml);
		memcpy(a->yaml, p->yaml, a->n);
	}
	run_send(r, answer, SESSION_PROPOSAL, NULL, 0);
}

void
run_advice_left(const struct run *r, struct buf *out)
{
	for (size_t i = 0; i < r->n_proposals; i++) {
		const struct run_proposal *p = &r->proposals[i];

		if (is_covered(r, p))
			continue;
		buf_puts(out, "proposed and not allowed: ");
		buf_put_escaped(out, view_of(p->intent));
		buf_putc(out, '\n');
	}
}
