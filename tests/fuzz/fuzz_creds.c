/*
 * The bytes of a sandbox's credentials: what is taken is sorted, has no key
 * twice, and holds only keys and values that can be; written again they are
 * the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "secrets/creds.h"
#include "secrets/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct creds *
load(struct view v)
{
	struct locked mem;
	struct creds *c = NULL;
	struct err e;
	int r = locked_new(v.n, &mem, &e);

	assert(r == 0);
	if (v.n > 0)
		memcpy(mem.p, v.p, v.n);
	if (creds_read(&mem, 1, NULL, &c, &e) < 0) {
		assert(c == NULL && e.text[0] != '\0');
		return NULL;
	}
	return c;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct creds *c, *again;
	AUTO_RW_OUT struct buf b = BUF_INIT(0);
	struct err e;

	if (n > 65536)
		return 0;
	c = load((struct view) { (const char *)p, n });
	if (c == NULL)
		return 0;
	rw_out_init(&b, CREDS_BYTES_MAX);
	creds_begin(&b);
	for (size_t i = 0; i < c->n; i++) {
		const struct ph ph = { c->v[i].key, 1 };
		int r = creds_add(&b, &c->v[i], &e);

		assert(r == 0);
		assert(ph_key_ok(c->v[i].key));
		assert((c->v[i].value.n == 0) == (c->v[i].absent.n > 0));
		assert(c->v[i].value.n == 0 ||
		       memchr(c->v[i].value.p, '\n', c->v[i].value.n) == NULL);
		assert(c->v[i].ends_ms >= 0 && c->v[i].put < CRED_PUTS);
		assert(i == 0 || view_cmp(c->v[i - 1].key, c->v[i].key) < 0);
		assert(creds_find(c, &ph) == &c->v[i]);
	}
	assert(b.n == n);
	again = load(buf_view(&b));
	assert(again != NULL && again->n == c->n);
	creds_free(again);
	creds_free(c);
	return 0;
}
