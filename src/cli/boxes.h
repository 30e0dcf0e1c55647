/* boxes: what commands show of sandboxes. */
#ifndef CLI_BOXES_H
#define CLI_BOXES_H

#include "cli/emit.h"
#include "datamodel.pb-c.h"

/* Why it is not ready: "REASON: MESSAGE" of the Ready condition, or "". */
void box_reason(const Openshell__Datamodel__V1__Sandbox *s, struct buf *out);
/* Its stable fields, without the policy. */
void box_emit(struct emit_val *at, const Openshell__Datamodel__V1__Sandbox *s);

#endif
