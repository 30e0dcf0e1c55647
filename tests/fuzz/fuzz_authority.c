/*
 * An authority that is accepted is in its one spelling: written out and read
 * again it is the same, and a host that reads as an address is marked so.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "http/target.h"
#include "net/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
check(const struct authority *a)
{
	bool v6 = strchr(a->host, ':') != NULL;
	char text[HOST_MAX + 16];
	struct authority again;
	struct addr addr;
	struct err e;
	int rc;

	assert(a->port != 0 && a->host[0] != '\0');
	assert(a->literal == addr_parse(view_of(a->host), &addr));
	assert(v6 == (a->literal && addr.family == 6));
	for (const char *c = a->host; *c != '\0'; c++)
		assert((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
		       *c == '.' || *c == '-' || (v6 && *c == ':'));
	(void)snprintf(text, sizeof(text), "%s%s%s:%u", v6 ? "[" : "", a->host,
	    v6 ? "]" : "", a->port);
	rc = authority_parse(view_of(text), 0, &again, &e);
	assert(rc == 0);
	assert(strcmp(again.host, a->host) == 0 && again.port == a->port);
	assert(again.literal == a->literal);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf scratch = BUF_INIT(TARGET_MAX);
	struct view in = { (const char *)p, n }, rest;
	struct authority a;
	struct err e;
	bool https;

	if (authority_parse(in, 0, &a, &e) == 0)
		check(&a);
	if (authority_parse(in, 443, &a, &e) == 0)
		check(&a);
	if (absolute_parse(in, &https, &a, &rest, &scratch, &e) == 0) {
		check(&a);
		assert(rest.n > 0 && rest.p[0] == '/');
	}
	return 0;
}
