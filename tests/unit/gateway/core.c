/* core: a gateway, its user, its driver and a supervisor in one process. */
#include "core.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

#include "base/mem.h"

/* --- a driver that remembers --- */

struct core_driver fake;

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

struct core core;

struct rpc_client *
core_dial(const char *bearer)
{
	static const struct rpc_client_hooks none = { 0 };
	AUTO_FREE char *url = mem_printf("unix:%s", core.sock);
	struct rpc_target t = { .url = url, .bearer = bearer };
	struct rpc_client *c;
	struct err e;

	CHECK_INT(rpc_client_new(&core.loop, &t, &none, &c, &e), ==, 0);
	return c;
}

void
core_start(void)
{
	const struct gateway_config gc = { .name = "t",
		.state_dir = core.dir,
		.driver = "fake",
		.endpoint = "unix:x",
		.owner = getuid() };
	const struct rpc_method *m;
	struct err e;
	size_t n;
	int fd;

	CHECK_INT(uv_loop_init(&core.loop), ==, 0);
	if (store_open(core.db, &core.store, &e) < 0)
		fail_msg("%s", e.text);
	CHECK_INT(gateway_new(&core.loop, &gc, core.store, &core.g, &e), ==, 0);
	core.hooks = gateway_hooks(core.g);
	m = gateway_methods(&n);
	CHECK_INT(rpc_unix_listen(core.sock, &fd, &e), ==, 0);
	CHECK_INT(
	    rpc_server_new(&core.loop, m, n, &core.hooks, &core.server, &e), ==,
	    0);
	CHECK_INT(
	    rpc_server_listen(core.server, fd, RPC_UNIX, NULL, &e), ==, 0);
	core.user = core_dial(NULL);
	core.super = NULL;
}

void
core_stop(void)
{
	rpc_client_free(core.user);
	rpc_client_free(core.super);
	rpc_server_free(core.server);
	gateway_free(core.g);
	CHECK_INT(uv_run(&core.loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(uv_loop_close(&core.loop), ==, 0);
	store_close(core.store);
}

void
core_open(void)
{
	fake = (struct core_driver) { 0 };
	(void)snprintf(core.dir, sizeof(core.dir), "/tmp/gateway-core-XXXXXX");
	CHECK(mkdtemp(core.dir) != NULL);
	(void)snprintf(core.db, sizeof(core.db), "%s/db", core.dir);
	(void)snprintf(core.sock, sizeof(core.sock), "%s/s", core.dir);
	core_start();
}

void
core_close(void)
{
	static const char *const tails[] = { "", "-wal", "-shm" };

	core_stop();
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		AUTO_FREE char *p = mem_printf("%s%s", core.db, tails[i]);

		(void)unlink(p);
	}
	(void)unlink(core.sock);
	(void)rmdir(core.dir);
}

/* --- calls --- */

enum rpc_code
core_ask(struct rpc_client *c, const char *path, const void *m,
    const ProtobufCMessageDescriptor *d, void *out)
{
	ProtobufCMessage *a = NULL;
	enum rpc_code code = RPC_OK;

	core.last.text[0] = '\0';
	if (rpc_unary(c, path, m, d, &a, 5000, &code, &core.last) < 0)
		return code;
	if (out != NULL)
		*(ProtobufCMessage **)out = a;
	else
		protobuf_c_message_free_unpacked(a, NULL);
	return RPC_OK;
}

enum rpc_code
core_create(const char *name)
{
	Openshell__V1__CreateSandboxRequest m =
	    OPENSHELL__V1__CREATE_SANDBOX_REQUEST__INIT;
	Openshell__Datamodel__V1__SandboxSpec spec =
	    OPENSHELL__DATAMODEL__V1__SANDBOX_SPEC__INIT;

	m.name = (char *)(uintptr_t)name;
	m.spec = &spec;
	return ASK(core.user, "CreateSandbox", &m, sandbox_response, NULL);
}

int
core_phase(const char *name)
{
	Openshell__V1__GetSandboxRequest m =
	    OPENSHELL__V1__GET_SANDBOX_REQUEST__INIT;
	Openshell__V1__SandboxResponse *r = NULL;
	int p;

	m.name = (char *)(uintptr_t)name;
	if (ASK(core.user, "GetSandbox", &m, sandbox_response, &r) != RPC_OK)
		return -1;
	p = (int)r->sandbox->phase;
	openshell__v1__sandbox_response__free_unpacked(r, NULL);
	return p;
}

enum rpc_code
core_delete(const char *name)
{
	Openshell__V1__DeleteSandboxRequest m =
	    OPENSHELL__V1__DELETE_SANDBOX_REQUEST__INIT;

	m.name = (char *)(uintptr_t)name;
	return ASK(
	    core.user, "DeleteSandbox", &m, delete_sandbox_response, NULL);
}

/* --- the supervisor's side --- */

struct core_session sup;

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

void
core_send_up(int what, void *payload)
{
	Openshell__Supervisor__V1__Up up = OPENSHELL__SUPERVISOR__V1__UP__INIT;

	up.payload_case = what;
	up.state = payload; /* every member is a pointer */
	rpc_out_send(sup.out, &up.base);
}

void
core_attend(const char *id, int at)
{
	static const struct rpc_out_hooks hooks = { .message = on_down,
		.closed = on_over };
	Openshell__Supervisor__V1__Hello h =
	    OPENSHELL__SUPERVISOR__V1__HELLO__INIT;
	Openshell__Supervisor__V1__State st =
	    OPENSHELL__SUPERVISOR__V1__STATE__INIT;

	sup = (struct core_session) { 0 };
	if (core.super == NULL)
		core.super = core_dial(fake.token);
	sup.out = rpc_out_new(core.super,
	    "/openshell.supervisor.v1.Supervisor/Attend",
	    &openshell__supervisor__v1__down__descriptor, &hooks, 0);
	st.phase = (Openshell__Supervisor__V1__Phase)at;
	h.sandbox_id = (char *)(uintptr_t)id;
	h.protocol = 1;
	h.state = &st;
	core_send_up(OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_HELLO, &h);
	while (sup.welcomes == 0 && !sup.over)
		(void)uv_run(&core.loop, UV_RUN_ONCE);
}
