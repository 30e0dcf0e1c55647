/*
 * vetting: a call that would store a policy waits until the middlewares that
 * the policy uses have said whether they take their configs.
 *
 * Each is asked by a process of its own (vetter/vetter.h), all at a time; other
 * calls go on.  When all have answered the call runs again from its start, as
 * anything may have changed meanwhile: what it asked is remembered with it, so
 * that it waits a second time only for what is new.
 *
 * One that does not take its config ends the call with INVALID_ARGUMENT.  One
 * that does not say holds nothing up: a policy must be changeable, and above
 * all be made stricter, while a service is away, and the proxy asks again and
 * does then what on_error says.  That is told as a warning.
 */
#ifndef GATEWAY_VETTING_H
#define GATEWAY_VETTING_H

#include "gateway/gw.h"

enum {
	VETTING_RUNS_MAX = 2 * 10, /* vetters under way, of all calls */
	VETTING_ASKED_MAX = 40 /* by one call, if what it asks changes */
};

typedef void vetting_again(struct rpc_call *c, const ProtobufCMessage *m);

/*
 * True: the call waits, or is finished; its handler returns.  `again` is that
 * handler, which must have done nothing but look; m is its request.  A call
 * that uses this has no other data (rpc_call_set_data).  A middleware that is
 * not registered is not asked: gw_policy_accept refuses it.
 */
bool vetting_waits(struct rpc_call *c, const ProtobufCMessage *m,
    const struct policy *p, vetting_again *again) MUST_USE;
/* The same for what gw_policy_accept took. */
bool vetting_waits_wire(struct rpc_call *c, const ProtobufCMessage *m,
    const policy_wire_msg *p, vetting_again *again) MUST_USE;

/*
 * It is stored: what did not say is told to the log, and to the sandbox's (s
 * may be NULL: all of them).  The texts, borrowed until the call ends.
 */
size_t vetting_warn(struct rpc_call *c, struct sbx *s, char ***texts);

#endif
