/* openshell rule approve-all [NAME] */
#include <unistd.h>

#include "cli/confirm.h"
#include "cli/rules.h"

struct args {
	const char *sandbox;
	bool flagged, yes;
	unsigned output;
};

static const struct cli_opt opts[] = {
	{ .name = "include-security-flagged",
	    .kind = OPT_FLAG,
	    OPT(flagged),
	    .help = "Also those with security notes" },
	{ .name = "yes",
	    .letter = 'y',
	    .kind = OPT_FLAG,
	    OPT(yes),
	    .help = "Do not ask" },
	EMIT_OPT(output), OPT_END
};

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static bool
is_skipped(const struct args *a, const chunk_msg *m)
{
	return !a->flagged && m->security_notes[0] != '\0';
}

/*
 * allow_api_github_com_443: /usr/bin/curl -> api.github.com:443
 *     ! It opens addresses of internal networks.
 */
static void
put_one(
    struct cli *c, const struct args *a, const chunk_msg *m, struct buf *out)
{
	AUTO_BUF struct buf notes = BUF_INIT(64 << 10);

	buf_puts(out, is_skipped(a, m) ? "  skipped: " : "  ");
	buf_put_escaped(out, view_of(m->rule_name));
	buf_puts(out, ": ");
	for (size_t i = 0;
	     m->proposed_rule != NULL && i < m->proposed_rule->n_binaries;
	     i++) {
		buf_puts(out, i > 0 ? ", " : "");
		buf_put_escaped(
		    out, view_of(m->proposed_rule->binaries[i]->path));
	}
	buf_puts(out, " -> ");
	rules_put_endpoints(m, out);
	buf_putc(out, '\n');
	if (m->security_notes[0] == '\0')
		return;
	buf_puts(&notes, "      ! ");
	buf_put_escaped(&notes, view_of(m->security_notes));
	cli_paint(out, c->color_out, COLOR_WARN, buf_str(&notes));
	buf_putc(out, '\n');
}

/* How many would be approved; all of them are told. */
static int
show(struct cli *c, const struct args *a, const drafts_msg *d, unsigned *n,
    struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(64 << 20);

	for (size_t i = 0; i < d->n_chunks; i++) {
		put_one(c, a, d->chunks[i], &out);
		*n += !is_skipped(a, d->chunks[i]);
	}
	if (a->output == EMIT_TABLE)
		return cli_out(c, &out, e);
	cli_note(c, &out);
	return 0;
}

/* The ones that were shown.  Attack: a proposal that comes while a person
 * reads would be approved unseen. */
static int
approve(struct rules *r, const chunk_msg *m, unsigned *version, struct err *e)
{
	Openshell__V1__ApproveDraftChunkRequest q =
	    OPENSHELL__V1__APPROVE_DRAFT_CHUNK_REQUEST__INIT;
	AUTO_MSG Openshell__V1__ApproveDraftChunkResponse *answer = NULL;

	q.name = (char *)(uintptr_t)r->sandbox;
	q.chunk_id = m->id;
	if (rules_call(r, "ApproveDraftChunk", &q.base,
		&openshell__v1__approve_draft_chunk_response__descriptor,
		&answer, e) < 0)
		return err_wrap(
		    e, "the rule '%.100s' was not approved", m->rule_name);
	*version = answer->policy_version;
	return 0;
}

static int
approve_all(struct cli *c, struct rules *r, const struct args *a,
    const drafts_msg *d, struct err *e)
{
	unsigned approved = 0, version = 0;
	char text[64];
	struct err why;
	int rc = 0;

	for (size_t i = 0; i < d->n_chunks && rc == 0; i++) {
		if (is_skipped(a, d->chunks[i]))
			continue;
		rc = approve(r, d->chunks[i], &version, &why);
		approved += rc == 0;
	}
	if (rc < 0 && approved > 0)
		err_wrap(&why, "after %u others were approved", approved);
	if (rc < 0) {
		*e = why;
		return -1;
	}
	(void)snprintf(text, sizeof(text), "%u chunk(s) approved, %zu skipped.",
	    approved, d->n_chunks - approved);
	return rules_say(c, r,
	    &(const struct rules_done) { .text = text,
		.several = true,
		.approved = approved,
		.skipped = d->n_chunks - approved,
		.policy_version = version },
	    a->output, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_MSG drafts_msg *d = NULL;
	AUTO_RULES r = { 0 };
	char question[64];
	unsigned n = 0;

	if (rules_open(c, a->sandbox, &r, e) < 0 ||
	    rules_fetch(&r, "pending", &d, e) < 0)
		return -1;
	if (d->n_chunks == 0)
		return err_set(
		    e, ERR_NOT_FOUND, "no pending chunks to approve");
	if (show(c, a, d, &n, e) < 0)
		return -1;
	(void)snprintf(question, sizeof(question), "This allows %u rule%s.", n,
	    n == 1 ? "" : "s");
	/* A script that says "all" has nobody to ask. */
	if (n > 0 && !a->yes && isatty(c->in) && isatty(c->err) &&
	    confirm(c, question, "nobody to ask", e) < 0)
		return -1;
	return approve_all(c, &r, a, d, e);
}

const struct cli_cmd cmd_rule_approve_all = {
	.path = "rule approve-all",
	.summary = "Allow all that waits",
	.about = "Shows the proposals that wait and, on a terminal, asks; then "
		 "approves those that were shown, and none that came "
		 "meanwhile. Those with security notes are skipped. The first "
		 "that cannot be approved ends it; those before it stay.",
	.examples = "openshell rule approve-all demo",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
