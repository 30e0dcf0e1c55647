/* dial_url: from the URL of a gateway to a connection. */
#ifndef CLI_DIAL_URL_H
#define CLI_DIAL_URL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

/* A gateway is one, with a slash at the end or not; the caller's. */
char *url_without_slash(const char *url) MUST_USE;

/* "host[:port]" of a URL; the caller's, also after a failure. */
struct url_host {
	char *authority; /* as it stands there */
	char *host; /* a name, or a literal without brackets */
	uint16_t port; /* in: the scheme's */
};

/* `scheme`: how long "https://" is, of which the caller has made sure. */
int url_host_of(const char *url, size_t scheme, struct url_host *at,
    struct err *e) MUST_USE;
void url_host_fini(struct url_host *at);
#define AUTO_URL_HOST CLEANUP(url_host_fini)

/* A connection, not blocking; the caller's.  -1 and the reason. */
int dial_url(const char *host, uint16_t port, struct err *e) MUST_USE;

#endif
