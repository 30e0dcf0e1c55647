/*
 * denials: what was denied lately, told apart by host, port and program and
 * counted, until somebody takes it as a whole.
 *
 * Bounded, as a sandbox chooses the names and can make them up all day: the key
 * that was denied longest ago makes room for a new one, and how often it was
 * denied is kept as one number.
 */
#ifndef AUDIT_DENIALS_H
#define AUDIT_DENIALS_H

#include "audit/event.h"

enum {
	DENIALS_MAX = 1024, /* keys */
	DENIALS_BYTES_MAX = 4 << 20,
	DENIAL_SAMPLES = 20,
	DENIAL_PATH_MAX = 512 /* a longer one is no sample */
};

/* How it was denied: the classes of a record's stage. */
enum denial_kind {
	DENIAL_CONNECTION = 1, /* before any request was known */
	DENIAL_REQUEST = 2,
	DENIAL_ADDRESS = 4, /* the address behind the name */
	DENIAL_DATAGRAM = 8, /* round the proxy: no rule helps */
};

struct denial_sample {
	char *method, *path;
	bool audited; /* it passed, and would not where rules are enforced */
	bool no_rule; /* a rule of methods and paths does not allow it */
	uint32_t count;
};

struct denial {
	struct view host, binary; /* binary "-": not known */
	uint16_t port;
	/* As of the first. */
	struct view ancestors, reason, stage, sha256;
	int64_t first_ms, last_ms;
	uint64_t count;
	unsigned kinds; /* of enum denial_kind */
	bool cut; /* a value is not whole: nothing is made of it */
	struct denial_sample samples[DENIAL_SAMPLES];
	size_t n_samples;
	uint64_t unlisted; /* requests beyond the samples */
};

struct denials;
struct denials *denials_new(void) MUST_USE;
void denials_free(struct denials *d);
/* A record; false: it is no denial that is counted here. */
bool denials_add(struct denials *d, const struct audit_event *ev);
size_t denials_count(const struct denials *d);
/* Denials whose key made room for another. */
uint64_t denials_evicted(const struct denials *d);
/* Longest ago first; borrowed. */
void denials_each(const struct denials *d,
    void (*each)(void *ctx, const struct denial *one), void *ctx);
/*
 * What is in `older`, which was taken before `d` began and could not be passed
 * on, is in `d` again; frees it.
 */
void denials_merge(struct denials *d, struct denials *older);

#endif
