/*
 * minting: providers whose credentials the gateway gets by itself: when it
 * gets them, how long it keeps them, and what sandboxes are told meanwhile.
 *
 * What was minted is good from when it was asked for until its end, less
 * MINTING_MARGIN_MS; three quarters of that go by, and it is minted anew.  When
 * that fails it is tried again, ever later, and the last good one stays until
 * its end.  Then it is taken away: its key stays, without a value, and with
 * the reason.
 */
#ifndef GATEWAY_MINTING_H
#define GATEWAY_MINTING_H

#include "gateway/provider.h"
#include "secrets/ways.h"

typedef Openshell__Datamodel__V1__Minting minting_msg;

enum {
	MINTING_MARGIN_MS = 30000,
	MINTING_RUNS_MAX = 4, /* minters at a time */
	MINTING_BACKOFF_MS = 1000, /* doubled each time, up to ... */
	MINTING_BACKOFF_MAX_MS = 60000
};

/* --- minting_check.c: what a provider says of it
 * ------------------------------
 */

/* As part of provider_check; `p` has one. */
int minting_check(const provider_msg *p, struct err *e) MUST_USE;
/* The n-th key that it makes; NULL behind the last. */
const char *minting_key(const minting_msg *m, size_t n);
bool minting_makes(const minting_msg *m, const char *key);
/* Secrets become PROVIDER_REDACTED, or are wiped in place. */
void minting_redact(minting_msg *m);
void minting_wipe(minting_msg *m);
/* New settings without secrets keep those that `old` has for the same way. */
void minting_keep_secrets(minting_msg *m, const minting_msg *old);
/* The caller's, and to be wiped; `p` was checked. */
struct minter_ask *minting_ask(const provider_msg *p) MUST_USE;

/* --- minting.c -------------------------------------------------------------
 */

/* Those that the store has; what is due is minted at once. */
int minting_open(struct gateway *g, struct err *e) MUST_USE;
void minting_close(struct gateway *g);
/* A provider of that name was made, changed or deleted. */
void minting_changed(struct gateway *g, const char *name);
/* What a sandbox gets of such a provider: values, or why there is none. */
void minting_credentials(
    struct gateway *g, const provider_msg *p, credentials_msg *m);

typedef Openshell__V1__ProviderRefreshStatus minting_status_msg;
/* `each` borrows; of all, or of one.  False: there is none of that name. */
bool minting_status(struct gateway *g, const char *name,
    void (*each)(void *ctx, const minting_status_msg *s), void *ctx);
/*
 * Mints now, whatever is due; one that is under way is waited for.  `done` gets
 * NULL or the reason, once; minting_forget ends the waiting before.
 */
struct minting_wait {
	void (*done)(struct minting_wait *w, const char *why);
	struct minting_wait *next;
};
bool minting_now(struct gateway *g, const char *name, struct minting_wait *w);
void minting_forget(
    struct gateway *g, const char *name, struct minting_wait *w);

#endif
