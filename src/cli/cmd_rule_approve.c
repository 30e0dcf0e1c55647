/* openshell rule approve [NAME] --chunk-id ID */
#include "cli/rules.h"

struct args {
	const char *sandbox, *id;
	unsigned output;
};

static const struct cli_opt opts[] = { RULE_ID_OPT(id), EMIT_OPT(output),
	OPT_END };

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	Openshell__V1__ApproveDraftChunkRequest q =
	    OPENSHELL__V1__APPROVE_DRAFT_CHUNK_REQUEST__INIT;
	AUTO_MSG Openshell__V1__ApproveDraftChunkResponse *answer = NULL;
	AUTO_MSG drafts_msg *all = NULL;
	AUTO_BUF struct buf out = BUF_INIT(16 << 20);
	AUTO_RULES r = { 0 };
	const chunk_msg *m;

	if (rules_open(c, a->sandbox, &r, e) < 0 ||
	    rules_find(&r, a->id, &all, &m, e) < 0 ||
	    rules_put_widening(c, &r, m, &out, e) < 0)
		return -1;
	q.name = (char *)(uintptr_t)r.sandbox;
	q.chunk_id = m->id;
	if (rules_call(&r, "ApproveDraftChunk", &q.base,
		&openshell__v1__approve_draft_chunk_response__descriptor,
		&answer, e) < 0)
		return err_wrap(e, "the rule was not approved");
	if (a->output == EMIT_TABLE && cli_out(c, &out, e) < 0)
		return -1;
	return rules_say(c, &r,
	    &(const struct rules_done) { .text = "Chunk approved.",
		.chunk_id = m->id,
		.status = "approved",
		.policy_version = answer->policy_version,
		.policy_hash = answer->policy_hash },
	    a->output, e);
}

const struct cli_cmd cmd_rule_approve = {
	.path = "rule approve",
	.summary = "Allow what a sandbox proposed",
	.about = "The rule becomes part of the sandbox's policy, which is in "
		 "force at once, and what that lets out is said as 'policy "
		 "diff' says it. A rule that was rejected can be approved "
		 "too.",
	.examples = "openshell rule approve demo --chunk-id 3f0c9a52",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
