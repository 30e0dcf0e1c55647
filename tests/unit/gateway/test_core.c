/*
 * The handlers over a Unix socket in one loop, with a real store and a driver
 * that only remembers.  The test plays the user and the supervisor.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#include "base/fd.h"
#include "base/mem.h"
#include "gateway/gw.h"

#define USER "/openshell.v1.OpenShell/"

/* --- a driver that remembers --- */

static struct fake {
	unsigned creates, removes;
	char id[GW_ID], token[80];
	bool there, dead; /* dead: what is there does not run */
	const char *stuck; /* why a removal fails */
	const char *refuse; /* why nothing can be made */
	const char *records; /* the directory of them, or NULL */
} fake;

static int
fake_open(const struct driver_config *c UNUSED,
    const struct driver_hooks *h UNUSED, struct driver **out,
    struct err *e UNUSED)
{
	*out = (struct driver *)(void *)&fake;
	return 0;
}

static void
fake_close(struct driver *d UNUSED)
{
}

static int
fake_validate(
    struct driver *d UNUSED, const driver_spec *spec UNUSED, struct err *e)
{
	return fake.refuse == NULL ? 0
				   : err_set(e, ERR_INVALID, "%s", fake.refuse);
}

static int
fake_create(struct driver *d UNUSED, const driver_sandbox *s, const char *token,
    struct err *e UNUSED)
{
	fake.creates++;
	fake.there = true;
	(void)snprintf(fake.id, sizeof(fake.id), "%s", s->id);
	(void)snprintf(fake.token, sizeof(fake.token), "%s", token);
	return 0;
}

static void
fake_remove(struct driver *d UNUSED, const char *id, unsigned ms UNUSED,
    void (*done)(void *ctx, const char *id, bool existed, const char *why),
    void *ctx)
{
	char copy[GW_ID];

	(void)snprintf(copy, sizeof(copy), "%s", id);
	fake.removes++;
	if (fake.stuck == NULL)
		fake.there = false;
	done(ctx, copy, true, fake.stuck);
}

static int
fake_records(struct driver *d UNUSED, const char *id, int *dirfd, struct err *e)
{
	CHECK_STR(id, fake.id);
	if (fake.records == NULL)
		return err_set(e, ERR_NOT_FOUND, "it has no records");
	*dirfd = open(fake.records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(*dirfd, >=, 0);
	return 0;
}

static int
fake_list(struct driver *d UNUSED,
    int (*each)(void *ctx, const struct driver_instance *i), void *ctx,
    struct err *e UNUSED)
{
	struct driver_instance i = { .running = !fake.dead };

	(void)snprintf(i.id, sizeof(i.id), "%s", fake.id);
	return fake.there ? each(ctx, &i) : 0;
}

static const struct driver_ops fake_ops = { "fake", fake_open, fake_close,
	fake_validate, fake_create, fake_remove, fake_records, fake_list };

/* In place of the library's table. */
const struct driver_ops *
driver_find(const char *name)
{
	return strcmp(name, "fake") == 0 ? &fake_ops : NULL;
}

/* --- the world --- */

static struct world {
	uv_loop_t loop;
	char dir[64], db[96], sock[96];
	struct store *store;
	struct gateway *g;
	struct rpc_server_hooks hooks;
	struct rpc_server *server;
	struct rpc_client *user, *super;
} w;

static struct rpc_client *
dial(const char *bearer)
{
	static const struct rpc_client_hooks none = { 0 };
	AUTO_FREE char *url = mem_printf("unix:%s", w.sock);
	struct rpc_target t = { .url = url, .bearer = bearer };
	struct rpc_client *c;
	struct err e;

	CHECK_INT(rpc_client_new(&w.loop, &t, &none, &c, &e), ==, 0);
	return c;
}

static void
start(void)
{
	const struct gateway_config gc = { .name = "t",
		.state_dir = w.dir,
		.driver = "fake",
		.endpoint = "unix:x",
		.owner = getuid() };
	const struct rpc_method *m;
	struct err e;
	size_t n;
	int fd;

	CHECK_INT(uv_loop_init(&w.loop), ==, 0);
	if (store_open(w.db, &w.store, &e) < 0)
		fail_msg("%s", e.text);
	CHECK_INT(gateway_new(&w.loop, &gc, w.store, &w.g, &e), ==, 0);
	w.hooks = gateway_hooks(w.g);
	m = gateway_methods(&n);
	CHECK_INT(rpc_unix_listen(w.sock, &fd, &e), ==, 0);
	CHECK_INT(
	    rpc_server_new(&w.loop, m, n, &w.hooks, &w.server, &e), ==, 0);
	CHECK_INT(rpc_server_listen(w.server, fd, RPC_UNIX, NULL, &e), ==, 0);
	w.user = dial(NULL);
	w.super = NULL;
}

/* As a kill would, save that memory is given back. */
static void
stop(void)
{
	rpc_client_free(w.user);
	rpc_client_free(w.super);
	rpc_server_free(w.server);
	gateway_free(w.g);
	CHECK_INT(uv_run(&w.loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(uv_loop_close(&w.loop), ==, 0);
	store_close(w.store);
}

static void
open_world(void)
{
	fake = (struct fake) { 0 };
	(void)snprintf(w.dir, sizeof(w.dir), "/tmp/gateway-core-XXXXXX");
	CHECK(mkdtemp(w.dir) != NULL);
	(void)snprintf(w.db, sizeof(w.db), "%s/db", w.dir);
	(void)snprintf(w.sock, sizeof(w.sock), "%s/s", w.dir);
	start();
}

static void
close_world(void)
{
	static const char *const tails[] = { "", "-wal", "-shm" };

	stop();
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		AUTO_FREE char *p = mem_printf("%s%s", w.db, tails[i]);

		(void)unlink(p);
	}
	(void)unlink(w.sock);
	(void)rmdir(w.dir);
}

/* --- calls --- */

static struct err last;

static enum rpc_code
ask(struct rpc_client *c, const char *path, const void *m,
    const ProtobufCMessageDescriptor *d, void *out)
{
	ProtobufCMessage *a = NULL;
	enum rpc_code code = RPC_OK;

	last.text[0] = '\0';
	if (rpc_unary(c, path, m, d, &a, 5000, &code, &last) < 0)
		return code;
	if (out != NULL)
		*(ProtobufCMessage **)out = a;
	else
		protobuf_c_message_free_unpacked(a, NULL);
	return RPC_OK;
}

#define ASK(c, name, m, type, out) \
	ask((c), USER name, (m), &openshell__v1__##type##__descriptor, (out))

static enum rpc_code
create(const char *name)
{
	Openshell__V1__CreateSandboxRequest m =
	    OPENSHELL__V1__CREATE_SANDBOX_REQUEST__INIT;
	Openshell__Datamodel__V1__SandboxSpec spec =
	    OPENSHELL__DATAMODEL__V1__SANDBOX_SPEC__INIT;

	m.name = (char *)(uintptr_t)name;
	m.spec = &spec;
	return ASK(w.user, "CreateSandbox", &m, sandbox_response, NULL);
}

static int
phase(const char *name)
{
	Openshell__V1__GetSandboxRequest m =
	    OPENSHELL__V1__GET_SANDBOX_REQUEST__INIT;
	Openshell__V1__SandboxResponse *r = NULL;
	int p;

	m.name = (char *)(uintptr_t)name;
	if (ASK(w.user, "GetSandbox", &m, sandbox_response, &r) != RPC_OK)
		return -1;
	p = (int)r->sandbox->phase;
	openshell__v1__sandbox_response__free_unpacked(r, NULL);
	return p;
}

static enum rpc_code delete (const char *name) {
	Openshell__V1__DeleteSandboxRequest m =
	    OPENSHELL__V1__DELETE_SANDBOX_REQUEST__INIT;

	m.name = (char *)(uintptr_t)name;
	return ASK(w.user, "DeleteSandbox", &m, delete_sandbox_response, NULL);
}

/* --- the supervisor's side --- */

static struct session {
	struct rpc_out *out;
	unsigned welcomes, policies, opens;
	uint32_t version, global;
	char relay_id[64];
	bool over;
	enum rpc_code code;
} sup;

static void
on_down(void *ctx UNUSED, const ProtobufCMessage *msg)
{
	const Openshell__Supervisor__V1__Down *d = (const void *)msg;

	switch ((int)d->payload_case) {
	case OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_WELCOME:
		sup.welcomes++;
		sup.version = d->welcome->policy != NULL
				  ? d->welcome->policy->version
				  : 0;
		sup.global = d->welcome->policy != NULL
				 ? d->welcome->policy->global_version
				 : 0;
		break;
	case OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_POLICY:
		sup.policies++;
		sup.version = d->policy->version;
		sup.global = d->policy->global_version;
		break;
	case OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_OPEN:
		sup.opens++;
		(void)snprintf(sup.relay_id, sizeof(sup.relay_id), "%s",
		    d->open->relay_id);
		break;
	default:
		break;
	}
}

static void
on_over(void *ctx UNUSED, enum rpc_code code, const char *text UNUSED)
{
	sup.over = true;
	sup.code = code;
	sup.out = NULL;
}

static void
send_up(int what, void *payload)
{
	Openshell__Supervisor__V1__Up up = OPENSHELL__SUPERVISOR__V1__UP__INIT;

	up.payload_case = what;
	up.state = payload; /* every member is a pointer */
	rpc_out_send(sup.out, &up.base);
}

static void
attend(const char *id, int at)
{
	static const struct rpc_out_hooks hooks = { .message = on_down,
		.closed = on_over };
	Openshell__Supervisor__V1__Hello h =
	    OPENSHELL__SUPERVISOR__V1__HELLO__INIT;
	Openshell__Supervisor__V1__State st =
	    OPENSHELL__SUPERVISOR__V1__STATE__INIT;

	sup = (struct session) { 0 };
	if (w.super == NULL)
		w.super = dial(fake.token);
	sup.out =
	    rpc_out_new(w.super, "/openshell.supervisor.v1.Supervisor/Attend",
		&openshell__supervisor__v1__down__descriptor, &hooks, 0);
	st.phase = (Openshell__Supervisor__V1__Phase)at;
	h.sandbox_id = (char *)(uintptr_t)id;
	h.protocol = 1;
	h.state = &st;
	send_up(OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_HELLO, &h);
	while (sup.welcomes == 0 && !sup.over)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
}

static const int isolated = OPENSHELL__SUPERVISOR__V1__PHASE__PHASE_ISOLATED,
		 starting = OPENSHELL__SUPERVISOR__V1__PHASE__PHASE_STARTING;

static void
acknowledge(uint32_t version, bool loaded, const char *why)
{
	Openshell__Supervisor__V1__PolicyStatus p =
	    OPENSHELL__SUPERVISOR__V1__POLICY_STATUS__INIT;

	p.version = version;
	p.loaded = loaded;
	p.error = (char *)(uintptr_t)why;
	send_up(OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_POLICY_STATUS, &p);
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
		CHECK_INT(ASK(w.user, "GetSandboxPolicyStatus", &m,
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
	code = ASK(w.user, "UpdateConfig", &m, update_config_response, NULL);
	policy_wire_free(base);
	return code;
}

/* --- tests --- */

TEST(core, create_refuses_what_it_cannot_keep)
{
	Openshell__V1__CreateSandboxRequest m =
	    OPENSHELL__V1__CREATE_SANDBOX_REQUEST__INIT;

	open_world();
	CHECK_INT(ASK(w.user, "CreateSandbox", &m, sandbox_response, NULL), ==,
	    RPC_INVALID_ARGUMENT);
	CHECK_HAS(last.text, "spec is required");
	CHECK_INT(create("Not/a Label"), ==, RPC_INVALID_ARGUMENT);
	CHECK_INT(create("demo"), ==, RPC_OK);
	CHECK_INT(create("demo"), ==, RPC_ALREADY_EXISTS);
	CHECK_HAS(last.text, "sandbox 'demo' already exists");
	fake.refuse = "no user namespaces here";
	CHECK_INT(create("other"), ==, RPC_FAILED_PRECONDITION);
	CHECK_HAS(last.text, "no user namespaces here");
	CHECK_INT(phase("other"), ==, -1);
	CHECK_INT(fake.creates, ==, 1);
	close_world();
}

TEST(core, only_an_isolated_session_makes_ready)
{
	open_world();
	CHECK_INT(create("demo"), ==, RPC_OK);
	CHECK_INT(phase("demo"), ==, PHASE(PROVISIONING));
	attend(fake.id, starting);
	CHECK_INT(phase("demo"), ==, PHASE(PROVISIONING));
	attend(fake.id, isolated);
	CHECK_INT(phase("demo"), ==, PHASE(READY));
	/* The newer one took over, and does not stand. */
	attend(fake.id, starting);
	CHECK_INT(phase("demo"), ==, PHASE(UNKNOWN));
	close_world();
}

TEST(core, a_session_of_another_sandbox_is_refused_and_recorded)
{
	Openshell__V1__GetSandboxLogsRequest m =
	    OPENSHELL__V1__GET_SANDBOX_LOGS_REQUEST__INIT;
	Openshell__V1__GetSandboxLogsResponse *r = NULL;
	char victim[GW_ID];
	bool found = false;

	open_world();
	CHECK_INT(create("victim"), ==, RPC_OK);
	memcpy(victim, fake.id, sizeof(victim));
	CHECK_INT(create("thief"), ==, RPC_OK);
	attend(victim, isolated);
	CHECK(sup.over);
	CHECK_INT(sup.code, ==, RPC_PERMISSION_DENIED);
	CHECK_INT(phase("victim"), ==, PHASE(PROVISIONING));
	m.sandbox_id = victim;
	CHECK_INT(
	    ASK(w.user, "GetSandboxLogs", &m, get_sandbox_logs_response, &r),
	    ==, RPC_OK);
	for (size_t i = 0; i < r->n_logs; i++)
		found |= strstr(r->logs[i]->message, "was refused") != NULL &&
			 strcmp(r->logs[i]->level, "WARN") == 0;
	CHECK(found);
	openshell__v1__get_sandbox_logs_response__free_unpacked(r, NULL);
	close_world();
}

TEST(core, a_revision_is_pushed_and_loaded_when_acknowledged)
{
	uint32_t active = 0;

	open_world();
	CHECK_INT(create("demo"), ==, RPC_OK);
	attend(fake.id, isolated);
	CHECK_INT(sup.version, ==, 1);
	acknowledge(1, true, "");
	CHECK_INT(settled("demo", 1, &active), ==, STORE_LOADED);
	CHECK_INT(set_policy("demo", "api.github.com", NULL), ==, RPC_OK);
	while (sup.policies == 0)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
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
	close_world();
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
	code = ASK(w.user, "UpdateConfig", &m, update_config_response, &r);
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
		(void)uv_run(&w.loop, UV_RUN_ONCE);
}

TEST(core, a_global_policy_stands_over_every_sandbox_until_it_is_deleted)
{
	uint32_t active = 0;
	bool deleted = true;

	open_world();
	CHECK_INT(create("demo"), ==, RPC_OK);
	attend(fake.id, isolated);
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
	CHECK_HAS(last.text, "policy is managed globally; delete global policy "
			     "before sandbox policy update");
	/* The same after a restart, and for whoever dials then. */
	stop();
	start();
	attend(fake.id, isolated);
	CHECK_INT(sup.global, ==, 1);
	CHECK_INT(set_policy("demo", "api.github.com", NULL), ==,
	    RPC_FAILED_PRECONDITION);
	CHECK_INT(delete_global(&deleted), ==, RPC_OK);
	CHECK(deleted);
	wait_push(1);
	CHECK_INT(sup.version, ==, 1);
	CHECK_INT(sup.global, ==, 0);
	CHECK_INT(set_policy("demo", "api.github.com", NULL), ==, RPC_OK);
	close_world();
}

TEST(core, an_unsafe_policy_is_refused_with_its_reason)
{
	open_world();
	CHECK_INT(create("demo"), ==, RPC_OK);
	CHECK_INT(set_policy("demo", "example.com", "/etc"), ==,
	    RPC_INVALID_ARGUMENT);
	CHECK_HAS(last.text, "policy contains unsafe content: ");
	CHECK_HAS(last.text, "overly broad: /etc");
	CHECK_INT(set_policy("nobody", "example.com", NULL), ==, RPC_NOT_FOUND);
	CHECK_INT(
	    set_policy("", "example.com", NULL), ==, RPC_INVALID_ARGUMENT);
	CHECK_HAS(last.text, "name is required for sandbox-scoped updates");
	close_world();
}

TEST(core, what_was_acknowledged_survives_a_restart)
{
	uint32_t active = 0;

	open_world();
	CHECK_INT(create("demo"), ==, RPC_OK);
	attend(fake.id, isolated);
	CHECK_INT(set_policy("demo", "example.com", NULL), ==, RPC_OK);
	acknowledge(2, true, "");
	CHECK_INT(settled("demo", 2, &active), ==, STORE_LOADED);
	stop();
	start();
	CHECK_INT(phase("demo"), ==, PHASE(UNKNOWN));
	CHECK_INT(settled("demo", 2, &active), ==, STORE_LOADED);
	CHECK_INT(active, ==, 2);
	CHECK_INT(fake.creates, ==, 1);
	attend(fake.id, isolated);
	CHECK_INT(sup.version, ==, 2);
	CHECK_INT(phase("demo"), ==, PHASE(READY));
	close_world();
}

TEST(core, what_no_longer_runs_after_a_restart_is_an_error)
{
	open_world();
	CHECK_INT(create("demo"), ==, RPC_OK);
	attend(fake.id, isolated);
	CHECK_INT(phase("demo"), ==, PHASE(READY));
	fake.there = false;
	stop();
	start();
	CHECK_INT(phase("demo"), ==, PHASE(ERROR));
	close_world();
}

TEST(core, a_create_that_was_cut_short_is_begun_again)
{
	open_world();
	CHECK_INT(create("demo"), ==, RPC_OK);
	fake.dead = true;
	stop();
	start();
	CHECK_INT(fake.creates, ==, 2);
	CHECK_INT(phase("demo"), ==, PHASE(PROVISIONING));
	/* With the token that it was given now. */
	attend(fake.id, isolated);
	CHECK_INT(phase("demo"), ==, PHASE(READY));
	close_world();
}

TEST(core, what_runs_without_a_row_is_removed)
{
	open_world();
	stop();
	fake.there = true;
	(void)snprintf(fake.id, sizeof(fake.id), "orphan");
	start();
	CHECK_INT(fake.removes, ==, 1);
	CHECK(!fake.there);
	close_world();
}

TEST(core, a_delete_answers_when_it_is_gone_and_stays_when_it_is_not)
{
	open_world();
	CHECK_INT(create("demo"), ==, RPC_OK);
	fake.stuck = "a mount is busy";
	CHECK_INT(delete ("demo"), ==, RPC_INTERNAL);
	CHECK_HAS(last.text, "a mount is busy");
	CHECK_INT(phase("demo"), ==, PHASE(DELETING));
	/* Nothing that is seen brings it back. */
	attend(fake.id, isolated);
	CHECK_INT(phase("demo"), ==, PHASE(DELETING));
	fake.stuck = NULL;
	CHECK_INT(delete ("demo"), ==, RPC_OK);
	CHECK_INT(phase("demo"), ==, -1);
	CHECK_INT(delete ("demo"), ==, RPC_NOT_FOUND);
	CHECK_INT(create("demo"), ==, RPC_OK);
	close_world();
}

TEST(core, exec_is_refused_before_the_sandbox_stands)
{
	Openshell__V1__ExecSandboxRequest m =
	    OPENSHELL__V1__EXEC_SANDBOX_REQUEST__INIT;
	char *argv[] = { (char[]) { "true" } };

	open_world();
	CHECK_INT(create("demo"), ==, RPC_OK);
	CHECK_INT(ASK(w.user, "ExecSandbox", &m, exec_sandbox_event, NULL), ==,
	    RPC_INVALID_ARGUMENT);
	CHECK_HAS(last.text, "sandbox_id is required");
	m.sandbox_id = fake.id;
	CHECK_INT(ASK(w.user, "ExecSandbox", &m, exec_sandbox_event, NULL), ==,
	    RPC_INVALID_ARGUMENT);
	CHECK_HAS(last.text, "command is required");
	m.command = argv;
	m.n_command = 1;
	CHECK_INT(ASK(w.user, "ExecSandbox", &m, exec_sandbox_event, NULL), ==,
	    RPC_FAILED_PRECONDITION);
	CHECK_HAS(last.text, "sandbox is not ready");
	m.sandbox_id = (char[]) { "nobody" };
	CHECK_INT(ASK(w.user, "ExecSandbox", &m, exec_sandbox_event, NULL), ==,
	    RPC_NOT_FOUND);
	close_world();
}

TEST(core, a_sandbox_may_not_call_what_is_the_users)
{
	Openshell__V1__ListSandboxesRequest m =
	    OPENSHELL__V1__LIST_SANDBOXES_REQUEST__INIT;

	open_world();
	CHECK_INT(create("demo"), ==, RPC_OK);
	w.super = dial(fake.token);
	CHECK_INT(
	    ASK(w.super, "ListSandboxes", &m, list_sandboxes_response, NULL),
	    ==, RPC_PERMISSION_DENIED);
	rpc_client_free(w.super);
	w.super = dial("0000");
	CHECK_INT(
	    ASK(w.super, "ListSandboxes", &m, list_sandboxes_response, NULL),
	    ==, RPC_UNAUTHENTICATED);
	close_world();
}

/* --- the newest record of a sandbox --- */

static struct got {
	uint64_t seq;
	char data[64];
	size_t n;
	bool over;
	enum rpc_code code;
} got;

static void
on_records(void *ctx UNUSED, const ProtobufCMessage *msg)
{
	const Openshell__V1__SandboxRecords *m = (const void *)msg;

	if (m->head != NULL)
		got.seq = m->head->seq;
	CHECK_INT(m->data.len, <=, sizeof(got.data) - got.n);
	if (m->data.len > 0)
		memcpy(got.data + got.n, m->data.data, m->data.len);
	got.n += m->data.len;
}

static void
on_records_end(void *ctx UNUSED, enum rpc_code code, const char *text UNUSED)
{
	got.over = true;
	got.code = code;
}

static void
get_records(void)
{
	static const struct rpc_out_hooks hooks = { .message = on_records,
		.closed = on_records_end };
	Openshell__V1__GetSandboxRecordsRequest m =
	    OPENSHELL__V1__GET_SANDBOX_RECORDS_REQUEST__INIT;
	struct rpc_out *o = rpc_out_new(w.user, USER "GetSandboxRecords",
	    &openshell__v1__sandbox_records__descriptor, &hooks, 5000);

	got = (struct got) { 0 };
	m.sandbox_id = fake.id;
	rpc_out_send(o, &m.base);
	rpc_out_end(o);
	while (!got.over)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
}

static void
tell_head(uint64_t seq)
{
	Openshell__Supervisor__V1__Logs l =
	    OPENSHELL__SUPERVISOR__V1__LOGS__INIT;
	Openshell__V1__RecordHead head = OPENSHELL__V1__RECORD_HEAD__INIT;
	char hash[65];

	memset(hash, 'a', 64);
	hash[64] = '\0';
	head.seq = seq;
	head.hash = hash;
	l.head = &head;
	send_up(OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_LOGS, &l);
}

TEST(core, the_newest_record_is_kept_over_restarts_and_never_goes_back)
{
	AUTO_FREE char *one = NULL, *two = NULL;
	int fd;

	open_world();
	one = mem_printf("%s/000001.jsonl", w.dir);
	two = mem_printf("%s/000002.jsonl", w.dir);
	CHECK_INT(create("demo"), ==, RPC_OK);
	attend(fake.id, isolated);
	get_records();
	CHECK_INT(got.code, ==, RPC_NOT_FOUND);
	fake.records = w.dir;
	tell_head(7);
	do
		get_records();
	while (got.seq != 7);
	CHECK_INT(got.code, ==, RPC_OK);
	stop();
	start();
	attend(fake.id, isolated);
	tell_head(5); /* its records were cut */
	CHECK_INT(phase("demo"), ==, PHASE(READY));
	fd = open(two, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_INT(write(fd, "two", 3), ==, 3);
	(void)close(fd);
	fd = open(one, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_INT(write(fd, "one", 3), ==, 3);
	(void)close(fd);
	get_records();
	CHECK_INT(got.code, ==, RPC_OK);
	CHECK_INT(got.seq, ==, 7);
	CHECK(view_eq((struct view) { got.data, got.n }, VIEW("onetwo")));
	CHECK_INT(unlink(one) | unlink(two), ==, 0);
	close_world();
}

TEST(core, later_methods_say_that_they_are_not_there)
{
	Openshell__V1__GetDraftPolicyRequest m =
	    OPENSHELL__V1__GET_DRAFT_POLICY_REQUEST__INIT;

	open_world();
	CHECK_INT(
	    ASK(w.user, "GetDraftPolicy", &m, get_draft_policy_response, NULL),
	    ==, RPC_UNIMPLEMENTED);
	CHECK_HAS(last.text, "GetDraftPolicy");
	close_world();
}

/* --- a command: the test is its client and its supervisor --- */

static struct command {
	char out[64];
	int exit_code;
	bool over;
	enum rpc_code code;
	char text[256];
} cmd;

static void
on_event(void *ctx UNUSED, const ProtobufCMessage *msg)
{
	const Openshell__V1__ExecSandboxEvent *ev = (const void *)msg;

	if (ev->payload_case ==
	    OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STDOUT)
		(void)snprintf(cmd.out, sizeof(cmd.out), "%.*s",
		    (int)ev->stdout->data.len, (char *)ev->stdout->data.data);
	if (ev->payload_case == OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_EXIT)
		cmd.exit_code = ev->exit->exit_code;
}

static void
on_command_over(void *ctx UNUSED, enum rpc_code code, const char *text)
{
	cmd.over = true;
	cmd.code = code;
	(void)snprintf(
	    cmd.text, sizeof(cmd.text), "%s", text != NULL ? text : "");
}

static struct relay_end {
	bool over;
} relayed;

static void
on_input(void *ctx UNUSED, const ProtobufCMessage *m UNUSED)
{
}

static void
on_relay_over(
    void *ctx UNUSED, enum rpc_code code UNUSED, const char *text UNUSED)
{
	relayed.over = true;
}

/* A command of an isolated sandbox, as far as its relay; gives the relay. */
static struct rpc_out *
run_command(struct rpc_out **client)
{
	static const struct rpc_out_hooks up = { .message = on_event,
		.closed = on_command_over };
	static const struct rpc_out_hooks down = { .message = on_input,
		.closed = on_relay_over };
	Openshell__V1__ExecSandboxRequest m =
	    OPENSHELL__V1__EXEC_SANDBOX_REQUEST__INIT;
	Openshell__Supervisor__V1__RelayUp r =
	    OPENSHELL__SUPERVISOR__V1__RELAY_UP__INIT;
	char *argv[] = { (char[]) { "true" } };
	struct rpc_out *relay;

	cmd = (struct command) { .exit_code = -1 };
	relayed = (struct relay_end) { 0 };
	CHECK_INT(create("demo"), ==, RPC_OK);
	attend(fake.id, isolated);
	*client = rpc_out_new(w.user, USER "ExecSandbox",
	    &openshell__v1__exec_sandbox_event__descriptor, &up, 0);
	m.sandbox_id = fake.id;
	m.command = argv;
	m.n_command = 1;
	rpc_out_send(*client, &m.base);
	rpc_out_end(*client);
	while (sup.opens == 0 && !cmd.over)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	CHECK(!cmd.over);
	relay =
	    rpc_out_new(w.super, "/openshell.supervisor.v1.Supervisor/Relay",
		&openshell__supervisor__v1__relay_down__descriptor, &down, 0);
	r.payload_case = OPENSHELL__SUPERVISOR__V1__RELAY_UP__PAYLOAD_RELAY_ID;
	r.relay_id = sup.relay_id;
	rpc_out_send(relay, &r.base);
	return relay;
}

static void
send_event(struct rpc_out *relay, Openshell__V1__ExecSandboxEvent *ev)
{
	Openshell__Supervisor__V1__RelayUp r =
	    OPENSHELL__SUPERVISOR__V1__RELAY_UP__INIT;

	r.payload_case = OPENSHELL__SUPERVISOR__V1__RELAY_UP__PAYLOAD_EVENT;
	r.event = ev;
	rpc_out_send(relay, &r.base);
}

/* Output that has come through: both ends are joined. */
static void
pass_output(struct rpc_out *relay)
{
	Openshell__V1__ExecSandboxEvent ev =
	    OPENSHELL__V1__EXEC_SANDBOX_EVENT__INIT;
	Openshell__V1__ExecSandboxStdout text =
	    OPENSHELL__V1__EXEC_SANDBOX_STDOUT__INIT;

	text.data = (ProtobufCBinaryData) { 2, (uint8_t *)(char[]) { "hi" } };
	ev.payload_case = OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STDOUT;
	ev.stdout = &text;
	send_event(relay, &ev);
	while (cmd.out[0] == '\0' && !cmd.over)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
}

TEST(core, a_command_gives_its_output_and_its_status)
{
	Openshell__V1__ExecSandboxEvent ev =
	    OPENSHELL__V1__EXEC_SANDBOX_EVENT__INIT;
	Openshell__V1__ExecSandboxStdout text =
	    OPENSHELL__V1__EXEC_SANDBOX_STDOUT__INIT;
	Openshell__V1__ExecSandboxExit seven =
	    OPENSHELL__V1__EXEC_SANDBOX_EXIT__INIT;
	struct rpc_out *client, *relay;

	open_world();
	relay = run_command(&client);
	text.data = (ProtobufCBinaryData) { 2, (uint8_t *)(char[]) { "hi" } };
	ev.payload_case = OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STDOUT;
	ev.stdout = &text;
	send_event(relay, &ev);
	seven.exit_code = 7;
	ev.payload_case = OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_EXIT;
	ev.exit = &seven;
	send_event(relay, &ev);
	while (!cmd.over)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	CHECK_INT(cmd.code, ==, RPC_OK);
	CHECK_INT(cmd.exit_code, ==, 7);
	CHECK_STR(cmd.out, "hi");
	close_world();
}

TEST(core, a_lost_relay_ends_the_command_with_a_reason)
{
	struct rpc_out *client, *relay;

	open_world();
	relay = run_command(&client);
	pass_output(relay);
	rpc_out_cancel(relay);
	while (!cmd.over)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	CHECK_INT(cmd.code, ==, RPC_UNAVAILABLE);
	CHECK(cmd.text[0] != '\0');
	close_world();
}

TEST(core, a_client_that_goes_away_ends_its_command)
{
	struct rpc_out *client;

	open_world();
	pass_output(run_command(&client));
	rpc_out_cancel(client);
	while (!relayed.over)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	close_world();
}
