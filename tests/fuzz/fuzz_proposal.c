/*
 * A proposal of an agent, any bytes.  What is taken is a policy of its rules
 * alone, each endpoint of which says that an advisor proposed it; its text is
 * the canonical one, fits the message that carries it, and is read the same by
 * whoever reads it next.  What is refused leaves nothing, and says why.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/model.h"
#include "proxy/proposal.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
check_marked(const struct policy *p)
{
	for (size_t i = 0; i < policy_network_count(p); i++) {
		const struct p_policy *q = &p_policies(p)[i];

		assert(q->binaries.n > 0);
		for (size_t k = 0; k < q->endpoints.n; k++)
			assert(p_endpoints(q)[k].advisor_proposed.v);
	}
}

static void
check_taken(const struct proposal *p)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_BUF struct buf again = BUF_INIT(PROPOSAL_TEXT_MAX);
	AUTO_POLICY struct policy *q = NULL;
	static union net_msg m;
	struct err e;

	assert(p->n_rules >= 1 && p->n_rules <= PROPOSAL_RULES_MAX);
	assert(policy_parse(buf_view(&p->yaml), &q, &f) == 0);
	assert(policy_network_count(q) == p->n_rules);
	policy_canonical(q, &again);
	assert(view_eq(buf_view(&again), buf_view(&p->yaml)));
	assert(view_starts(
	    buf_view(&p->yaml), VIEW("version: 1\nnetwork_policies:\n")));
	check_marked(q);
	memset(&m, 0, sizeof(m));
	m.propose.n = (uint32_t)p->yaml.n;
	memcpy(m.propose.intent, p->intent.p, p->intent.n);
	memcpy(m.propose.yaml, p->yaml.p, p->yaml.n);
	m.hdr = (struct net_hdr) { NET_VERSION, NET_PROPOSE,
		(uint32_t)net_size(NET_PROPOSE, &m) };
	assert(net_check(NET_SIDE_CTL, &m, m.hdr.size, 0, &e) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct proposal out;
	struct err e = { 0 };

	if (proposal_parse((struct view) { (const char *)p, n }, &out, &e) ==
	    0) {
		check_taken(&out);
	} else {
		assert(e.code == ERR_INVALID && e.text[0] != '\0');
		assert(out.n_rules == 0 && out.yaml.n == 0);
	}
	proposal_fini(&out);
	return 0;
}
