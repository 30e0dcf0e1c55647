/*
 * mw: middlewares (policy/middleware.h), which look at what is allowed before
 * it goes.
 *
 *	hold_middleware.c	those of a request, in their order
 *	mw_say.c		what is recorded and answered
 *	mw_regex.c		the built-in one
 *	mw_service.h		services: mw_link.c, mw_eval.c, mw_message.c
 *	mw_text.c		text messages of a WebSocket's client
 */
#ifndef PROXY_MW_H
#define PROXY_MW_H

#include "policy/middleware.h"
#include "proxy/hx.h"

enum {
	MW_PAYLOAD_MAX = 4 << 20, /* of a body or message, either way */
	MW_FOUND_MAX = 32, /* findings of one stage */
	MW_WORD_MAX = 64, /* of a reason code, and of what was found */
	MW_FIELDS_MAX = 16, /* fields that one stage adds to a head */
	MW_FIELD_BYTES = 8192
};

enum mw_said {
	MW_PASSES,
	MW_REPLACES, /* answer->body goes in its place */
	MW_DENIES,
	MW_FAILS, /* answer->why */
	MW_BUSY, /* too many are asked now */
	MW_WAITS /* asked; the connection runs when there is an answer */
};

struct mw_found {
	char what[MW_WORD_MAX + 1];
	uint32_t count;
};

struct mw_answer {
	struct buf body;
	const char *why; /* our words alone: they reach client and records */
	char reason_code[MW_WORD_MAX + 1]; /* or "" */
	struct mw_found found[MW_FOUND_MAX];
	size_t n_found;
	struct h1_field fields[MW_FIELDS_MAX]; /* to be set; into `bytes` */
	size_t n_fields;
	struct buf bytes;
};
void mw_answer_init(struct mw_answer *a);
void mw_answer_fini(struct mw_answer *a);

/* Some middleware sees what goes where the connection goes. */
bool mw_sees(struct px_conn *c);
/* And would not let pass what it cannot look at. */
bool mw_sees_closed(struct px_conn *c);
/* The request is over, or gone: forgets who was asked. */
void mw_end(struct px_conn *c);

/* ---- mw_regex.c --------------------------------------------------------- */

/* h: NULL for a text message. */
enum mw_said mw_regex(
    const struct h1_head *h, struct view body, struct mw_answer *a);

/* ---- mw_text.c ---------------------------------------------------------- */

struct mw_talk; /* of one WebSocket; NULL until its first message */
void mw_talk_end(struct mw_talk *t);
/* A message waits, or has to be shown to the rest of them. */
bool mw_talk_under_way(const struct mw_talk *t);
/*
 * A text message that policy allows.  PASSES: it may go.  REPLACES: `anew` is
 * what it is now, which is to be judged and shown to the rest by calling again.
 * WAITS: the same, with the same text, when the connection runs again.  DENIES,
 * FAILS: it must not go; that is recorded.
 */
enum mw_said mw_text(
    struct px_conn *c, struct mw_talk **at, struct view text, struct buf *anew);

/* ---- mw_say.c ----------------------------------------------------------- */

/* What was looked at: of a request, or a message of a WebSocket. */
struct view mw_method(const struct px_conn *c);
/* What was found, when anything was; `done`: what was done about it. */
void mw_record_found(struct px_conn *c, const struct policy_middleware *m,
    const struct mw_answer *a, const char *done);
void mw_record_denied(struct px_conn *c, const struct policy_middleware *m,
    const struct mw_answer *a);
/* It failed: denied, or passed on unseen, as the policy says. */
void mw_record_failed(
    struct px_conn *c, const struct policy_middleware *m, const char *why);
/* The request is answered in its place; as hx_holder.whole has it. */
enum px_next mw_deny(struct px_conn *c, const struct policy_middleware *m,
    const struct mw_answer *a);
enum px_next mw_fail(struct px_conn *c, const struct policy_middleware *m,
    unsigned status, const char *why);

#endif
