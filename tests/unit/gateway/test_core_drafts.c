/* Proposals of a sandbox, from its submit to what its owner decides. */
#include "test.h"

#include "core_drafts.h"

TEST(core, a_proposal_waits_until_its_owner_sees_it)
{
	struct proposal p =
	    PROPOSAL("allow_github", "API.github.com", 443, "/usr/bin/curl");
	struct rpc_client *box;
	submitted_msg *r = NULL;
	drafts_msg *d = NULL;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	CHECK_INT(submit(box, "demo", &p, 1, &r), ==, RPC_OK);
	CHECK_INT(r->accepted_chunks, ==, 1);
	CHECK_INT(r->rejected_chunks, ==, 0);
	CHECK_INT(r->n_accepted_chunk_ids, ==, 1);
	CHECK_INT(drafts(core.user, "demo", "", &d), ==, RPC_OK);
	CHECK_INT(d->n_chunks, ==, 1);
	CHECK_INT(d->draft_version, ==, 1);
	CHECK_STR(d->chunks[0]->id, r->accepted_chunk_ids[0]);
	CHECK_STR(d->chunks[0]->status, "pending");
	CHECK_STR(d->chunks[0]->rule_name, "allow_github");
	CHECK_STR(d->chunks[0]->binary, "/usr/bin/curl");
	CHECK_INT(d->chunks[0]->hit_count, ==, 1);
	CHECK_INT(d->last_analyzed_at_ms, ==, d->chunks[0]->created_at_ms);
	CHECK(d->chunks[0]->proposed_rule->endpoints[0]->advisor_proposed);
	drafts_free(&d);
	/* The same again is counted, with the same id. */
	submitted_free(&r);
	CHECK_INT(submit(box, "demo", &p, 1, &r), ==, RPC_OK);
	CHECK_INT(drafts(box, "demo", "pending", &d), ==, RPC_OK);
	CHECK_INT(d->n_chunks, ==, 1);
	CHECK_INT(d->chunks[0]->hit_count, ==, 2);
	CHECK_STR(d->chunks[0]->id, r->accepted_chunk_ids[0]);
	drafts_free(&d);
	submitted_free(&r);
	CHECK_INT(drafts(core.user, "demo", "whatever", &d), ==, RPC_OK);
	CHECK_INT(d->n_chunks, ==, 0);
	drafts_free(&d);
	rpc_client_free(box);
	core_close();
}

TEST(core, a_sandbox_proposes_and_reads_for_itself_only)
{
	struct proposal p =
	    PROPOSAL("one", "api.github.com", 443, "/usr/bin/curl");
	struct rpc_client *box;
	drafts_msg *d = NULL;
	char first[80];

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	(void)snprintf(first, sizeof(first), "%s", fake.token);
	CHECK_INT(core_create("other"), ==, RPC_OK);
	box = core_dial(first);
	CHECK_INT(submit(box, "other", &p, 1, NULL), ==, RPC_PERMISSION_DENIED);
	CHECK_INT(drafts(box, "other", "", &d), ==, RPC_PERMISSION_DENIED);
	CHECK_INT(
	    submit(box, "nobody", &p, 1, NULL), ==, RPC_PERMISSION_DENIED);
	CHECK_INT(submit(box, "", &p, 1, NULL), ==, RPC_INVALID_ARGUMENT);
	CHECK_HAS(core.last.text, "name is required");
	/* Not even its owner speaks for it. */
	CHECK_INT(
	    submit(core.user, "demo", &p, 1, NULL), ==, RPC_PERMISSION_DENIED);
	CHECK_INT(submit(box, "demo", &p, 1, NULL), ==, RPC_OK);
	CHECK_INT(drafts(core.user, "other", "", &d), ==, RPC_OK);
	CHECK_INT(d->n_chunks, ==, 0);
	drafts_free(&d);
	rpc_client_free(box);
	core_close();
}

TEST(core, what_opens_too_much_is_refused_with_its_reason)
{
	static const struct {
		struct proposal p;
		const char *why;
	} bad[] = {
		{ PROPOSAL("", "a.example.com", 443, "/bin/a"),
		    "chunk missing rule_name" },
		{ { .name = "r" }, "chunk 'r' missing proposed_rule" },
		{ PROPOSAL("r", "*.example.com", 443, "/bin/a"), "wildcard" },
		{ PROPOSAL("r", "", 443, "/bin/a"), "without a host" },
		{ PROPOSAL("r", "127.0.0.1", 443, "/bin/a"),
		    "nobody proposes it" },
		{ PROPOSAL("r", "[::1]", 443, "/bin/a"), "nobody proposes it" },
		{ PROPOSAL("r", "169.254.169.254", 80, "/bin/a"),
		    "nobody proposes it" },
		{ PROPOSAL("r", "fe80::1", 80, "/bin/a"),
		    "nobody proposes it" },
		{ PROPOSAL("r", "::ffff:127.0.0.1", 80, "/bin/a"),
		    "nobody proposes it" },
		{ PROPOSAL("r", "64:ff9b::a9fe:a9fe", 80, "/bin/a"),
		    "nobody proposes it" },
		{ PROPOSAL("r", "0x7f.1", 80, "/bin/a"), "not a valid name" },
		{ PROPOSAL("r", "2130706433", 80, "/bin/a"),
		    "not a valid name" },
		{ PROPOSAL("r", "LocalHost.", 80, "/bin/a"),
		    "nobody proposes it" },
		{ PROPOSAL("r", "a.localhost", 80, "/bin/a"),
		    "nobody proposes it" },
		{ PROPOSAL("r", "HOST.openshell.internal.", 80, "/bin/a"),
		    "nobody proposes it" },
		{ PROPOSAL("r", "host.docker.internal", 80, "/bin/a"),
		    "nobody proposes it" },
		{ PROPOSAL("r", "metadata.google.internal", 80, "/bin/a"),
		    "nobody proposes it" },
		{ PROPOSAL("r", "a.example.com", 443, NULL),
		    "chunk 'r' names no binary" },
		{ PROPOSAL("r", "a.example.com", 443, "-"),
		    "'-' is not the path of a binary" },
		{ PROPOSAL("r", "a.example.com", 443, "/usr/bin/*"),
		    "wildcard" },
		{ PROPOSAL("r", "a.example.com", 0, "/bin/a"), "has no port" },
		{ PROPOSAL("r", "not a host", 443, "/bin/a"),
		    "not a valid name" },
		{ PROPOSAL("_provider_x", "a.example.com", 443, "/bin/a"),
		    "reserved" },
		{ PROPOSAL("a\x1b[2J", "*.example.com", 443, "/bin/a"),
		    "chunk 'a\\x1b[2J'" },
		{ { "r", "a.example.com", 443, "/bin/a", .audit = true },
		    "'enforcement: audit' cannot be proposed" },
		{ { "r", "a.example.com", 443, "/bin/a", .binding = true },
		    "'credential_binding' cannot be proposed" },
		{ { "r", "a.example.com", 443, "/bin/a", .ip = "127.0.0.0/8" },
		    "always blocked" },
	};
	struct rpc_client *box;
	drafts_msg *d = NULL;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		submitted_msg *r = NULL;

		CHECK_INT(submit(box, "demo", &bad[i].p, 1, &r), ==, RPC_OK);
		CHECK_INT(r->accepted_chunks, ==, 0);
		CHECK_INT(r->rejected_chunks, ==, 1);
		CHECK_INT(r->n_rejection_reasons, ==, 1);
		CHECK_HAS(r->rejection_reasons[0], bad[i].why);
		submitted_free(&r);
	}
	CHECK_INT(drafts(core.user, "demo", "", &d), ==, RPC_OK);
	CHECK_INT(d->n_chunks, ==, 0);
	drafts_free(&d);
	rpc_client_free(box);
	core_close();
}

TEST(core, one_call_and_one_sandbox_can_propose_so_much_and_no_more)
{
	static struct proposal many[DRAFT_CALL_MAX + 20];
	static char names[DRAFT_CALL_MAX + 20][32];
	struct rpc_client *box;
	submitted_msg *r = NULL;
	drafts_msg *d = NULL;
	unsigned accepted = 0;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	box = core_dial(fake.token);
	for (unsigned round = 0; round < 11; round++) {
		for (size_t i = 0; i < ARRAY_LEN(many); i++) {
			(void)snprintf(names[i], sizeof(names[i]),
			    "h%u-%zu.example.com", round, i);
			many[i] = (struct proposal)PROPOSAL(
			    "r", names[i], 443, "/bin/a");
		}
		CHECK_INT(
		    submit(box, "demo", many, ARRAY_LEN(many), &r), ==, RPC_OK);
		accepted += r->accepted_chunks;
		CHECK_INT(r->accepted_chunks + r->rejected_chunks, ==,
		    ARRAY_LEN(many));
		if (round == 0)
			CHECK_HAS(r->rejection_reasons[0],
			    "20 chunks beyond the first 100 of one call");
		if (round == 10)
			CHECK_HAS(
			    r->rejection_reasons[0], "wait for a decision");
		submitted_free(&r);
	}
	CHECK_INT(accepted, ==, DRAFT_PENDING_MAX);
	/* Each was compared, or says that it was not. */
	CHECK_INT(drafts(core.user, "demo", "pending", &d), ==, RPC_OK);
	for (size_t i = 0; i < d->n_chunks; i++)
		if (strcmp(d->chunks[i]->validation_result, "no finding") != 0)
			CHECK_STR(d->chunks[i]->validation_result,
			    "not compared: too many proposals at once");
	drafts_free(&d);
	rpc_client_free(box);
	core_close();
}
