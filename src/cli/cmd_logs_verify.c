/* openshell logs verify [NAME] */
#include "base/mem.h"
#include "cli/emit.h"
#include "cli/reach.h"
#include "cli/records.h"

struct args {
	const char *name, *file, *head;
	unsigned output;
};

static const struct cli_opt opts[] = { RECORDS_FILE_OPT(file),
	{ .name = "head",
	    .kind = OPT_STR,
	    OPT(head),
	    .value = "NUMBER:HASH",
	    .help = "The newest record as you know it",
	    .more = "Of a run: records.count and records.hash of its --report. "
		    "For a sandbox the gateway knows it." },
	EMIT_OPT(output), OPT_END };

static const struct cli_pos pos[] = { REACH_POS(name), { 0 } };

static const struct emit_col cols[] = { { .title = "Records", .field = "name" },
	{ .title = "Verdict", .field = "verdict", .style = EMIT_NAME },
	{ .title = "Record", .field = "seq" },
	{ .title = "Line", .field = "line" },
	{ .title = "What", .field = "text" },
	{ .title = "Count", .field = "records" },
	{ .title = "Interrupted", .field = "interrupted" },
	{ .title = "Newest", .field = "head" },
	{ .title = "Checked", .field = "checked" }, { 0 } };
static const struct emit_table table = { .cols = cols, .label = 14 };

static int
print(struct cli *c, const struct args *a, const struct records *r,
    const struct audit_verified *v, bool known, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	struct emit_val *o = emit_root(m);
	AUTO_FREE char *head = mem_printf(
	    "%llu:%s", (unsigned long long)v->head.seq, v->head.hash);
	bool broken = v->fault != AUDIT_INTACT;

	emit_str(o, "name", view_of(r->name));
	emit_text(o, "verdict", audit_fault_name(v->fault));
	if (broken) {
		emit_uint(o, "seq", v->seq);
		emit_uint(o, "line", v->line);
	} else {
		emit_null(o, "seq");
		emit_null(o, "line");
	}
	emit_text(o, "text", broken ? v->text : NULL);
	emit_uint(o, "records", v->records);
	if (v->interrupted > 0 || a->output != EMIT_TABLE)
		emit_uint(o, "interrupted", v->interrupted);
	emit_text(o, "head", broken ? NULL : head);
	emit_text(o, "checked",
	    known ? "also against the newest record that is known elsewhere"
		  : "by themselves: nothing else says how many there were");
	if (emit_print(c, m, (enum emit_format)a->output, &table, e) < 0)
		return -1;
	return broken ? CLI_FAILED : CLI_OK;
}

static void
note_interrupted(struct cli *c, const struct audit_verified *v)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	if (v->interrupted == 0)
		return;
	buf_printf(&b,
	    "%llu write%s did not end: a line is incomplete, as a crash (or a "
	    "writer at work) leaves it\n",
	    (unsigned long long)v->interrupted, v->interrupted == 1 ? "" : "s");
	cli_note(c, &b);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_RECORDS r = { 0 };
	struct audit_verify *v;
	struct audit_verified result;

	if (a->file != NULL && a->name != NULL) {
		(void)err_set(e, ERR_INVALID, "name a sandbox or --file");
		return cli_misused(c, e);
	}
	if (a->head != NULL) {
		if (audit_head_parse(view_of(a->head), &r.head, e) < 0) {
			(void)err_wrap(e, "--head %.100s", a->head);
			return cli_misused(c, e);
		}
		r.has_head = true;
	}
	if (records_load(c, a->file, a->name, &r, e) < 0)
		return -1;
	v = audit_verify_new(r.has_head ? &r.head : NULL);
	audit_verify_feed(v, buf_view(&r.text));
	audit_verify_end(v, &result);
	audit_verify_free(v);
	note_interrupted(c, &result);
	return print(c, a, &r, &result, r.has_head, e);
}

const struct cli_cmd cmd_logs_verify = {
	.path = "logs verify",
	.summary = "Check that no record was altered or taken out",
	.about =
	    "The records of a sandbox are a chain: each has a number, the hash "
	    "of the one before and its own. This reads all of them and names "
	    "the first that was altered, is missing, or stands elsewhere. "
	    "Whoever can write the records could make a whole new chain, or "
	    "cut off its end; that shows only against the newest record as it "
	    "is known elsewhere. For a sandbox the gateway knows it; for the "
	    "file of a run give --head.\n"
	    "\n"
	    "A line that a crash left without an end is told, and is no fault.",
	.status = "0 when the records are intact, 1 when they are not or "
		  "cannot be read, 2 for a wrong command line.",
	.examples = "openshell logs verify demo\n"
		    "openshell logs verify --file events.jsonl -o json",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
