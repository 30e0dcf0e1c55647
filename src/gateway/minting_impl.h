/* minting_impl: shared by minting.c, minting_table.c and minting_tell.c. */
#ifndef GATEWAY_MINTING_IMPL_H
#define GATEWAY_MINTING_IMPL_H

#include "codec/sha256.h"
#include "gateway/job_run.h"
#include "gateway/minting.h"
#include "minter/minter.h"

typedef Openshell__Datamodel__V1__Minted minted_msg;

struct minted {
	struct gateway *g;
	struct minted *next;
	char id[GW_ID], *name; /* of the provider */
	enum way_id way;
	unsigned char digest[SHA256_SIZE]; /* of its settings */
	minted_msg *kept; /* what the store has, with the values */
	struct job_run *run; /* under way ... */
	int64_t asked_ms; /* ... since then */
	struct minting_wait *waits;
};

struct minting {
	uv_timer_t timer;
	struct minted *all;
	unsigned runs;
};

/* --- minting_table.c: the table, and its rows in the store --- */

/* As the store says of that provider now: added, changed or dropped. */
int minted_load(struct gateway *g, const char *name, struct err *e) MUST_USE;
struct minted *minted_find(const struct gateway *g, const char *name);
void minted_save(const struct minted *m);
/* Rows of providers that are gone: of a gateway that died between the two. */
void minted_sweep(struct gateway *g);
/* From memory alone. */
void minted_drop(struct minted *m);
void minted_set_text(char **at, const char *text);
/* Takes the values away, and wipes them. */
void minted_wipe(struct minted *m);
bool minted_has_values(const struct minted *m);

/* --- minting.c --- */

/* The timer goes to what is next of all. */
void minting_arm(struct gateway *g);
/* Waiters learn how it went; NULL: well. */
void minting_answer(struct minted *m, const char *why);

#endif
