/* openshell policy why [NAME] EVENT-ID */
#include "base/mem.h"
#include "cli/emit.h"
#include "cli/reach.h"
#include "cli/records.h"

struct args {
	const char *name, *event, *file;
	unsigned output;
};

static const struct cli_opt opts[] = { RECORDS_FILE_OPT(file), EMIT_OPT(output),
	OPT_END };

static const struct cli_pos pos[] = { REACH_POS(name),
	{ .name = "EVENT-ID",
	    .kind = OPT_STR,
	    OPT(event),
	    .help = "Number of the event: event_id of a log line or of the "
		    "answer that the program got" },
	{ 0 } };

/* --- found --------------------------------------------------------------- */

struct search {
	uint64_t id;
	bool found;
	struct emit *doc; /* of the last one with that number */
	struct buf suggestion;
	bool denied;
};

static void
put_field(void *ctx, const char *name, const struct view *text, uint64_t number)
{
	struct emit_val *o = ctx;

	if (strcmp(name, "time_ms") == 0)
		emit_time(o, "time", (int64_t)number);
	else if (strcmp(name, "suggestion") == 0)
		return; /* last, and as lines */
	else if (text != NULL)
		emit_str(o, name, *text);
	else
		emit_uint(o, name, number);
}

static void
on_record(void *ctx, const struct audit_event *ev, struct view line UNUSED)
{
	struct search *s = ctx;
	struct emit_val *o;

	if (ev->event_id != s->id)
		return;
	/* A file of several runs counts anew in each: the newest is meant. */
	emit_free(s->doc);
	s->doc = emit_new(EMIT_OBJECT);
	o = emit_root(s->doc);
	s->found = true;
	s->denied = ev->action == AUDIT_DENY;
	audit_event_each(ev, put_field, o);
	buf_reset(&s->suggestion);
	buf_put(&s->suggestion, ev->suggestion);
	if (ev->suggestion.n > 0)
		emit_str(o, "suggestion", ev->suggestion);
	else
		emit_null(o, "suggestion");
	/* The same as values: what YAML output can be copied from. */
	if (ev->suggestion.n > 0)
		emit_yaml(o, "network_policies", ev->suggestion);
}

/* --- shown --------------------------------------------------------------- */

static const struct emit_col cols[] = { { .title = "Event",
					    .field = "event_id" },
	{ .title = "Time", .field = "time" },
	{ .title = "Kind", .field = "kind" },
	{ .title = "Action", .field = "action", .style = EMIT_NAME },
	{ .title = "Stage", .field = "stage" },
	{ .title = "Program", .field = "binary" },
	{ .title = "Pid", .field = "pid" },
	{ .title = "Parents", .field = "ancestors" },
	{ .title = "Digest", .field = "sha256" },
	{ .title = "Host", .field = "host" },
	{ .title = "Port", .field = "port" },
	{ .title = "Scheme", .field = "scheme" },
	{ .title = "Method", .field = "method" },
	{ .title = "Path", .field = "path" },
	{ .title = "Query", .field = "query_names" },
	{ .title = "Policy", .field = "policy" },
	{ .title = "Rule", .field = "rule" },
	{ .title = "Reason", .field = "reason" },
	{ .title = "Nearest", .field = "nearest" },
	{ .title = "But", .field = "miss" },
	{ .title = "Detail", .field = "detail" },
	{ .title = "Revision", .field = "generation" },
	{ .title = "Connection", .field = "connection" }, { 0 } };
static const struct emit_table table = { .cols = cols, .label = 12 };

static void
put_suggestion(struct cli *c, const struct search *s, struct buf *out)
{
	struct view rest = buf_view(&s->suggestion);

	if (rest.n == 0) {
		if (s->denied)
			buf_puts(out,
			    "No rule would allow it: it was refused for "
			    "another reason than the policy\n");
		return;
	}
	buf_putc(out, '\n');
	cli_paint(out, c->color_out, COLOR_HEADING,
	    "The smallest change that would allow it, to be put under "
	    "network_policies:");
	buf_puts(out, "\n\n");
	while (rest.n > 0) {
		buf_put_escaped(out, view_cut(rest, '\n', &rest));
		buf_putc(out, '\n');
	}
}

static int
show(struct cli *c, const struct args *a, const struct search *s, struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);

	if (a->output != EMIT_TABLE)
		return emit_print(
		    c, s->doc, (enum emit_format)a->output, &table, e);
	emit_put(s->doc, EMIT_TABLE, &table, c->color_out, &out);
	put_suggestion(c, s, &out);
	return cli_out(c, &out, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	struct search s = { .suggestion = BUF_INIT(1 << 16) };
	AUTO_RECORDS r = { 0 };
	int rc = -1;

	if (!view_u64(view_of(a->event), UINT64_MAX, &s.id) || s.id == 0 ||
	    (a->file != NULL && a->name != NULL)) {
		(void)err_set(e, ERR_INVALID,
		    "'%.60s': the number of an event is expected, after a "
		    "sandbox or with --file",
		    a->event);
		return cli_misused(c, e);
	}
	if (records_load(c, a->file, a->name, &r, e) < 0)
		return -1;
	(void)records_each(&r, on_record, &s);
	if (s.found)
		rc = show(c, a, &s, e);
	else
		(void)err_set(e, ERR_NOT_FOUND,
		    "%.100s has no record of event %llu\n"
		    "its newest records: openshell logs %s%.100s",
		    r.name, (unsigned long long)s.id,
		    a->file != NULL ? "--file " : "", r.name);
	emit_free(s.doc);
	buf_fini(&s.suggestion);
	return rc;
}

const struct cli_cmd cmd_policy_why = {
	.path = "policy why",
	.summary = "Explain why one request was allowed or denied",
	.about =
	    "Shows the record of one event whole: who asked for what, which "
	    "policy and rule decided, which came nearest to allowing it and "
	    "why it did not, and the smallest change that would.\n"
	    "\n"
	    "The number of an event stands in the log of the sandbox, in the "
	    "summary of a run, and in the answer that the program got "
	    "(event_id).",
	.status = "0 when there is such an event, 1 when there is none, 2 for "
		  "a wrong command line.",
	.examples = "openshell policy why demo 17\n"
		    "openshell policy why --file events.jsonl 17 -o yaml",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
