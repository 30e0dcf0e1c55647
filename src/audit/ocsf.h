/*
 * ocsf: a record in the forms that other tools read (sandbox spec section 14):
 * an object of the Open Cybersecurity Schema Framework 1.7.0, and one line for
 * people.  Both are made from the record alone, whenever they are asked for.
 */
#ifndef AUDIT_OCSF_H
#define AUDIT_OCSF_H

#include "audit/event.h"

struct audit_source {
	struct view sandbox, name; /* id, and name for people; may be empty */
};

/* One JSON object and '\n'. */
void audit_ocsf_json(const struct audit_event *ev,
    const struct audit_source *from, struct buf *out);
/* "HH:MM:SS.mmm M NET:REFUSE DENIED /usr/bin/curl(7) -> ..." and '\n'. */
void audit_shorthand(const struct audit_event *ev, struct buf *out);
/* Its severity as the level of a log line: "ERROR", "WARN", "INFO". */
const char *audit_level(const struct audit_event *ev);
/* The same for a line of a log that is no record. */
struct audit_remark {
	int64_t time_ms;
	const char *level; /* "ERROR", "WARN", "INFO", ... */
	const char *source, *target;
	struct view message;
};
void audit_ocsf_remark(const struct audit_remark *r,
    const struct audit_source *from, struct buf *out);
void audit_shorthand_remark(const struct audit_remark *r, struct buf *out);

#endif
