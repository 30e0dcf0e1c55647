#include "gate.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#include "base/mem.h"

enum { TICK_MS = 2, TURNS_MAX = 5000 };

struct gate gate;
static unsigned turns;

/* --- in place of the library's client --- */

static const struct {
	const char *method;
	const ProtobufCMessageDescriptor *what;
} calls[] = {
	{ "/Relay", &openshell__supervisor__v1__relay_up__descriptor },
	{ "/Attend", &openshell__supervisor__v1__up__descriptor },
	{ "OpenShell/SubmitPolicyAnalysis",
	    &openshell__v1__submit_policy_analysis_request__descriptor },
	{ "OpenShell/GetDraftPolicy",
	    &openshell__v1__get_draft_policy_request__descriptor },
};

struct rpc_out *
rpc_out_new(struct rpc_client *c UNUSED, const char *path,
    const ProtobufCMessageDescriptor *answer UNUSED,
    const struct rpc_out_hooks *hooks, unsigned deadline_ms UNUSED)
{
	struct rpc_out *o = NEW(struct rpc_out);

	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (view_ends(view_of(path), view_of(calls[i].method)))
			o->what = calls[i].what;
	CHECK(o->what != NULL);
	o->hooks = *hooks;
	gate.relay = o;
	return o;
}

void
rpc_out_send(struct rpc_out *o, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	AUTO_FREE uint8_t *p = mem_calloc(1, n + 1);

	CHECK_INT(o->n, <, GATE_SENT_MAX);
	CHECK(!o->ended);
	(void)protobuf_c_message_pack(m, p);
	o->sent[o->n] = protobuf_c_message_unpack(o->what, NULL, n, p);
	CHECK(o->sent[o->n] != NULL);
	o->n++;
}

size_t
rpc_out_queued(const struct rpc_out *o)
{
	return o->queued;
}

void
rpc_out_end(struct rpc_out *o)
{
	o->ended = true;
}

void
rpc_out_cancel(struct rpc_out *o)
{
	o->cancelled = true;
}

void
rpc_out_hold(struct rpc_out *o)
{
	o->held = true;
}

void
rpc_out_resume(struct rpc_out *o)
{
	o->held = false;
}

int
rpc_client_new(uv_loop_t *loop UNUSED, const struct rpc_target *t UNUSED,
    const struct rpc_client_hooks *hooks UNUSED, struct rpc_client **out UNUSED,
    struct err *e)
{
	return err_set(e, ERR_IO, "there is no gateway");
}

void
rpc_client_free(struct rpc_client *c UNUSED)
{
}

static void
free_out(struct rpc_out *o)
{
	while (o->n > 0)
		protobuf_c_message_free_unpacked(o->sent[--o->n], NULL);
	free(o);
}

void
gate_hang_up(struct rpc_out *o)
{
	o->hooks.closed(o->hooks.ctx, RPC_CANCELLED, "");
	if (gate.relay == o)
		gate.relay = NULL;
	free_out(o);
}

void
gate_answer(struct rpc_out *o, const ProtobufCMessage *m, enum rpc_code code)
{
	if (m != NULL)
		o->hooks.message(o->hooks.ctx, m);
	o->hooks.closed(o->hooks.ctx, code, rpc_code_name(code));
	if (gate.relay == o)
		gate.relay = NULL;
	free_out(o);
}

const Openshell__Supervisor__V1__RelayUp *
gate_relay_up(const struct rpc_out *o, size_t i)
{
	CHECK_INT(i, <, o->n);
	return (const void *)o->sent[i];
}

const Openshell__Supervisor__V1__Up *
gate_up(size_t i)
{
	CHECK_INT(i, <, gate.k.attend->n);
	return (const void *)gate.k.attend->sent[i];
}

/* --- the keeper --- */

static void
on_tick(uv_timer_t *t UNUSED)
{
}

bool
gate_turn(void)
{
	(void)uv_run(&gate.k.loop, UV_RUN_ONCE);
	return ++turns < TURNS_MAX;
}

static void
gate_journal(void)
{
	struct err e;
	int fd;

	(void)snprintf(gate.dir, sizeof(gate.dir), "/tmp/keeper-test-XXXXXX");
	CHECK(mkdtemp(gate.dir) != NULL);
	fd = open(gate.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(fd, >=, 0);
	CHECK_INT(journal_open(&gate.k.journal, fd, VIEW("box"), &e), ==, 0);
	(void)close(fd);
}

static void
gate_journal_end(void)
{
	AUTO_FREE char *file = mem_printf("%s/records/000001.jsonl", gate.dir);
	AUTO_FREE char *records = mem_printf("%s/records", gate.dir);

	journal_close(&gate.k.journal);
	CHECK_INT(unlink(file), ==, 0);
	CHECK_INT(rmdir(records), ==, 0);
	CHECK_INT(rmdir(gate.dir), ==, 0);
}

void
gate_open(void)
{
	struct keeper *k = &gate.k;
	struct err e;
	int pair[2];

	gate = (struct gate) { 0 };
	turns = 0;
	CHECK_INT(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
	CHECK_INT(fd_set_nonblock(pair[0], true, &e), ==, 0);
	CHECK_INT(fd_set_nonblock(pair[1], true, &e), ==, 0);
	k->sock = pair[0];
	gate.ctl = pair[1];
	k->dirfd = k->lock = -1;
	k->dir = "/home/x/.openshell/gateways/g/sandboxes/id";
	k->queue_tail = &k->queue;
	CHECK_INT(uv_loop_init(&k->loop), ==, 0);
	(void)uv_timer_init(&k->loop, &gate.tick);
	(void)uv_timer_start(&gate.tick, on_tick, TICK_MS, TICK_MS);
	(void)uv_timer_init(&k->loop, &k->dial);
	(void)uv_timer_init(&k->loop, &k->flush);
	(void)uv_timer_init(&k->loop, &k->farewell);
	k->dial.data = k->flush.data = k->farewell.data = k;
	keeper_denials_init(k);
	ring_init(&k->ring);
	gate_journal();
	k->msg = NEW(keeper_sandbox);
	openshell__datamodel__v1__sandbox__init(k->msg);
	k->msg->id = mem_strdup("11111111-1111-4111-8111-111111111111");
	k->msg->spec = NEW(Openshell__Datamodel__V1__SandboxSpec);
	openshell__datamodel__v1__sandbox_spec__init(k->msg->spec);
	k->msg->spec->policy = NEW(policy_wire_msg);
	openshell__sandbox__v1__sandbox_policy__init(k->msg->spec->policy);
	k->msg->spec->policy->version = 1;
	k->attend = NEW(struct rpc_out);
	k->attend->what = &openshell__supervisor__v1__up__descriptor;
	k->welcomed = k->isolated = true;
}

void
gate_close(void)
{
	struct keeper *k = &gate.k;

	gate_close_fds();
	CHECK(k->commands == NULL);
	CHECK_INT(k->n_commands, ==, 0);
	uv_close((uv_handle_t *)&gate.tick, NULL);
	uv_close((uv_handle_t *)&k->dial, NULL);
	uv_close((uv_handle_t *)&k->flush, NULL);
	uv_close((uv_handle_t *)&k->farewell, NULL);
	uv_close((uv_handle_t *)&k->denials_timer, NULL);
	keeper_denials_fini(k);
	if (k->sock_on)
		uv_close((uv_handle_t *)&k->sock_poll, NULL);
	CHECK_INT(uv_run(&k->loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(uv_loop_close(&k->loop), ==, 0);
	fd_close(&k->sock);
	fd_close(&gate.ctl);
	ring_fini(&k->ring);
	gate_journal_end();
	openshell__datamodel__v1__sandbox__free_unpacked(k->msg, NULL);
	if (k->attend != NULL)
		free_out(k->attend);
}

enum session_type
gate_next(void)
{
	struct err e;

	gate_close_fds();
	if (session_recv(gate.ctl, SESSION_SUPERVISOR, &gate.got, gate.fds,
		&gate.nfds, &e) != 1)
		return 0;
	return (enum session_type)gate.got.hdr.type;
}

void
gate_close_fds(void)
{
	while (gate.nfds > 0)
		fd_close(&gate.fds[--gate.nfds]);
}
