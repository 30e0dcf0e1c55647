/*
 * rest: what the proxy gives back when nothing has happened for a while.
 *
 * A burst leaves buffers in pools and the pages of code that it ran; a sandbox
 * whose agent thinks, or has ended its work, needs neither.
 */
#ifndef PROXY_REST_H
#define PROXY_REST_H

#include <stdbool.h>
#include <uv.h>

struct px;

struct px_rest {
	uv_timer_t timer; /* runs until a span passed in which nothing was */
	bool stirred; /* something happened in this span */
	bool rang; /* what the loop woke for was the timer */
};

void px_rest_init(struct px *px);
/* The loop is about to sleep after having done something. */
void px_rest_turn(struct px *px);

#endif
