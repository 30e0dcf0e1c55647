/*
 * XML that AWS STS answers: events nest, what is taken is printable, and a
 * document that is taken is taken with a comment behind it as well.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "codec/xml.h"
#include "minter/sts.h"
#include "secrets/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
walk(struct view text)
{
	enum xml_kind kind = XML_OPEN;
	unsigned depth = 0, events = 0;
	struct err e = { 0 };
	struct xml x;
	struct view v;

	if (xml_init(&x, text, &e) < 0)
		return;
	while (kind != XML_END) {
		if (xml_next(&x, &kind, &v, &e) < 0) {
			assert(e.text[0] != '\0');
			return;
		}
		if (kind == XML_OPEN)
			depth++;
		else if (kind == XML_CLOSE)
			depth--;
		else if (kind == XML_TEXT)
			assert(depth > 0);
		assert(depth == x.depth && depth <= XML_DEPTH_MAX);
		/* Every event but those of <a/> takes a byte. */
		assert(++events <= 2 * text.n + 1);
	}
	assert(depth == 0 && x.rooted);
}

static int
answer(struct view body, struct buf out[STS_VALUES], int64_t *ends)
{
	struct err e = { 0 };
	int rc;

	for (size_t i = 0; i < STS_VALUES; i++)
		rw_out_init(&out[i], RW_VALUE_MAX + 1);
	rc = sts_answer(body, out, ends, &e);
	assert(rc == 0 || e.text[0] != '\0');
	return rc;
}

static void
check(const struct buf v[STS_VALUES])
{
	for (size_t i = 0; i < STS_VALUES; i++) {
		assert(v[i].n > 0 && v[i].n <= RW_VALUE_MAX);
		for (size_t k = 0; k < v[i].n; k++)
			assert(v[i].p[k] > 0x20 && v[i].p[k] < 0x7f);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view body = { (const char *)p, n };
	struct buf one[STS_VALUES], two[STS_VALUES];
	AUTO_BUF struct buf more = BUF_INIT(1 << 17);
	char code[STS_CODE_MAX];
	int64_t ends = 0, again = 0;

	if (n > 65536)
		return 0;
	walk(body);
	if (answer(body, one, &ends) == 0) {
		check(one);
		buf_put(&more, body);
		buf_puts(&more, "<!-- x -->");
		assert(answer(buf_view(&more), two, &again) == 0);
		assert(ends == again);
		for (size_t i = 0; i < STS_VALUES; i++) {
			assert(view_eq(buf_view(&one[i]), buf_view(&two[i])));
			rw_out_fini(&two[i]);
		}
	}
	for (size_t i = 0; i < STS_VALUES; i++)
		rw_out_fini(&one[i]);
	sts_error(body, code);
	assert(strlen(code) < STS_CODE_MAX);
	return 0;
}
