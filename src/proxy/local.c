#include "proxy/local.h"

/*
 * The name of the model router, which is not there yet.
 * Attack: a machine of the network that answers to it is sent prompts and
 * keys.
 */
static enum px_next
px_local_inference(struct px_conn *c)
{
	struct err e;

	(void)err_set(&e, ERR_NOT_FOUND,
	    "inference.local: this version has no model router; allow the "
	    "model's own host in the policy");
	return px_fail(c, 503,
	    c->mode == PX_MODE_FORWARD ? AUDIT_FORWARD : AUDIT_CONNECT,
	    "inference", "inference_unavailable", e.text, &e);
}

#define LOCAL(id, host, looked_up) { host, looked_up, px_local_##id },
static const struct px_local hosts[] = {
#include "proxy/local.def"
};
#undef LOCAL

const struct px_local *
px_local_find(struct view host)
{
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (view_eq(host, view_of(hosts[i].host)))
			return &hosts[i];
	return NULL;
}
