/* rules: see rules.h. */
#include "cli/rules.h"

#include "base/mem.h"

int
rules_open(struct cli *c, const char *given, struct rules *out, struct err *e)
{
	if (reach_open(c, &out->reach, e) < 0)
		return -1;
	out->sandbox = reach_sandbox(c, out->reach, given, e);
	return out->sandbox != NULL ? 0 : -1;
}

void
rules_close(struct rules *r)
{
	reach_close_at(&r->reach);
}

int
rules_call(struct rules *r, const char *method, const ProtobufCMessage *m,
    const ProtobufCMessageDescriptor *type, void *answer, struct err *e)
{
	return reach_call(r->reach, method, m, type, answer, NULL, e);
}

int
rules_fetch(
    struct rules *r, const char *status, drafts_msg **out, struct err *e)
{
	Openshell__V1__GetDraftPolicyRequest q =
	    OPENSHELL__V1__GET_DRAFT_POLICY_REQUEST__INIT;
	AUTO_FREE char *name = mem_strdup(r->sandbox);
	AUTO_FREE char *filter = mem_strdup(status);

	q.name = name;
	q.status_filter = filter;
	if (rules_call(r, "GetDraftPolicy", &q.base,
		&openshell__v1__get_draft_policy_response__descriptor, out,
		e) < 0)
		return err_wrap(
		    e, "get the proposals of sandbox '%.100s'", r->sandbox);
	return 0;
}

int
rules_find(struct rules *r, const char *id, drafts_msg **all,
    const chunk_msg **out, struct err *e)
{
	const chunk_msg *found = NULL;
	size_t n = strlen(id);

	if (n == 0)
		return err_set(e, ERR_INVALID, "--chunk-id is empty");
	if (rules_fetch(r, "", all, e) < 0)
		return -1;
	for (size_t i = 0; i < (*all)->n_chunks; i++) {
		const chunk_msg *m = (*all)->chunks[i];

		if (strncmp(m->id, id, n) != 0)
			continue;
		if (found != NULL)
			return err_set(e, ERR_INVALID,
			    "more than one proposal begins with '%.40s': give "
			    "more of its id",
			    id);
		found = m;
	}
	if (found == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "sandbox '%.100s' has no proposal '%.40s': see 'openshell "
		    "rule get %.100s'",
		    r->sandbox, id, r->sandbox);
	*out = found;
	return 0;
}
