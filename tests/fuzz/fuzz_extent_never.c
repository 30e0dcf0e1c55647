/*
 * fuzz_extent_never: whatever is taken for a set of requests can be asked
 * about, and a policy that lets everything pass has an example in it, whose
 * host and path are what the proxy makes of them.  What is refused says why.
 *
 * Input: "[METHOD] [scheme://]HOST[:PORT][/PATH]".
 */
#include <assert.h>
#include <stdlib.h>

#include "http/target.h"
#include "policy/extent.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char all[] = "version: 1\n"
			  "network_policies:\n"
			  "  all:\n"
			  "    endpoints:\n"
			  "    - {ports: [1, 80, 443], allowed_ips: "
			  "[10.0.0.0/16]}\n"
			  "    binaries: [{path: '/**'}]\n";

static void
check_example(const struct extent_request *q)
{
	AUTO_BUF struct buf host = BUF_INIT(512);
	bool v6 = view_find(q->host, ':') >= 0;
	struct authority a;
	struct target t;
	struct err e;

	buf_printf(&host, v6 ? "[%s]:%u" : "%s:%u", q->host.p, q->port);
	if (authority_parse(buf_view(&host), 0, &a, &e) < 0)
		abort();
	assert(view_eq(view_of(a.host), q->host) && a.port == q->port);
	assert(q->method.n > 0);
	if (view_eq(q->path, VIEW("*")))
		return;
	if (target_canonical(q->path, true, &t, &e) < 0)
		abort();
	assert(view_eq(buf_view(&t.path), q->path));
	target_fini(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_NEVER struct extent_never *never = NULL;
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *policy = NULL;
	AUTO_PROOF struct extent_proof r = { 0 };
	struct err e;

	e.text[0] = '\0';
	if (extent_never_parse(
		(struct view) { (const char *)p, n }, &never, &e) < 0) {
		assert(e.text[0] != '\0');
		return 0;
	}
	if (policy_parse(view_of(all), &policy, &f) < 0)
		abort();
	if (extent_prove(policy, never, NULL, 0, &r, &e) < 0)
		assert(e.code == ERR_LIMIT);
	else if (!r.holds)
		check_example(&r.request);
	return 0;
}
