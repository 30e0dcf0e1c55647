/*
 * fields: the rows that writer and reader of a record share (not for others).
 */
#ifndef AUDIT_FIELDS_H
#define AUDIT_FIELDS_H

#include <stddef.h>

#include "audit/event.h"

enum audit_field_kind {
	AUDIT_F_TIME,
	AUDIT_F_KIND,
	AUDIT_F_ACTION,
	AUDIT_F_STR,
	AUDIT_F_U16,
	AUDIT_F_U32,
	AUDIT_F_U64
};

struct audit_field {
	const char *name;
	size_t name_n;
	enum audit_field_kind kind;
	size_t offset; /* in struct audit_event */
	size_t bound; /* most bytes in JSON, after escaping */
	const char *log; /* key in a log line, or NULL */
};

extern const struct audit_field audit_fields[];
extern const size_t audit_n_fields;

bool audit_action_find(struct view name, enum audit_action *out);
/* false when it is out of the row's range, or the row is no number. */
bool audit_put_number(
    struct audit_event *ev, const struct audit_field *f, uint64_t n) MUST_USE;

#endif
