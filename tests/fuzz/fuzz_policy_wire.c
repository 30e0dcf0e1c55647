/*
 * fuzz_policy_wire: a policy message that is taken stands for one policy: made
 * into a message again and read again it is the same.  One with a field that
 * this version does not know is never taken.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/model.h"
#include "rpc/policy_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Also what the proxy does not enforce yet. */
static struct policy *
read_message(const policy_wire_msg *m)
{
	AUTO_BUF struct buf yaml = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct policy *p = NULL;

	policy_wire_yaml(m, &yaml);
	if (yaml.full ||
	    p_parse_lenient(buf_view(&yaml), P_UNENFORCED, &p, &f) < 0)
		return NULL;
	return p;
}

static void
check_strict(const policy_wire_msg *m, bool taken)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL;

	if (policy_wire_to(m, &p, &f) == 0)
		assert(taken);
	else
		assert(f.errors > 0);
}

static void
check_again(const struct policy *p)
{
	AUTO_BUF struct buf bytes = BUF_INIT(16 << 20);
	AUTO_POLICY struct policy *q = NULL;
	policy_wire_msg *m = policy_wire_from(p), *n;
	char a[65], b[65];

	policy_wire_pack(m, &bytes);
	assert(!bytes.full);
	n = openshell__sandbox__v1__sandbox_policy__unpack(
	    NULL, bytes.n, (const uint8_t *)bytes.p);
	assert(n != NULL);
	q = read_message(n);
	assert(q != NULL);
	policy_hash(p, a);
	policy_hash(q, b);
	assert(strcmp(a, b) == 0);
	policy_wire_hash(m, a);
	policy_wire_hash(n, b);
	assert(strcmp(a, b) == 0);
	policy_wire_free(m);
	policy_wire_free(n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	policy_wire_msg *m =
	    openshell__sandbox__v1__sandbox_policy__unpack(NULL, n, p);
	AUTO_POLICY struct policy *policy = NULL;

	if (m == NULL)
		return 0;
	policy = read_message(m);
	check_strict(m, policy != NULL);
	if (policy != NULL) {
		assert(m->base.n_unknown_fields == 0);
		check_again(policy);
	}
	policy_wire_free(m);
	return 0;
}
