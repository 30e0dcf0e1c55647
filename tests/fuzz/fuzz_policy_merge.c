/*
 * A rule into a policy and out of it: what two valid texts (parted by a form
 * feed) come to is valid, a second time adds nothing, and what is taken back
 * leaves the policy as it was.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "policy/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct policy *
load(struct view text)
{
	struct policy_findings f = { 0 };
	struct policy *p = NULL;

	if (policy_parse(text, &p, &f) < 0)
		p = NULL;
	policy_findings_fini(&f);
	return p;
}

static bool
same(const struct policy *a, const struct policy *b)
{
	char x[65], y[65];

	policy_hash(a, x);
	policy_hash(b, y);
	return memcmp(x, y, sizeof(x)) == 0;
}

static void
check(const struct policy *base, const struct policy *rule)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_MERGED struct policy_merged m = { 0 }, ignored = { 0 };
	AUTO_POLICY struct policy *next = NULL, *again = NULL, *back = NULL;

	/* The two may disagree; then it says so. */
	if (policy_merge(base, rule, &next, &m, &f) < 0) {
		assert(f.errors > 0);
		return;
	}
	if (next == NULL)
		return;
	assert(!same(base, next));
	assert(policy_merge(next, rule, &again, &ignored, &f) == 0);
	assert(again == NULL);
	assert(policy_unmerge(next, &m, &back, &f) == 0);
	assert(back != NULL && same(base, back));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view rest,
	    text = view_cut((struct view) { (const char *)p, n }, '\f', &rest);
	struct policy *base, *rule;

	if (rest.p == NULL)
		return 0;
	base = load(text);
	rule = load(rest);
	if (base != NULL && rule != NULL && policy_network_count(rule) == 1)
		check(base, rule);
	policy_free(base);
	policy_free(rule);
	return 0;
}
