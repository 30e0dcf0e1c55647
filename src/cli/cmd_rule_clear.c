/* openshell rule clear [NAME] */
#include "cli/rules.h"

struct args {
	const char *sandbox;
	unsigned output;
};

static const struct cli_opt opts[] = { EMIT_OPT(output), OPT_END };

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	Openshell__V1__ClearDraftChunksRequest q =
	    OPENSHELL__V1__CLEAR_DRAFT_CHUNKS_REQUEST__INIT;
	AUTO_MSG Openshell__V1__ClearDraftChunksResponse *answer = NULL;
	AUTO_RULES r = { 0 };
	char text[64];

	if (rules_open(c, a->sandbox, &r, e) < 0)
		return -1;
	q.name = (char *)(uintptr_t)r.sandbox;
	if (rules_call(&r, "ClearDraftChunks", &q.base,
		&openshell__v1__clear_draft_chunks_response__descriptor,
		&answer, e) < 0)
		return err_wrap(e, "nothing was cleared");
	(void)snprintf(text, sizeof(text), "%u pending chunk(s) cleared.",
	    answer->chunks_cleared);
	return rules_say(c, &r,
	    &(const struct rules_done) { .text = text,
		.clears = true,
		.cleared = answer->chunks_cleared },
	    a->output, e);
}

const struct cli_cmd cmd_rule_clear = {
	.path = "rule clear",
	.summary = "Forget the proposals that wait",
	.about = "Those that were approved or rejected stay. What is refused "
		 "again is proposed again.",
	.examples = "openshell rule clear demo",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
