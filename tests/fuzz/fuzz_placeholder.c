/*
 * Whatever a request holds, a credential comes out of it only whole and only
 * when everything in it was understood: of the two that there are one may be
 * sent and one may not, whose value never appears; and when anything is
 * refused, nothing at all is left in the output.  Where nothing is to be done
 * no marker is left.  The first byte chooses the place.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codec/base64.h"
#include "secrets/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { OUT_MAX = 1 << 17 };
#define MINE "<mine:value/\"%&>"
#define OTHERS "<of-others>"

static int
resolve(void *ctx, const struct ph *p, struct view *value, struct err *e)
{
	(void)ctx;
	assert(ph_key_ok(p->key));
	if (view_eq(p->key, VIEW("OTHER"))) {
		*value = VIEW(OTHERS);
		return err_set(e, ERR_DENIED, "not here");
	}
	if (!view_eq(p->key, VIEW("KEY")) || p->revision > 3)
		return err_set(e, ERR_NOT_FOUND, "unknown");
	*value = VIEW(MINE);
	return 0;
}

static bool
has(const struct buf *b, const char *what)
{
	return b->p != NULL && memmem(b->p, b->cap, what, strlen(what)) != NULL;
}

static int
run(struct rw *rw, unsigned what, struct view v, struct buf *out, struct err *e)
{
	switch (what % 8) {
	case 0:
		return rw_field(rw, v, out, e);
	case 1:
		return rw_path(rw, v, out, e);
	case 2:
		return rw_query(rw, v, out, e);
	case 3:
		return rw_path_shown(v, out, e);
	case 4:
		return rw_body(rw, RW_BODY_JSON, v, out, e);
	case 5:
		return rw_body(rw, RW_BODY_FORM, v, out, e);
	case 6:
		return rw_body(rw, RW_BODY_TEXT, v, out, e);
	default:
		return rw_message(rw, v, out, e);
	}
}

/* The same, as the password of Basic. */
static void
check_basic(struct view v)
{
	struct rw rw = { .resolve = resolve };
	AUTO_BUF struct buf plain = BUF_INIT(OUT_MAX), field;
	AUTO_RW_OUT struct buf out = BUF_INIT(0);
	struct err e;

	field = BUF_INIT(OUT_MAX);
	buf_puts(&plain, "u:");
	buf_put(&plain, v);
	buf_puts(&field, "Basic ");
	base64_encode(buf_view(&plain), &field);
	rw_out_init(&out, OUT_MAX);
	if (rw_field(&rw, buf_view(&field), &out, &e) == 0)
		assert(!ph_marked(v));
	buf_fini(&field);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct rw rw = { .resolve = resolve };
	AUTO_RW_OUT struct buf out = BUF_INIT(0);
	struct err e;
	struct view v;
	unsigned what;
	int r;

	if (n == 0 || n > 8192)
		return 0;
	what = p[0];
	v = (struct view) { (const char *)p + 1, n - 1 };
	/* Its own text must not be taken for the value. */
	if (memmem(v.p, v.n, "<", 1) != NULL)
		return 0;
	rw_out_init(&out, OUT_MAX);
	memset(out.p, 0, out.cap);
	r = run(&rw, what, v, &out, &e);
	assert(!has(&out, OTHERS));
	assert(r >= -1 && r <= 1 && !out.full);
	if (r < 0) {
		assert(out.n == 0 && e.text[0] != '\0');
		assert(!has(&out, "mine"));
		assert(strstr(e.text, "KEY") == NULL);
	} else if (r == 0) {
		assert(out.n == 0 && !ph_marked(v));
		assert(!has(&out, "mine"));
	} else {
		assert(out.n > 0);
		/* Nothing that it would do again. */
		assert(!ph_marked(buf_view(&out)));
		assert(what % 8 == 3 || rw.used > 0);
	}
	check_basic(v);
	return 0;
}
