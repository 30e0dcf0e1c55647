#include "secrets/creds.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "secrets/rewrite.h"

static const char magic[] = "OSC2";

/* --- bytes ---------------------------------------------------------------- */

static void
put_text(struct buf *out, struct view v)
{
	buf_putc(out, (char)(v.n >> 8 & 0xff));
	buf_putc(out, (char)(v.n & 0xff));
	buf_put(out, v);
}

static void
put_be64(struct buf *out, uint64_t n)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_putc(out, (char)(n >> shift & 0xff));
}

static uint64_t
rd_be64(struct rd *r)
{
	uint64_t high = rd_be32(r);

	return high << 32 | rd_be32(r);
}

static bool
printable(struct view v, size_t max)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
			return false;
	return v.n > 0 && v.n <= max;
}

/* There is a value, or a reason why there is none. */
static int
check_value(const struct cred *c, struct err *e)
{
	if (c->absent.n > 0)
		return c->value.n == 0 && printable(c->absent, CREDS_ABSENT_MAX)
			   ? 0
			   : err_set(e, ERR_INVALID,
				 "credentials: a value that is absent is "
				 "there, or has no reason of one line");
	if (c->value.n == 0 || c->value.n > RW_VALUE_MAX ||
	    memchr(c->value.p, '\0', c->value.n) != NULL ||
	    memchr(c->value.p, '\r', c->value.n) != NULL ||
	    memchr(c->value.p, '\n', c->value.n) != NULL)
		return err_set(e, ERR_INVALID,
		    "credentials: a value is empty, longer than %d bytes, or "
		    "of several lines",
		    (int)RW_VALUE_MAX);
	return 0;
}

static int
check(const struct cred *c, struct err *e)
{
	if (!printable(c->provider, CREDS_NAME_MAX) ||
	    !printable(c->type, CREDS_NAME_MAX))
		return err_set(
		    e, ERR_INVALID, "credentials: bad name of a provider");
	if (!ph_key_ok(c->key))
		return err_set(e, ERR_INVALID,
		    "credentials: a key must match [A-Za-z_][A-Za-z0-9_]*");
	if (c->ends_ms < 0 || (unsigned)c->put >= CRED_PUTS)
		return err_set(e, ERR_INVALID,
		    "credentials: no such end, or no such way to put one");
	return check_value(c, e);
}

void
creds_begin(struct buf *out)
{
	buf_puts(out, magic);
}

int
creds_add(struct buf *out, const struct cred *c, struct err *e)
{
	if (check(c, e) < 0)
		return -1;
	put_text(out, c->provider);
	put_text(out, c->type);
	put_text(out, c->key);
	put_text(out, c->value);
	put_text(out, c->absent);
	put_be64(out, (uint64_t)c->ends_ms);
	buf_putc(out, (char)c->put);
	return out->full ? err_set(e, ERR_LIMIT,
			       "credentials: more than %d bytes in all",
			       (int)out->max)
			 : 0;
}

/* --- table ---------------------------------------------------------------- */

static int
by_key(const void *a, const void *b)
{
	const struct cred *x = a, *y = b;

	return view_cmp(x->key, y->key);
}

static int
read_all(struct creds *c, struct rd r, struct err *e)
{
	struct view head = rd_view(&r, sizeof(magic) - 1);

	if (!view_eq(head, view_of(magic)))
		return err_set(e, ERR_PROTO, "credentials: not ours");
	while (r.n > 0 && !r.bad) {
		struct cred *one = &c->v[c->n];

		if (c->n == CREDS_MAX)
			return err_set(e, ERR_LIMIT,
			    "credentials: more than %d", (int)CREDS_MAX);
		one->provider = rd_view(&r, rd_be16(&r));
		one->type = rd_view(&r, rd_be16(&r));
		one->key = rd_view(&r, rd_be16(&r));
		one->value = rd_view(&r, rd_be16(&r));
		one->absent = rd_view(&r, rd_be16(&r));
		one->ends_ms = (int64_t)rd_be64(&r);
		one->put = (enum cred_put)rd_u8(&r);
		if (r.bad)
			break;
		if (check(one, e) < 0)
			return -1;
		c->n++;
	}
	return rd_end(&r) ? 0 : err_set(e, ERR_PROTO, "credentials: cut off");
}

/* Sorted, no key twice, and since when it is there. */
static int
settle(struct creds *c, const struct creds *before, struct err *e)
{
	qsort(c->v, c->n, sizeof(*c->v), by_key);
	for (size_t i = 0; i < c->n; i++) {
		const struct cred *old =
		    before != NULL
			? creds_key(before, c->v[i].provider, c->v[i].key)
			: NULL;

		if (i > 0 && view_eq(c->v[i - 1].key, c->v[i].key))
			return err_set(
			    e, ERR_INVALID, "credentials: a key twice");
		c->v[i].since = old != NULL ? old->since : c->revision;
	}
	return 0;
}

int
creds_read(struct locked *mem, uint32_t revision, const struct creds *before,
    struct creds **out, struct err *e)
{
	struct creds *c = NEW(struct creds);

	c->mem = *mem;
	*mem = (struct locked) { 0 };
	c->revision = revision;
	c->v = mem_calloc(CREDS_MAX, sizeof(*c->v));
	if (read_all(c, rd_of((struct view) { c->mem.p, c->mem.n }), e) < 0 ||
	    settle(c, before, e) < 0) {
		creds_free(c);
		return -1;
	}
	c->v = mem_realloc(c->v, c->n, sizeof(*c->v));
	*out = c;
	return 0;
}

void
creds_free(struct creds *c)
{
	if (c == NULL)
		return;
	locked_free(&c->mem);
	free(c->v);
	free(c);
}

const struct cred *
creds_key(const struct creds *c, struct view provider, struct view key)
{
	const struct cred wanted = { .key = key }, *found;

	if (c == NULL || c->n == 0)
		return NULL;
	found = bsearch(&wanted, c->v, c->n, sizeof(*c->v), by_key);
	return found != NULL &&
		       (provider.n == 0 || view_eq(found->provider, provider))
		   ? found
		   : NULL;
}

const struct cred *
creds_find(const struct creds *c, const struct ph *p)
{
	const struct cred *found = creds_key(c, (struct view) { 0 }, p->key);

	return found != NULL &&
		       (p->revision == 0 || (p->revision >= found->since &&
						p->revision <= c->revision))
		   ? found
		   : NULL;
}

int
cred_usable(const struct cred *c, int64_t now_ms, struct err *e)
{
	bool over = c->ends_ms != 0 && now_ms >= c->ends_ms;
	struct view why = over ? VIEW("it has ended, and the gateway has not "
				      "sent a newer one")
			       : c->absent;

	if (c->absent.n == 0 && !over)
		return 0;
	return err_set(e, ERR_AGAIN,
	    "credential %.*s of provider '%.*s' is not available: %.*s",
	    (int)MIN(c->key.n, 64), c->key.p, (int)MIN(c->provider.n, 64),
	    c->provider.p, (int)MIN(why.n, 300), why.p);
}
