/* The way out: what is read holds its bounds, and its login is base64. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/base64.h"
#include "http/egress.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_FREE struct egress *g = NEW(struct egress);
	AUTO_BUF struct buf plain = BUF_INIT(EGRESS_LOGIN_MAX);
	struct addr a = { .family = 4, .b = { 20, 0, 0, 1 } };
	struct err e;

	if (egress_parse((struct view) { (const char *)p, n }, g, &e) < 0)
		return 0;
	assert(g->n_hosts <= EGRESS_HOSTS_MAX);
	assert(g->n_closed <= EGRESS_CLOSED_MAX);
	assert(g->n_exempt <= EGRESS_EXEMPT_MAX);
	assert(!g->has_proxy || g->proxy.port > 0);
	assert(g->login.n == 0 || base64_decode(g->login, &plain));
	/* Without a proxy there is nothing that would go round it. */
	assert(
	    g->has_proxy || !egress_is_exempt(g, VIEW("a.test"), 443, &a, 1));
	return 0;
}
