#include <ctype.h>
#include <strings.h>

#include "audit/form.h"
#include "audit/ocsf.h"
#include "codec/utf8.h"

enum { VALUE_MAX = 1024, DAY_MS = 86400000 };

static void
put(struct buf *out, struct view v)
{
	struct view shown = utf8_clip(v, VALUE_MAX);

	buf_put_escaped(out, shown);
	if (shown.n < v.n)
		buf_puts(out, "...");
}

static void
put_upper(struct buf *out, const char *s)
{
	for (; s != NULL && *s != '\0'; s++)
		buf_putc(out, (char)toupper((unsigned char)*s));
}

static void
put_time(struct buf *out, int64_t ms, char severity)
{
	int64_t day = ms % DAY_MS;

	/* Up to the year 9999. */
	if (ms < 0 || ms > 253402300799999)
		buf_puts(out, "\?\?:\?\?:\?\?.\?\?\?");
	else
		buf_printf(out, "%02d:%02d:%02d.%03d", (int)(day / 3600000),
		    (int)(day / 60000 % 60), (int)(day / 1000 % 60),
		    (int)(day % 1000));
	buf_printf(out, " %c ", severity);
}

static void
put_actor(struct buf *out, const struct audit_event *ev)
{
	if (ev->binary.n == 0)
		return;
	put(out, ev->binary);
	buf_printf(out, "(%u) -> ", ev->pid);
}

static void
put_rule(
    struct buf *out, const struct audit_event *ev, const struct ocsf_form *f)
{
	buf_puts(out, " [policy:");
	put(out, f->rule_name != NULL ? view_of(f->rule_name)
		 : ev->policy.n > 0   ? ev->policy
				      : VIEW("-"));
	/* Of a request also when another than the policy spoke. */
	if (f->class == OCSF_NETWORK || strcmp(f->engine, "policy") != 0)
		buf_printf(out, " engine:%s", f->engine);
	buf_putc(out, ']');
}

static void
put_network(
    struct buf *out, const struct audit_event *ev, const struct ocsf_form *f)
{
	bool v6 = view_find(ev->host, ':') >= 0;

	buf_puts(out, "NET:");
	put_upper(out, f->activity.label);
	buf_putc(out, ' ');
	put_upper(out, f->action.label);
	buf_putc(out, ' ');
	put_actor(out, ev);
	buf_puts(out, v6 ? "[" : "");
	put(out, ev->host);
	buf_puts(out, v6 ? "]" : "");
	if (ev->port > 0)
		buf_printf(out, ":%u", ev->port);
	buf_putc(out, '/');
	put(out, ocsf_protocol(ev));
	put_rule(out, ev, f);
}

static void
put_http(
    struct buf *out, const struct audit_event *ev, const struct ocsf_form *f)
{
	buf_puts(out, "HTTP:");
	put(out, ocsf_method(ev->method));
	buf_putc(out, ' ');
	put_upper(out, f->action.label);
	buf_putc(out, ' ');
	put_actor(out, ev);
	put(out, ocsf_method(ev->method));
	buf_putc(out, ' ');
	if (ev->scheme.n > 0) {
		put(out, ev->scheme);
		buf_puts(out, "://");
	}
	put(out, ev->host);
	put(out, ev->path);
	put_rule(out, ev, f);
}

static void
put_dns(
    struct buf *out, const struct audit_event *ev, const struct ocsf_form *f)
{
	buf_puts(out, "DNS:");
	put_upper(out, f->activity.label);
	buf_putc(out, ' ');
	put_upper(out, f->action.label);
	buf_putc(out, ' ');
	put_actor(out, ev);
	put(out, ev->host);
}

static void
put_config(
    struct buf *out, const struct audit_event *ev, const struct ocsf_form *f)
{
	buf_puts(out, "CONFIG:");
	put_upper(out, f->state.label);
	buf_putc(out, ' ');
	put(out, ev->reason.n > 0 ? ev->reason : VIEW("config"));
	if (ev->generation == 0)
		return;
	buf_printf(out, " [version:v%llu", (unsigned long long)ev->generation);
	if (ev->kind == AUDIT_POLICY && ev->detail.n > 0) {
		buf_puts(out, " hash:");
		put(out, ev->detail);
	}
	buf_putc(out, ']');
}

static void
put_failure(
    struct buf *out, const struct audit_event *ev, const struct ocsf_form *f)
{
	if (f->status.id != 2 || ev->reason.n == 0)
		return;
	buf_puts(out, " [reason:");
	put(out, ev->reason);
	buf_putc(out, ']');
}

static void
put_process(
    struct buf *out, const struct audit_event *ev, const struct ocsf_form *f)
{
	buf_puts(out, "PROC:");
	put_upper(out, f->activity.label);
	buf_putc(out, ' ');
	put(out, ev->binary.n > 0 ? ev->binary : VIEW("unknown"));
	buf_printf(out, "(%u)", ev->pid);
	if (ev->status.n > 0) {
		buf_puts(out, " [exit:");
		put(out, ev->status);
		buf_putc(out, ']');
	}
	if (ev->detail.n > 0) {
		buf_puts(out, " [cmd:");
		put(out, ev->detail);
		buf_putc(out, ']');
	}
	put_failure(out, ev, f);
}

static void
put_finding(
    struct buf *out, const struct audit_event *ev, const struct ocsf_form *f)
{
	buf_puts(out, "FINDING:");
	put_upper(out, f->disposition.label);
	buf_puts(out, " \"");
	put(out, ev->reason);
	buf_puts(out, "\" [confidence:high]");
}

static void
put_lifecycle(
    struct buf *out, const struct audit_event *ev, const struct ocsf_form *f)
{
	buf_puts(out, "LIFECYCLE:");
	put_upper(out, f->activity.label);
	buf_puts(out, " " OCSF_PRODUCT " ");
	put_upper(out, f->status.label);
	put_failure(out, ev, f);
}

void
audit_shorthand(const struct audit_event *ev, struct buf *out)
{
	struct ocsf_form f;

	ocsf_form_of(ev, &f);
	put_time(out, ev->time_ms, ocsf_severity_letter(f.severity.id));
	switch (f.class) {
	case OCSF_NETWORK:
		put_network(out, ev, &f);
		break;
	case OCSF_HTTP:
		put_http(out, ev, &f);
		break;
	case OCSF_DNS:
		put_dns(out, ev, &f);
		break;
	case OCSF_CONFIG:
		put_config(out, ev, &f);
		break;
	case OCSF_PROCESS:
		put_process(out, ev, &f);
		break;
	case OCSF_FINDING:
		put_finding(out, ev, &f);
		break;
	case OCSF_LIFECYCLE:
		put_lifecycle(out, ev, &f);
		break;
	case OCSF_BASE:
		buf_puts(out, "EVENT ");
		put(out, view_of(audit_kind_name(ev->kind)));
		break;
	}
	if (ev->event_id > 0)
		buf_printf(
		    out, " [event:%llu]", (unsigned long long)ev->event_id);
	buf_putc(out, '\n');
}

void
audit_shorthand_remark(const struct audit_remark *r, struct buf *out)
{
	char letter = strcasecmp(r->level, "ERROR") == 0  ? 'H'
		      : strcasecmp(r->level, "WARN") == 0 ? 'M'
							  : 'I';

	put_time(out, r->time_ms, letter);
	buf_puts(out, "EVENT ");
	put(out, r->message);
	buf_puts(out, " [source:");
	put(out, view_of(r->source));
	buf_puts(out, " target:");
	put(out, view_of(r->target));
	buf_puts(out, "]\n");
}
