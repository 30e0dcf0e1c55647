/*
 * create_wait: from the gateway's answer to Ready, shown as it goes (cli spec
 * 10.1).  On a terminal a line that changes and ticks; else a line an event.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/boxes.h"
#include "cli/create.h"
#include "cli/reach.h"

typedef Openshell__V1__SandboxStreamEvent event_msg;

enum { TIMEOUT_S = 300, TICK_MS = 120 };

struct wait {
	struct cli *c;
	uint64_t began;
	bool live; /* stderr is a terminal */
	bool done, ready, failed, late, closed;
	unsigned frame;
	char active[96];
	struct buf why; /* the last condition */
	enum rpc_code code;
	char text[512];
	uv_timer_t tick;
	uv_signal_t signals[3];
	int signo; /* that came */
	unsigned shown; /* steps, a bit each */
};

static const struct step {
	const char *reason;
	const char *done, *active;
} steps[] = {
	{ "Scheduled", "Sandbox allocated", "Starting sandbox..." },
	{ "Pulling", NULL, "Pulling image..." },
	{ "Pulled", "Image pulled", "Starting sandbox..." },
	{ "Started", "Supervisor started", "Isolating..." },
};

static void
stamp(struct wait *w, struct buf *b)
{
	uint64_t ms = clock_mono_ms() - w->began;

	buf_printf(b, "[%llu.%llus]", (unsigned long long)(ms / 1000),
	    (unsigned long long)(ms % 1000 / 100));
}

static void
draw(struct wait *w)
{
	static const char *const frames[] = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦",
		"⠧", "⠇", "⠏" };
	static const char *const plain[] = { "-", "\\", "|", "/" };
	AUTO_BUF struct buf b = BUF_INIT(1024);

	if (!w->live || w->active[0] == '\0')
		return;
	buf_puts(&b, "\r\033[K  ");
	cli_paint(&b, w->c->color_err, COLOR_HINT,
	    w->c->utf8 ? frames[w->frame % ARRAY_LEN(frames)]
		       : plain[w->frame % ARRAY_LEN(plain)]);
	buf_putc(&b, ' ');
	buf_put_escaped(&b, view_of(w->active));
	cli_note(w->c, &b);
}

static void
clear(struct wait *w)
{
	AUTO_BUF struct buf b = BUF_INIT(16);

	if (!w->live)
		return;
	buf_puts(&b, "\r\033[K");
	cli_note(w->c, &b);
}

static void
finish_step(struct wait *w, const char *text)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);
	uint64_t s = (clock_mono_ms() - w->began) / 1000;

	clear(w);
	if (w->live) {
		buf_puts(&b, "  ");
		cli_paint(
		    &b, w->c->color_err, COLOR_OK, w->c->utf8 ? "✓" : "*");
		buf_putc(&b, ' ');
		buf_puts(&b, text);
		if (s > 0)
			buf_printf(&b, " (%llus)", (unsigned long long)s);
	} else {
		buf_puts(&b, "  ");
		stamp(w, &b);
		buf_putc(&b, ' ');
		buf_puts(&b, text);
	}
	buf_putc(&b, '\n');
	cli_note(w->c, &b);
}

static void
tell(struct wait *w, bool warning, const char *text)
{
	AUTO_BUF struct buf b = BUF_INIT(8192);

	clear(w);
	buf_puts(&b, "  ");
	if (!w->live) {
		stamp(w, &b);
		buf_puts(&b, warning ? " WARN " : " ");
	} else if (warning) {
		cli_paint(&b, w->c->color_err, COLOR_WARN, "!");
		buf_putc(&b, ' ');
	}
	buf_put_escaped(&b, view_of(text));
	buf_putc(&b, '\n');
	cli_note(w->c, &b);
}

static void
on_event(struct wait *w, const Openshell__V1__PlatformEvent *ev)
{
	bool warning = strcmp(ev->type, "Warning") == 0;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (strcmp(steps[i].reason, ev->reason) != 0)
			continue;
		if ((w->shown & 1u << i) == 0 && steps[i].done != NULL)
			finish_step(w, steps[i].done);
		w->shown |= 1u << i;
		(void)snprintf(
		    w->active, sizeof(w->active), "%s", steps[i].active);
		draw(w);
		return;
	}
	tell(w, warning, ev->message);
}

static void
on_sandbox(struct wait *w, const Openshell__Datamodel__V1__Sandbox *s)
{
	buf_reset(&w->why);
	box_reason(s, &w->why);
	switch ((int)s->phase) {
	case OPENSHELL__DATAMODEL__V1__SANDBOX_PHASE__SANDBOX_PHASE_READY:
		w->ready = w->done = true;
		break;
	case OPENSHELL__DATAMODEL__V1__SANDBOX_PHASE__SANDBOX_PHASE_ERROR:
		w->failed = w->done = true;
		break;
	default:
		break;
	}
}

static void
on_message(void *ctx, const ProtobufCMessage *msg)
{
	const event_msg *m = (const void *)msg;
	struct wait *w = ctx;

	if (w->done)
		return;
	switch ((int)m->payload_case) {
	case OPENSHELL__V1__SANDBOX_STREAM_EVENT__PAYLOAD_SANDBOX:
		on_sandbox(w, m->sandbox);
		break;
	case OPENSHELL__V1__SANDBOX_STREAM_EVENT__PAYLOAD_EVENT:
		on_event(w, m->event);
		break;
	case OPENSHELL__V1__SANDBOX_STREAM_EVENT__PAYLOAD_WARNING:
		tell(w, true, m->warning->message);
		break;
	default:
		break;
	}
}

static void
on_closed(void *ctx, enum rpc_code code, const char *text)
{
	struct wait *w = ctx;

	w->closed = true;
	w->code = code;
	(void)snprintf(w->text, sizeof(w->text), "%s", text);
	if (!w->done)
		w->late = code == RPC_DEADLINE_EXCEEDED;
	w->done = true;
}

static void
on_tick(uv_timer_t *t)
{
	struct wait *w = t->data;

	w->frame++;
	draw(w);
}

static void
on_signal(uv_signal_t *s, int signo)
{
	struct wait *w = s->data;

	w->signo = signo;
	w->done = true;
}

static const int watched[] = { SIGINT, SIGTERM, SIGHUP };

/* SIG_BLOCK: what comes waits. */
static void
hold_signals(int how)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(watched); i++)
		(void)sigaddset(&set, watched[i]);
	(void)sigprocmask(how, &set, NULL);
}

static void
watch_signals(struct wait *w, uv_loop_t *loop)
{
	_Static_assert(ARRAY_LEN(watched) == ARRAY_LEN(w->signals), "each");
	for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
		(void)uv_signal_init(loop, &w->signals[i]);
		w->signals[i].data = w;
		if (!cli_signal_ignored(watched[i]))
			(void)uv_signal_start(
			    &w->signals[i], on_signal, watched[i]);
	}
	/* Held since before the sandbox was asked for: now they are heard. */
	hold_signals(SIG_UNBLOCK);
}

/*
 * One that libuv has caught and not told yet would be lost with its handle, and
 * the command run on for a user who has asked for its end.
 */
static void
unwatch_signals(struct wait *w, uv_loop_t *loop)
{
	hold_signals(SIG_BLOCK);
	(void)uv_run(loop, UV_RUN_NOWAIT);
	for (size_t i = 0; i < ARRAY_LEN(w->signals); i++)
		uv_close((uv_handle_t *)&w->signals[i], NULL);
	(void)uv_run(loop, UV_RUN_NOWAIT);
	hold_signals(SIG_UNBLOCK);
}

static int
verdict(struct wait *w, struct err *e)
{
	const char *why = w->why.n > 0 ? buf_str(&w->why) : NULL;

	if (w->signo != 0)
		return CLI_SIGNAL + w->signo;
	if (w->ready)
		return 0;
	if (w->failed)
		return err_set(e, ERR_IO,
		    "sandbox entered error phase while provisioning%s%.380s",
		    why != NULL ? ": " : "", why != NULL ? why : "");
	if (w->late)
		return err_set(e, ERR_AGAIN,
		    "sandbox provisioning timed out after %ds%s%.300s",
		    (int)TIMEOUT_S,
		    why != NULL ? ". Last reported status: " : "",
		    why != NULL ? why : "");
	return err_set(e, ERR_IO,
	    "sandbox provisioning stream ended before reaching terminal "
	    "phase: %.300s (%s)",
	    w->text, rpc_code_name(w->code));
}

int
create_wait(struct cli *c, struct reach *r,
    const Openshell__Datamodel__V1__Sandbox *s, struct err *e)
{
	struct wait w = { .c = c,
		.began = clock_mono_ms(),
		.live = isatty(c->err) && c->color_err,
		.why = BUF_INIT(16384) };
	const struct rpc_out_hooks hooks = {
		.message = on_message, .closed = on_closed, .ctx = &w
	};
	Openshell__V1__WatchSandboxRequest q =
	    OPENSHELL__V1__WATCH_SANDBOX_REQUEST__INIT;
	struct rpc_out *o;
	int rc;

	q.id = s->id;
	q.follow_status = q.follow_events = true;
	o = rpc_out_new(reach_rpc(r), "/openshell.v1.OpenShell/WatchSandbox",
	    &openshell__v1__sandbox_stream_event__descriptor, &hooks,
	    TIMEOUT_S * 1000);
	rpc_out_send(o, &q.base);
	rpc_out_end(o);
	(void)uv_timer_init(reach_loop(r), &w.tick);
	w.tick.data = &w;
	if (w.live)
		(void)uv_timer_start(&w.tick, on_tick, TICK_MS, TICK_MS);
	watch_signals(&w, reach_loop(r));
	while (!w.done)
		(void)uv_run(reach_loop(r), UV_RUN_ONCE);
	if (!w.closed)
		rpc_out_cancel(o);
	uv_close((uv_handle_t *)&w.tick, NULL);
	unwatch_signals(&w, reach_loop(r));
	clear(&w);
	rc = verdict(&w, e);
	buf_fini(&w.why);
	return rc;
}
