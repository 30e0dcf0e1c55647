/*
 * advisor: http://policy.local, where a program in the sandbox reads the
 * policy and what was denied, and proposes rules.
 *
 * It is served to this sandbox alone: by its proxy, on connections that came
 * from inside.  Nothing that is said here changes what is allowed.  A proposal
 * goes up to whoever owns the sandbox (sandbox/advice.h), who decides; what is
 * then in force comes as a policy.
 *
 * One request a connection.  Bounded: connections, waiters, proposals a
 * minute, bytes of a request; an answer holds at most the policy's text.
 */
#ifndef PROXY_ADVISOR_H
#define PROXY_ADVISOR_H

#include "proxy/denylog.h"
#include "proxy/px.h"

enum {
	ADV_CONNS_MAX = 64,
	ADV_WAITERS_MAX = 8,
	ADV_COVERED_MAX = 16, /* answers that are remembered */
	ADV_PER_MINUTE = 10, /* proposals */
	ADV_READ_MS = 15000, /* a whole request */
	ADV_ANSWER_MS = 15000, /* the owner's, to one question */
	ADV_WRITE_MS = 30000,
	ADV_POLL_MS = 1000, /* between questions of one that waits */
	ADV_WAIT_MAX_S = 300
};

/* Whether policy `generation` covers the rules with that digest. */
struct adv_covered {
	uint64_t generation; /* 0: none was asked */
	unsigned char digest[32];
	bool yes;
};

struct advisor {
	bool on;
	unsigned n_conns, n_waiters;
	uint64_t minute; /* loop time when it began; */
	unsigned proposed; /* in it */
	struct denylog *denylog; /* NULL: never on */
	struct adv_covered covered[ADV_COVERED_MAX];
	size_t n_covered; /* ever */
};

enum adv_phase { ADV_HEAD, ADV_BODY, ADV_ASKED, ADV_PAUSE, ADV_WRITE };

/* A connection's request. */
struct adv {
	enum adv_phase phase;
	struct buf body, out;
	size_t at; /* of out, written */
	bool asked; /* ctl has the question, and has not answered */
	bool waits; /* counted among the waiters */
	uint64_t until; /* loop time when waiting ends */
	/* What the question is. */
	struct buf intent, yaml; /* PROPOSE */
	char name[ADVICE_NAME]; /* INQUIRE */
	/* The last answer about `name`; whether the policy covers it. */
	enum advice_state state; /* 0: none yet */
	char reason[ADVICE_REASON], validation[ADVICE_REASON];
	bool in_force;
};

/* The setting of the owner. */
void advisor_set(struct px *px, bool on);
bool advisor_is_on(const struct px *px);
void advisor_free(struct px *px);
/* A policy is in force: who waits for one looks again. */
void advisor_policy(struct px *px);
/* The owner's answers. */
void advisor_proposed(struct px *px, const struct advice_proposed *m);
void advisor_proposal(struct px *px, const struct advice_proposal *m);

/* The step of such a connection, its deadline, and its end. */
enum px_next px_advise(struct px_conn *c);
enum px_next px_advise_late(struct px_conn *c);
void px_advise_end(struct px_conn *c);

/* --- between the files of the advisor ------------------------------------- */

/* advisor_routes.c: the request is whole. */
enum px_next adv_route(struct px_conn *c);
/* Nothing is to be had here: the setting is off. */
enum px_next adv_disabled(struct px_conn *c);
/* What is known of the proposal that was asked about goes out. */
enum px_next adv_tell(struct px_conn *c);

/* advisor.c */
/* `body`: JSON. */
enum px_next adv_answer(struct px_conn *c, unsigned status, struct view body);
/* {"error": ..., "detail": ...} */
enum px_next adv_refuse(
    struct px_conn *c, unsigned status, const char *error, struct view detail);

/* advisor_ask.c */
/* Puts the question of c->adv to ctl. */
enum px_next adv_ask(struct px_conn *c);
/* ASKED: until its answer comes; PAUSE: until it is time to ask again. */
enum px_next adv_await(struct px_conn *c);
enum px_next adv_rest(struct px_conn *c);

#endif
