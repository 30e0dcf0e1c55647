/* openshell rule edit [NAME] --chunk-id ID --policy FILE */
#include "cli/policy_file.h"
#include "cli/rules.h"

struct args {
	const char *sandbox, *id, *file;
	unsigned output;
};

static const struct cli_opt opts[] = { RULE_ID_OPT(id),
	{ .name = "policy",
	    .letter = 'p',
	    .kind = OPT_STR,
	    OPT(file),
	    .value = "FILE",
	    .required = true,
	    .hint = HINT_FILE,
	    .help = "A policy with the one rule that it becomes; - for "
		    "standard input" },
	EMIT_OPT(output), OPT_END };

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
replace(struct rules *r, const chunk_msg *m, policy_wire_msg *p, struct err *e)
{
	Openshell__V1__EditDraftChunkRequest q =
	    OPENSHELL__V1__EDIT_DRAFT_CHUNK_REQUEST__INIT;
	AUTO_MSG Openshell__V1__EditDraftChunkResponse *answer = NULL;

	if (p->n_network_policies != 1)
		return err_set(e, ERR_INVALID,
		    "a proposal is one rule; the file has %zu network policies",
		    p->n_network_policies);
	q.name = (char *)(uintptr_t)r->sandbox;
	q.chunk_id = m->id;
	q.proposed_rule = p->network_policies[0]->value;
	return rules_call(r, "EditDraftChunk", &q.base,
	    &openshell__v1__edit_draft_chunk_response__descriptor, &answer, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_MSG drafts_msg *all = NULL;
	AUTO_UPLOAD struct policy_upload u = { 0 };
	AUTO_RULES r = { 0 };
	const chunk_msg *m;
	int rc;

	if (rules_open(c, a->sandbox, &r, e) < 0 ||
	    rules_find(&r, a->id, &all, &m, e) < 0)
		return -1;
	rc = policy_upload_read(c, a->file, &u, e);
	if (rc > 0)
		return policy_refuse(a->file, e);
	if (rc < 0 || replace(&r, m, u.m, e) < 0)
		return err_wrap(e, "the proposal was not changed");
	return rules_say(c, &r,
	    &(const struct rules_done) { .text = "Chunk changed.",
		.chunk_id = m->id,
		.status = "pending" },
	    a->output, e);
}

const struct cli_cmd cmd_rule_edit = {
	.path = "rule edit",
	.summary = "Change what a sandbox proposed before approving it",
	.about = "The rule of the file takes the place of the proposed one; it "
		 "keeps its name. 'rule get --full' prints rules in that "
		 "form.",
	.examples = "openshell rule edit demo --chunk-id 3f0c9a52 --policy "
		    "rule.yaml",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
