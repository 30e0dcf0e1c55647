/*
 * minter: the process of one job (minter.h).  Standard input is the pair's end;
 * the way does the rest, and the end of the process takes what was held along.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "minter/jail.h"
#include "minter/job.h"
#include "minter/way.h"

static int (*const runs[WAYS])(
    const struct minter_job *j, struct minter_answer *out, struct err *e) = {
#define WAY(id, word, put, summary) [WAY_##id] = minter_##id,
#include "secrets/ways.def"
};

/* Whichever it is that the way trusts. */
static int
enter_jail(const struct minter_ask *ask, struct err *e)
{
	const char *files[WAY_SETTINGS + 1] = { NULL };
	bool unix_sockets = false;
	size_t n = 0;

	for (size_t i = 0; i < WAY_SETTINGS; i++) {
		if (way_settings[i].kind == WAY_PATH)
			files[n++] = ask->settings[i];
		if (way_settings[i].kind == WAY_SOCKET)
			unix_sockets |= ask->settings[i][0] != '\0';
	}
	return minter_jail(files, unix_sockets, e);
}

/* From the gateway, which is trusted; a mistake is still no job. */
static int
read_ask(struct minter_ask *ask, struct err *e)
{
	if (job_read(ask, sizeof(*ask), e) < 0)
		return -1;
	if (ask->version != MINTER_VERSION || ask->way >= WAYS)
		return err_set(e, ERR_PROTO, "no job of this version");
	for (size_t i = 0; i < WAY_SETTINGS; i++)
		if (!job_text_ends(ask->settings[i], WAY_TEXT_MAX))
			return err_set(e, ERR_PROTO, "a text without end");
	for (size_t i = 0; i < WAY_SECRETS; i++)
		if (!job_text_ends(ask->secrets[i], WAY_SECRET_MAX))
			return err_set(e, ERR_PROTO, "a text without end");
	if (!job_text_ends(ask->egress, sizeof(ask->egress)))
		return err_set(e, ERR_PROTO, "a text without end");
	return 0;
}

/* With the login, whose file is out of reach later; views point into `text`. */
static int
read_egress(const struct minter_ask *ask, struct buf *text, struct egress *out,
    struct err *e)
{
	return egress_complete(view_of(ask->egress), text, e) < 0
		   ? -1
		   : egress_parse(buf_view(text), out, e);
}

static void
on_late(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

static void
work(uv_loop_t *loop, const struct minter_ask *ask, const struct egress *way,
    struct minter_answer *out)
{
	uv_timer_t timer;
	bool late = false;
	struct minter_job j = { .ask = ask,
		.egress = way,
		.loop = loop,
		.late = &late,
		.ends_ms = clock_mono_ms() + MINTER_JOB_MS };
	struct err e = { 0 };

	(void)uv_timer_init(loop, &timer);
	timer.data = &late;
	(void)uv_timer_start(&timer, on_late, MINTER_JOB_MS, 0);
	out->minted = runs[ask->way](&j, out, &e) == 0;
	if (!out->minted) {
		memset(out->values, 0, sizeof(out->values));
		out->lifetime_s = 0;
		(void)snprintf(out->reason, sizeof(out->reason), "%.*s",
		    MINTER_REASON_MAX - 1, e.text);
	}
}

int
minter_main(void)
{
	struct minter_ask *ask = NEW(struct minter_ask);
	struct minter_answer *out = NEW(struct minter_answer);
	struct egress *way = NEW(struct egress);
	struct buf text = BUF_INIT(EGRESS_TEXT_MAX);
	uv_loop_t loop;
	struct err e;

	out->version = MINTER_VERSION;
	job_begin("openshell-mint");
	/* The loop's descriptors are made while that may be done. */
	if (uv_loop_init(&loop) < 0)
		(void)snprintf(out->reason, sizeof(out->reason), "no loop");
	else if (read_ask(ask, &e) < 0 ||
		 read_egress(ask, &text, way, &e) < 0 ||
		 enter_jail(ask, &e) < 0)
		(void)snprintf(out->reason, sizeof(out->reason), "%.*s",
		    MINTER_REASON_MAX - 1, e.text);
	else
		work(&loop, ask, way, out);
	return job_answer(out, sizeof(*out));
}
