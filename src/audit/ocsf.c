#include "audit/ocsf.h"

#include <stdlib.h>
#include <strings.h>

#include "audit/form.h"
#include "base/mem.h"
#include "codec/json.h"

/*
 * Attack: controls that forge a line or drive a terminal, behind whatever
 * tool reads the JSON and prints a value (14.2): shown as \xNN.
 */
static void
put_text(struct json *j, const char *key, struct view v)
{
	AUTO_BUF struct buf shown = BUF_INIT(16384);

	if (v.n == 0)
		return;
	buf_put_escaped(&shown, v);
	json_key(j, key);
	json_view(j, buf_view(&shown));
}

static void
put_str(struct json *j, const char *key, const char *s)
{
	if (s == NULL)
		return;
	json_key(j, key);
	json_str(j, s);
}

static void
put_uint(struct json *j, const char *key, uint64_t n)
{
	json_key(j, key);
	json_uint(j, n);
}

/* The pair <key>_id and <key>. */
static void
put_value(struct json *j, const char *key, struct ocsf_value v)
{
	char id[40];

	if (v.label == NULL)
		return;
	(void)snprintf(id, sizeof(id), "%s_id", key);
	put_uint(j, id, v.id);
	put_str(j, key, v.label);
}

static void
open_object(struct json *j, const char *key)
{
	json_key(j, key);
	json_open(j, '{');
}

static bool
is_address(struct view host)
{
	if (view_find(host, ':') >= 0)
		return true;
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] != '.' && !(host.p[i] >= '0' && host.p[i] <= '9'))
			return false;
	return host.n > 0;
}

/* --- objects ------------------------------------------------------------- */

static void
put_product(struct json *j, const char *key)
{
	open_object(j, key);
	put_str(j, "name", OCSF_PRODUCT);
	put_str(j, "vendor_name", "OpenShell");
	put_str(j, "version", OPENSHELL_VERSION);
	json_close(j, '}');
}

/* The machine is named by the one record that knows it. */
static void
put_device(struct json *j, struct view hostname)
{
	open_object(j, "device");
	put_text(j, "hostname", hostname);
	open_object(j, "os");
	put_str(j, "name", "Linux");
	json_close(j, '}');
	json_close(j, '}');
}

static void
put_metadata(
    struct json *j, enum ocsf_class class, const struct audit_source *from)
{
	bool net =
	    class == OCSF_NETWORK || class == OCSF_HTTP || class == OCSF_DNS;
	bool control = class != OCSF_BASE && class != OCSF_LIFECYCLE;

	open_object(j, "metadata");
	put_str(j, "version", "1.7.0");
	put_product(j, "product");
	json_key(j, "profiles");
	json_open(j, '[');
	if (control)
		json_str(j, "security_control");
	if (net)
		json_str(j, "network_proxy");
	json_str(j, "container");
	json_str(j, "host");
	json_close(j, ']');
	put_text(j, "uid", from->sandbox);
	json_close(j, '}');
	if (from->name.n == 0 && from->sandbox.n == 0)
		return;
	open_object(j, "container");
	put_text(j, "name", from->name);
	put_text(j, "uid", from->sandbox);
	json_close(j, '}');
}

/* A command that its owner had started: PID 1 of the sandbox forks it. */
static void
put_command(struct json *j, const struct audit_event *ev)
{
	uint64_t code;

	open_object(j, "process");
	put_text(j, "name", ev->binary.n > 0 ? ev->binary : VIEW("unknown"));
	put_uint(j, "pid", ev->pid);
	put_text(j, "cmd_line", ev->detail);
	json_close(j, '}');
	open_object(j, "actor");
	open_object(j, "process");
	put_str(j, "name", "openshell-init");
	put_uint(j, "pid", 1);
	json_close(j, '}');
	json_close(j, '}');
	if (ev->kind != AUDIT_PROCESS_ENDED)
		put_value(j, "launch_type", (struct ocsf_value) { 1, "Spawn" });
	else if (view_u64(ev->status, 255, &code))
		put_uint(j, "exit_code", code);
}

/* The nearest ancestor is the parent; each is inside the one before. */
static void
put_process(struct json *j, const struct audit_event *ev)
{
	struct view rest = ev->ancestors;
	unsigned depth = 0;

	open_object(j, "process");
	put_text(j, "name", ev->binary.n > 0 ? ev->binary : VIEW("unknown"));
	put_uint(j, "pid", ev->pid);
	while (rest.n > 0) {
		const char *arrow = memmem(rest.p, rest.n, " -> ", 4);
		size_t n = arrow != NULL ? (size_t)(arrow - rest.p) : rest.n;

		open_object(j, "parent_process");
		put_text(j, "name", view_slice(rest, 0, n));
		rest = view_slice(rest, MIN(n + 4, rest.n), rest.n);
		depth++;
	}
	while (depth-- > 0)
		json_close(j, '}');
	json_close(j, '}');
}

static void
put_actor(struct json *j, const struct audit_event *ev)
{
	if (ev->binary.n == 0)
		return;
	open_object(j, "actor");
	put_process(j, ev);
	json_close(j, '}');
}

static void
put_endpoint(struct json *j, const char *key, struct view host, uint64_t port)
{
	if (host.n == 0)
		return;
	open_object(j, key);
	put_text(j, is_address(host) ? "ip" : "domain", host);
	put_uint(j, "port", port);
	json_close(j, '}');
}

static void
put_endpoints(struct json *j, const struct audit_event *ev)
{
	struct view port, proxy = view_cut(ev->proxy_addr, ':', &port);
	uint64_t n = 0;

	put_endpoint(j, "src_endpoint", ev->src_addr, ev->src_port);
	put_endpoint(j, "dst_endpoint", ev->host, ev->port);
	if (view_u64(port, 65535, &n)) /* ours, in IPv4 */
		put_endpoint(j, "proxy_endpoint", proxy, n);
}

static void
put_network(
    struct json *j, const struct audit_event *ev, const struct ocsf_form *f)
{
	put_endpoints(j, ev);
	put_actor(j, ev);
	open_object(j, "firewall_rule");
	put_text(j, "name",
	    f->rule_name != NULL ? view_of(f->rule_name) : ev->policy);
	put_str(j, "type", f->engine);
	json_close(j, '}');
	put_uint(j, "observation_point_id", f->observed_at);
	json_key(j, "is_src_dst_assignment_known");
	json_bool(j, true);
	if (f->class == OCSF_NETWORK) {
		open_object(j, "connection_info");
		put_text(j, "protocol_name", ocsf_protocol(ev));
		json_close(j, '}');
	}
}

static void
put_request(struct json *j, const struct audit_event *ev)
{
	open_object(j, "http_request");
	put_text(j, "http_method", ocsf_method(ev->method));
	open_object(j, "url");
	put_text(j, "scheme", ev->scheme);
	put_text(j, "hostname", ev->host);
	put_text(j, "path", ev->path);
	put_uint(j, "port", ev->port);
	json_close(j, '}');
	json_close(j, '}');
	if (ev->action != AUDIT_DENY || !audit_is_verdict(ev))
		return;
	open_object(j, "http_response");
	put_uint(j, "code", 403);
	json_close(j, '}');
}

/* The name is the question; nobody outside was asked it. */
static void
put_query(
    struct json *j, const struct audit_event *ev, const struct ocsf_form *f)
{
	open_object(j, "query");
	put_text(j, "hostname", ev->host);
	json_close(j, '}');
	put_actor(j, ev);
	put_uint(j, "observation_point_id", f->observed_at);
}

/* The program that a finding is about. */
static void
put_evidence(struct json *j, const struct audit_event *ev)
{
	if (ev->binary.n == 0)
		return;
	json_key(j, "evidences");
	json_open(j, '[');
	json_open(j, '{');
	open_object(j, "data");
	put_text(j, "binary", ev->binary);
	put_text(j, "sha256", ev->sha256);
	put_uint(j, "pid", ev->pid);
	json_close(j, '}');
	put_endpoint(j, "dst_endpoint", ev->host, ev->port);
	if (ev->kind == AUDIT_CREDENTIAL || ev->kind == AUDIT_MIDDLEWARE)
		put_request(j, ev);
	json_close(j, '}');
	json_close(j, ']');
}

static void
put_finding(struct json *j, const struct audit_event *ev)
{
	open_object(j, "finding_info");
	put_text(j, "uid", view_of(audit_kind_name(ev->kind)));
	put_text(j, "title", ev->reason);
	json_close(j, '}');
	put_evidence(j, ev);
	json_key(j, "is_alert");
	json_bool(j, true);
	put_value(j, "confidence", OCSF_SURE);
}

/* What OCSF has no place for, under our own names. */
static void
put_unmapped(
    struct json *j, const struct audit_event *ev, const struct ocsf_form *f)
{
	/* It has a place of its own. */
	bool shown = f->class == OCSF_PROCESS || f->class == OCSF_LIFECYCLE;
	const struct {
		const char *key;
		struct view v;
	} texts[] = {
		{ "stage", ev->stage },
		{ "cmdline", ev->cmdline },
		{ "sha256", ev->sha256 },
		{ "query_names", ev->query_names },
		{ "rule", ev->rule },
		{ "nearest", ev->nearest },
		{ "miss", ev->miss },
		{ "suggestion", ev->suggestion },
		{ "operation", ev->operation },
		{ "tool", ev->tool },
		{ ev->kind == AUDIT_POLICY ? "policy_hash" : "detail",
		    shown ? VIEW("") : ev->detail },
	};
	const struct {
		const char *key;
		uint64_t n;
	} numbers[] = {
		{ "event_id", ev->event_id },
		{ "policy_version", ev->generation },
		{ "connection", ev->connection },
	};

	open_object(j, "unmapped");
	put_str(j, "kind", audit_kind_name(ev->kind));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i].n > 0)
			put_uint(j, numbers[i].key, numbers[i].n);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		put_text(j, texts[i].key, texts[i].v);
	json_close(j, '}');
}

static void
put_common(struct json *j, const struct ocsf_form *f, int64_t time_ms)
{
	AUTO_FREE char *type =
	    mem_printf("%s: %s", f->class_name, f->activity.label);

	put_uint(j, "class_uid", (unsigned)f->class);
	put_str(j, "class_name", f->class_name);
	put_uint(j, "category_uid", f->category.id);
	put_str(j, "category_name", f->category.label);
	put_uint(j, "activity_id", f->activity.id);
	put_str(j, "activity_name", f->activity.label);
	put_uint(j, "type_uid", (unsigned)f->class * 100 + f->activity.id);
	put_str(j, "type_name", type);
	json_key(j, "time");
	json_int(j, time_ms);
	put_value(j, "severity", f->severity);
	put_value(j, "status", f->status);
}

static void
put_class(
    struct json *j, const struct audit_event *ev, const struct ocsf_form *f)
{
	switch (f->class) {
	case OCSF_HTTP:
		put_request(j, ev);
		put_network(j, ev, f);
		break;
	case OCSF_NETWORK:
		put_network(j, ev, f);
		break;
	case OCSF_DNS:
		put_query(j, ev, f);
		break;
	case OCSF_PROCESS:
		put_command(j, ev);
		break;
	case OCSF_FINDING:
		put_finding(j, ev);
		break;
	case OCSF_CONFIG:
		put_value(j, "state", f->state);
		if (ev->kind == AUDIT_PROTECTIONS)
			put_value(j, "security_level",
			    (struct ocsf_value) { 1, "Secure" });
		break;
	case OCSF_LIFECYCLE:
		put_product(j, "app");
		break;
	case OCSF_BASE:
		break;
	}
}

void
audit_ocsf_json(const struct audit_event *ev, const struct audit_source *from,
    struct buf *out)
{
	struct json j = JSON_INIT(out);
	struct ocsf_form f;

	ocsf_form_of(ev, &f);
	json_open(&j, '{');
	put_common(&j, &f, ev->time_ms);
	put_text(&j, "message",
	    ev->reason.n > 0 ? ev->reason : view_of(audit_kind_name(ev->kind)));
	if (f.status.id == 2)
		put_text(&j, "status_detail", ev->reason);
	put_metadata(&j, f.class, from);
	put_device(
	    &j, ev->kind == AUDIT_SANDBOX_STARTED ? ev->detail : VIEW(""));
	put_class(&j, ev, &f);
	put_value(&j, "action", f.action);
	put_value(&j, "disposition", f.disposition);
	put_unmapped(&j, ev, &f);
	json_close(&j, '}');
	buf_putc(out, '\n');
}

void
audit_ocsf_remark(const struct audit_remark *r, const struct audit_source *from,
    struct buf *out)
{
	static const struct {
		const char *level;
		struct ocsf_value severity;
	} rows[] = {
		{ "ERROR", { 4, "High" } },
		{ "WARN", { 3, "Medium" } },
	};
	struct json j = JSON_INIT(out);
	struct ocsf_form f = { .class = OCSF_BASE,
		.class_name = "Base Event",
		.category = { 0, "Uncategorized" },
		.activity = { 99, "Log" },
		.severity = { 1, "Informational" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcasecmp(rows[i].level, r->level) == 0)
			f.severity = rows[i].severity;
	json_open(&j, '{');
	put_common(&j, &f, r->time_ms);
	put_text(&j, "message", r->message);
	put_metadata(&j, f.class, from);
	open_object(&j, "unmapped");
	put_text(&j, "source", view_of(r->source));
	put_text(&j, "target", view_of(r->target));
	json_close(&j, '}');
	json_close(&j, '}');
	buf_putc(out, '\n');
}
