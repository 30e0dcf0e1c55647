/*
 * policy_wire: a policy as YAML (the language of people and of the sandbox)
 * and as openshell.sandbox.v1.SandboxPolicy (the language of the gateway).
 *
 * Both directions go through policy_parse, so that what one side accepts the
 * other does too.
 */
#ifndef RPC_POLICY_WIRE_H
#define RPC_POLICY_WIRE_H

#include "policy/policy.h"
#include "sandbox.pb-c.h"

typedef Openshell__Sandbox__V1__SandboxPolicy policy_wire_msg;

/* A new message, the caller's (policy_wire_free). */
policy_wire_msg *policy_wire_from(const struct policy *p) MUST_USE;
void policy_wire_free(policy_wire_msg *m);
/* Canonical YAML of a message, unchecked; sets b->full past its max. */
void policy_wire_yaml(const policy_wire_msg *m, struct buf *b);
/*
 * The policy that a message stands for, checked as policy_parse does; every
 * fault in *f (places are those of policy_wire_yaml).
 */
int policy_wire_to(const policy_wire_msg *m, struct policy **out,
    struct policy_findings *f) MUST_USE;
/* One rule under that key: as YAML, a policy of its own, and checked so. */
void policy_wire_rule_yaml(const char *key,
    const Openshell__Sandbox__V1__NetworkPolicyRule *rule, struct buf *b);
int policy_wire_rule_to(const char *key,
    const Openshell__Sandbox__V1__NetworkPolicyRule *rule, struct policy **out,
    struct policy_findings *f) MUST_USE;
/*
 * The reference's hash (gateway-api 4.7): lower-case hex SHA-256, NUL
 * terminated, over canonical protobuf with maps sorted by key.
 */
void policy_wire_hash(const policy_wire_msg *m, char out[65]);
/* Packed with maps sorted by key, appended. */
void policy_wire_pack(const policy_wire_msg *m, struct buf *b);

#endif
