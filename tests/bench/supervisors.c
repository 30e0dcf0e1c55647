/*
 * supervisors: stands in for the supervisors of many sandboxes.
 *
 *	supervisors SOCKET FILE		FILE: a line "ID TOKEN" each
 *
 * Each has a connection and an Attend stream of its own, says that its sandbox
 * is isolated, and acknowledges what is pushed.  A line on stdin asks for a
 * line of JSON; the end of stdin ends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"
#include "rpc/rpc.h"
#include "supervisor.pb-c.h"

enum { MANY_MAX = 100000, BURST = 64 };

struct world;

struct one {
	struct world *w;
	char id[64], token[128];
	struct rpc_client *client;
	struct rpc_out *out;
	bool welcome;
};

struct world {
	uv_loop_t loop;
	char url[200];
	struct one *all;
	size_t n, started;
	unsigned welcome, pushes, lost, refused;
	uint64_t began_ns, stood_ns, last_push_ns;
	uv_pipe_t in;
	char why[200];
};

static const char attend[] = "/openshell.supervisor.v1.Supervisor/Attend";

static void start_more(struct world *w);

static void
send_up(struct one *o, Openshell__Supervisor__V1__Up *up)
{
	rpc_out_send(o->out, &up->base);
}

static void
say_hello(struct one *o)
{
	Openshell__Supervisor__V1__State state =
	    OPENSHELL__SUPERVISOR__V1__STATE__INIT;
	Openshell__Supervisor__V1__Hello hello =
	    OPENSHELL__SUPERVISOR__V1__HELLO__INIT;
	Openshell__Supervisor__V1__Up up = OPENSHELL__SUPERVISOR__V1__UP__INIT;

	state.phase = OPENSHELL__SUPERVISOR__V1__PHASE__PHASE_ISOLATED;
	hello.sandbox_id = o->id;
	hello.protocol = 1;
	hello.version = (char *)"stand-in";
	hello.pid = 1;
	hello.state = &state;
	up.payload_case = OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_HELLO;
	up.hello = &hello;
	send_up(o, &up);
}

static void
acknowledge(struct one *o, const Openshell__Supervisor__V1__Policy *p)
{
	Openshell__Supervisor__V1__PolicyStatus st =
	    OPENSHELL__SUPERVISOR__V1__POLICY_STATUS__INIT;
	Openshell__Supervisor__V1__Up up = OPENSHELL__SUPERVISOR__V1__UP__INIT;

	st.version = p->version;
	st.loaded = 1;
	up.payload_case = OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_POLICY_STATUS;
	up.policy_status = &st;
	send_up(o, &up);
}

static void
on_message(void *ctx, const ProtobufCMessage *m)
{
	struct one *o = ctx;
	const Openshell__Supervisor__V1__Down *d = (const void *)m;

	switch (d->payload_case) {
	case OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_WELCOME:
		o->welcome = true;
		o->w->welcome++;
		o->w->stood_ns = uv_hrtime();
		if (d->welcome->policy != NULL)
			acknowledge(o, d->welcome->policy);
		start_more(o->w);
		return;
	case OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_POLICY:
		o->w->pushes++;
		o->w->last_push_ns = uv_hrtime();
		acknowledge(o, d->policy);
		return;
	case OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_CREDENTIALS:
	case OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_OPEN:
	case OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_STOP:
	case OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD_SETTINGS:
	case OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD__NOT_SET:
	case _OPENSHELL__SUPERVISOR__V1__DOWN__PAYLOAD__CASE_IS_INT_SIZE:
		return;
	}
}

static void
on_closed(void *ctx, enum rpc_code code, const char *text)
{
	struct one *o = ctx;
	struct world *w = o->w;

	o->out = NULL;
	w->lost++;
	if (o->welcome)
		w->welcome--;
	o->welcome = false;
	if (w->why[0] == '\0')
		(void)snprintf(w->why, sizeof(w->why), "%s %.150s",
		    rpc_code_name(code), text != NULL ? text : "");
	start_more(w);
}

static const char *
start_one(struct one *o)
{
	static char why[sizeof(((struct err *)0)->text)];
	struct rpc_client_hooks client = { .ctx = o };
	struct rpc_out_hooks hooks = {
		.message = on_message, .closed = on_closed, .ctx = o
	};
	struct rpc_target t = { .url = o->w->url, .bearer = o->token };
	struct err e = { 0 };

	if (rpc_client_new(&o->w->loop, &t, &client, &o->client, &e) < 0) {
		(void)snprintf(why, sizeof(why), "%s", e.text);
		return why;
	}
	o->out = rpc_out_new(o->client, attend,
	    &openshell__supervisor__v1__down__descriptor, &hooks, 0);
	say_hello(o);
	return NULL;
}

/* A bounded number at a time, as a listening socket's queue is. */
static void
start_more(struct world *w)
{
	while (w->started < w->n &&
	       w->started < (size_t)w->welcome + w->lost + BURST) {
		const char *why = start_one(&w->all[w->started++]);

		if (why != NULL) {
			w->lost++;
			(void)snprintf(w->why, sizeof(w->why), "%.150s", why);
		}
	}
}

static void
report(struct world *w)
{
	uint64_t took =
	    w->stood_ns > w->began_ns ? w->stood_ns - w->began_ns : 0;

	printf("{\"connected\": %u, \"started\": %zu, \"lost\": %u, "
	       "\"pushes\": %u, \"took_ns\": %llu, \"last_push_ns\": %llu, "
	       "\"why\": \"",
	    w->welcome, w->started, w->lost, w->pushes,
	    (unsigned long long)took, (unsigned long long)w->last_push_ns);
	for (const char *p = w->why; *p != '\0'; p++)
		putchar(*p == '"' || *p == '\\' || *p < ' ' ? '\'' : *p);
	printf("\"}\n");
	(void)fflush(stdout);
}

static void
alloc_in(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	static char space[256];

	(void)h;
	(void)hint;
	*b = uv_buf_init(space, sizeof(space));
}

static void
on_in(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct world *w = s->data;

	if (n < 0) {
		uv_stop(&w->loop);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (b->base[i] == '\n')
			report(w);
}

static int
read_file(struct world *w, const char *path)
{
	char line[256];
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return -1;
	w->all = mem_calloc(MANY_MAX, sizeof(*w->all));
	while (w->n < MANY_MAX && fgets(line, sizeof(line), f) != NULL) {
		struct one *o = &w->all[w->n];

		o->w = w;
		if (sscanf(line, "%63s %127s", o->id, o->token) == 2)
			w->n++;
	}
	(void)fclose(f);
	return w->n > 0 ? 0 : -1;
}

int
main(int argc, char *argv[])
{
	struct world w = { 0 };

	if (argc != 3 || read_file(&w, argv[2]) < 0 ||
	    uv_loop_init(&w.loop) < 0) {
		fprintf(stderr, "usage: supervisors SOCKET FILE\n");
		return 2;
	}
	(void)snprintf(w.url, sizeof(w.url), "unix:%s", argv[1]);
	(void)uv_pipe_init(&w.loop, &w.in, 0);
	(void)uv_pipe_open(&w.in, 0);
	w.in.data = &w;
	(void)uv_read_start((uv_stream_t *)&w.in, alloc_in, on_in);
	w.began_ns = uv_hrtime();
	start_more(&w);
	(void)uv_run(&w.loop, UV_RUN_DEFAULT);
	report(&w);
	return 0; /* the kernel ends the connections */
}
