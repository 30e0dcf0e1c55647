/*
 * advice: what an agent asks to be allowed, on its way to whoever decides, and
 * what becomes of it.  The same messages between net and ctl (netmsg.h) and
 * between ctl and the owner (session.h); ctl passes them on as they are.
 *
 *   net                      ctl                      owner
 *   PROPOSE(id, rules)   ->      ->
 *                                <-   <-   PROPOSED(id, what became of each)
 *   INQUIRE(id, its name) ->     ->
 *                                <-   <-   PROPOSAL(id, its state)
 *
 * `id` is the asker's, and comes back.  A proposal changes nothing by itself:
 * what is allowed comes as a policy, as ever.
 */
#ifndef SANDBOX_ADVICE_H
#define SANDBOX_ADVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sandbox/msg.h"

enum {
	ADVICE_RULES_MAX = 16, /* of one proposal */
	ADVICE_INTENT = 2048,
	ADVICE_YAML_MAX = 24576,
	ADVICE_NAME = 64, /* of a proposal: a UUID of the gateway's, mostly */
	ADVICE_REASON = 1024,
	ADVICE_TEXT_MAX = 8192
};

struct advice_propose {
	struct msg_hdr hdr;
	uint32_t id, n;
	char intent[ADVICE_INTENT]; /* what for, in the agent's words */
	char yaml[ADVICE_YAML_MAX]; /* a policy with these rules alone */
};

enum advice_answer {
	ADVICE_ANSWERED = 1,
	ADVICE_UNKNOWN, /* there is no such proposal */
	ADVICE_UNAVAILABLE, /* nobody is there who could take it */
	ADVICE_FAILED /* who could did not */
};

/*
 * text: strings, a NUL behind each: the names of what was taken, then why the
 * others were not; or, when it is no answer, the one that says why.
 */
struct advice_proposed {
	struct msg_hdr hdr;
	uint32_t id, n;
	uint8_t answer; /* enum advice_answer, but UNKNOWN */
	uint8_t accepted, rejected;
	uint8_t pad[5];
	char text[ADVICE_TEXT_MAX];
};

struct advice_inquire {
	struct msg_hdr hdr;
	uint32_t id, pad;
	char name[ADVICE_NAME];
};

enum advice_state { ADVICE_PENDING = 1, ADVICE_APPROVED, ADVICE_REJECTED };

struct advice_proposal {
	struct msg_hdr hdr;
	uint32_t id, n;
	uint8_t answer; /* enum advice_answer */
	uint8_t state; /* when answered; else 0 */
	uint8_t pad[6];
	char reason[ADVICE_REASON]; /* why rejected, or why no answer */
	char validation[ADVICE_REASON]; /* what was found in it */
	char yaml[ADVICE_YAML_MAX]; /* as it stands with who decides */
};

/* "pending", "approved", "rejected" */
const char *advice_state_word(enum advice_state s);

/* Empty, about question `id`. */
void advice_proposed_init(struct advice_proposed *m, uint32_t id);
/*
 * Adds the name of one that was taken, or why one was not; all of the former
 * come first.  Cut when there is no room.
 */
void advice_accept(struct advice_proposed *m, const char *name);
void advice_reject(struct advice_proposed *m, const char *why);
/* Makes it no answer. */
void advice_proposed_fail(
    struct advice_proposed *m, enum advice_answer a, const char *why);
/* The i-th string of its text; empty when there are fewer. */
struct view advice_text(const struct advice_proposed *m, unsigned i);

/* About question `id`, not answered: why. */
void advice_proposal_fail(struct advice_proposal *m, uint32_t id,
    enum advice_answer a, const char *why);

/* For the tables of both protocols. */
bool advice_propose_ok(const void *msg, unsigned nfds);
bool advice_proposed_ok(const void *msg, unsigned nfds);
bool advice_inquire_ok(const void *msg, unsigned nfds);
bool advice_proposal_ok(const void *msg, unsigned nfds);

#define ADVICE_ROW_PROPOSE \
	.name = "propose", .size = sizeof(struct advice_propose), \
	.n_at = offsetof(struct advice_propose, n), \
	.data_at = offsetof(struct advice_propose, yaml), \
	.ok = advice_propose_ok, .text = { MSG_TEXT(advice_propose, intent) }
#define ADVICE_ROW_PROPOSED \
	.name = "proposed", .size = sizeof(struct advice_proposed), \
	.n_at = offsetof(struct advice_proposed, n), \
	.data_at = offsetof(struct advice_proposed, text), \
	.ok = advice_proposed_ok
#define ADVICE_ROW_INQUIRE \
	.name = "inquire", .size = sizeof(struct advice_inquire), \
	.ok = advice_inquire_ok, .text = { MSG_TEXT(advice_inquire, name) }
#define ADVICE_ROW_PROPOSAL \
	.name = "proposal", .size = sizeof(struct advice_proposal), \
	.n_at = offsetof(struct advice_proposal, n), \
	.data_at = offsetof(struct advice_proposal, yaml), \
	.ok = advice_proposal_ok, \
	.text = { MSG_TEXT(advice_proposal, reason), \
		MSG_TEXT(advice_proposal, validation) }

#endif
