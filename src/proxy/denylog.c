#include "proxy/denylog.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/utf8.h"

enum { VALUE_MAX = 1536, FIELDS_MAX = 32 };

struct denylog {
	char *line[DENYLOG_MAX];
	size_t next, n;
};

struct denylog *
denylog_new(void)
{
	return NEW(struct denylog);
}

void
denylog_free(struct denylog *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < DENYLOG_MAX; i++)
		free(d->line[i]);
	free(d);
}

/* Faults of upstreams, of TLS or of bytes are none: no rule is about them. */
static bool
is_kept(const struct audit_event *ev)
{
	static const enum audit_kind kinds[] = { AUDIT_BYPASS, AUDIT_DNS,
		AUDIT_REVOKED };

	if (ev->action != AUDIT_DENY)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (ev->kind == kinds[i])
			return true;
	return audit_is_verdict(ev) || view_eq(ev->stage, VIEW("ssrf"));
}

/*
 * What is named here and no more, whatever else a record comes to have.
 * Attack: mapping the inside by what its addresses were refused with.
 */
static struct audit_event
shown(const struct audit_event *ev)
{
	struct audit_event out = { .event_id = ev->event_id,
		.kind = ev->kind,
		.action = ev->action,
		.stage = ev->stage,
		.binary = ev->binary,
		.pid = ev->pid,
		.host = ev->host,
		.port = ev->port,
		.scheme = ev->scheme,
		.method = ev->method,
		.path = ev->path,
		.query_names = ev->query_names,
		.operation = ev->operation,
		.tool = ev->tool,
		.fields = ev->fields,
		.policy = ev->policy,
		.reason = ev->reason,
		.nearest = ev->nearest,
		.miss = ev->miss,
		.suggestion = ev->suggestion,
		.generation = ev->generation };

	if (view_eq(ev->stage, VIEW("ssrf"))) {
		out.reason = VIEW("the destination's address is not one that "
				  "this policy lets the sandbox reach");
		out.nearest = out.miss = out.suggestion = VIEW("");
	}
	if (ev->kind == AUDIT_REVOKED)
		out.reason = VIEW("the policy changed");
	return out;
}

/* "key=value", quoted where it has blanks: a value is a part of one line. */
static void
put_field(void *ctx, const char *key, struct view value)
{
	struct buf *line = ctx;
	struct view rest = utf8_clip(value, VALUE_MAX);
	AUTO_BUF struct buf text = BUF_INIT(VALUE_MAX * 4);
	bool quoted;

	if (value.n == 0)
		return;
	while (rest.n > 0) {
		buf_put_escaped(&text, view_cut(rest, '\n', &rest));
		if (rest.p != NULL)
			buf_puts(&text, "\\n");
	}
	quoted = view_find(buf_view(&text), ' ') >= 0 ||
		 view_find(buf_view(&text), '"') >= 0;
	buf_printf(line, quoted ? " %s=\"" : " %s=", key);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"')
			buf_putc(line, '\\');
		buf_putc(line, text.p[i]);
	}
	if (quoted)
		buf_putc(line, '"');
}

void
denylog_add(struct denylog *d, const struct audit_event *ev)
{
	AUTO_BUF struct buf line = BUF_INIT(FIELDS_MAX * VALUE_MAX * 8);
	struct audit_event e = shown(ev);
	char when[CLOCK_TEXT_MAX];

	if (!is_kept(ev))
		return;
	buf_printf(&line, "%s %s", clock_text(ev->time_ms, when),
	    audit_kind_name(ev->kind));
	audit_log_fields(&e, put_field, &line);
	free(d->line[d->next]);
	d->line[d->next] =
	    view_dup(utf8_clip(buf_view(&line), DENYLOG_LINE_MAX));
	d->next = (d->next + 1) % DENYLOG_MAX;
	d->n = MIN(d->n + 1, (size_t)DENYLOG_MAX);
}

struct view
denylog_at(const struct denylog *d, size_t i)
{
	if (i >= d->n)
		return VIEW("");
	return view_of(d->line[(d->next + DENYLOG_MAX - 1 - i) % DENYLOG_MAX]);
}
