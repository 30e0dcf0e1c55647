#include "cli/policy_source.h"

#include <sys/stat.h>

#include "base/mem.h"
#include "cli/policy_file.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"

enum { CALL_MS = 30000 };

typedef Openshell__V1__GetSandboxPolicyStatusResponse status_resp;

static int
ask(struct reach *r, const char *sandbox, uint32_t version,
    ProtobufCMessage **out, struct err *e)
{
	Openshell__V1__GetSandboxPolicyStatusRequest q =
	    OPENSHELL__V1__GET_SANDBOX_POLICY_STATUS_REQUEST__INIT;
	AUTO_FREE char *name = mem_strdup(sandbox);

	q.name = name;
	q.version = version;
	if (rpc_unary(reach_rpc(r),
		"/openshell.v1.OpenShell/GetSandboxPolicyStatus", &q.base,
		&openshell__v1__get_sandbox_policy_status_response__descriptor,
		out, CALL_MS, NULL, e) < 0)
		return err_wrap(e, "get the policy of sandbox '%s'", sandbox);
	return 0;
}

/* The latest revision need not be the one in force. */
static int
ask_active(
    struct reach *r, const char *sandbox, ProtobufCMessage **out, struct err *e)
{
	AUTO_MSG ProtobufCMessage *m = NULL;
	const status_resp *s;

	if (ask(r, sandbox, 0, &m, e) < 0)
		return -1;
	s = (const status_resp *)(const void *)m;
	if (s->active_version > 0 &&
	    (s->revision == NULL || s->revision->version != s->active_version))
		return ask(r, sandbox, s->active_version, out, e);
	*out = take_ptr(m);
	return 0;
}

static int
from_sandbox(
    struct cli *c, const char *sandbox, struct policy **out, struct err *e)
{
	AUTO_REACH struct reach *r = NULL;
	AUTO_MSG ProtobufCMessage *m = NULL;
	AUTO_FINDINGS struct policy_findings found = { 0 };
	AUTO_BUF struct buf lines = BUF_INIT(1 << 20);
	const status_resp *s;
	int rc;

	if (reach_open(c, &r, e) < 0 || ask_active(r, sandbox, &m, e) < 0)
		return err_wrap(e, "'%s' is no file", sandbox);
	s = (const status_resp *)(const void *)m;
	if (s->revision == NULL || s->revision->policy == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "the gateway has no policy of sandbox '%s'", sandbox);
	rc = policy_wire_to(s->revision->policy, out, &found);
	policy_findings_print(&found, sandbox, &lines);
	cli_note(c, &lines);
	return rc < 0 ? 1 : 0;
}

int
policy_source(
    struct cli *c, const char *word, struct policy **out, struct err *e)
{
	struct stat st;

	if (strcmp(word, "-") == 0 || strpbrk(word, "/.") != NULL ||
	    (stat(word, &st) == 0 && !S_ISDIR(st.st_mode)))
		return policy_load(c, word, out, e);
	return from_sandbox(c, word, out, e);
}
