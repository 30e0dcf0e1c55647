/*
 * jdoc: a JSON text (RFC 8259) read strictly, with the place of every value.
 *
 * For bodies that are judged and then forwarded as they came, so nothing is
 * accepted that two readers could read differently: no member name twice in
 * one object (at any level, escapes decoded), no lone surrogate, no number
 * beyond a double, no byte order mark, UTF-8 throughout, no NUL in a name.
 */
#ifndef INSPECT_JDOC_H
#define INSPECT_JDOC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "codec/arena.h"

enum {
	JDOC_DEPTH_MAX = 64,
	JDOC_NODES_MAX = 100000,
	JDOC_NUMBER_MAX = 128, /* bytes of one number */
	JDOC_TEXT_MAX = 16 << 20
};

enum jdoc_type {
	JDOC_NULL,
	JDOC_FALSE,
	JDOC_TRUE,
	JDOC_NUMBER,
	JDOC_STRING,
	JDOC_ARRAY,
	JDOC_OBJECT
};

struct jdoc_node {
	enum jdoc_type type;
	uint32_t n; /* members or items */
	uint32_t next; /* index of the node behind this one and all in it */
	struct view raw; /* the value's bytes in the text, quotes included */
	struct view key; /* decoded name of a member; p == NULL for others */
	struct view str; /* JDOC_STRING: decoded; JDOC_NUMBER: as written */
};

/* The nodes in the order of the text; v[0] is the whole. */
struct jdoc {
	struct arena arena;
	struct jdoc_node *v;
	size_t n, cap;
};

/*
 * Reads the whole of `text`, which the document borrows.  ERR_PROTO with what
 * is wrong and where; ERR_LIMIT for more than the bounds above.  jdoc_fini in
 * either case.
 */
int jdoc_parse(struct view text, struct jdoc *out, struct err *e) MUST_USE;
void jdoc_fini(struct jdoc *d);
#define AUTO_JDOC CLEANUP(jdoc_fini)

/* The first member or item, NULL when there is none; then the one behind. */
const struct jdoc_node *jdoc_first(
    const struct jdoc *d, const struct jdoc_node *in);
const struct jdoc_node *jdoc_after(const struct jdoc *d,
    const struct jdoc_node *in, const struct jdoc_node *at);
#define JDOC_EACH(at, d, in) \
	for (const struct jdoc_node *at = jdoc_first((d), (in)); at != NULL; \
	     at = jdoc_after((d), (in), at))

/* The member of that name; NULL also when `in` is no object or NULL. */
const struct jdoc_node *jdoc_get(
    const struct jdoc *d, const struct jdoc_node *in, const char *name);

/* A number without fraction and exponent. */
bool jdoc_is_integer(const struct jdoc_node *v);

/*
 * The names are one to a reader that ignores ASCII case, as Go's does, to
 * which U+017F is also an s and U+212A also a k.
 */
bool jdoc_name_like(struct view a, struct view b);
/* The first character as that reader compares it, and its bytes. */
size_t jdoc_fold(struct view v, uint32_t *folded);

/*
 * The first member whose name is not one of `names` but may be taken for one
 * by a reader that ignores case; NULL when there is none.  `names` ends with
 * NULL.
 */
const struct jdoc_node *jdoc_lookalike(
    const struct jdoc *d, const struct jdoc_node *in, const char *const *names);

/*
 * A scalar as matchers see it: strings decoded, numbers in one spelling (1.0,
 * 1e0 and 1 are "1"), and the three words.  Borrowed, or from `a`; p == NULL
 * for arrays and objects.
 */
struct view jdoc_scalar(const struct jdoc_node *v, struct arena *a);

#endif
