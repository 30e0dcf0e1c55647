#include "sandbox/advice.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"

static const char *const states[] = {
	[ADVICE_PENDING] = "pending",
	[ADVICE_APPROVED] = "approved",
	[ADVICE_REJECTED] = "rejected",
};

const char *
advice_state_word(enum advice_state s)
{
	return states[s];
}

void
advice_proposed_init(struct advice_proposed *m, uint32_t id)
{
	memset(m, 0, offsetof(struct advice_proposed, text));
	m->id = id;
	m->answer = ADVICE_ANSWERED;
}

/* A string always fits when those that may follow do. */
static void
add(struct advice_proposed *m, const char *s)
{
	enum { SHARE = ADVICE_TEXT_MAX / ADVICE_RULES_MAX };
	size_t n = strnlen(s, SHARE - 1);

	memcpy(m->text + m->n, s, n);
	m->text[m->n + n] = '\0';
	m->n += (uint32_t)n + 1;
}

void
advice_accept(struct advice_proposed *m, const char *name)
{
	if (m->accepted == ADVICE_RULES_MAX || m->rejected > 0)
		return;
	add(m, name);
	m->accepted++;
}

void
advice_reject(struct advice_proposed *m, const char *why)
{
	if (m->accepted + m->rejected >= ADVICE_RULES_MAX)
		return;
	add(m, why);
	m->rejected++;
}

void
advice_proposed_fail(
    struct advice_proposed *m, enum advice_answer a, const char *why)
{
	advice_proposed_init(m, m->id);
	m->answer = (uint8_t)a;
	add(m, why);
}

struct view
advice_text(const struct advice_proposed *m, unsigned i)
{
	struct view rest = { m->text, m->n }, s;

	do {
		s = view_cut(rest, '\0', &rest);
	} while (i-- > 0);
	return s.p != NULL ? s : VIEW("");
}

void
advice_proposal_fail(struct advice_proposal *m, uint32_t id,
    enum advice_answer a, const char *why)
{
	memset(m, 0, offsetof(struct advice_proposal, yaml));
	m->id = id;
	m->answer = (uint8_t)a;
	(void)snprintf(m->reason, sizeof(m->reason), "%s", why);
}

bool
advice_propose_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct advice_propose *m = msg;

	return m->n > 0 && m->intent[0] != '\0';
}

/* As many strings as it says, each with its end. */
bool
advice_proposed_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct advice_proposed *m = msg;
	unsigned ends = 0, want = (unsigned)m->accepted + m->rejected;

	for (uint32_t i = 0; i < m->n; i++)
		ends += m->text[i] == '\0';
	if (m->n == 0 || m->text[m->n - 1] != '\0')
		return false;
	if (m->answer == ADVICE_ANSWERED)
		return want <= ADVICE_RULES_MAX && ends == want;
	return (m->answer == ADVICE_UNAVAILABLE ||
		   m->answer == ADVICE_FAILED) &&
	       want == 0 && ends == 1;
}

bool
advice_inquire_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct advice_inquire *m = msg;

	return m->name[0] != '\0';
}

bool
advice_proposal_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct advice_proposal *m = msg;

	if (m->answer == ADVICE_ANSWERED)
		return m->state >= ADVICE_PENDING &&
		       m->state <= ADVICE_REJECTED && m->n > 0;
	return m->answer >= ADVICE_UNKNOWN && m->answer <= ADVICE_FAILED &&
	       m->state == 0 && m->n == 0;
}
