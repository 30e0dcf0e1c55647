#include "policy/model.h"

static const struct p_field fields[] = {
#define FIELD(o, key_, kind_, sub_, min_, max_, flags_, doc_) \
	{ .owner = P_##o, \
		.key = { #key_, sizeof(#key_) - 1 }, \
		.kind = K_##kind_, \
		.sub = P_##sub_, \
		.min = (min_), \
		.max = (max_), \
		.flags = (flags_), \
		.offset = offsetof(struct p_##o, key_), \
		.doc = (doc_) },
#include "policy/fields.def"
#undef FIELD
};

static const size_t sizes[] = {
	[P_none] = 0,
	[P_top] = sizeof(struct p_top),
	[P_filesystem] = sizeof(struct p_filesystem),
	[P_landlock] = sizeof(struct p_landlock),
	[P_process] = sizeof(struct p_process),
	[P_policy] = sizeof(struct p_policy),
	[P_endpoint] = sizeof(struct p_endpoint),
	[P_json_rpc] = sizeof(struct p_json_rpc),
	[P_mcp] = sizeof(struct p_mcp),
	[P_binding] = sizeof(struct p_binding),
	[P_operation] = sizeof(struct p_operation),
	[P_rule] = sizeof(struct p_rule),
	[P_allow] = sizeof(struct p_allow),
	[P_middleware] = sizeof(struct p_middleware),
	[P_selection] = sizeof(struct p_selection),
	[P_binary] = sizeof(struct p_binary),
};

struct p_rows
p_rows_of(enum p_owner o)
{
	struct p_rows r = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (fields[i].owner != o)
			continue;
		if (r.n++ == 0)
			r.v = &fields[i];
	}
	return r;
}

size_t
p_size_of(enum p_owner o)
{
	return sizes[o];
}
