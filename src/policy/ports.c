/*
 * ports: what the policy says of a port, whatever the host and whoever asks.
 */
#include "policy/compile.h"

enum { PORTS = UINT16_MAX + 1, THERE = 1, INSPECTED = 2 };

/* Marks the ports of one endpoint; how many of them are new. */
static size_t
mark(uint8_t *seen, const struct p_endpoint *e)
{
	bool inspected = policy_protocol_is_inspected(p_protocol(e));
	size_t n = 0;

	for (size_t i = 0; i < e->ports.n; i++) {
		uint8_t *at = &seen[(uint16_t)e->ports.v[i].v];

		n += *at == 0;
		*at |= inspected ? THERE | INSPECTED : THERE;
	}
	return n;
}

void
c_index_ports(struct compiler *c)
{
	uint8_t *seen = ARENA_ARRAY(&c->tmp, PORTS, uint8_t);
	struct snapshot *s = c->s;
	size_t n = 0;

	for (size_t i = 0; i < s->npolicies; i++)
		for (size_t k = 0; k < s->policies[i].endpoints.n; k++)
			n += mark(seen, &p_endpoints(&s->policies[i])[k]);
	s->ports = ARENA_ARRAY(&s->arena, n + 1, struct c_port);
	for (unsigned i = 0; i < PORTS; i++)
		if (seen[i] != 0)
			s->ports[s->nports++] = (struct c_port) { (uint16_t)i,
				(seen[i] & INSPECTED) != 0 };
}

bool
policy_names_port(const struct snapshot *s, uint16_t port, bool *inspected)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == port) {
			*inspected = s->ports[i].inspected;
			return true;
		}
	return false;
}
