/*
 * https: one POST to a server that is named beforehand, over verified TLS.
 *
 * It goes the way out that the job says, which may lead through a proxy.  No
 * redirect is followed, no proxy of the environment is asked, no cookie or
 * connection is kept.  The answer is read strictly and bounded: a head and at
 * most HTTPS_BODY_MAX bytes of plain body.
 */
#ifndef MINTER_HTTPS_H
#define MINTER_HTTPS_H

#include "http/h1.h"
#include "http/target.h"
#include "minter/way.h"

enum { HTTPS_BODY_MAX = 65536 };

struct https_url {
	struct authority at;
	struct view target; /* into the URL, or "/" */
	struct buf host; /* of the Host field */
};

/* https only; -1 says what is wrong, without the option. */
int https_url_parse(
    struct view url, struct https_url *out, struct err *e) MUST_USE;
void https_url_fini(struct https_url *u);
#define AUTO_HTTPS_URL CLEANUP(https_url_fini)

struct https_post {
	const struct https_url *url;
	const char *ca_file; /* empty: the system's roots */
	const struct h1_field *fields; /* beside Host, framing, Accept-* */
	size_t n_fields;
	struct view body;
};

struct https_answer {
	unsigned status;
	struct buf body;
};

/* `out` is whole only on success; https_answer_fini in either case. */
int https_post(const struct minter_job *j, const struct https_post *p,
    struct https_answer *out, struct err *e) MUST_USE;
void https_answer_fini(struct https_answer *a);
#define AUTO_HTTPS_ANSWER CLEANUP(https_answer_fini)

#endif
