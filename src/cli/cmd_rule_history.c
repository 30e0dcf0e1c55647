/* openshell rule history [NAME] */
#include "cli/rules.h"

typedef Openshell__V1__DraftHistoryEntry entry_msg;
typedef Openshell__V1__GetDraftHistoryResponse history_msg;

struct args {
	const char *sandbox;
	unsigned output;
};

static const struct cli_opt opts[] = { EMIT_OPT(output), OPT_END };

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
print_table(
    struct cli *c, const struct rules *r, const history_msg *h, struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(16 << 20);

	if (h->n_entries == 0) {
		buf_puts(&out, "No rule history for sandbox '");
		buf_put_escaped(&out, view_of(r->sandbox));
		buf_puts(&out, "'\n");
		return cli_out(c, &out, e);
	}
	cli_paint(&out, c->color_out, COLOR_HEADING, "Rule History:");
	buf_putc(&out, '\n');
	for (size_t i = 0; i < h->n_entries; i++) {
		const entry_msg *m = h->entries[i];

		buf_puts(&out, "  ");
		rules_put_time(m->timestamp_ms, &out);
		buf_putc(&out, ' ');
		buf_put_escaped(&out, view_of(m->event_type));
		buf_puts(&out, " [");
		buf_put_escaped(&out, view_slice(view_of(m->chunk_id), 0, 8));
		buf_puts(&out, "] ");
		buf_put_escaped(&out, view_of(m->description));
		buf_putc(&out, '\n');
	}
	return cli_out(c, &out, e);
}

static void
emit_entry(struct emit_val *list, const entry_msg *m)
{
	struct emit_val *o = emit_object(list, NULL);

	emit_time(o, "at", m->timestamp_ms);
	emit_text(o, "event", m->event_type);
	emit_text(o, "chunk_id", m->chunk_id);
	emit_text(o, "description", m->description);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	Openshell__V1__GetDraftHistoryRequest q =
	    OPENSHELL__V1__GET_DRAFT_HISTORY_REQUEST__INIT;
	AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);
	AUTO_MSG history_msg *h = NULL;
	AUTO_RULES r = { 0 };

	if (rules_open(c, a->sandbox, &r, e) < 0)
		return -1;
	q.name = (char *)(uintptr_t)r.sandbox;
	if (rules_call(&r, "GetDraftHistory", &q.base,
		&openshell__v1__get_draft_history_response__descriptor, &h,
		e) < 0)
		return err_wrap(e, "get the history of proposals");
	if (a->output == EMIT_TABLE)
		return print_table(c, &r, h, e);
	for (size_t i = 0; i < h->n_entries; i++)
		emit_entry(emit_root(m), h->entries[i]);
	return emit_print(c, m, (enum emit_format)a->output, NULL, e);
}

const struct cli_cmd cmd_rule_history = {
	.path = "rule history",
	.summary = "List what was proposed and decided",
	.examples = "openshell rule history demo",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
