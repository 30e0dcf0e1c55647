/*
 * exec: a client's call and a supervisor's relay, joined.
 *
 *   client ExecSandbox(Interactive) -> Down.open(relay_id) -> Relay arrives
 *   client input  -> relay    held while the relay's queue is full
 *   relay events  -> client   held while the client's queue is full
 *
 * The supervisor's side ends after `exit`; whatever else ends one side ends
 * the other, and a relay that is lost ends its command.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"
#include "gateway/bounds.h"
#include "gateway/gw.h"

typedef Openshell__V1__ExecSandboxRequest request_msg;
typedef Openshell__V1__ExecSandboxInput input_msg;
typedef Openshell__V1__ExecSandboxEvent event_msg;

enum {
	ARGS_MAX = 1024,
	ARG_BYTES = 32768,
	WORKDIR_BYTES = 4096,
	COMMAND_BYTES = 262144,
	RELAY_ID = 32,
	STDIN_CHUNK = 65536
};

struct exec {
	struct call_data data; /* of the client's call */
	struct rpc_call *client, *relay;
	struct sbx *sbx;
	struct exec *next, *prev;
	char relay_id[RELAY_ID + 1];
	struct buf input; /* of a request that came whole */
	size_t given;
	bool interactive, begun, whole_eof, over;
	uv_timer_t *timer; /* until the relay is there */
};

struct relay {
	struct call_data data; /* of the supervisor's call */
	struct rpc_call *call;
	struct exec *exec;
	char id[64]; /* of the sandbox */
};

/* --- checks (gateway-api 4.13) ------------------------------------------- */

/*
 * The reference refuses line breaks, because it builds a shell's line; argv is
 * handed over as it is here, so only length and NUL (which a string cannot
 * hold) count.  A work directory with one is still no directory.
 */
static int
check_request(const request_msg *m, struct err *e)
{
	size_t total = 0;

	if (m->sandbox_id[0] == '\0')
		return err_set(e, ERR_INVALID, "sandbox_id is required");
	for (size_t i = 0; i < m->n_environment; i++)
		if (gw_check_variable(m->environment[i]->key, e) < 0)
			return -1;
	if (m->n_command > ARGS_MAX)
		return err_set(e, ERR_INVALID,
		    "command array exceeds %d argument limit", (int)ARGS_MAX);
	for (size_t i = 0; i < m->n_command; i++) {
		size_t n = strlen(m->command[i]);

		total += n + 1;
		if (n > ARG_BYTES)
			return err_set(e, ERR_INVALID,
			    "command argument %zu exceeds %d byte limit", i,
			    (int)ARG_BYTES);
	}
	for (size_t i = 0; i < m->n_environment; i++)
		if (strlen(m->environment[i]->value) > ARG_BYTES)
			return err_set(e, ERR_INVALID,
			    "environment value for '%.100s' exceeds %d byte "
			    "limit",
			    m->environment[i]->key, (int)ARG_BYTES);
	if (strlen(m->workdir) > WORKDIR_BYTES)
		return err_set(e, ERR_INVALID, "workdir exceeds %d byte limit",
		    (int)WORKDIR_BYTES);
	if (strpbrk(m->workdir, "\r\n") != NULL)
		return err_set(e, ERR_INVALID,
		    "workdir contains newline or carriage return characters");
	if (total > COMMAND_BYTES)
		return err_set(e, ERR_INVALID,
		    "command construction failed: longer than %d bytes",
		    (int)COMMAND_BYTES);
	return 0;
}

/* --- the end ------------------------------------------------------------- */

static void
free_timer(uv_handle_t *h)
{
	free(h);
}

static void
stop_timer(struct exec *x)
{
	if (x->timer == NULL)
		return;
	x->timer->data = NULL;
	uv_close((uv_handle_t *)x->timer, free_timer);
	x->timer = NULL;
}

static void
unlink_exec(struct exec *x)
{
	if (x->sbx == NULL)
		return;
	if (x->prev != NULL)
		x->prev->next = x->next;
	else
		x->sbx->execs = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	x->sbx->n_execs--;
	attend_drain(x->sbx);
	x->sbx = NULL;
}

/* Both calls get their status; memory goes with the client's. */
static void
end(struct exec *x, enum rpc_code code, const char *text)
{
	struct rpc_call *relay = x->relay;

	if (x->over)
		return;
	x->over = true;
	stop_timer(x);
	unlink_exec(x);
	x->relay = NULL;
	if (relay != NULL) {
		struct relay *r = rpc_call_data(relay);

		r->exec = NULL;
		rpc_finish(relay, code == RPC_OK ? RPC_OK : RPC_CANCELLED, "%s",
		    code == RPC_OK ? "" : "the client went away");
	}
	rpc_finish(x->client, code, "%s", text);
}

void
exec_end_all(struct sbx *s, const char *why)
{
	char text[512];

	(void)snprintf(
	    text, sizeof(text), "the command was ended: %.400s", why);
	while (s->execs != NULL)
		end(s->execs, RPC_UNAVAILABLE, text);
}

void
exec_refused(struct sbx *s, const char *relay_id, const char *reason)
{
	for (struct exec *x = s->execs; x != NULL; x = x->next)
		if (x->relay == NULL && strcmp(x->relay_id, relay_id) == 0) {
			end(x, RPC_FAILED_PRECONDITION, reason);
			return;
		}
}

/* --- input --------------------------------------------------------------- */

static void
send_input(struct exec *x, input_msg *in)
{
	Openshell__Supervisor__V1__RelayDown d =
	    OPENSHELL__SUPERVISOR__V1__RELAY_DOWN__INIT;

	d.input = in;
	rpc_send(x->relay, &d.base);
	if (rpc_queued(x->relay) >= RPC_HIGH_WATER)
		rpc_hold(x->client);
}

static void
send_eof(struct exec *x)
{
	input_msg in = OPENSHELL__V1__EXEC_SANDBOX_INPUT__INIT;

	in.payload_case = OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_STDIN_EOF;
	in.stdin_eof = true;
	send_input(x, &in);
}

/* What came with the request, as the relay takes it. */
static void
send_whole(struct exec *x)
{
	while (x->given < x->input.n && rpc_queued(x->relay) < RPC_HIGH_WATER) {
		input_msg in = OPENSHELL__V1__EXEC_SANDBOX_INPUT__INIT;
		size_t n = MIN(x->input.n - x->given, (size_t)STDIN_CHUNK);

		in.payload_case =
		    OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_STDIN;
		in.stdin = (ProtobufCBinaryData) { n,
			(uint8_t *)x->input.p + x->given };
		send_input(x, &in);
		x->given += n;
	}
	if (x->given == x->input.n && !x->whole_eof) {
		x->whole_eof = true;
		send_eof(x);
	}
}

/* --- beginning ----------------------------------------------------------- */

static void
on_open_late(uv_timer_t *t)
{
	struct exec *x = t->data;

	if (x != NULL)
		end(x, RPC_UNAVAILABLE,
		    "the sandbox's supervisor did not start the command in "
		    "time");
}

static int
begin(struct exec *x, const request_msg *m)
{
	struct gateway *g = gw_of(x->client);
	struct sbx *s;
	struct err e;

	if (check_request(m, &e) < 0) {
		rpc_finish_err(x->client, &e);
		return -1;
	}
	s = gw_need_id(x->client, m->sandbox_id, "sandbox_id");
	if (s == NULL)
		return -1;
	if (s->msg->phase != PHASE(READY) || !s->isolated) {
		rpc_finish(
		    x->client, RPC_FAILED_PRECONDITION, "sandbox is not ready");
		return -1;
	}
	if (s->n_execs >= GW_EXECS_MAX) {
		rpc_finish(x->client, RPC_RESOURCE_EXHAUSTED,
		    "%d commands run in this sandbox already",
		    (int)GW_EXECS_MAX);
		return -1;
	}
	random_hex(x->relay_id, RELAY_ID);
	x->begun = true;
	x->sbx = s;
	x->next = s->execs;
	if (x->next != NULL)
		x->next->prev = x;
	s->execs = x;
	s->n_execs++;
	x->timer = NEW(uv_timer_t);
	(void)uv_timer_init(g->loop, x->timer);
	x->timer->data = x;
	(void)uv_timer_start(x->timer, on_open_late, GW_OPEN_MS, 0);
	/* No input is taken before there is somebody to give it to. */
	rpc_hold(x->client);
	(void)attend_open(s, x->relay_id, m);
	return 0;
}

/* --- the client's side --------------------------------------------------- */

static void
client_message(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const input_msg *m = (const void *)msg;
	struct exec *x = rpc_call_data(c);
	input_msg copy = *m;

	if (x->over)
		return;
	if (m->payload_case ==
	    OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_START) {
		if (x->begun)
			end(x, RPC_INVALID_ARGUMENT, "start comes once");
		else if (begin(x, m->start) < 0)
			x->over = true;
		return;
	}
	if (!x->begun || x->relay == NULL) {
		end(x, RPC_INVALID_ARGUMENT, "start comes first");
		return;
	}
	send_input(x, &copy);
}

static void
client_half_closed(struct rpc_call *c)
{
	struct exec *x = rpc_call_data(c);

	if (x->over)
		return;
	if (x->relay != NULL)
		send_eof(x);
	else
		end(x, RPC_INVALID_ARGUMENT, "no start came");
}

static void
client_drained(struct rpc_call *c)
{
	struct exec *x = rpc_call_data(c);

	if (x->relay != NULL)
		rpc_resume(x->relay);
}

static void
client_closed(struct rpc_call *c UNUSED, enum rpc_code why UNUSED)
{
	struct exec *x = rpc_call_data(c);

	end(x, RPC_CANCELLED, "the client went away");
	stop_timer(x);
	unlink_exec(x);
	buf_fini(&x->input);
	free(x);
}

static const struct call_ops client_ops = { client_message, client_half_closed,
	client_drained, client_closed };

static struct exec *
exec_new(struct rpc_call *c, bool interactive)
{
	struct exec *x = NEW(struct exec);

	x->data.ops = &client_ops;
	x->client = c;
	x->interactive = interactive;
	x->input = BUF_INIT(RPC_MESSAGE_MAX);
	rpc_call_set_data(c, x);
	return x;
}

void
rpc_ExecSandbox(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const request_msg *m = (const void *)msg;
	struct exec *x = exec_new(c, false);

	if (m->sandbox_id[0] != '\0' && m->n_command == 0) {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "command is required");
		x->over = true;
		return;
	}
	buf_put(&x->input,
	    (struct view) { (const char *)m->stdin.data, m->stdin.len });
	if (begin(x, m) < 0)
		x->over = true;
}

void
rpc_ExecSandboxInteractive(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	(void)exec_new(c, true);
}

/* --- the supervisor's side ----------------------------------------------- */

static struct exec *
exec_waiting(struct sbx *s, const char *relay_id)
{
	for (struct exec *x = s->execs; x != NULL; x = x->next)
		if (x->relay == NULL && strcmp(x->relay_id, relay_id) == 0)
			return x;
	return NULL;
}

static void
join(struct relay *r, const char *relay_id)
{
	struct sbx *s = gw_by_id(gw_of(r->call), r->id);
	struct exec *x = s != NULL ? exec_waiting(s, relay_id) : NULL;

	if (x == NULL) {
		rpc_finish(r->call, RPC_NOT_FOUND,
		    "nobody waits for this command any more");
		return;
	}
	r->exec = x;
	x->relay = r->call;
	stop_timer(x);
	if (!x->interactive)
		send_whole(x);
	rpc_resume(x->client);
}

static void
relay_message(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__Supervisor__V1__RelayUp *m = (const void *)msg;
	struct relay *r = rpc_call_data(c);

	if (m->payload_case ==
	    OPENSHELL__SUPERVISOR__V1__RELAY_UP__PAYLOAD_RELAY_ID) {
		if (r->exec == NULL)
			join(r, m->relay_id);
		return;
	}
	if (m->payload_case !=
		OPENSHELL__SUPERVISOR__V1__RELAY_UP__PAYLOAD_EVENT ||
	    r->exec == NULL)
		return;
	rpc_send(r->exec->client, &m->event->base);
	if (m->event->payload_case ==
	    OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_EXIT) {
		end(r->exec, RPC_OK, "");
		return;
	}
	if (rpc_queued(r->exec->client) >= RPC_HIGH_WATER)
		rpc_hold(c);
}

static void
relay_half_closed(struct rpc_call *c)
{
	struct relay *r = rpc_call_data(c);

	if (r->exec != NULL)
		end(r->exec, RPC_UNAVAILABLE,
		    "the sandbox's supervisor ended the command without a "
		    "status");
	rpc_finish(c, RPC_OK, NULL);
}

static void
relay_drained(struct rpc_call *c)
{
	struct relay *r = rpc_call_data(c);

	if (r->exec == NULL)
		return;
	if (!r->exec->interactive)
		send_whole(r->exec);
	else
		rpc_resume(r->exec->client);
}

static void
relay_closed(struct rpc_call *c UNUSED, enum rpc_code why UNUSED)
{
	struct relay *r = rpc_call_data(c);

	if (r->exec != NULL) {
		struct exec *x = r->exec;

		x->relay = NULL; /* it is gone already */
		end(x, RPC_UNAVAILABLE,
		    "the connection to the sandbox was lost; the command was "
		    "ended");
	}
	free(r);
}

static const struct call_ops relay_ops = { relay_message, relay_half_closed,
	relay_drained, relay_closed };

void
rpc_Relay(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	struct relay *r = NEW(struct relay);
	struct caller who;

	gw_caller(c, &who);
	r->data.ops = &relay_ops;
	r->call = c;
	(void)snprintf(r->id, sizeof(r->id), "%s", who.sandbox);
	rpc_call_set_data(c, r);
}
