/* record: what ctl tells of traffic, as lines of a log. */
#include <stdlib.h>
#include <string.h>

#include "audit/event.h"
#include "base/clock.h"
#include "base/mem.h"
#include "keeper/impl.h"

typedef Openshell__V1__SandboxLogLine line_msg;
typedef Openshell__V1__SandboxLogLine__FieldsEntry field_msg;

enum { FIELDS_MAX = 24 };

static void
put_text(line_msg *m, const char *key, struct view v)
{
	field_msg *f;

	if (v.n == 0 || m->n_fields == FIELDS_MAX)
		return;
	f = NEW(field_msg);
	openshell__v1__sandbox_log_line__fields_entry__init(f);
	f->key = mem_strdup(key);
	f->value = view_dup(v);
	m->fields[m->n_fields++] = f;
}

static void
put_number(line_msg *m, const char *key, uint64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)n);

	if (n > 0)
		put_text(m, key, (struct view) { text, (size_t)len });
}

static const char *
level_of(enum audit_action a)
{
	return a == AUDIT_DENY ? "WARN" : "INFO";
}

static line_msg *
line_of(const struct audit_event *ev)
{
	line_msg *m = NEW(line_msg);
	const struct {
		const char *key;
		struct view v;
	} texts[] = {
		{ "stage", ev->stage },
		{ "binary", ev->binary },
		{ "ancestors", ev->ancestors },
		{ "dst_host", ev->host },
		{ "method", ev->method },
		{ "path", ev->path },
		{ "query", ev->query_names },
		{ "policy", ev->policy },
		{ "reason", ev->reason },
		{ "suggestion", ev->suggestion },
		{ "detail", ev->detail },
	};

	openshell__v1__sandbox_log_line__init(m);
	m->timestamp_ms = ev->time_ms;
	m->level = mem_strdup(level_of(ev->action));
	m->target = mem_strdup("proxy");
	m->message = mem_strdup(audit_kind_name(ev->kind));
	m->source = mem_strdup("sandbox");
	m->fields = mem_calloc(FIELDS_MAX, sizeof(void *));
	put_text(m, "action", view_of(audit_action_name(ev->action)));
	put_number(m, "dst_port", ev->port);
	put_number(m, "pid", ev->pid);
	put_number(m, "generation", ev->generation);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		put_text(m, texts[i].key, texts[i].v);
	return m;
}

void
record_add(struct keeper *k, struct view line)
{
	struct audit_record *store = NULL;
	struct audit_event ev;
	struct err why;

	if (line.n == 0)
		return;
	/* Hostile bytes stand behind it: a bad one costs itself only, and
	 * that is a record too. */
	if (audit_record_parse(line, &store, &ev, &why) == 0) {
		ring_add(&k->ring, line_of(&ev));
		if (ev.action == AUDIT_DENY)
			link_logs(k, true);
	} else {
		AUTO_FREE char *text =
		    mem_printf("a record could not be read: %s", why.text);

		keeper_note(k, text);
	}
	audit_record_free(store);
}
