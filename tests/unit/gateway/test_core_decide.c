/* What the owner of a sandbox decides, and what comes of the policy. */
#include "test.h"

#include "core_drafts.h"

#include "base/mem.h"

#define GITHUB PROPOSAL("github", "api.github.com", 443, "/usr/bin/curl")
#define PYPI PROPOSAL("pypi", "pypi.example.com", 443, "/usr/bin/pip")

static void
check_status(const char *name, const char *id, const char *want)
{
	AUTO_FREE char *is = status_of(name, id);

	CHECK_STR(is, want);
}

static enum rpc_code
set_global(bool on)
{
	Openshell__V1__UpdateConfigRequest q =
	    OPENSHELL__V1__UPDATE_CONFIG_REQUEST__INIT;
	policy_wire_msg *p = gw_policy_default();
	char key[] = "policy";
	enum rpc_code code;

	q.global = true;
	if (on)
		q.policy = p;
	else {
		q.setting_key = key;
		q.delete_setting = true;
	}
	code = ASK(core.user, "UpdateConfig", &q, update_config_response, NULL);
	policy_wire_free(p);
	return code;
}

TEST(core, an_approved_rule_is_the_next_revision_and_goes_down_at_once)
{
	struct proposal p = GITHUB;
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct rpc_client *box;
	uint32_t version = 0;
	char id[GW_ID];

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	core_attend(fake.id, CORE_ISOLATED);
	box = core_dial(fake.token);
	propose(box, "demo", &p, id);
	CHECK_STR(reach("demo", &b), "");
	CHECK_INT(approve("demo", id, &version), ==, RPC_OK);
	CHECK_INT(version, ==, 2);
	while (sup.policies == 0)
		(void)uv_run(&core.loop, UV_RUN_ONCE);
	CHECK_INT(sup.version, ==, 2);
	CHECK_STR(reach("demo", &b), "github=api.github.com:443;");
	check_status("demo", id, "approved");
	CHECK_INT(approve("demo", id, &version), ==, RPC_FAILED_PRECONDITION);
	CHECK_HAS(core.last.text,
	    "chunk status is 'approved', expected 'pending' or 'rejected'");
	rpc_client_free(box);
	core_close();
}

TEST(core, what_was_decided_can_be_taken_back)
{
	struct proposal p = GITHUB, q = PYPI;
	AUTO_BUF struct buf b = BUF_INIT(4096);
	char one[GW_ID], two[GW_ID];
	struct rpc_client *box;
	drafts_msg *d = NULL;
	uint32_t v = 0;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	propose(box, "demo", &p, one);
	propose(box, "demo", &q, two);
	CHECK_INT(undo("demo", one, &v), ==, RPC_FAILED_PRECONDITION);
	CHECK_HAS(
	    core.last.text, "chunk status is 'pending', expected 'approved'");
	CHECK_INT(approve("demo", one, NULL), ==, RPC_OK);
	CHECK_INT(approve("demo", two, NULL), ==, RPC_OK);
	CHECK_STR(reach("demo", &b),
	    "github=api.github.com:443;pypi=pypi.example.com:443;");
	CHECK_INT(undo("demo", one, &v), ==, RPC_OK);
	CHECK_INT(v, ==, 4);
	CHECK_STR(reach("demo", &b), "pypi=pypi.example.com:443;");
	check_status("demo", one, "pending");
	/* An approved one that is rejected goes first. */
	CHECK_INT(reject("demo", two, "not needed"), ==, RPC_OK);
	CHECK_STR(reach("demo", &b), "");
	CHECK_INT(drafts(box, "demo", "rejected", &d), ==, RPC_OK);
	CHECK_INT(d->n_chunks, ==, 1);
	CHECK_STR(d->chunks[0]->rejection_reason, "not needed");
	CHECK_INT(d->chunks[0]->decided_at_ms, >, 0);
	drafts_free(&d);
	CHECK_INT(reject("demo", two, ""), ==, RPC_FAILED_PRECONDITION);
	CHECK_HAS(core.last.text,
	    "chunk status is 'rejected', expected 'pending' or 'approved'");
	CHECK_INT(approve("demo", two, NULL), ==, RPC_OK);
	CHECK_STR(reach("demo", &b), "pypi=pypi.example.com:443;");
	CHECK_INT(drafts(box, "demo", "approved", &d), ==, RPC_OK);
	CHECK_STR(d->chunks[0]->rejection_reason, "");
	drafts_free(&d);
	rpc_client_free(box);
	core_close();
}

/* Attack: a proposal of one sandbox decided under the name of another. */
TEST(core, a_proposal_belongs_to_its_sandbox)
{
	struct proposal p = GITHUB;
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct rpc_client *box;
	uint32_t v = 0;
	char id[GW_ID];

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	propose(box, "demo", &p, id);
	CHECK_INT(core_create("other"), ==, RPC_OK);
	CHECK_INT(approve("other", id, NULL), ==, RPC_NOT_FOUND);
	CHECK_HAS(core.last.text, "chunk not found");
	CHECK_INT(reject("other", id, ""), ==, RPC_NOT_FOUND);
	CHECK_INT(edit("other", id, &p), ==, RPC_NOT_FOUND);
	CHECK_INT(undo("other", id, &v), ==, RPC_NOT_FOUND);
	CHECK_INT(approve("nobody", id, NULL), ==, RPC_NOT_FOUND);
	CHECK_HAS(core.last.text, "sandbox not found");
	CHECK_INT(approve("demo", "", NULL), ==, RPC_INVALID_ARGUMENT);
	CHECK_HAS(core.last.text, "chunk_id is required");
	CHECK_INT(approve("", id, NULL), ==, RPC_INVALID_ARGUMENT);
	CHECK_HAS(core.last.text, "name is required");
	CHECK_STR(reach("other", &b), "");
	CHECK_INT(approve("demo", id, NULL), ==, RPC_OK);
	/* Nor is a decision a sandbox's own. */
	{
		Openshell__V1__ApproveDraftChunkRequest q =
		    OPENSHELL__V1__APPROVE_DRAFT_CHUNK_REQUEST__INIT;

		q.name = (char[]) { "demo" };
		q.chunk_id = id;
		CHECK_INT(ASK(box, "ApproveDraftChunk", &q,
			      approve_draft_chunk_response, NULL),
		    ==, RPC_PERMISSION_DENIED);
	}
	rpc_client_free(box);
	core_close();
}

TEST(core, under_a_global_policy_nothing_of_a_sandbox_is_changed)
{
	struct proposal p = GITHUB, q = PYPI;
	struct rpc_client *box;
	char one[GW_ID], two[GW_ID];
	uint32_t v = 0;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	propose(box, "demo", &p, one);
	propose(box, "demo", &q, two);
	CHECK_INT(approve("demo", one, NULL), ==, RPC_OK);
	CHECK_INT(set_global(true), ==, RPC_OK);
	CHECK_INT(approve("demo", two, NULL), ==, RPC_FAILED_PRECONDITION);
	CHECK_HAS(core.last.text,
	    "cannot approve rules while a global policy is active; delete the "
	    "global policy to manage per-sandbox rules");
	CHECK_INT(undo("demo", one, &v), ==, RPC_FAILED_PRECONDITION);
	CHECK_INT(reject("demo", one, ""), ==, RPC_FAILED_PRECONDITION);
	CHECK_INT(reject("demo", two, ""), ==, RPC_OK);
	check_status("demo", one, "approved");
	CHECK_INT(set_global(false), ==, RPC_OK);
	CHECK_INT(undo("demo", one, &v), ==, RPC_OK);
	rpc_client_free(box);
	core_close();
}

static enum rpc_code
approve_all(const char *name, bool flagged,
    Openshell__V1__ApproveAllDraftChunksResponse **r)
{
	Openshell__V1__ApproveAllDraftChunksRequest q =
	    OPENSHELL__V1__APPROVE_ALL_DRAFT_CHUNKS_REQUEST__INIT;

	q.name = (char *)(uintptr_t)name;
	q.include_security_flagged = flagged;
	return ASK(core.user, "ApproveAllDraftChunks", &q,
	    approve_all_draft_chunks_response, r);
}

TEST(core, all_that_wait_are_approved_but_those_with_notes)
{
	struct proposal p[] = { GITHUB, PYPI,
		{ "db", "db.example.com", 5432, "/usr/bin/psql",
		    .notes = "a database" } };
	Openshell__V1__ApproveAllDraftChunksResponse *r = NULL;
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct rpc_client *box;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	CHECK_INT(
	    approve_all("demo", false, NULL), ==, RPC_FAILED_PRECONDITION);
	CHECK_HAS(core.last.text, "no pending chunks to approve");
	CHECK_INT(submit(box, "demo", p, ARRAY_LEN(p), NULL), ==, RPC_OK);
	CHECK_INT(approve_all("demo", false, &r), ==, RPC_OK);
	CHECK_INT(r->chunks_approved, ==, 2);
	CHECK_INT(r->chunks_skipped, ==, 1);
	CHECK_INT(r->policy_version, ==, 3);
	CHECK_INT(strlen(r->policy_hash), ==, 64);
	openshell__v1__approve_all_draft_chunks_response__free_unpacked(
	    r, NULL);
	CHECK_STR(reach("demo", &b),
	    "github=api.github.com:443;pypi=pypi.example.com:443;");
	CHECK_INT(approve_all("demo", true, &r), ==, RPC_OK);
	CHECK_INT(r->chunks_approved, ==, 1);
	openshell__v1__approve_all_draft_chunks_response__free_unpacked(
	    r, NULL);
	CHECK_HAS(reach("demo", &b), "db=db.example.com:5432;");
	rpc_client_free(box);
	core_close();
}

TEST(core, an_edited_proposal_is_what_is_approved)
{
	struct proposal p = GITHUB,
			better = PROPOSAL("ignored", "uploads.github.com", 443,
			    "/usr/bin/curl"),
			bad = PROPOSAL("x", "*", 443, "/usr/bin/curl");
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct rpc_client *box;
	drafts_msg *d = NULL;
	char id[GW_ID];

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	propose(box, "demo", &p, id);
	CHECK_INT(edit("demo", id, NULL), ==, RPC_INVALID_ARGUMENT);
	CHECK_HAS(core.last.text, "proposed_rule is required");
	CHECK_INT(edit("demo", id, &bad), ==, RPC_INVALID_ARGUMENT);
	CHECK_INT(edit("demo", id, &better), ==, RPC_OK);
	CHECK_INT(drafts(core.user, "demo", "pending", &d), ==, RPC_OK);
	CHECK_STR(d->chunks[0]->validation_result, "no finding");
	drafts_free(&d);
	CHECK_INT(approve("demo", id, NULL), ==, RPC_OK);
	CHECK_STR(reach("demo", &b), "github=uploads.github.com:443;");
	CHECK_INT(edit("demo", id, &p), ==, RPC_FAILED_PRECONDITION);
	CHECK_HAS(
	    core.last.text, "chunk status is 'approved', expected 'pending'");
	rpc_client_free(box);
	core_close();
}

TEST(core, the_history_tells_what_was_proposed_and_decided)
{
	struct proposal p[] = { GITHUB, PYPI };
	Openshell__V1__GetDraftHistoryRequest q =
	    OPENSHELL__V1__GET_DRAFT_HISTORY_REQUEST__INIT;
	Openshell__V1__GetDraftHistoryResponse *r = NULL;
	Openshell__V1__ClearDraftChunksRequest cq =
	    OPENSHELL__V1__CLEAR_DRAFT_CHUNKS_REQUEST__INIT;
	Openshell__V1__ClearDraftChunksResponse *cr = NULL;
	struct rpc_client *box;
	char one[GW_ID], two[GW_ID];

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	propose(box, "demo", &p[0], one);
	propose(box, "demo", &p[1], two);
	CHECK_INT(approve("demo", one, NULL), ==, RPC_OK);
	q.name = cq.name = (char[]) { "demo" };
	CHECK_INT(ASK(core.user, "GetDraftHistory", &q,
		      get_draft_history_response, &r),
	    ==, RPC_OK);
	CHECK_INT(r->n_entries, ==, 3);
	for (size_t i = 0, seen = 0; i < 3; i++) {
		if (i > 0)
			CHECK_INT(r->entries[i]->timestamp_ms, >=,
			    r->entries[i - 1]->timestamp_ms);
		if (strcmp(r->entries[i]->chunk_id, one) != 0)
			continue;
		CHECK_STR(r->entries[i]->event_type,
		    seen == 0 ? "proposed" : "approved");
		CHECK_STR(r->entries[i]->description,
		    seen == 0 ? "Rule 'github' proposed (confidence: 65%)"
			      : "Rule 'github' approved");
		seen++;
	}
	openshell__v1__get_draft_history_response__free_unpacked(r, NULL);
	CHECK_INT(ASK(core.user, "ClearDraftChunks", &cq,
		      clear_draft_chunks_response, &cr),
	    ==, RPC_OK);
	CHECK_INT(cr->chunks_cleared, ==, 1);
	openshell__v1__clear_draft_chunks_response__free_unpacked(cr, NULL);
	check_status("demo", one, "approved");
	rpc_client_free(box);
	core_close();
}

/* The second stands on the first: an address more of the same endpoint. */
TEST(core, an_approval_is_taken_back_from_under_a_later_one)
{
	struct proposal p = GITHUB, more = GITHUB, same = GITHUB;
	AUTO_BUF struct buf b = BUF_INIT(4096);
	char one[GW_ID], two[GW_ID], again[GW_ID];
	struct rpc_client *box;
	uint32_t v = 0;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	propose(box, "demo", &p, one);
	CHECK_INT(approve("demo", one, NULL), ==, RPC_OK);
	more.ip = "10.0.0.1";
	more.name = "more";
	propose(box, "demo", &more, two);
	CHECK_INT(approve("demo", two, &v), ==, RPC_OK);
	CHECK_INT(v, ==, 3);
	CHECK_STR(reach("demo", &b), "github=api.github.com:443;");
	CHECK_INT(undo("demo", one, &v), ==, RPC_OK);
	CHECK_STR(reach("demo", &b), "more=api.github.com:443;");
	CHECK_INT(undo("demo", two, &v), ==, RPC_OK);
	CHECK_STR(reach("demo", &b), "");
	/* What is allowed already makes no revision. */
	CHECK_INT(approve("demo", two, &v), ==, RPC_OK);
	CHECK_INT(v, ==, 6);
	CHECK_INT(approve("demo", one, &v), ==, RPC_OK);
	CHECK_INT(v, ==, 6);
	CHECK_INT(undo("demo", one, &v), ==, RPC_OK);
	CHECK_INT(v, ==, 6);
	same.name = "another name";
	propose(box, "demo", &same, again);
	CHECK_STR(again, one);
	rpc_client_free(box);
	core_close();
}

static enum rpc_code
set_mode(const char *mode)
{
	Openshell__V1__UpdateConfigRequest q =
	    OPENSHELL__V1__UPDATE_CONFIG_REQUEST__INIT;
	Openshell__Sandbox__V1__SettingValue v =
	    OPENSHELL__SANDBOX__V1__SETTING_VALUE__INIT;
	char name[] = "demo", key[] = "proposal_approval_mode";

	q.name = name;
	q.setting_key = key;
	q.setting_value = &v;
	v.value_case =
	    OPENSHELL__SANDBOX__V1__SETTING_VALUE__VALUE_STRING_VALUE;
	v.string_value = (char *)(uintptr_t)mode;
	return ASK(core.user, "UpdateConfig", &q, update_config_response, NULL);
}

TEST(core, what_nothing_speaks_against_is_approved_when_its_owner_said_so)
{
	struct proposal p = GITHUB, q = PYPI,
			db = PROPOSAL(
			    "db", "db.example.com", 5432, "/usr/bin/psql"),
			address =
			    PROPOSAL("ip", "192.168.7.7", 443, "/usr/bin/curl");
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct rpc_client *box;
	drafts_msg *d = NULL;
	char id[GW_ID];

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	propose(box, "demo", &p, id);
	check_status("demo", id, "pending");
	CHECK_INT(drafts(core.user, "demo", "", &d), ==, RPC_OK);
	CHECK_STR(d->chunks[0]->validation_result, "no finding");
	drafts_free(&d);
	CHECK_INT(set_mode("auto"), ==, RPC_OK);
	propose(box, "demo", &q, id);
	check_status("demo", id, "approved");
	CHECK_STR(reach("demo", &b), "pypi=pypi.example.com:443;");
	/* What waited is looked at again when it is proposed again. */
	propose(box, "demo", &p, id);
	check_status("demo", id, "approved");
	/* A note of the gateway's own, though the sandbox keeps quiet. */
	propose(box, "demo", &db, id);
	check_status("demo", id, "pending");
	propose(box, "demo", &address, id);
	check_status("demo", id, "pending");
	db = (struct proposal)PROPOSAL("n", "n.example.com", 443, "/bin/n");
	db.notes = "said by the sandbox";
	propose(box, "demo", &db, id);
	check_status("demo", id, "pending");
	/* What was rejected stays so. */
	CHECK_INT(reject("demo", id, ""), ==, RPC_OK);
	db.notes = NULL;
	propose(box, "demo", &db, id);
	check_status("demo", id, "rejected");
	/* Nothing is changed under a policy of all. */
	CHECK_INT(set_global(true), ==, RPC_OK);
	db.host = "m.example.com";
	propose(box, "demo", &db, id);
	check_status("demo", id, "pending");
	rpc_client_free(box);
	core_close();
}
