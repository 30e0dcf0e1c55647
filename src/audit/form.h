/* form: which class and numbers of OCSF a record gets (not for others). */
#ifndef AUDIT_FORM_H
#define AUDIT_FORM_H

#include "audit/event.h"

#define OCSF_PRODUCT "OpenShell Sandbox Supervisor"

enum ocsf_class {
	OCSF_BASE = 0,
	OCSF_PROCESS = 1007,
	OCSF_FINDING = 2004,
	OCSF_NETWORK = 4001,
	OCSF_HTTP = 4002,
	OCSF_DNS = 4003,
	OCSF_CONFIG = 5019,
	OCSF_LIFECYCLE = 6002
};

/* An enumeration's member: its number and its label. */
struct ocsf_value {
	unsigned id;
	const char *label;
};

/* What we find we have seen. */
#define OCSF_SURE ((struct ocsf_value) { 3, "High" })

struct ocsf_form {
	enum ocsf_class class;
	const char *class_name;
	struct ocsf_value category, activity, severity, status;
	struct ocsf_value action, disposition; /* label NULL: not of it */
	const char *rule_name, *engine; /* NULL: the record's policy; none */
	unsigned observed_at; /* observation_point_id, 0: not of it */
	struct ocsf_value state; /* of OCSF_CONFIG */
};
/* A known method in capitals; the one given when it is not known. */
struct view ocsf_method(struct view method);
void ocsf_form_of(const struct audit_event *ev, struct ocsf_form *out);
/* "tcp", or what a datagram was. */
struct view ocsf_protocol(const struct audit_event *ev);
/* The letter of a severity in a shorthand line. */
char ocsf_severity_letter(unsigned id);

#endif
