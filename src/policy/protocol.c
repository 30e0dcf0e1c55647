/* protocol: the rows of protocols.def, and what is not enforced yet. */
#include "policy/model.h"

enum { NO, YES };
enum {
	BY_CONNECTION = POLICY_BY_CONNECTION,
	BY_REQUEST = POLICY_BY_REQUEST,
	BY_OPERATION = POLICY_BY_OPERATION
};

static const struct protocol {
	const char *word;
	enum policy_judged judged;
	bool enforced;
} protocols[POLICY_PROTOCOLS] = {
	[POLICY_PROTO_NONE] = { "", POLICY_BY_CONNECTION, true },
#define PROTOCOL(id, word_, judged_, enforced_) \
	[POLICY_PROTO_##id] = { word_, (enum policy_judged)judged_, enforced_ },
#include "policy/protocols.def"
#undef PROTOCOL
};

const char *
policy_protocol_word(enum policy_protocol p)
{
	return protocols[p].word;
}

enum policy_judged
policy_protocol_judged(enum policy_protocol p)
{
	return protocols[p].judged;
}

enum policy_protocol
p_protocol(const struct p_endpoint *e)
{
	for (int i = POLICY_PROTO_NONE + 1; i < POLICY_PROTOCOLS; i++)
		if (view_eq_nocase(e->protocol.v, view_of(protocols[i].word)))
			return (enum policy_protocol)i;
	return POLICY_PROTO_NONE;
}

bool
p_has_port(const struct p_endpoint *e, uint32_t port)
{
	for (size_t i = 0; i < e->ports.n; i++)
		if (e->ports.v[i].v == port)
			return true;
	return false;
}

const struct p_head *
p_said(const void *map, const struct p_field *f)
{
	const void *m = p_member(map, f);
	const struct p_head *h = m; /* every member begins with it */

	switch (f->kind) {
	case K_BOOL:
		return ((const struct p_bool *)m)->v ? h : NULL;
	case K_STR:
	case K_TREE:
		return ((const struct p_str *)m)->v.n > 0 ? h : NULL;
	case K_UINT:
	case K_PORT:
		return ((const struct p_uint *)m)->v > 0 ? h : NULL;
	case K_INT:
		return ((const struct p_int *)m)->v != 0 ? h : NULL;
	case K_MAP:
	case K_STRS:
	case K_PORTS:
	case K_LIST:
	case K_NAMED:
	case K_QUERY:
	case K_PARAMS:
	case K_TOOL:
		break;
	}
	return h->set ? h : NULL;
}

static void
check_endpoint(
    const struct p_endpoint *e, struct policy_findings *f, const char *where)
{
	struct p_rows rows = p_rows_of(P_endpoint);
	enum policy_protocol p = p_protocol(e);

	if (!protocols[p].enforced)
		p_error(f, e->protocol.h.at, "network",
		    "%s: protocol '%s' is not enforced by this version, so no "
		    "policy may rely on it; use 'rest' rules, or remove the "
		    "endpoint",
		    where, protocols[p].word);
	for (size_t i = 0; i < rows.n; i++) {
		const struct p_head *h;

		if (!(rows.v[i].flags & UNENFORCED))
			continue;
		h = p_said(e, &rows.v[i]);
		if (h != NULL)
			p_error(f, h->at, "network",
			    "%s: '%s' is not enforced by this version; remove "
			    "it",
			    where, rows.v[i].key.p);
	}
}

void
p_check_enforced(const struct policy *p, struct policy_findings *f)
{
	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		for (size_t k = 0; k < q->endpoints.n; k++) {
			char where[512];

			(void)snprintf(where, sizeof(where),
			    "%s.endpoints[%zu]", p_show(q->m.key.v).text, k);
			check_endpoint(&p_endpoints(q)[k], f, where);
		}
	}
}
