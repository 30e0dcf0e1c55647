/* openshell rule undo [NAME] --chunk-id ID */
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
	Openshell__V1__UndoDraftChunkRequest q =
	    OPENSHELL__V1__UNDO_DRAFT_CHUNK_REQUEST__INIT;
	AUTO_MSG Openshell__V1__UndoDraftChunkResponse *answer = NULL;
	AUTO_MSG drafts_msg *all = NULL;
	AUTO_RULES r = { 0 };
	const chunk_msg *m;

	if (rules_open(c, a->sandbox, &r, e) < 0 ||
	    rules_find(&r, a->id, &all, &m, e) < 0)
		return -1;
	q.name = (char *)(uintptr_t)r.sandbox;
	q.chunk_id = m->id;
	if (rules_call(&r, "UndoDraftChunk", &q.base,
		&openshell__v1__undo_draft_chunk_response__descriptor, &answer,
		e) < 0)
		return err_wrap(e, "the approval was not taken back");
	return rules_say(c, &r,
	    &(const struct rules_done) { .text = "Approval taken back.",
		.chunk_id = m->id,
		.status = "pending",
		.policy_version = answer->policy_version,
		.policy_hash = answer->policy_hash },
	    a->output, e);
}

const struct cli_cmd cmd_rule_undo = {
	.path = "rule undo",
	.summary = "Take an approval back",
	.about = "What the approval added goes out of the policy, at once, and "
		 "the proposal waits again. What was approved or set since "
		 "stays.",
	.examples = "openshell rule undo demo --chunk-id 3f0c9a52",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
