/* edit_wire: operations on a policy as they come over the wire. */
#ifndef RPC_EDIT_WIRE_H
#define RPC_EDIT_WIRE_H

#include "openshell.pb-c.h"
#include "policy/edit.h"

typedef Openshell__V1__PolicyMergeOperation edit_msg;

enum { EDIT_WIRE_MAX = 64 }; /* operations of one change */

/*
 * One after the other, each on what the one before it left; all of them or
 * none.  As policy_edit; ERR_LIMIT, or ERR_INVALID for one that says nothing.
 */
int edit_wire_apply(const struct policy *base, edit_msg *const *ops, size_t n,
    struct policy **next, struct err *e) MUST_USE;

#endif
