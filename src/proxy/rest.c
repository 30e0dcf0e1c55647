#include "proxy/rest.h"

#include "base/mem.h"
#include "proxy/px.h"

enum { SPAN_MS = 1000 };

static void on_span(uv_timer_t *t);

static void
start_span(struct px_rest *r)
{
	r->stirred = false;
	(void)uv_timer_start(&r->timer, on_span, SPAN_MS, 0);
}

static void
give_back(struct px *px)
{
	px_io_give_back(px->io);
	buf_fini(&px->scratch);
	buf_fini(&px->parts);
	buf_fini(&px->ancestors);
	mem_rest();
}

static void
on_span(uv_timer_t *t)
{
	struct px *px = t->data;

	px->rest.rang = true;
	if (px->rest.stirred)
		start_span(&px->rest);
	else
		give_back(px);
}

void
px_rest_init(struct px *px)
{
	(void)uv_timer_init(&px->loop, &px->rest.timer);
	px->rest.timer.data = px;
	uv_unref((uv_handle_t *)&px->rest.timer);
}

void
px_rest_turn(struct px *px)
{
	struct px_rest *r = &px->rest;

	if (r->rang) {
		r->rang = false;
		return;
	}
	if (!uv_is_active((uv_handle_t *)&r->timer))
		start_span(r);
	r->stirred = true;
}
