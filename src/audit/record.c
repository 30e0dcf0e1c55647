/*
 * record: reading a line of audit_event_json back.  The lines may have passed
 * through the process that meets hostile bytes, so nothing in them is believed
 * beyond its type: unknown names are skipped, wrong types refused.
 */
#include <jansson.h>
#include <stdlib.h>

#include "audit/fields.h"
#include "base/mem.h"

struct audit_record {
	json_t *root; /* owns every string */
};

static int
take_number(struct audit_event *ev, const struct audit_field *f,
    const json_t *v, struct err *e)
{
	json_int_t n;

	if (!json_is_integer(v) || (n = json_integer_value(v)) < 0)
		return err_set(
		    e, ERR_PROTO, "audit record: %s is no count", f->name);
	if (!audit_put_number(ev, f, (uint64_t)n))
		return err_set(
		    e, ERR_PROTO, "audit record: %s out of range", f->name);
	return 0;
}

static int
take_text(struct audit_event *ev, const struct audit_field *f, const json_t *v,
    struct err *e)
{
	char *at = (char *)ev + f->offset;
	struct view text;
	bool known = true;

	if (!json_is_string(v))
		return err_set(
		    e, ERR_PROTO, "audit record: %s is no string", f->name);
	text = (struct view) { json_string_value(v), json_string_length(v) };
	if (f->kind == AUDIT_F_KIND)
		known = audit_kind_find(text, &ev->kind);
	else if (f->kind == AUDIT_F_ACTION)
		known = audit_action_find(text, &ev->action);
	else
		*(struct view *)(void *)at = text;
	if (!known)
		return err_set(
		    e, ERR_PROTO, "audit record: unknown %s", f->name);
	return 0;
}

int
audit_record_parse(struct view line, struct audit_record **store,
    struct audit_event *out, struct err *e)
{
	struct audit_event ev = { .time_ms = 0 };
	json_error_t why;
	json_t *root;

	if (line.n > AUDIT_LINE_MAX)
		return err_set(e, ERR_LIMIT, "audit record too long");
	root = json_loadb(line.n > 0 ? line.p : "", line.n,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(e, ERR_PROTO, "audit record is no JSON object");
	}
	for (size_t i = 0; i < audit_n_fields; i++) {
		const struct audit_field *f = &audit_fields[i];
		const json_t *v = json_object_get(root, f->name);
		bool text = f->kind == AUDIT_F_STR || f->kind == AUDIT_F_KIND ||
			    f->kind == AUDIT_F_ACTION;

		if (v == NULL && f->kind != AUDIT_F_KIND &&
		    f->kind != AUDIT_F_ACTION)
			continue;
		if ((text ? take_text(&ev, f, v, e)
			  : take_number(&ev, f, v, e)) < 0) {
			json_decref(root);
			return -1;
		}
	}
	ev.truncated = json_is_true(json_object_get(root, "truncated"));
	*store = NEW(struct audit_record);
	(*store)->root = root;
	*out = ev;
	return 0;
}

void
audit_record_free(struct audit_record *r)
{
	if (r == NULL)
		return;
	json_decref(r->root);
	free(r);
}
