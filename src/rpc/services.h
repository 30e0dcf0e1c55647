/*
 * services: the middlewares that whoever runs sandboxes has registered, each by
 * a name that policies use and an address where it answers.
 *
 *	NAME=unix:/path
 *	NAME=https://HOST:PORT,ca=FILE[,cert=FILE,key=FILE]
 *	NAME=http://127.0.0.1:PORT	in the clear, to this machine alone
 *
 * and, behind each, maybe ",timeout=MS": how long one answer may take, 10 ms to
 * 30 s.  Files are absolute.  Several registrations are put in one text with
 * ';' between them.
 */
#ifndef RPC_SERVICES_H
#define RPC_SERVICES_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
	SERVICES_MAX = 16,
	SERVICES_TEXT_MAX = 32768,
	SERVICE_NAME_MAX = 64,
	SERVICE_TIMEOUT_MS = 500,
	SERVICE_TIMEOUT_MIN_MS = 10,
	SERVICE_TIMEOUT_MAX_MS = 30000
};

struct service {
	char *name, *url;
	char *ca, *cert, *key; /* NULL: none */
	unsigned timeout_ms;
};

struct services {
	struct service v[SERVICES_MAX];
	const char *names[SERVICES_MAX]; /* of v */
	size_t n;
};

/* Adds what the text registers; -1 names what is wrong with it. */
int services_add(struct services *s, struct view text, struct err *e) MUST_USE;
const struct service *services_find(
    const struct services *s, struct view name) MUST_USE;
void services_fini(struct services *s);
#define AUTO_SERVICES CLEANUP(services_fini)

#endif
