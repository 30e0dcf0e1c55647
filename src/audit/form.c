#include "audit/form.h"

#include "audit/ocsf.h"

#define V(id, label) \
	{ \
		id, label \
	}

static const struct class_row {
	enum ocsf_class class;
	const char *name;
	struct ocsf_value category;
} classes[] = {
	{ OCSF_BASE, "Base Event", V(0, "Uncategorized") },
	{ OCSF_PROCESS, "Process Activity", V(1, "System Activity") },
	{ OCSF_FINDING, "Detection Finding", V(2, "Findings") },
	{ OCSF_NETWORK, "Network Activity", V(4, "Network Activity") },
	{ OCSF_HTTP, "HTTP Activity", V(4, "Network Activity") },
	{ OCSF_DNS, "DNS Activity", V(4, "Network Activity") },
	{ OCSF_CONFIG, "Device Config State Change", V(5, "Discovery") },
	{ OCSF_LIFECYCLE, "Application Lifecycle",
	    V(6, "Application Activity") },
};

/* What a kind is, and its activity when allowed and when not. */
static const struct kind_row {
	enum ocsf_class class;
	struct ocsf_value allowed, denied;
	const char *rule_name, *engine;
	unsigned observed_at;
} kinds[AUDIT_NKINDS] = {
	[AUDIT_CONNECT] = { OCSF_NETWORK, V(1, "Open"), V(5, "Refuse"), NULL,
	    "policy", 2 },
	[AUDIT_CONNECT_L7] = { OCSF_NETWORK, V(1, "Open"), V(5, "Refuse"), NULL,
	    "policy", 2 },
	[AUDIT_FORWARD] = { OCSF_HTTP, { 0 }, { 0 }, NULL, "policy", 2 },
	[AUDIT_FORWARD_L7] = { OCSF_HTTP, { 0 }, { 0 }, NULL, "policy", 2 },
	[AUDIT_L7_REQUEST] = { OCSF_HTTP, { 0 }, { 0 }, NULL, "policy", 2 },
	[AUDIT_L7_RESPONSE] = { OCSF_HTTP, { 0 }, { 0 }, NULL, "policy", 2 },
	[AUDIT_HTTP_REQUEST] = { OCSF_HTTP, { 0 }, { 0 }, NULL, "policy", 2 },
	[AUDIT_CREDENTIAL] = { OCSF_HTTP, { 0 }, { 0 }, NULL, "credentials",
	    2 },
	[AUDIT_DNS] = { OCSF_DNS, V(1, "Query"), V(1, "Query"), NULL, "policy",
	    2 },
	[AUDIT_BYPASS] = { OCSF_NETWORK, V(1, "Open"), V(5, "Refuse"),
	    "bypass-detect", "nftables", 3 },
	[AUDIT_REVOKED] = { OCSF_NETWORK, V(3, "Reset"), V(3, "Reset"), NULL,
	    "policy", 2 },
	[AUDIT_HTTP_REFUSED] = { OCSF_NETWORK, V(5, "Refuse"), V(5, "Refuse"),
	    NULL, "http", 2 },
	[AUDIT_TLS_REFUSED] = { OCSF_NETWORK, V(5, "Refuse"), V(5, "Refuse"),
	    NULL, "tls", 2 },
	[AUDIT_UPSTREAM_FAILED] = { OCSF_NETWORK, V(4, "Fail"), V(4, "Fail"),
	    NULL, "proxy", 2 },
	[AUDIT_POLICY] = { OCSF_CONFIG, V(1, "Log"), V(1, "Log"), NULL, NULL,
	    0 },
	[AUDIT_PROPOSED] = { OCSF_CONFIG, V(1, "Log"), V(1, "Log"), NULL, NULL,
	    0 },
	[AUDIT_CREDENTIALS] = { OCSF_CONFIG, V(1, "Log"), V(1, "Log"), NULL,
	    NULL, 0 },
	[AUDIT_MIDDLEWARE] = { OCSF_FINDING, V(1, "Create"), V(1, "Create"),
	    NULL, "middleware", 0 },
	[AUDIT_SANDBOX_STARTED] = { OCSF_LIFECYCLE, V(3, "Start"),
	    V(3, "Start"), NULL, NULL, 0 },
	[AUDIT_SANDBOX_STOPPED] = { OCSF_LIFECYCLE, V(4, "Stop"), V(4, "Stop"),
	    NULL, NULL, 0 },
	[AUDIT_SANDBOX_FAILED] = { OCSF_LIFECYCLE, V(4, "Stop"), V(4, "Stop"),
	    NULL, NULL, 0 },
	[AUDIT_PROTECTIONS] = { OCSF_CONFIG, V(1, "Log"), V(1, "Log"), NULL,
	    NULL, 0 },
	[AUDIT_PROTECTIONS_MISSING] = { OCSF_FINDING, V(1, "Create"),
	    V(1, "Create"), NULL, NULL, 0 },
	[AUDIT_PROGRAM_CHANGED] = { OCSF_FINDING, V(1, "Create"),
	    V(1, "Create"), NULL, NULL, 0 },
	[AUDIT_PROCESS_STARTED] = { OCSF_PROCESS, V(1, "Launch"),
	    V(1, "Launch"), NULL, NULL, 0 },
	[AUDIT_PROCESS_ENDED] = { OCSF_PROCESS, V(2, "Terminate"),
	    V(2, "Terminate"), NULL, NULL, 0 },
	[AUDIT_PROCESS_FAILED] = { OCSF_PROCESS, V(1, "Launch"), V(1, "Launch"),
	    NULL, NULL, 0 },
	[AUDIT_CHAIN] = { OCSF_BASE, V(99, "Records"), V(99, "Records"), NULL,
	    NULL, 0 },
	[AUDIT_RECORD_REFUSED] = { OCSF_FINDING, V(1, "Create"), V(1, "Create"),
	    NULL, NULL, 0 },
};

static const struct action_row {
	struct ocsf_value severity, status, action, disposition;
} actions[] = {
	[AUDIT_ALLOW] = { V(1, "Informational"), V(1, "Success"),
	    V(1, "Allowed"), V(1, "Allowed") },
	[AUDIT_DENY] = { V(3, "Medium"), V(2, "Failure"), V(2, "Denied"),
	    V(2, "Blocked") },
	[AUDIT_AUDIT] = { V(2, "Low"), V(1, "Success"), V(3, "Observed"),
	    V(17, "Logged") },
	[AUDIT_INFO] = { V(1, "Informational"), V(1, "Success"), { 0 }, { 0 } },
};

static const struct method_row {
	const char *method;
	struct ocsf_value activity;
} methods[] = {
	{ "CONNECT", V(1, "Connect") },
	{ "DELETE", V(2, "Delete") },
	{ "GET", V(3, "Get") },
	{ "HEAD", V(4, "Head") },
	{ "OPTIONS", V(5, "Options") },
	{ "POST", V(6, "Post") },
	{ "PUT", V(7, "Put") },
	{ "TRACE", V(8, "Trace") },
	{ "PATCH", V(9, "Patch") },
};

static const struct method_row *
method_row(struct view method)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (view_eq_nocase(method, view_of(methods[i].method)))
			return &methods[i];
	return NULL;
}

struct view
ocsf_method(struct view method)
{
	const struct method_row *r = method_row(method);

	return r != NULL ? view_of(r->method) : method;
}

static struct ocsf_value
http_activity(struct view method)
{
	const struct method_row *r = method_row(method);

	return r != NULL ? r->activity : (struct ocsf_value)V(99, "Other");
}

/* What a kind is beyond its class and action. */
static const struct refined_row {
	enum audit_kind kind;
	struct ocsf_value severity, status, disposition, state;
} refined[] = {
	{ AUDIT_REVOKED, { 0 }, { 0 }, V(24, "Access Revoked"), { 0 } },
	{ AUDIT_RECORD_REFUSED, V(4, "High"), { 0 }, V(19, "Alert"), { 0 } },
	{ AUDIT_PROTECTIONS, { 0 }, { 0 }, { 0 }, V(2, "Enforced") },
	{ AUDIT_PROPOSED, { 0 }, { 0 }, { 0 }, V(99, "Proposed") },
	{ AUDIT_PROTECTIONS_MISSING, V(4, "High"), { 0 }, V(19, "Alert"),
	    { 0 } },
	{ AUDIT_PROGRAM_CHANGED, V(4, "High"), { 0 }, V(2, "Blocked"), { 0 } },
	{ AUDIT_SANDBOX_FAILED, V(4, "High"), V(2, "Failure"), { 0 }, { 0 } },
	{ AUDIT_PROCESS_FAILED, V(2, "Low"), V(2, "Failure"), { 0 }, { 0 } },
};

static void
replace(struct ocsf_value *at, struct ocsf_value with)
{
	if (with.label != NULL)
		*at = with;
}

struct view
ocsf_protocol(const struct audit_event *ev)
{
	static const char *const others[] = { "udp", "icmp", "icmpv6", "raw" };

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (ev->kind == AUDIT_BYPASS &&
		    view_eq(ev->detail, view_of(others[i])))
			return ev->detail;
	return VIEW("tcp");
}

/*
 * A credential that was to go, or was shown, where it does not belong is for
 * somebody to look at, whatever the request was.
 */
static const struct kind_row *
row_of(const struct audit_event *ev)
{
	static const struct kind_row finding = { OCSF_FINDING, V(1, "Create"),
		V(1, "Create"), NULL, "credentials", 0 };

	return ev->kind == AUDIT_CREDENTIAL && ev->action == AUDIT_DENY
		   ? &finding
		   : &kinds[ev->kind];
}

/* What stage or kind say beyond the tables. */
static void
refine(const struct audit_event *ev, struct ocsf_form *f)
{
	struct view protocol = ocsf_protocol(ev);

	if (f->class == OCSF_HTTP)
		f->activity = http_activity(ev->method);
	if (view_eq(ev->stage, VIEW("ssrf")))
		f->engine = "address";
	/* No packet of these: the socket itself was refused. */
	if (ev->kind == AUDIT_BYPASS && !view_eq(protocol, VIEW("tcp")) &&
	    !view_eq(protocol, VIEW("udp")))
		f->engine = "seccomp";
	if (f->class == OCSF_CONFIG)
		f->state = ev->action == AUDIT_DENY
			       ? (struct ocsf_value)V(99, "Refused")
			       : (struct ocsf_value)V(2, "Loaded");
	for (size_t i = 0; i < ARRAY_LEN(refined); i++) {
		if (refined[i].kind != ev->kind)
			continue;
		replace(&f->severity, refined[i].severity);
		replace(&f->status, refined[i].status);
		replace(&f->disposition, refined[i].disposition);
		replace(&f->state, refined[i].state);
	}
}

void
ocsf_form_of(const struct audit_event *ev, struct ocsf_form *out)
{
	const struct kind_row *k = row_of(ev);
	const struct action_row *a = &actions[ev->action];

	*out = (struct ocsf_form) {
		.class = k->class,
		.activity = ev->action == AUDIT_DENY ? k->denied : k->allowed,
		.severity = a->severity,
		.status = a->status,
		.action = a->action,
		.disposition = a->disposition,
		.rule_name = k->rule_name,
		.engine = k->engine,
		.observed_at = k->observed_at,
	};
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (classes[i].class == k->class) {
			out->class_name = classes[i].name;
			out->category = classes[i].category;
		}
	refine(ev, out);
}

const char *
audit_level(const struct audit_event *ev)
{
	struct ocsf_form f;

	ocsf_form_of(ev, &f);
	return f.severity.id >= 4   ? "ERROR"
	       : f.severity.id == 3 ? "WARN"
				    : "INFO";
}

char
ocsf_severity_letter(unsigned id)
{
	static const char letters[] = " ILMHCF";

	return id < sizeof(letters) - 1 ? letters[id] : ' ';
}
