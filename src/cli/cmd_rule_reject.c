/* openshell rule reject [NAME] --chunk-id ID */
#include "cli/rules.h"

struct args {
	const char *sandbox, *id, *reason;
	unsigned output;
};

static const struct cli_opt opts[] = { RULE_ID_OPT(id),
	{ .name = "reason",
	    .kind = OPT_STR,
	    OPT(reason),
	    .value = "TEXT",
	    .help = "Why, for the sandbox to read" },
	EMIT_OPT(output), OPT_END };

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	Openshell__V1__RejectDraftChunkRequest q =
	    OPENSHELL__V1__REJECT_DRAFT_CHUNK_REQUEST__INIT;
	AUTO_MSG Openshell__V1__RejectDraftChunkResponse *answer = NULL;
	AUTO_MSG drafts_msg *all = NULL;
	AUTO_RULES r = { 0 };
	const chunk_msg *m;

	if (rules_open(c, a->sandbox, &r, e) < 0 ||
	    rules_find(&r, a->id, &all, &m, e) < 0)
		return -1;
	q.name = (char *)(uintptr_t)r.sandbox;
	q.chunk_id = m->id;
	if (a->reason != NULL)
		q.reason = (char *)(uintptr_t)a->reason;
	if (rules_call(&r, "RejectDraftChunk", &q.base,
		&openshell__v1__reject_draft_chunk_response__descriptor,
		&answer, e) < 0)
		return err_wrap(e, "the rule was not rejected");
	return rules_say(c, &r,
	    &(const struct rules_done) { .text = "Chunk rejected.",
		.chunk_id = m->id,
		.status = "rejected" },
	    a->output, e);
}

const struct cli_cmd cmd_rule_reject = {
	.path = "rule reject",
	.summary = "Refuse what a sandbox proposed",
	.about = "The same proposal is not made again. One that was approved "
		 "goes out of the policy first, at once.",
	.examples = "openshell rule reject demo --chunk-id 3f0c9a52 --reason "
		    "'use the mirror'",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
