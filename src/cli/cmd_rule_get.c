/* openshell rule get [NAME] */
#include "cli/rules.h"

struct args {
	const char *sandbox;
	bool full;
	unsigned status, output;
};

enum { OUT_MAX = 64 << 20 };

static const char *const statuses[] = { "any", "pending", "approved",
	"rejected", NULL };

static const struct cli_opt opts[] = {
	{ .name = "status",
	    .kind = OPT_ENUM,
	    OPT(status),
	    .value = "STATUS",
	    .choices = statuses,
	    .help = "Only those that wait, or were decided so" },
	{ .name = "full",
	    .kind = OPT_FLAG,
	    OPT(full),
	    .help = "Print each rule too, as YAML that 'rule edit' takes" },
	EMIT_OPT(output), OPT_END
};

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
print_table(struct cli *c, const struct rules *r, const drafts_msg *d,
    bool full, struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

	if (d->n_chunks == 0) {
		buf_puts(&out, "No network rules for sandbox '");
		buf_put_escaped(&out, view_of(r->sandbox));
		buf_puts(&out, "'\n");
		return cli_out(c, &out, e);
	}
	cli_paint(&out, c->color_out, COLOR_HEADING, "Network Rules:");
	buf_printf(&out, "  (version %llu, %zu chunk%s)\n",
	    (unsigned long long)d->draft_version, d->n_chunks,
	    d->n_chunks == 1 ? "" : "s");
	for (size_t i = 0; i < d->n_chunks; i++) {
		buf_putc(&out, '\n');
		rules_put(c, d->chunks[i], full, &out);
	}
	if (out.full)
		return err_set(e, ERR_LIMIT,
		    "the proposals are too many to show: see --status");
	return cli_out(c, &out, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_MSG drafts_msg *d = NULL;
	AUTO_RULES r = { 0 };
	struct emit_val *list;

	if (rules_open(c, a->sandbox, &r, e) < 0 ||
	    rules_fetch(&r, a->status > 0 ? statuses[a->status] : "", &d, e) <
		0)
		return -1;
	if (a->output == EMIT_TABLE)
		return print_table(c, &r, d, a->full, e);
	emit_text(emit_root(m), "sandbox", r.sandbox);
	emit_uint(emit_root(m), "draft_version", d->draft_version);
	list = emit_list(emit_root(m), "chunks");
	for (size_t i = 0; i < d->n_chunks; i++)
		rules_emit(list, d->chunks[i]);
	return emit_print(c, m, (enum emit_format)a->output, NULL, e);
}

const struct cli_cmd cmd_rule_get = {
	.path = "rule get",
	.summary = "Show what a sandbox proposes to allow",
	.about = "Shows the rules that the sandbox has proposed, newest first: "
		 "for which program, where to, which requests, and what the "
		 "gateway found about it. Rationale, confidence and notes are "
		 "the words of the sandbox.",
	.examples = "openshell rule get demo --status pending\n"
		    "openshell rule get demo -o json",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
