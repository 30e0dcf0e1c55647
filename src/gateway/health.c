/*
 * health: see health.h.
 *
 * Anyone may ask, so the disk is asked at most once a second, and the answer
 * says what does not work but nothing of paths.
 */
#include "gateway/health.h"

#include "base/clock.h"
#include "base/log.h"

enum { ASK_EVERY_MS = 1000 };

static bool
is_ready(struct health *h)
{
	uint64_t now = clock_mono_ms();
	struct err e = { 0 };

	if (h->asked_ms != 0 && now - h->asked_ms < ASK_EVERY_MS)
		return h->ready;
	h->asked_ms = now;
	h->ready = store_probe(h->store, &e) == 0;
	if (!h->ready)
		LOG_ERROR("not-ready", KV_STR("reason", e.text));
	return h->ready;
}

static unsigned
alive(struct health *h, const char **type, struct buf *body)
{
	return 200;
}

static unsigned
ready(struct health *h, const char **type, struct buf *body)
{
	*type = "application/json";
	if (is_ready(h)) {
		buf_puts(body, "{\"status\":\"healthy\",\"version\":\"" //
		    OPENSHELL_VERSION "\"}");
		return 200;
	}
	buf_puts(body, "{\"status\":\"unhealthy\",\"version\":\"" //
	    OPENSHELL_VERSION "\",\"failing\":[\"store\"]}");
	return 503;
}

static const struct {
	struct view path;
	unsigned (*answer)(
	    struct health *h, const char **type, struct buf *body);
} pages[] = {
	{ VIEW("/health"), alive },
	{ VIEW("/healthz"), alive },
	{ VIEW("/readyz"), ready },
};

void
health_answer(struct health *h, struct view method, struct view target,
    unsigned *status, const char **type, struct buf *body)
{
	struct view query, path = view_cut(target, '?', &query);

	*type = "text/plain";
	*status = 404;
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (view_eq(pages[i].path, path))
			*status = view_eq(method, VIEW("GET"))
				      ? pages[i].answer(h, type, body)
				      : 405;
}
