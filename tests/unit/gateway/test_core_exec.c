/* A command: the test is its client and its supervisor. */
#include "test.h"

#include "core.h"

TEST(core, exec_is_refused_before_the_sandbox_stands)
{
	Openshell__V1__ExecSandboxRequest m =
	    OPENSHELL__V1__EXEC_SANDBOX_REQUEST__INIT;
	char *argv[] = { (char[]) { "true" } };

	core_open();
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	CHECK_INT(ASK(core.user, "ExecSandbox", &m, exec_sandbox_event, NULL),
	    ==, RPC_INVALID_ARGUMENT);
	CHECK_HAS(core.last.text, "sandbox_id is required");
	m.sandbox_id = fake.id;
	CHECK_INT(ASK(core.user, "ExecSandbox", &m, exec_sandbox_event, NULL),
	    ==, RPC_INVALID_ARGUMENT);
	CHECK_HAS(core.last.text, "command is required");
	m.command = argv;
	m.n_command = 1;
	CHECK_INT(ASK(core.user, "ExecSandbox", &m, exec_sandbox_event, NULL),
	    ==, RPC_FAILED_PRECONDITION);
	CHECK_HAS(core.last.text, "sandbox is not ready");
	m.sandbox_id = (char[]) { "nobody" };
	CHECK_INT(ASK(core.user, "ExecSandbox", &m, exec_sandbox_event, NULL),
	    ==, RPC_NOT_FOUND);
	core_close();
}

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
	CHECK_INT(core_create("demo"), ==, RPC_OK);
	core_attend(fake.id, CORE_ISOLATED);
	*client = rpc_out_new(core.user, CORE_USER "ExecSandbox",
	    &openshell__v1__exec_sandbox_event__descriptor, &up, 0);
	m.sandbox_id = fake.id;
	m.command = argv;
	m.n_command = 1;
	rpc_out_send(*client, &m.base);
	rpc_out_end(*client);
	while (sup.opens == 0 && !cmd.over)
		(void)uv_run(&core.loop, UV_RUN_ONCE);
	CHECK(!cmd.over);
	relay =
	    rpc_out_new(core.super, "/openshell.supervisor.v1.Supervisor/Relay",
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
		(void)uv_run(&core.loop, UV_RUN_ONCE);
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

	core_open();
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
		(void)uv_run(&core.loop, UV_RUN_ONCE);
	CHECK_INT(cmd.code, ==, RPC_OK);
	CHECK_INT(cmd.exit_code, ==, 7);
	CHECK_STR(cmd.out, "hi");
	core_close();
}

TEST(core, a_lost_relay_ends_the_command_with_a_reason)
{
	struct rpc_out *client, *relay;

	core_open();
	relay = run_command(&client);
	pass_output(relay);
	rpc_out_cancel(relay);
	while (!cmd.over)
		(void)uv_run(&core.loop, UV_RUN_ONCE);
	CHECK_INT(cmd.code, ==, RPC_UNAVAILABLE);
	CHECK(cmd.text[0] != '\0');
	core_close();
}

TEST(core, a_client_that_goes_away_ends_its_command)
{
	struct rpc_out *client;

	core_open();
	pass_output(run_command(&client));
	rpc_out_cancel(client);
	while (!relayed.over)
		(void)uv_run(&core.loop, UV_RUN_ONCE);
	core_close();
}
