/* record: what ctl tells of traffic, as lines of a log. */
#include <stdlib.h>
#include <string.h>

#include "audit/ocsf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "keeper/impl.h"

typedef Openshell__V1__SandboxLogLine line_msg;
typedef Openshell__V1__SandboxLogLine__FieldsEntry field_msg;

enum { FIELDS_MAX = 32 };

static void
put_text(void *ctx, const char *key, struct view v)
{
	line_msg *m = ctx;
	field_msg *f;

	if (v.n == 0 || m->n_fields == FIELDS_MAX)
		return;
	f = NEW(field_msg);
	openshell__v1__sandbox_log_line__fields_entry__init(f);
	f->key = mem_strdup(key);
	f->value = view_dup(v);
	m->fields[m->n_fields++] = f;
}

static line_msg *
line_of(const struct audit_event *ev)
{
	line_msg *m = NEW(line_msg);

	openshell__v1__sandbox_log_line__init(m);
	m->timestamp_ms = ev->time_ms;
	m->level = mem_strdup(audit_level(ev));
	/* The proxy numbers its own. */
	m->target = mem_strdup(ev->event_id > 0 ? "proxy" : "supervisor");
	m->message = mem_strdup(audit_kind_name(ev->kind));
	m->source = mem_strdup("sandbox");
	m->fields = mem_calloc(FIELDS_MAX, sizeof(void *));
	audit_log_fields(ev, put_text, m);
	return m;
}

static void
on_record(void *ctx, const struct audit_event *ev)
{
	struct keeper *k = ctx;

	ring_add(&k->ring, line_of(ev));
	keeper_denials_add(k, ev);
	k->urgent |= ev->action == AUDIT_DENY;
	k->told_end |= ev->kind == AUDIT_SANDBOX_STOPPED ||
		       ev->kind == AUDIT_SANDBOX_FAILED;
}

void
record_add(struct keeper *k, struct view lines)
{
	bool urgent;
	struct err e;

	/* Nothing is told that is not stored; what cannot be stored ends the
	 * sandbox, as nothing may pass unrecorded. */
	if (journal_add(&k->journal, lines, on_record, k, &e) < 0) {
		AUTO_FREE char *why =
		    mem_printf("its records cannot be stored: %s", e.text);

		keeper_fail(k, why);
		keeper_stop(k);
		return;
	}
	urgent = k->urgent;
	k->urgent = false;
	link_logs(k, urgent);
}

void
record_event(struct keeper *k, struct audit_event *ev)
{
	AUTO_BUF struct buf line = BUF_INIT(AUDIT_JSON_MAX);

	ev->time_ms = clock_wall_ms();
	audit_event_json(ev, &line);
	record_add(k, buf_view(&line));
}
