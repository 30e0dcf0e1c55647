/*
 * vetter: the process of one question (vetter.h).  Standard input is the
 * pair's end; the end of the process takes what was held along.
 */
#include "vetter/vetter.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/mem.h"
#include "minter/jail.h"
#include "minter/job.h"

/* From the gateway, which is trusted; a mistake is still no question. */
static int
read_ask(struct vetter_ask *ask, struct err *e)
{
	if (job_read(ask, sizeof(*ask), e) < 0)
		return -1;
	if (ask->version != VETTER_VERSION)
		return err_set(e, ERR_PROTO, "no question of this version");
	if (!job_text_ends(ask->name, sizeof(ask->name)) ||
	    !job_text_ends(ask->url, sizeof(ask->url)) ||
	    !job_text_ends(ask->ca, sizeof(ask->ca)) ||
	    !job_text_ends(ask->cert, sizeof(ask->cert)) ||
	    !job_text_ends(ask->key, sizeof(ask->key)) ||
	    !job_text_ends(ask->config, sizeof(ask->config)))
		return err_set(e, ERR_PROTO, "a text without end");
	return 0;
}

static int
enter_jail(const struct vetter_ask *ask, struct err *e)
{
	const char *const files[] = { ask->ca, ask->cert, ask->key, NULL };

	return minter_jail(files, strncmp(ask->url, "unix:", 5) == 0, e);
}

int
vetter_main(void)
{
	struct vetter_ask *ask = NEW(struct vetter_ask);
	struct vetter_answer *out = NEW(struct vetter_answer);
	uv_loop_t loop;
	struct err e;

	out->version = VETTER_VERSION;
	out->verdict = VETTER_UNASKED;
	job_begin("openshell-vet");
	/* The loop's descriptors are made while that may be done. */
	if (uv_loop_init(&loop) < 0)
		(void)snprintf(out->text, sizeof(out->text), "no loop");
	else if (read_ask(ask, &e) < 0 || enter_jail(ask, &e) < 0)
		(void)snprintf(out->text, sizeof(out->text), "%.*s",
		    (int)MIN(strcspn(e.text, "\n"), sizeof(out->text) - 1),
		    e.text);
	else
		vetter_work(&loop, ask, out);
	return job_answer(out, sizeof(*out));
}
