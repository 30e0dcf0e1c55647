#include "proxy/ops.h"

static const struct ops_reader *const readers[] = {
#define OPS(name) &ops_##name,
#include "proxy/ops.def"
#undef OPS
};

const struct ops_reader *
ops_reader(enum policy_protocol p)
{
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		if (readers[i]->protocol == p)
			return readers[i];
	return NULL;
}

void
ops_fini(struct ops *o)
{
	mcp_fini(&o->mcp);
	gql_http_fini(&o->gql);
	arena_fini(&o->arena);
	*o = (struct ops) { 0 };
}

int
ops_params(struct ops *o, const struct jdoc_node *params, struct policy_op *op,
    struct err *e)
{
	struct policy_param *v;
	struct flat f;

	if (flat_new(&o->mcp.rpc.doc, params, &o->arena, &f, e) < 0)
		return -1;
	v = ARENA_ARRAY(&o->arena, f.n, struct policy_param);
	for (size_t i = 0; i < f.n; i++)
		v[i] = (struct policy_param) { f.v[i].name, f.v[i].value };
	op->params = v;
	op->n_params = f.n;
	return 0;
}

bool
ops_media_type(struct view value, struct view want)
{
	struct view rest, type = view_trim(view_cut(value, ';', &rest));

	if (!view_eq_nocase(type, want))
		return false;
	while (rest.p != NULL) {
		struct view set, one = view_trim(view_cut(rest, ';', &rest));
		struct view name = view_trim(view_cut(one, '=', &set));

		if (!view_eq_nocase(name, VIEW("charset")))
			continue;
		set = view_trim(set);
		if (set.n > 1 && set.p[0] == '"')
			set = view_slice(set, 1, set.n - 1);
		if (!view_eq_nocase(set, VIEW("utf-8")))
			return false;
	}
	return true;
}
