/*
 * Stored records: the verdict over any bytes does not depend on how they are
 * cut, and what is changed in a chain of ours is found at its line.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "audit/chain.h"
#include "base/mem.h"

enum { CHAIN_MAX = 1 << 20, RECORDS = 4, LINES = RECORDS + 1 };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct audit_verified
verify(struct view text, size_t step)
{
	struct audit_verify *v = audit_verify_new(NULL);
	struct audit_verified r;

	for (size_t i = 0; i < text.n; i += step)
		audit_verify_feed(v, view_slice(text, i, i + step));
	audit_verify_end(v, &r);
	audit_verify_free(v);
	return r;
}

static void
check_split(struct view text)
{
	struct audit_verified a = verify(text, text.n + 1);
	struct audit_verified b = verify(text, 7);

	assert(a.fault == b.fault && a.seq == b.seq && a.line == b.line);
	assert(a.records == b.records && a.interrupted == b.interrupted);
	assert(audit_head_eq(&a.head, &b.head));
	assert((a.fault == AUDIT_INTACT) == (a.text[0] == '\0'));
}

/* A chain whose values are the input's; at[i] is where line i ends. */
static void
make(struct view in, struct buf *out, size_t at[LINES])
{
	const struct audit_begin b = { .sandbox = in, .time_ms = 1 };
	struct audit_head h;

	audit_head_init(&h);
	audit_chain_begin(&h, &b, out);
	at[0] = out->n;
	for (unsigned i = 1; i < LINES; i++) {
		struct view v = view_slice(in, i, in.n);
		const struct audit_event ev = { .kind = AUDIT_L7_REQUEST,
			.action = AUDIT_DENY,
			.event_id = i,
			.host = v,
			.method = v,
			.path = v,
			.reason = v };

		audit_chain_add(&h, &ev, out);
		at[i] = out->n;
	}
}

static void
check_change(struct view in, size_t place, unsigned char flip)
{
	AUTO_BUF struct buf b = BUF_INIT(CHAIN_MAX);
	struct audit_verified r;
	size_t at[LINES], line = 0;

	make(in, &b, at);
	r = verify(buf_view(&b), 4096);
	assert(r.fault == AUDIT_INTACT && r.records == RECORDS);
	if (flip == 0)
		return;
	place %= b.n;
	b.p[place] = (char)((unsigned char)b.p[place] ^ flip);
	while (place >= at[line])
		line++;
	r = verify(buf_view(&b), 4096);
	if (place + 1 == b.n) {
		assert(r.interrupted == 1 && r.records == RECORDS - 1);
		return;
	}
	assert(r.fault == AUDIT_ALTERED);
	assert(r.line == line + 1 && r.seq == line);
}

/* Going on from whatever bytes, as after a crash, holds from there. */
static void
check_resume(struct view text)
{
	AUTO_BUF struct buf b = BUF_INIT(CHAIN_MAX);
	const struct audit_event ev = { .kind = AUDIT_CONNECT };
	struct audit_begin begin = { .time_ms = 1 };
	struct audit_verified before, after;
	struct audit_head h;

	if (audit_chain_resume(text, &h, &begin.torn) < 0)
		return;
	buf_put(&b, text);
	before = verify(text, 4096);
	audit_chain_begin(&h, &begin, &b);
	audit_chain_add(&h, &ev, &b);
	after = verify(buf_view(&b), 4096);
	assert(before.fault != AUDIT_INTACT || after.fault == AUDIT_INTACT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view in = { (const char *)p, n };
	size_t place;

	if (n > 65536)
		return 0;
	check_split(in);
	check_resume(in);
	if (n < 4)
		return 0;
	place = (size_t)p[0] << 8 | p[1];
	check_change(view_slice(in, 3, in.n), place, p[2]);
	return 0;
}
