/* core_drafts: the draft RPCs as a sandbox and its owner call them. */
#ifndef TESTS_UNIT_GATEWAY_CORE_DRAFTS_H
#define TESTS_UNIT_GATEWAY_CORE_DRAFTS_H

#include "core.h"

#include "gateway/draft.h"

typedef Openshell__V1__SubmitPolicyAnalysisResponse submitted_msg;
typedef Openshell__V1__GetDraftPolicyResponse drafts_msg;

/* One endpoint, one binary; without a host there is no rule at all. */
struct proposal {
	const char *name, *host;
	unsigned port;
	const char *binary; /* NULL: none */
	const char *notes, *ip; /* NULL: none */
	const char *method, *path; /* NULL: not looked into */
	bool audit, binding;
};
#define PROPOSAL(name, host, port, binary) \
	{ \
		(name), (host), (port), (binary), NULL, NULL, NULL, NULL, \
		    false, false \
	}

/* *out, unless NULL, is the caller's. */
enum rpc_code submit(struct rpc_client *c, const char *name,
    const struct proposal *p, size_t n, submitted_msg **out);
enum rpc_code drafts(struct rpc_client *c, const char *name, const char *status,
    drafts_msg **out);
/* Submits one and gives back its id; the test's own storage. */
void propose(struct rpc_client *c, const char *name, const struct proposal *p,
    char id[GW_ID]);
enum rpc_code approve(
    const char *name, const char *id, uint32_t *version); /* may be NULL */
enum rpc_code reject(const char *name, const char *id, const char *reason);
enum rpc_code undo(const char *name, const char *id, uint32_t *version);
enum rpc_code edit(const char *name, const char *id, const struct proposal *p);
/* "approved" ...; the caller's. */
char *status_of(const char *name, const char *id);
/* Keys and endpoints of the newest policy: "one=a.com:443,b.com:80;" */
const char *reach(const char *name, struct buf *b);
void submitted_free(submitted_msg **r);
void drafts_free(drafts_msg **d);

#endif
