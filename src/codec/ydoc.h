/*
 * ydoc: one YAML document as a tree with places, and YAML scalars written.
 *
 * Strict on purpose.  Refused: anchors, aliases, tags, directives, merge keys,
 * duplicate keys, keys that are not scalars, several documents, nesting deeper
 * than YDOC_DEPTH_MAX, bytes that are not UTF-8, control characters, line
 * breaks of YAML 1.1 alone.  Attack: alias bombs, documents that two readers,
 * of whom one is a person, read differently.
 */
#ifndef CODEC_YDOC_H
#define CODEC_YDOC_H

#include <stdbool.h>

#include "base/bytes.h"
#include "codec/arena.h"

enum { YDOC_DEPTH_MAX = 32 };

enum ydoc_kind {
	YDOC_SCALAR,
	YDOC_SEQ,
	YDOC_MAP,
	YDOC_BAD /* already reported (an alias): to be passed over silently */
};

/* What a scalar is under the core schema, YAML 1.2 section 10.3.2. */
enum ydoc_type { YDOC_NULL, YDOC_BOOL, YDOC_INT, YDOC_FLOAT, YDOC_STR };

struct ydoc_node {
	enum ydoc_kind kind;
	enum ydoc_type type; /* of a scalar */
	unsigned line, column; /* 1-based; columns count characters */
	struct view text; /* of a scalar */
	struct ydoc_node *first, *next; /* items; in a map, the keys */
	struct ydoc_node *value; /* of a key */
	size_t n; /* items or keys */
};

/* Called for every fault, in document order but for duplicate keys. */
typedef void ydoc_report(
    void *ctx, unsigned line, unsigned column, const char *text);

/*
 * Parses.  Faults that leave the rest readable are reported and passed over.
 * true when the document was read to its end; false when a syntax error (or
 * the like) ended it, and *root, if not NULL, holds what was read before.
 * *root is NULL for an empty document.  The tree lives in `a`.
 */
bool ydoc_parse(struct view text, struct arena *a, struct ydoc_node **root,
    ydoc_report *report, void *ctx) MUST_USE;

/* The core-schema type of a plain scalar. */
enum ydoc_type ydoc_resolve(struct view plain) MUST_USE;

/*
 * Appends `v` (UTF-8) as a scalar of a block collection that reads back as the
 * same string: plain where that is safe in any YAML version, else quoted.
 */
void ydoc_put_str(struct buf *out, struct view v);
/* The same in double quotes, for any place, flow collections too. */
void ydoc_put_quoted(struct buf *out, struct view v);

#endif
