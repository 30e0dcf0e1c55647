/*
 * policy_extent: what `policy prove` and `policy diff` share: showing an
 * example, and the place in the policy that it is owed to.
 */
#ifndef CLI_POLICY_EXTENT_H
#define CLI_POLICY_EXTENT_H

#include "cli/emit.h"
#include "policy/extent.h"

/* "GET api.github.com:443/user?a=b by /usr/bin/gh", escaped. */
void extent_show_request(struct buf *out, const struct extent_request *q);
/* "github.endpoints[0].rules[1]", or ".access" of a preset, escaped. */
void extent_show_place(struct buf *out, const struct extent_cause *c);
/*
 * + widens path: github.endpoints[0].rules[1]
 *     GET api.github.com:443/user by /usr/bin/gh
 */
void extent_show_change(
    struct buf *out, bool color, const struct extent_change *ch);
const char *extent_kind_word(enum extent_kind k);
/*
 * + widens middleware: redact (openshell/regex)
 *     it is gone
 */
void extent_show_middleware(
    struct buf *out, bool color, const struct extent_middleware *m);
/* The same for programs: an object under `key`, fields beside it. */
void extent_emit_request(
    struct emit_val *at, const char *key, const struct extent_request *q);
void extent_emit_cause(struct emit_val *at, const struct extent_cause *c);

#endif
