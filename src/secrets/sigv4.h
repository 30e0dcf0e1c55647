/*
 * sigv4: signs a request for AWS, Signature Version 4
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).
 */
#ifndef SECRETS_SIGV4_H
#define SECRETS_SIGV4_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
	SIGV4_DATE = 17, /* "20150830T123600Z" and a NUL */
	SIGV4_REGION = 32,
	SIGV4_FIELDS_MAX = 112,
	SIGV4_AUTH_MAX = 8192
};

struct sigv4_field {
	struct view name, value;
};

struct sigv4 {
	struct view method, path, query; /* as they are sent */
	/*
	 * Everything that is sent and sigv4_signed, Host and the X-Amz-*
	 * fields of this signature included.
	 */
	const struct sigv4_field *fields;
	size_t n_fields;
	struct view payload; /* hex SHA-256 of the body, or UNSIGNED-PAYLOAD */
	struct view service, region;
	struct view access, secret;
	const char *date; /* of sigv4_date */
};

void sigv4_date(int64_t unix_seconds, char out[SIGV4_DATE]);
/* The client's field is dropped before signing: it is replaced. */
bool sigv4_dropped(struct view name);
/* Goes on, but is no part of the signature: others may change it. */
bool sigv4_signed(struct view name);
/* The region that a host of AWS tells; its partition's first when none. */
void sigv4_region(struct view host, char out[SIGV4_REGION]);
/* The value of Authorization, appended. */
int sigv4_sign(
    const struct sigv4 *s, struct buf *authorization, struct err *e) MUST_USE;

#endif
