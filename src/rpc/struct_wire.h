/*
 * struct_wire: a free mapping of a policy (policy/read_tree.c) as the Struct of
 * protobuf, and back.
 */
#ifndef RPC_STRUCT_WIRE_H
#define RPC_STRUCT_WIRE_H

#include "codec/ydoc.h"
#include "google/protobuf/struct.pb-c.h"

/* A new message from what policy_parse has checked; the caller's. */
Google__Protobuf__Struct *struct_wire_of(const struct ydoc_node *map);
/* The same from its text; empty text is an empty Struct. */
Google__Protobuf__Struct *struct_wire_parse(struct view text);
/*
 * One line of YAML.  What no policy can say (null, a fraction, a field that
 * this version does not know) is written as something it refuses.
 */
void struct_wire_yaml(const Google__Protobuf__Struct *s, struct buf *out);

#endif
