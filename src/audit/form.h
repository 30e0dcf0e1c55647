/* form: which class and numbers of OCSF a record gets (not for others). */
#ifndef AUDIT_FORM_H
#define AUDIT_FORM_H

#include "audit/event.h"

enum ocsf_class {
	OCSF_BASE = 0,
	OCSF_PROCESS = 1007,
	OCSF_FINDING = 2004,
	OCSF_NETWORK = 4001,
	OCSF_HTTP = 4002,
	OCSF_DNS = 4003,
	OCSF_CONFIG = 5019
};

/* An enumeration's member: its number and its label. */
struct ocsf_value {
	unsigned id;
	const char *label;
};

struct ocsf_form {
	enum ocsf_class class;
	const char *class_name;
	struct ocsf_value category, activity, severity, status;
	struct ocsf_value action, disposition; /* label NULL: not of it */
	const char *rule_name, *engine; /* NULL: the record's policy; none */
	unsigned observed_at; /* observation_point_id, 0: not of it */
	const char *state; /* of OCSF_CONFIG */
};
void ocsf_form_of(const struct audit_event *ev, struct ocsf_form *out);
/* The letter of a severity in a shorthand line. */
char ocsf_severity_letter(unsigned id);

#endif
