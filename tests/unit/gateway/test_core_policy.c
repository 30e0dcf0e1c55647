/* A policy from its update to what the supervisor says of it. */
#include "test.h"

#include "core.h"

static void
acknowledge(uint32_t version, bool loaded, const char *why)
{
	Openshell__Supervisor__V1__PolicyStatus p =
	    OPENSHELL__SUPERVISOR__V1__POLICY_STATUS__INIT;

	p.version = version;
	p.loaded = loaded;
	p.error = (char *)(uintptr_t)why;
	core_send_up(OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_POLICY_STATUS, &p);
}

/* Status of a revision, when it is no longer pending. */
static int
settled(const char *name, uint32_t version, uint32_t *active)
{
	Openshell__V1__GetSandboxPolicyStatusRequest m =
	    OPENSHELL__V1__GET_SANDBOX_POLICY_STATUS_REQUEST__INIT;
	Openshell__V1__GetSandboxPolicyStatusResponse *r = NULL;
	int st = STORE_PENDING;

	m.name = (char *)(uintptr_t)name;
	m.version = version;
	while (st == STORE_PENDING) {
		CHECK_INT(ASK(core.user, "GetSandboxPolicyStatus", &m,
			      get_sandbox_policy_status_response, &r),
		    ==, RPC_OK);
		st = (int)r->revision->status;
		*active = r->active_version;
		openshell__v1__get_sandbox_policy_status_response__free_unpacked(
		    r, NULL);
	}
	return st;
}

/*
 * A policy that differs from the default by a rule for `host`; without a name
 * that of every sandbox.
 */
static enum rpc_code
set_policy(const char *name, const char *host, const char *rw)
{
	Openshell__V1__UpdateConfigRequest m =
	    OPENSHELL__V1__UPDATE_CONFIG_REQUEST__INIT;
	Openshell__Sandbox__V1__NetworkEndpoint ep =
	    OPENSHELL__SANDBOX__V1__NETWORK_ENDPOINT__INIT;
	Openshell__Sandbox__V1__NetworkBinary bin;
	Openshell__Sandbox__V1__NetworkPolicyRule rule =
	    OPENSHELL__SANDBOX__V1__NETWORK_POLICY_RULE__INIT;
	Openshell__Sandbox__V1__SandboxPolicy__NetworkPoliciesEntry
	    entry =
		OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__NETWORK_POLICIES_ENTRY__INIT,
	    *entries[] = { &entry };
	Openshell__Sandbox__V1__NetworkEndpoint *eps[] = { &ep };
	Openshell__Sandbox__V1__NetworkBinary *bins[] = { &bin };
	policy_wire_msg *base = gw_policy_default(), p = *base;
	Openshell__Sandbox__V1__FilesystemPolicy fs = *base->filesystem;
	char *paths[64];
	enum rpc_code code;

	ep.host = (char *)(uintptr_t)host;
	ep.port = 443;
	openshell__sandbox__v1__network_binary__init(&bin);
	bin.path = (char[]) { "/usr/bin/curl" };
	rule.endpoints = eps;
	rule.binaries = bins;
	rule.n_endpoints = rule.n_binaries = 1;
	entry.key = (char[]) { "one" };
	entry.value = &rule;
	p.network_policies = entries;
	p.n_network_policies = 1;
	if (rw != NULL) {
		memcpy(paths, fs.read_write, fs.n_read_write * sizeof(char *));
		paths[fs.n_read_write++] = (char *)(uintptr_t)rw;
		fs.read_write = paths;
		p.filesystem = &fs;
	}
	if (name != NULL)
		m.name = (char *)(uintptr_t)name;
	m.global = name == NULL;
	m.policy = &p;
	code = ASK(core.user, "UpdateConfig", &m, update_config_response, NULL);
	policy_wire_free(base);
	return code;
}

TEST(core, a_revision_is_pushed_and_loaded_when_acknowledged)
{
	uint32_t active = 0;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	core_attend(fake.id, CORE_ISOLATED);
	CHECK_INT(sup.version, ==, 1);
	acknowledge(1, true, "");
	CHECK_INT(settled("demo", 1, &active), ==, STORE_LOADED);
	CHECK_INT(set_policy("demo", "api.github.com", NULL), ==, RPC_OK);
	while (sup.policies == 0)
		(void)uv_run(&core.loop, UV_RUN_ONCE);
	CHECK_INT(sup.version, ==, 2);
	acknowledge(2, false, "no such thing");
	CHECK_INT(settled("demo", 2, &active), ==, STORE_FAILED);
	CHECK_INT(active, ==, 1);
	CHECK_INT(set_policy("demo", "example.com", NULL), ==, RPC_OK);
	acknowledge(3, true, "");
	CHECK_INT(settled("demo", 3, &active), ==, STORE_LOADED);
	CHECK_INT(active, ==, 3);
	/* A late word about an older one changes nothing. */
	acknowledge(1, true, "");
	CHECK_INT(settled("demo", 3, &active), ==, STORE_LOADED);
	CHECK_INT(active, ==, 3);
	core_close();
}

static enum rpc_code
delete_global(bool *deleted)
{
	Openshell__V1__UpdateConfigRequest m =
	    OPENSHELL__V1__UPDATE_CONFIG_REQUEST__INIT;
	Openshell__V1__UpdateConfigResponse *r = NULL;
	enum rpc_code code;

	m.global = true;
	m.setting_key = (char[]) { "policy" };
	m.delete_setting = true;
	code = ASK(core.user, "UpdateConfig", &m, update_config_response, &r);
	if (code == RPC_OK) {
		*deleted = r->deleted;
		openshell__v1__update_config_response__free_unpacked(r, NULL);
	}
	return code;
}

static void
wait_push(unsigned n)
{
	while (sup.policies < n)
		(void)uv_run(&core.loop, UV_RUN_ONCE);
}

TEST(core, a_global_policy_stands_over_every_sandbox_until_it_is_deleted)
{
	uint32_t active = 0;
	bool deleted = true;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	core_attend(fake.id, CORE_ISOLATED);
	acknowledge(1, true, "");
	CHECK_INT(settled("demo", 1, &active), ==, STORE_LOADED);
	CHECK_INT(delete_global(&deleted), ==, RPC_OK);
	CHECK(!deleted);
	CHECK_INT(
	    set_policy(NULL, "example.com", "/etc"), ==, RPC_INVALID_ARGUMENT);
	CHECK_INT(set_policy(NULL, "example.com", NULL), ==, RPC_OK);
	wait_push(1);
	CHECK_INT(sup.version, ==, 1);
	CHECK_INT(sup.global, ==, 1);
	CHECK_INT(set_policy("demo", "api.github.com", NULL), ==,
	    RPC_FAILED_PRECONDITION);
	CHECK_HAS(core.last.text,
	    "policy is managed globally; delete global policy "
	    "before sandbox policy update");
	/* The same after a restart, and for whoever dials then. */
	core_stop();
	core_start();
	core_attend(fake.id, CORE_ISOLATED);
	CHECK_INT(sup.global, ==, 1);
	CHECK_INT(set_policy("demo", "api.github.com", NULL), ==,
	    RPC_FAILED_PRECONDITION);
	CHECK_INT(delete_global(&deleted), ==, RPC_OK);
	CHECK(deleted);
	wait_push(1);
	CHECK_INT(sup.version, ==, 1);
	CHECK_INT(sup.global, ==, 0);
	CHECK_INT(set_policy("demo", "api.github.com", NULL), ==, RPC_OK);
	core_close();
}

TEST(core, an_unsafe_policy_is_refused_with_its_reason)
{
	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	CHECK_INT(set_policy("demo", "example.com", "/etc"), ==,
	    RPC_INVALID_ARGUMENT);
	CHECK_HAS(core.last.text, "policy contains unsafe content: ");
	CHECK_HAS(core.last.text, "overly broad: /etc");
	CHECK_INT(set_policy("nobody", "example.com", NULL), ==, RPC_NOT_FOUND);
	CHECK_INT(
	    set_policy("", "example.com", NULL), ==, RPC_INVALID_ARGUMENT);
	CHECK_HAS(
	    core.last.text, "name is required for sandbox-scoped updates");
	core_close();
}

TEST(core, what_was_acknowledged_survives_a_restart)
{
	uint32_t active = 0;

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	core_attend(fake.id, CORE_ISOLATED);
	CHECK_INT(set_policy("demo", "example.com", NULL), ==, RPC_OK);
	acknowledge(2, true, "");
	CHECK_INT(settled("demo", 2, &active), ==, STORE_LOADED);
	core_stop();
	core_start();
	CHECK_INT(core_phase("demo"), ==, PHASE(UNKNOWN));
	CHECK_INT(settled("demo", 2, &active), ==, STORE_LOADED);
	CHECK_INT(active, ==, 2);
	CHECK_INT(fake.creates, ==, 1);
	core_attend(fake.id, CORE_ISOLATED);
	CHECK_INT(sup.version, ==, 2);
	CHECK_INT(core_phase("demo"), ==, PHASE(READY));
	core_close();
}
