/* preset: what the words of `access` stand for. */
#include "policy/model.h"

static const struct preset {
	enum policy_protocol protocol;
	const char *name;
	const char *words[PL_PRESET_MAX + 1];
} presets[] = {
	{ POLICY_PROTO_REST, "read-only", { "GET", "HEAD", "OPTIONS" } },
	{ POLICY_PROTO_REST, "read-write",
	    { "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH" } },
	{ POLICY_PROTO_REST, "full", { "*" } },
	/* the upgrade; and the messages */
	{ POLICY_PROTO_WEBSOCKET, "read-only", { "GET" } },
	{ POLICY_PROTO_WEBSOCKET, "read-write", { "GET", "WEBSOCKET_TEXT" } },
	{ POLICY_PROTO_WEBSOCKET, "full", { "*" } },
	{ POLICY_PROTO_GRAPHQL, "read-only", { "query" } },
	{ POLICY_PROTO_GRAPHQL, "read-write", { "query", "mutation" } },
	{ POLICY_PROTO_GRAPHQL, "full", { "*" } },
	{ POLICY_PROTO_GRPC, "full", { "**" } },
};

const char *const *
p_preset(enum policy_protocol protocol, struct view access)
{
	for (size_t i = 0; i < ARRAY_LEN(presets); i++)
		if (presets[i].protocol == protocol &&
		    view_eq(access, view_of(presets[i].name)))
			return presets[i].words;
	return NULL;
}
