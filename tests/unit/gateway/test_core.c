/* A sandbox from its creation to its deletion, as the gateway sees it. */
#include "test.h"

#include "core.h"

TEST(core, create_refuses_what_it_cannot_keep)
{
	Openshell__V1__CreateSandboxRequest m =
	    OPENSHELL__V1__CREATE_SANDBOX_REQUEST__INIT;

	core_open();
	CHECK_INT(ASK(core.user, "CreateSandbox", &m, sandbox_response, NULL),
	    ==, RPC_INVALID_ARGUMENT);
	CHECK_HAS(core.last.text, "spec is required");
	CHECK_INT(core_create("Not/a Label"), ==, RPC_INVALID_ARGUMENT);
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	CHECK_INT(core_create("demo"), ==, RPC_ALREADY_EXISTS);
	CHECK_HAS(core.last.text, "sandbox 'demo' already exists");
	fake.refuse = "no user namespaces here";
	CHECK_INT(core_create("other"), ==, RPC_FAILED_PRECONDITION);
	CHECK_HAS(core.last.text, "no user namespaces here");
	CHECK_INT(core_phase("other"), ==, -1);
	CHECK_INT(fake.creates, ==, 1);
	core_close();
}

TEST(core, only_an_isolated_session_makes_ready)
{
	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	CHECK_INT(core_phase("demo"), ==, PHASE(PROVISIONING));
	core_attend(fake.id, CORE_STARTING);
	CHECK_INT(core_phase("demo"), ==, PHASE(PROVISIONING));
	core_attend(fake.id, CORE_ISOLATED);
	CHECK_INT(core_phase("demo"), ==, PHASE(READY));
	/* The newer one took over, and does not stand. */
	core_attend(fake.id, CORE_STARTING);
	CHECK_INT(core_phase("demo"), ==, PHASE(UNKNOWN));
	core_close();
}

TEST(core, a_session_of_another_sandbox_is_refused_and_recorded)
{
	Openshell__V1__GetSandboxLogsRequest m =
	    OPENSHELL__V1__GET_SANDBOX_LOGS_REQUEST__INIT;
	Openshell__V1__GetSandboxLogsResponse *r = NULL;
	char victim[GW_ID];
	bool found = false;

	core_open();
	CHECK_INT(core_create("victim"), ==, RPC_OK);
	memcpy(victim, fake.id, sizeof(victim));
	CHECK_INT(core_create("thief"), ==, RPC_OK);
	core_attend(victim, CORE_ISOLATED);
	CHECK(sup.over);
	CHECK_INT(sup.code, ==, RPC_PERMISSION_DENIED);
	CHECK_INT(core_phase("victim"), ==, PHASE(PROVISIONING));
	m.sandbox_id = victim;
	CHECK_INT(
	    ASK(core.user, "GetSandboxLogs", &m, get_sandbox_logs_response, &r),
	    ==, RPC_OK);
	for (size_t i = 0; i < r->n_logs; i++)
		found |= strstr(r->logs[i]->message, "was refused") != NULL &&
			 strcmp(r->logs[i]->level, "WARN") == 0;
	CHECK(found);
	openshell__v1__get_sandbox_logs_response__free_unpacked(r, NULL);
	core_close();
}

TEST(core, what_no_longer_runs_after_a_restart_is_an_error)
{
	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	core_attend(fake.id, CORE_ISOLATED);
	CHECK_INT(core_phase("demo"), ==, PHASE(READY));
	fake.there = false;
	core_stop();
	core_start();
	CHECK_INT(core_phase("demo"), ==, PHASE(ERROR));
	core_close();
}

TEST(core, a_create_that_was_cut_short_is_begun_again)
{
	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	fake.dead = true;
	core_stop();
	core_start();
	CHECK_INT(fake.creates, ==, 2);
	CHECK_INT(core_phase("demo"), ==, PHASE(PROVISIONING));
	/* With the token that it was given now. */
	core_attend(fake.id, CORE_ISOLATED);
	CHECK_INT(core_phase("demo"), ==, PHASE(READY));
	core_close();
}

TEST(core, what_runs_without_a_row_is_removed)
{
	core_open();
	core_stop();
	fake.there = true;
	(void)snprintf(fake.id, sizeof(fake.id), "orphan");
	core_start();
	CHECK_INT(fake.removes, ==, 1);
	CHECK(!fake.there);
	core_close();
}

TEST(core, a_delete_answers_when_it_is_gone_and_stays_when_it_is_not)
{
	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	fake.stuck = "a mount is busy";
	CHECK_INT(core_delete("demo"), ==, RPC_INTERNAL);
	CHECK_HAS(core.last.text, "a mount is busy");
	CHECK_INT(core_phase("demo"), ==, PHASE(DELETING));
	/* Nothing that is seen brings it back. */
	core_attend(fake.id, CORE_ISOLATED);
	CHECK_INT(core_phase("demo"), ==, PHASE(DELETING));
	fake.stuck = NULL;
	CHECK_INT(core_delete("demo"), ==, RPC_OK);
	CHECK_INT(core_phase("demo"), ==, -1);
	CHECK_INT(core_delete("demo"), ==, RPC_NOT_FOUND);
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	core_close();
}

TEST(core, a_sandbox_may_not_call_what_is_the_users)
{
	Openshell__V1__ListSandboxesRequest m =
	    OPENSHELL__V1__LIST_SANDBOXES_REQUEST__INIT;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	core.super = core_dial(fake.token);
	CHECK_INT(
	    ASK(core.super, "ListSandboxes", &m, list_sandboxes_response, NULL),
	    ==, RPC_PERMISSION_DENIED);
	rpc_client_free(core.super);
	core.super = core_dial("0000");
	CHECK_INT(
	    ASK(core.super, "ListSandboxes", &m, list_sandboxes_response, NULL),
	    ==, RPC_UNAUTHENTICATED);
	core_close();
}

TEST(core, later_methods_say_that_they_are_not_there)
{
	Openshell__V1__CreateSshSessionRequest m =
	    OPENSHELL__V1__CREATE_SSH_SESSION_REQUEST__INIT;

	core_open();
	CHECK_INT(ASK(core.user, "CreateSshSession", &m,
		      create_ssh_session_response, NULL),
	    ==, RPC_UNIMPLEMENTED);
	CHECK_HAS(core.last.text, "CreateSshSession");
	core_close();
}
