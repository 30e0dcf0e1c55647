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

enum {
	AUDIT_JSON_MAX = 11008,
	AUDIT_LINE_MAX = AUDIT_JSON_MAX + 192, /* as stored: audit/chain.h */
	AUDIT_PATH_SHOWN = 1024
};

struct audit_event {
	int64_t time_ms; /* wall clock */
	uint64_t event_id; /* its number among those of the sandbox; 0: none */
	enum audit_kind kind;
	enum audit_action action;
	struct view stage; /* "connect", "forward", "ssrf", "l7", "bypass",
			      "tls", "parse", "identity" ... when denied */
	struct view binary; /* executable inside the sandbox, "-" unknown */
	uint32_t pid; /* inside the sandbox; 0 unknown */
	struct view ancestors; /* " -> " joined */
	struct view cmdline; /* absolute arguments, ", " joined: of connections,
				for people alone */
	struct view sha256;
	struct view src_addr; /* of connections: the program's end of it */
	uint16_t src_port;
	struct view proxy_addr; /* "10.200.0.1:3128": who judged it */
	struct view host; /* name or address asked for */
	uint16_t port;
	struct view scheme; /* of a request: "http", "https" */
	struct view method, path; /* path without query; names only: query */
	struct view query_names; /* ", " joined */
	struct view operation; /* inside the request: "tools/call", "query Q" */
	struct view tool; /* MCP: its name */
	struct view fields; /* GraphQL: its root fields, ", " joined */
	struct view policy; /* key, "-" when none */
	struct view rule; /* that decided: "endpoints[0].rules[1]" */
	struct view reason;
	struct view nearest; /* "KEY endpoints[0].rules[1]", of those that did
				not, and why it did not: */
	struct view miss;
	struct view suggestion; /* smallest change that would allow it */
	uint64_t generation; /* of the policy that judged */
	uint32_t connection; /* number of the connection in this sandbox */
	struct view status; /* PROCESS_ENDED: as a shell would see it */
	struct view detail; /* free text, escaped, by kind: the command line
			       of a process, the digest of a policy, what
			       protects, the machine of a sandbox, the protocol
			       of a datagram */
	struct view sandbox; /* id; of CHAIN and SANDBOX_STARTED */
	/* Of a CHAIN record (audit/chain.h). */
	uint32_t file; /* number of the file it begins */
	uint32_t kept; /* of the oldest file that was kept */
	uint32_t torn; /* bytes of an interrupted write in front of it, whose
			  digest is `sha256` */
	bool truncated; /* some value was cut */
};

/* The verdict of a policy, as opposed to other reasons to refuse. */
bool audit_is_verdict(const struct audit_event *ev);
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

/* Every field that is not empty, in order; text NULL: a number. */
void audit_event_each(const struct audit_event *ev,
    void (*put)(
	void *ctx, const char *name, const struct view *text, uint64_t number),
    void *ctx);
/*
 * The fields of a log line, by the names in fields.def and log.c: each is given
 * to `put` as text.  The values are raw and last as long as the call.
 */
void audit_log_fields(const struct audit_event *ev,
    void (*put)(void *ctx, const char *key, struct view value), void *ctx);
/*
 * The way back, once ev->kind is that of the line: false when no field has
 * that key or the text is not of its kind.  `value` is borrowed by *ev.
 */
bool audit_log_take(
    struct audit_event *ev, struct view key, struct view value) MUST_USE;
/* The kind whose name is the message of a log line. */
bool audit_kind_find(struct view name, enum audit_kind *out) MUST_USE;

/*
 * Denials told apart by (program, host, port, method, path, operation, tool),
 * counted.  Bounded: beyond AUDIT_SUMMARY_MAX rows the rest is one "others"
 * count.
 */
enum { AUDIT_SUMMARY_MAX = 1024 };
struct audit_summary;
struct audit_summary_row {
	struct view binary, host, method, path, reason, policy, suggestion;
	uint64_t event_id; /* of the first */
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
