#include "test.h"

#include <signal.h>
#include <stdlib.h>

#include "../rpc/place.h"
#include "base/clock.h"
#include "base/mem.h"
#include "middleware.pb-c.h"
#include "vetter/vetter.h"

/* A service, and what it shall say. */
static struct {
	bool describes, stalls, fails;
	bool valid;
	const char *reason;
	double level; /* that it was asked about */
} it;

static void
on_describe(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	Openshell__Middleware__V1__DescribeResponse r =
	    OPENSHELL__MIDDLEWARE__V1__DESCRIBE_RESPONSE__INIT;
	Openshell__Middleware__V1__Phase phases[] = {
		OPENSHELL__MIDDLEWARE__V1__PHASE__PHASE_PRE_CREDENTIALS
	};

	if (it.stalls)
		return;
	r.phases = phases;
	r.n_phases = it.describes;
	rpc_answer(c, &r.base);
}

static void
on_validate(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__Middleware__V1__ValidateConfigRequest *m =
	    (const void *)msg;
	Openshell__Middleware__V1__ValidateConfigResponse r =
	    OPENSHELL__MIDDLEWARE__V1__VALIDATE_CONFIG_RESPONSE__INIT;

	if (it.fails) {
		rpc_finish(c, RPC_INTERNAL, "SECRET");
		return;
	}
	it.level = m->config->fields[0]->value->number_value;
	r.valid = it.valid;
	r.reason = (char *)(uintptr_t)it.reason;
	rpc_answer(c, &r.base);
}

#define PATH(name) "/openshell.middleware.v1.Middleware/" name
static const struct rpc_method methods[] = {
	{ .path = PATH("Describe"),
	    .in = &openshell__middleware__v1__describe_request__descriptor,
	    .out = &openshell__middleware__v1__describe_response__descriptor,
	    .max_request = 4096,
	    .start = on_describe },
	{ .path = PATH("ValidateConfig"),
	    .in =
		&openshell__middleware__v1__validate_config_request__descriptor,
	    .out =
		&openshell__middleware__v1__validate_config_response__descriptor,
	    .max_request = 4096,
	    .start = on_validate },
};

static enum rpc_code
allow(void *ctx UNUSED, const struct rpc_method *m, const char *path UNUSED,
    const struct rpc_peer *p UNUSED, struct buf *text UNUSED)
{
	return m != NULL ? RPC_OK : RPC_UNIMPLEMENTED;
}

/* Asks it, or nobody; the answer is one that the gateway takes. */
static struct vetter_answer
ask(bool there, unsigned timeout_ms)
{
	static const struct rpc_server_hooks hooks = { .allow = allow };
	struct vetter_ask *q = NEW(struct vetter_ask);
	struct vetter_answer a;
	struct place p = { .server = NULL };
	struct err e;

	(void)signal(SIGPIPE, SIG_IGN); /* as a vetter does */
	place_open(&p, methods, ARRAY_LEN(methods), &hooks);
	q->timeout_ms = timeout_ms;
	(void)snprintf(q->name, sizeof(q->name), "acme/guard");
	(void)snprintf(
	    q->url, sizeof(q->url), "unix:%s%s", p.path, there ? "" : "-not");
	(void)snprintf(q->config, sizeof(q->config), "{\"level\": 3}");
	vetter_work(&p.loop, q, &a);
	place_close(&p);
	free(q);
	CHECK_INT(vetter_answer_check(&a, &e), ==, 0);
	return a;
}

TEST(vetter, a_config_that_is_taken_and_one_that_is_not)
{
	struct vetter_answer a;

	it = (__typeof__(it)) { .describes = true, .valid = true };
	a = ask(true, 5000);
	CHECK_INT(a.verdict, ==, VETTER_TAKEN);
	CHECK_STR(a.text, "");
	CHECK_INT((int)it.level, ==, 3);
	it.valid = false;
	it.reason = "level: at most 2";
	a = ask(true, 5000);
	CHECK_INT(a.verdict, ==, VETTER_REFUSED);
	CHECK_STR(a.text, "level: at most 2");
	it.describes = false;
	a = ask(true, 5000);
	CHECK_INT(a.verdict, ==, VETTER_REFUSED);
	CHECK(strstr(a.text, "before their credentials") != NULL);
}

TEST(vetter, its_reason_acts_on_no_terminal_and_has_an_end)
{
	AUTO_FREE char *long_one = mem_calloc(1, 20001);
	struct vetter_answer a;

	it = (__typeof__(it)) { .describes = true, .reason = "\x1b[2J\r\nx" };
	a = ask(true, 5000);
	CHECK_INT(a.verdict, ==, VETTER_REFUSED);
	CHECK_STR(a.text, "\\x1b[2J\\x0d\\x0ax");
	memset(long_one, '\a', 20000);
	it.reason = long_one;
	a = ask(true, 5000);
	CHECK_INT(a.verdict, ==, VETTER_REFUSED);
	CHECK_INT(strlen(a.text), <, VETTER_TEXT_MAX);
}

TEST(vetter, one_that_does_not_say_has_said_nothing)
{
	struct vetter_answer a;
	uint64_t began;

	it = (__typeof__(it)) { .describes = true, .fails = true };
	a = ask(true, 5000);
	CHECK_INT(a.verdict, ==, VETTER_UNASKED);
	CHECK_STR(a.text, "its ValidateConfig failed (INTERNAL)");
	a = ask(false, 5000);
	CHECK_INT(a.verdict, ==, VETTER_UNASKED);
	CHECK(strstr(a.text, "it cannot be reached") != NULL);
	it.stalls = true;
	began = clock_mono_ms();
	a = ask(true, 100);
	CHECK_INT(a.verdict, ==, VETTER_UNASKED);
	CHECK_STR(a.text, "its Describe: no answer in time");
	/* Sooner than a call by itself would give up. */
	CHECK_INT(clock_mono_ms() - began, <, 1000);
}
