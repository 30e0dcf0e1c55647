/*
 * emit: one description of an answer, printed as a table for people or as JSON
 * or YAML for programs.
 *
 * A command builds a tree of values with stable snake_case fields and names
 * the columns that a table shows; it never formats by itself, so the three
 * forms cannot disagree:
 *
 *	AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);
 *	struct emit_val *row = emit_object(emit_root(m), NULL);
 *	emit_str(row, "name", view_of(name));
 *	emit_time(row, "created_at", created_ms);
 *	return emit_print(c, m, format, &table, e);
 *
 * Text from sandboxes may hold anything: tables show it escaped, JSON and YAML
 * keep it as a string that reads back (bytes that are no UTF-8 as U+FFFD).
 */
#ifndef CLI_EMIT_H
#define CLI_EMIT_H

#include "cli/cli.h"

enum emit_format { EMIT_TABLE, EMIT_JSON, EMIT_YAML };
/* The choices of an OPT_ENUM row, in the order of enum emit_format. */
extern const char *const emit_formats[];
/* The option row of every command that answers; `field` is an unsigned. */
#define EMIT_OPT(field) \
	{ \
		.name = "output", .letter = 'o', .kind = OPT_ENUM, OPT(field), \
		.value = "FORMAT", .choices = emit_formats, \
		.help = "How to print" \
	}

struct emit;
struct emit_val;

enum emit_kind { EMIT_OBJECT, EMIT_LIST };
/* A document whose root is an empty object or list. */
struct emit *emit_new(enum emit_kind root) MUST_USE;
void emit_free(struct emit *m);
void emit_free_at(struct emit **m);
#define AUTO_EMIT CLEANUP(emit_free_at)
struct emit_val *emit_root(struct emit *m);

/*
 * Each adds a value to `at`: under `key` when that is an object (the key must
 * outlive the document; a literal), at the end when it is a list (key NULL).
 */
struct emit_val *emit_object(struct emit_val *at, const char *key);
struct emit_val *emit_list(struct emit_val *at, const char *key);
void emit_str(struct emit_val *at, const char *key, struct view v);
void emit_text(struct emit_val *at, const char *key, const char *s);
void emit_int(struct emit_val *at, const char *key, int64_t n);
void emit_uint(struct emit_val *at, const char *key, uint64_t n);
void emit_bool(struct emit_val *at, const char *key, bool b);
void emit_null(struct emit_val *at, const char *key);
/*
 * Wall-clock milliseconds: "2026-01-02 03:04:05" in a table, RFC 3339 in UTC
 * elsewhere.  0 and below is null: it has not happened.
 */
void emit_time(struct emit_val *at, const char *key, int64_t wall_ms);
/* A key that comes from data is copied. */
void emit_str_dyn(struct emit_val *at, struct view key, struct view v);
/* The values of a YAML document (a policy); null when it is none. */
void emit_yaml(struct emit_val *at, const char *key, struct view yaml);

enum emit_style {
	EMIT_PLAIN,
	EMIT_PHASE, /* Ready green, Error red, Provisioning yellow ... */
	EMIT_NAME /* bold-ish: what the row is about */
};

struct emit_col {
	const char *title; /* "NAME" of a list; "Name" of an object */
	const char *field; /* "name", or a path: "spec.image" */
	unsigned min; /* least width */
	unsigned max; /* most characters, then "..."; 0: no limit */
	enum emit_style style;
};

struct emit_table {
	const struct emit_col *cols; /* ends with title NULL */
	const char *empty; /* line shown for an empty list, or NULL */
	unsigned label; /* least width of an object's labels with colon */
};

/*
 * Prints on standard output.  As a table a list is a heading and a row an
 * item (null is "-"); an object is a line "Label: value" per column, without
 * those that are null.
 */
int emit_print(struct cli *c, const struct emit *m, enum emit_format format,
    const struct emit_table *t, struct err *e) MUST_USE;
/* The same into a buffer, in colour or not. */
void emit_put(const struct emit *m, enum emit_format format,
    const struct emit_table *t, bool color, struct buf *out);

#endif
