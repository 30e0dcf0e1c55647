/*
 * rpcload: unary calls to a gateway, as many as it answers.
 *
 *	rpcload URL CERT KEY CA CONNECTIONS FLIGHT MS METHOD
 *
 * FLIGHT calls are under way on each connection all the time.  "-" for CERT
 * is none (a Unix socket).  METHOD is Health or ListSandboxes.  When the
 * connections stand it prints a line, and begins at a line on stdin; one line
 * of JSON when the span is over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"
#include "openshell.pb-c.h"
#include "rpc/rpc.h"

enum { SAMPLES_MAX = 1 << 20, CONNECTIONS_MAX = 256, FLIGHT_MAX = 100 };

struct world;

struct slot {
	struct world *w;
	struct rpc_client *client;
	uint64_t began_ns;
};

struct world {
	uv_loop_t loop;
	const char *path;
	const ProtobufCMessageDescriptor *answer;
	const ProtobufCMessage *ask;
	struct slot *slots;
	unsigned nslots, flying, conns, ready;
	bool over;
	uint64_t calls, errors, ns;
	uint32_t *samples; /* microseconds */
	char why[200];
	uv_timer_t timer;
	uint64_t until_ns;
};

static void again(struct slot *s);

static void
on_message(void *ctx, const ProtobufCMessage *m)
{
	(void)ctx;
	(void)m;
}

static void
on_closed(void *ctx, enum rpc_code code, const char *text)
{
	struct slot *s = ctx;
	struct world *w = s->w;
	uint64_t us = (uv_hrtime() - s->began_ns) / 1000;

	w->flying--;
	if (code != RPC_OK) {
		w->errors++;
		if (w->why[0] == '\0')
			(void)snprintf(w->why, sizeof(w->why), "%s %.150s",
			    rpc_code_name(code), text != NULL ? text : "");
	} else if (!w->over) {
		if (w->calls < SAMPLES_MAX)
			w->samples[w->calls] = (uint32_t)us;
		w->calls++;
	}
	if (!w->over && w->errors < 100)
		again(s);
	else if (w->flying == 0)
		uv_stop(&w->loop);
}

static void
again(struct slot *s)
{
	struct rpc_out_hooks hooks = {
		.message = on_message, .closed = on_closed, .ctx = s
	};
	struct rpc_out *o;

	s->began_ns = uv_hrtime();
	s->w->flying++;
	o = rpc_out_new(s->client, s->w->path, s->w->answer, &hooks, 10000);
	rpc_out_send(o, s->w->ask);
	rpc_out_end(o);
}

static void
on_ready(void *ctx)
{
	struct world *w = ctx;

	if (++w->ready == w->conns)
		uv_stop(&w->loop);
}

static void
on_lost(void *ctx, const struct err *e)
{
	struct world *w = ctx;

	(void)snprintf(w->why, sizeof(w->why), "%.150s", e->text);
	w->over = true;
	uv_stop(&w->loop);
}

static void
on_timer(uv_timer_t *t)
{
	struct world *w = t->data;

	w->over = true;
	uv_close((uv_handle_t *)t, NULL);
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
report(struct world *w)
{
	size_t n = w->calls < SAMPLES_MAX ? w->calls : SAMPLES_MAX;

	qsort(w->samples, n, sizeof(*w->samples), by_value);
	printf("{\"calls\": %llu, \"errors\": %llu, \"ns\": %llu, "
	       "\"p50_us\": %u, \"p99_us\": %u, \"why\": \"",
	    (unsigned long long)w->calls, (unsigned long long)w->errors,
	    (unsigned long long)w->ns, n > 0 ? w->samples[n / 2] : 0,
	    n > 0 ? w->samples[n * 99 / 100] : 0);
	for (const char *p = w->why; *p != '\0'; p++)
		putchar(*p == '"' || *p == '\\' || *p < ' ' ? '\'' : *p);
	printf("\"}\n");
	(void)fflush(stdout);
}

static int
connect_all(struct world *w, char *argv[], unsigned flight)
{
	struct rpc_client_hooks hooks = {
		.ready = on_ready, .lost = on_lost, .ctx = w
	};
	struct rpc_target t = { .url = argv[1] };
	struct err e = { 0 };

	if (strcmp(argv[2], "-") != 0) {
		t.cert = argv[2];
		t.key = argv[3];
		t.ca = argv[4];
	}
	for (unsigned i = 0; i < w->conns; i++) {
		struct rpc_client *c;

		if (rpc_client_new(&w->loop, &t, &hooks, &c, &e) < 0) {
			fprintf(stderr, "rpcload: %s\n", e.text);
			return -1;
		}
		for (unsigned k = 0; k < flight; k++)
			w->slots[w->nslots++] =
			    (struct slot) { .w = w, .client = c };
	}
	(void)uv_run(&w->loop, UV_RUN_DEFAULT);
	return w->over ? -1 : 0;
}

int
main(int argc, char *argv[])
{
	Openshell__V1__HealthRequest health =
	    OPENSHELL__V1__HEALTH_REQUEST__INIT;
	Openshell__V1__ListSandboxesRequest list =
	    OPENSHELL__V1__LIST_SANDBOXES_REQUEST__INIT;
	struct world w = { 0 };
	unsigned flight;
	uint64_t began;
	bool lists;

	if (argc != 9) {
		fprintf(stderr, "usage: rpcload URL CERT KEY CA CONNECTIONS "
				"FLIGHT MS METHOD\n");
		return 2;
	}
	w.conns = (unsigned)strtoul(argv[5], NULL, 10);
	flight = (unsigned)strtoul(argv[6], NULL, 10);
	if (w.conns < 1 || w.conns > CONNECTIONS_MAX || flight < 1 ||
	    flight > FLIGHT_MAX || uv_loop_init(&w.loop) < 0)
		return 2;
	lists = strcmp(argv[8], "ListSandboxes") == 0;
	w.path = lists ? "/openshell.v1.OpenShell/ListSandboxes"
		       : "/openshell.v1.OpenShell/Health";
	w.answer = lists ? &openshell__v1__list_sandboxes_response__descriptor
			 : &openshell__v1__health_response__descriptor;
	w.ask = lists ? &list.base : &health.base;
	w.slots = mem_calloc((size_t)w.conns * flight, sizeof(*w.slots));
	w.samples = mem_calloc(SAMPLES_MAX, sizeof(*w.samples));
	if (connect_all(&w, argv, flight) < 0) {
		fprintf(stderr, "rpcload: %s\n", w.why);
		return 1;
	}
	printf("{\"ready\": true}\n");
	(void)fflush(stdout);
	if (getchar() == EOF)
		return 1;
	(void)uv_timer_init(&w.loop, &w.timer);
	w.timer.data = &w;
	(void)uv_timer_start(&w.timer, on_timer, strtoul(argv[7], NULL, 10), 0);
	began = uv_hrtime();
	for (unsigned i = 0; i < w.nslots; i++)
		again(&w.slots[i]);
	(void)uv_run(&w.loop, UV_RUN_DEFAULT);
	w.ns = uv_hrtime() - began;
	report(&w);
	return w.errors > 0 && w.calls == 0;
}
