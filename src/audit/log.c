/*
 * log: a record as the fields of a log line, and back.  Keys are those of
 * fields.def, but where readers have long known a kind of line by others: the
 * walk-through of the manual greps for l7_decision, the TUI sorts by l7_action.
 */
#include "audit/event.h"
#include "audit/fields.h"

#include <stdio.h>

#define BIT(id) (UINT32_C(1) << AUDIT_##id)
enum {
	CONNECTIONS = BIT(CONNECT) | BIT(CONNECT_L7) | BIT(FORWARD),
	TUNNELED = BIT(L7_REQUEST) | BIT(L7_RESPONSE),
	JUDGED = TUNNELED | BIT(FORWARD_L7)
};
_Static_assert((int)AUDIT_NKINDS <= 32, "a bit a kind");

static const struct name {
	uint32_t kinds;
	const char *field, *key;
} names[] = {
	{ CONNECTIONS, "pid", "binary_pid" },
	{ TUNNELED, "method", "l7_action" },
	{ TUNNELED, "path", "l7_target" },
	{ TUNNELED, "query_names", "l7_query_params" },
	{ JUDGED, "reason", "l7_deny_reason" },
	{ BIT(HTTP_REQUEST), "host", "host" },
	{ BIT(HTTP_REQUEST), "port", "port" },
};

/* What lines of a kind say besides; of `field` when it is not a constant. */
static const struct more {
	uint32_t kinds;
	const char *key, *constant, *field;
} more[] = {
	{ CONNECTIONS, "engine", "opa", NULL },
	{ JUDGED, "l7_protocol", "rest", NULL },
	{ JUDGED, "l7_decision", NULL, "action" },
};

static bool
is_of(uint32_t kinds, const struct audit_event *ev)
{
	return (kinds >> ev->kind & 1) != 0;
}

/* The key of a field in lines of this kind, or NULL: it is not shown. */
static const char *
key_of(const struct audit_event *ev, const struct audit_field *f)
{
	if (f->log == NULL)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (is_of(names[i].kinds, ev) &&
		    view_eq(view_of(names[i].field),
			(struct view) { f->name, f->name_n }))
			return names[i].key;
	return f->log;
}

static const struct audit_field *
field_of(const char *name)
{
	size_t i = 0;

	while (strcmp(audit_fields[i].name, name) != 0)
		i++; /* every row above names one; tests say so */
	return &audit_fields[i];
}

struct giving {
	const struct audit_event *ev;
	void (*put)(void *ctx, const char *key, struct view value);
	void *ctx;
	const struct audit_field *at; /* they come in order */
};

static void
give(void *arg, const char *name, const struct view *text, uint64_t number)
{
	struct giving *g = arg;
	struct view value = { NULL, 0 };
	char digits[24] = "";
	const char *key;

	while (strcmp(g->at->name, name) != 0)
		g->at++;
	key = key_of(g->ev, g->at);
	if (key == NULL)
		return;
	if (text == NULL)
		(void)snprintf(
		    digits, sizeof(digits), "%llu", (unsigned long long)number);
	value = text != NULL ? *text : view_of(digits);
	g->put(g->ctx, key, value);
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		if (is_of(more[i].kinds, g->ev) && more[i].field != NULL &&
		    strcmp(more[i].field, name) == 0)
			g->put(g->ctx, more[i].key, value);
}

void
audit_log_fields(const struct audit_event *ev,
    void (*put)(void *ctx, const char *key, struct view value), void *ctx)
{
	struct giving g = { ev, put, ctx, audit_fields };

	audit_event_each(ev, give, &g);
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		/* What an operation is of, its own name tells. */
		if (is_of(more[i].kinds, ev) && more[i].constant != NULL &&
		    (ev->operation.n == 0 || is_of(CONNECTIONS, ev)))
			put(ctx, more[i].key, view_of(more[i].constant));
}

static bool
take(struct audit_event *ev, const struct audit_field *f, struct view value)
{
	uint64_t n;

	if (f->kind == AUDIT_F_ACTION)
		return audit_action_find(value, &ev->action);
	if (f->kind == AUDIT_F_STR) {
		*(struct view *)(void *)((char *)ev + f->offset) = value;
		return true;
	}
	return view_u64(value, UINT64_MAX, &n) && audit_put_number(ev, f, n);
}

bool
audit_log_take(struct audit_event *ev, struct view key, struct view value)
{
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		if (is_of(more[i].kinds, ev) &&
		    view_eq(key, view_of(more[i].key)))
			return more[i].field == NULL ||
			       take(ev, field_of(more[i].field), value);
	for (size_t i = 0; i < audit_n_fields; i++) {
		const char *known = key_of(ev, &audit_fields[i]);

		if (known != NULL && view_eq(key, view_of(known)))
			return take(ev, &audit_fields[i], value);
	}
	return false;
}
