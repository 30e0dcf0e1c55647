/*
 * creds_tap: an answer that shows what it was sent.  A credential in it is
 * masked, in the head and in what can be read of the body, and recorded.
 */
#include "proxy/creds.h"

#include <stdlib.h>

#include "base/mem.h"
#include "inspect/gunzip.h"

enum {
	LOOKED_MAX = 64 << 20, /* of one body; the rest passes */
	HELD_MAX = 2 << 20,
	HEAD_MAX = 65536
};

struct tap {
	struct px_conn *c;
	struct gunzip *z; /* NULL: it comes as it is */
	struct buf held; /* what may be the beginning of one, and what came */
	uint64_t looked;
	size_t found;
	bool blind; /* looked enough */
};

static void
record(struct px_conn *c, size_t n, const char *where)
{
	AUTO_BUF struct buf why = BUF_INIT(160);

	buf_printf(&why,
	    "the %s of the answer showed a credential: masked, "
	    "%zu time%s",
	    where, n, n == 1 ? "" : "s");
	px_event_request(c, AUDIT_CREDENTIAL, AUDIT_DENY, "reflection",
	    view_of(c->hx.method), buf_view(&c->hx.path),
	    buf_view(&c->hx.query), buf_view(&why), VIEW(""));
}

/* Masked copies live in px->masked until the next head. */
static void
mask_head(struct px_conn *c, struct h1_head *h)
{
	struct buf *b = &c->px->masked;
	size_t count = 0, safe;
	bool any = false;

	for (size_t i = 0; i < h->n_fields && !any; i++)
		any = reflect_has(c->px->reflect, h->fields[i].value);
	if (reflect_has(c->px->reflect, h->reason))
		h->reason = VIEW("");
	if (!any)
		return;
	rw_out_wipe(b);
	b->max = HEAD_MAX;
	(void)buf_reserve(b, HEAD_MAX);
	for (size_t i = 0; i < h->n_fields; i++) {
		struct view v = h->fields[i].value;
		size_t from = b->n;

		if (!reflect_has(c->px->reflect, v))
			continue;
		buf_put(b, v);
		count +=
		    reflect_mask(c->px->reflect, b->p + from, v.n, true, &safe);
		h->fields[i].value = view_slice(buf_view(b), from, b->n);
	}
	record(c, count, "head");
}

/*
 * Attack: a server that compresses unasked, or was made to, shows what nobody
 * looks for.  What can be decoded goes on decoded; 1, and the field is gone.
 */
static int
take_coding(struct h1_head *h, struct err *e)
{
	struct view coding = VIEW("");
	size_t kept = 0, n = 0;

	for (size_t i = 0; i < h->n_fields; i++) {
		const struct h1_field f = h->fields[i];

		if (!view_eq_nocase(f.name, VIEW("content-encoding"))) {
			h->fields[kept++] = f;
		} else if (!view_eq_nocase(f.value, VIEW("identity"))) {
			coding = f.value;
			n++;
		}
	}
	if (n == 0)
		return 0;
	if (n > 1 || !gunzip_reads(coding) || h->status == 206)
		return err_set(e, ERR_PROTO,
		    "it is compressed (%.*s%s), although it was asked for as "
		    "it is, and may show a credential",
		    (int)MIN(coding.n, 64), coding.p,
		    h->status == 206 ? ", a part of it" : "");
	h->n_fields = kept;
	return 1;
}

static int
head(struct px_conn *c, struct h1_head *h, void **state, struct err *e)
{
	struct tap *t;
	int packed;

	if (c->px->reflect == NULL || (!creds_here(c) && !c->hx.injected))
		return 0;
	mask_head(c, h);
	if (h->status < 200 || c->hx.resp.done)
		return 0;
	packed = take_coding(h, e);
	if (packed < 0)
		return -1;
	t = NEW(struct tap);
	t->z = packed > 0 ? gunzip_new() : NULL;
	t->c = c;
	t->held = BUF_INIT(HELD_MAX);
	*state = t;
	return 1;
}

/* What came, as it is meant, behind what is held. */
static int
take(struct tap *t, struct view in, bool last, struct err *e)
{
	size_t before = t->held.n;

	if (t->z == NULL)
		buf_put(&t->held, in);
	else if (gunzip_feed(t->z, in, &t->held, e) < 0)
		return -1;
	if (t->held.full)
		return err_set(e, ERR_LIMIT, "the answer is too long");
	if (last && t->z != NULL && !gunzip_whole(t->z))
		return err_set(e, ERR_PROTO, "the compressed body is cut off");
	t->looked += t->held.n - before;
	return 0;
}

static int
body(void *state, struct view in, bool last, struct buf *out, struct err *e)
{
	struct tap *t = state;
	size_t safe = 0;

	if (take(t, in, last, e) < 0)
		return -1;
	/* Another table: what was held by the old one goes on by the new. */
	if (t->blind || t->c->px->reflect == NULL) {
		buf_put(out, buf_view(&t->held));
		rw_out_wipe(&t->held);
		return 0;
	}
	t->blind = t->looked > LOOKED_MAX;
	if (t->held.n == 0)
		return 0;
	t->found += reflect_mask(
	    t->c->px->reflect, t->held.p, t->held.n, last || t->blind, &safe);
	buf_put(out, view_slice(buf_view(&t->held), 0, safe));
	buf_drop(&t->held, safe);
	return 0;
}

static void
trailers(void *state, char *p, size_t n)
{
	struct tap *t = state;
	size_t safe;

	if (t->c->px->reflect != NULL)
		t->found += reflect_mask(t->c->px->reflect, p, n, true, &safe);
}

static void
end(void *state)
{
	struct tap *t = state;

	if (t->found > 0)
		record(t->c, t->found, "body");
	gunzip_free(t->z);
	rw_out_fini(&t->held);
	free(t);
}

const struct hx_tap tap_creds = { head, body, trailers, end };
