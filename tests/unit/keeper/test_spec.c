/* What the gateway wants, as ctl is told it. */
#include "gate.h"

#include <stdlib.h>

#include "test.h"

#include "base/mem.h"

static char *
copy(const char *text)
{
	return mem_strdup(text);
}

/* Is `value` among those of `key`? */
static bool
holds(const struct blob *b, const char *key, const char *value)
{
	const char *v;

	for (size_t i = 0; (v = blob_get(b, key, i)) != NULL; i++)
		if (strcmp(v, value) == 0)
			return true;
	return false;
}

TEST(spec, tells_places_limits_and_the_policy)
{
	Openshell__Datamodel__V1__NativeSpec *n =
	    NEW(Openshell__Datamodel__V1__NativeSpec);
	AUTO_FREE char *text = NULL;
	struct blob *b = NULL;
	char hash[65];
	struct err e;
	size_t size;

	gate_open();
	CHECK_INT(setenv("HOME", "/home/x", 1), ==, 0);
	CHECK_INT(setenv("XDG_CONFIG_HOME", "/home/x/cfg", 1), ==, 0);
	openshell__datamodel__v1__native_spec__init(n);
	gate.k.msg->spec->native = n;
	n->workdir = copy("/work");
	n->path = copy("/usr/bin");
	n->program = copy("claude");
	n->pids_max = 11;
	n->memory_max = 22;
	n->disk_max = 33;
	n->read_only = mem_calloc(2, sizeof(char *));
	n->read_only[n->n_read_only++] = copy("/a");
	n->read_only[n->n_read_only++] = copy("/b");
	n->read_write = mem_calloc(1, sizeof(char *));
	n->read_write[n->n_read_write++] = copy("/c");
	CHECK_INT(keeper_spec(&gate.k, &e), ==, 0);
	CHECK_INT(gate_next(), ==, SESSION_SPEC);
	CHECK_INT(gate.nfds, ==, 3);
	CHECK_INT(gate.got.spec.event_level, ==, SESSION_EVENTS_ALL);
	CHECK_INT(gate.got.spec.pids_max, ==, 11);
	CHECK_INT(gate.got.spec.memory_max, ==, 22);
	CHECK_INT(gate.got.spec.disk_max, ==, 33);
	CHECK_INT(blob_open(gate.fds[0], &b, &e), ==, 0);
	CHECK_STR(blob_get(b, "workdir", 0), "/work");
	CHECK_STR(blob_get(b, "workdir_explicit", 0), "1");
	CHECK_STR(blob_get(b, "path", 0), "/usr/bin");
	CHECK_STR(blob_get(b, "command0", 0), "claude");
	CHECK_STR(blob_get(b, "ro", 0), "/a");
	CHECK_STR(blob_get(b, "ro", 1), "/b");
	CHECK(blob_get(b, "ro", 2) == NULL);
	CHECK_STR(blob_get(b, "rw", 0), "/c");
	/* Never visible inside: the gateway's state, the user's, the home. */
	CHECK(holds(b, "state", "/home/x/.openshell/gateways/g"));
	CHECK(holds(b, "state", "/home/x/.openshell"));
	CHECK(holds(b, "state", "/home/x/.config/openshell"));
	CHECK(holds(b, "state", "/home/x/cfg/openshell"));
	CHECK(holds(b, "home", "/home/x"));
	blob_free(b);
	CHECK_INT(memfd_read(gate.fds[1], 1 << 20, &text, &size, &e), ==, 0);
	CHECK_HAS(text, "version: 1");
	policy_wire_hash(gate.k.msg->spec->policy, hash);
	CHECK_STR(gate.k.now.hash, hash);
	CHECK_STR(gate.got.spec.hash, hash);
	CHECK_INT(gate.k.revision, ==, 1);
	gate_close();
}

TEST(spec, without_a_native_part_has_no_work_directory_and_no_limit)
{
	struct blob *b = NULL;
	struct err e;

	gate_open();
	CHECK_INT(setenv("HOME", "not/absolute", 1), ==, 0);
	CHECK_INT(keeper_spec(&gate.k, &e), ==, 0);
	CHECK_INT(gate_next(), ==, SESSION_SPEC);
	CHECK_INT(gate.got.spec.pids_max, ==, 0);
	CHECK_INT(blob_open(gate.fds[0], &b, &e), ==, 0);
	CHECK(blob_get(b, "workdir", 0) == NULL);
	CHECK(blob_get(b, "home", 0) == NULL);
	CHECK(holds(b, "state", "/home/x/.openshell/gateways/g"));
	blob_free(b);
	gate_close();
}

/* --- policies: revisions of the gateway and of the session --- */

static void
want_over(uint32_t version, uint32_t global, const char *user)
{
	Openshell__Supervisor__V1__Policy p =
	    OPENSHELL__SUPERVISOR__V1__POLICY__INIT;
	policy_wire_msg m = OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__INIT;
	Openshell__Sandbox__V1__ProcessPolicy process =
	    OPENSHELL__SANDBOX__V1__PROCESS_POLICY__INIT;

	m.version = 1;
	process.run_as_user = (char *)(uintptr_t)user;
	if (user != NULL)
		m.process = &process;
	p.version = version;
	p.global_version = global;
	p.policy = &m;
	keeper_policy_wanted(&gate.k, &p);
}

static void
want(uint32_t version, const char *user)
{
	want_over(version, 0, user);
}

static void
answer(uint64_t revision, bool loaded)
{
	const struct session_policy_status m = {
		.revision = revision, .loaded = loaded, .text = "no such thing"
	};

	keeper_policy_answer(&gate.k, &m);
}

TEST(spec, a_policy_is_loaded_when_ctl_says_so_and_not_before)
{
	const Openshell__Supervisor__V1__PolicyStatus *st;
	struct err e;

	gate_open();
	CHECK_INT(keeper_spec(&gate.k, &e), ==, 0);
	CHECK_INT(gate_next(), ==, SESSION_SPEC);
	/* The one of SPEC: in force already. */
	want(1, NULL);
	CHECK_INT(gate_next(), ==, 0);
	CHECK_INT(gate.k.attend->n, ==, 1);
	CHECK(gate_up(0)->policy_status->loaded);
	want(2, "agent");
	CHECK_INT(gate_next(), ==, SESSION_POLICY);
	CHECK_INT(gate.got.policy.revision, ==, 2);
	CHECK_INT(gate.k.attend->n, ==, 1); /* nothing is claimed yet */
	want(2, "agent"); /* pushed again: not sent twice */
	CHECK_INT(gate_next(), ==, 0);
	answer(77, true); /* of nothing that was sent */
	CHECK_INT(gate.k.attend->n, ==, 1);
	answer(2, false);
	st = gate_up(1)->policy_status;
	CHECK_INT(st->version, ==, 2);
	CHECK(!st->loaded);
	CHECK_STR(st->error, "no such thing");
	CHECK_INT(gate.k.now.version, ==, 1);
	want(3, "other");
	CHECK_INT(gate_next(), ==, SESSION_POLICY);
	CHECK_INT(gate.got.policy.revision, ==, 3);
	answer(3, true);
	CHECK_INT(gate.k.now.version, ==, 3);
	CHECK(gate_up(2)->policy_status->loaded);
	gate_close();
}

TEST(spec, the_last_of_own_and_global_is_what_comes_into_force)
{
	struct err e;

	gate_open();
	CHECK_INT(keeper_spec(&gate.k, &e), ==, 0);
	CHECK_INT(gate_next(), ==, SESSION_SPEC);
	want(1, NULL);
	want_over(1, 1, "global");
	CHECK_INT(gate_next(), ==, SESSION_POLICY);
	CHECK_INT(gate.got.policy.revision, ==, 2);
	/* Deleted and set again before the first answer. */
	want(1, NULL);
	CHECK_INT(gate_next(), ==, SESSION_POLICY);
	want_over(1, 1, "global");
	CHECK_INT(gate_next(), ==, SESSION_POLICY);
	CHECK_INT(gate.got.policy.revision, ==, 4);
	want_over(1, 1, "global"); /* is under way */
	CHECK_INT(gate_next(), ==, 0);
	for (uint64_t i = 2; i <= 4; i++)
		answer(i, true);
	CHECK_INT(gate.k.now.version, ==, 1);
	CHECK_INT(gate.k.now.global, ==, 1);
	CHECK_INT(gate_up(1)->policy_status->global_version, ==, 1);
	CHECK_INT(gate_up(2)->policy_status->global_version, ==, 0);
	CHECK_INT(gate_up(3)->policy_status->global_version, ==, 1);
	/* The same policy as the sandbox's own: nothing to load, told. */
	want_over(1, 2, "global");
	CHECK_INT(gate_next(), ==, 0);
	CHECK_INT(gate_up(4)->policy_status->global_version, ==, 2);
	gate_close();
}

TEST(spec, policies_that_are_too_many_at_once_fail_with_a_reason)
{
	gate_open();
	for (uint32_t i = 0; i < KEEPER_POLICIES_MAX; i++) {
		AUTO_FREE char *user = mem_printf("u%u", (unsigned)i);

		want(i + 2, user);
		CHECK_INT(gate_next(), ==, SESSION_POLICY);
	}
	want(99, "late");
	CHECK_INT(gate_next(), ==, 0);
	CHECK_INT(gate.k.attend->n, ==, 2);
	/* Its record comes first: what is told is stored. */
	CHECK_STR(gate_up(0)->logs->lines[0]->message, "POLICY");
	CHECK_STR(gate_up(0)->logs->lines[0]->target, "supervisor");
	CHECK_INT(gate_up(1)->policy_status->version, ==, 99);
	CHECK(!gate_up(1)->policy_status->loaded);
	CHECK_HAS(gate_up(1)->policy_status->error, "too many");
	gate_close();
}
