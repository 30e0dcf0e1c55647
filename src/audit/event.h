/*
 * event: one record a decision.  The names here are the names in JSON lines,
 * logs and tests; the order of fields in JSON is the order of this struct.
 *
 * All strings are borrowed and may be hostile: writers escape them.
 */
#ifndef AUDIT_EVENT_H
#define AUDIT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* What was decided about (rows of events.def: enumerator, JSON name). */
enum audit_kind {
#define EVENT(id, name) AUDIT_##id,
#include "audit/events.def"
#undef EVENT
	AUDIT_NKINDS
};

enum audit_action { AUDIT_ALLOW, AUDIT_DENY, AUDIT_AUDIT, AUDIT_INFO };

enum { AUDIT_JSON_MAX = 8192, AUDIT_PATH_SHOWN = 1024 };

struct audit_event {
	int64_t time_ms; /* wall clock */
	enum audit_kind kind;
	enum audit_action action;
	struct view stage; /* "connect", "forward", "ssrf", "l7", "bypass",
			      "tls", "parse", "identity" ... when denied */
	struct view binary; /* executable inside the sandbox, "-" unknown */
	uint32_t pid; /* inside the sandbox; 0 unknown */
	struct view ancestors; /* " -> " joined */
	struct view sha256;
	struct view host; /* name or address asked for */
	uint16_t port;
	struct view method, path; /* path without query; names only: query */
	struct view query_names; /* ", " joined */
	struct view policy; /* key, "-" when none */
	struct view reason;
	struct view suggestion; /* smallest change that would allow it */
	uint64_t generation; /* of the policy that judged */
	uint32_t connection; /* number of the connection in this sandbox */
	struct view detail; /* kind-specific, free text, escaped */
};

const char *audit_kind_name(enum audit_kind k);
const char *audit_action_name(enum audit_action a);
/*
 * One JSON object and '\n'; empty fields are left out.  Never longer than
 * AUDIT_JSON_MAX: long values are cut, with "truncated":true.
 */
void audit_event_json(const struct audit_event *ev, struct buf *out);

/* Reading back, for summaries: views into storage owned by *store. */
struct audit_record;
int audit_record_parse(struct view line, struct audit_record **store,
    struct audit_event *out, struct err *e) MUST_USE;
void audit_record_free(struct audit_record *r);

/*
 * Denials told apart by (program, host, port, method, path), counted.
 * Bounded: beyond AUDIT_SUMMARY_MAX rows the rest is one "others" count.
 */
enum { AUDIT_SUMMARY_MAX = 1024 };
struct audit_summary;
struct audit_summary_row {
	struct view binary, host, method, path, reason, policy, suggestion;
	uint16_t port;
	uint64_t count;
	int64_t first_ms, last_ms;
};
struct audit_summary *audit_summary_new(void) MUST_USE;
void audit_summary_free(struct audit_summary *s);
void audit_summary_add(struct audit_summary *s, const struct audit_event *ev);
size_t audit_summary_rows(
    const struct audit_summary *s, const struct audit_summary_row **rows);
uint64_t audit_summary_others(const struct audit_summary *s);
/* Totals by action, of every event added. */
uint64_t audit_summary_total(
    const struct audit_summary *s, enum audit_action a);

#endif
