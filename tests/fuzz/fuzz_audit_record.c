/*
 * A line of the proxy's: what is read of it is written again as one line of
 * printable JSON that reads back the same, in every form.
 */
#include <assert.h>
#include <stdint.h>

#include "audit/event.h"
#include "audit/ocsf.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
check_line(struct view v)
{
	assert(v.n > 0 && v.p[v.n - 1] == '\n');
	for (size_t i = 0; i + 1 < v.n; i++)
		assert((unsigned char)v.p[i] >= 0x20 && v.p[i] != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf once = BUF_INIT(AUDIT_LINE_MAX),
			    twice = BUF_INIT(AUDIT_LINE_MAX);
	AUTO_BUF struct buf shown = BUF_INIT(1 << 18);
	const struct audit_source from = { VIEW("id"), VIEW("name") };
	struct audit_record *a = NULL, *b = NULL;
	struct audit_event ev, back;
	struct err e;

	if (audit_record_parse(
		(struct view) { (const char *)p, n }, &a, &ev, &e) < 0)
		return 0;
	audit_event_json(&ev, &once);
	check_line(buf_view(&once));
	assert(once.n <= AUDIT_JSON_MAX);
	if (audit_record_parse(buf_view(&once), &b, &back, &e) < 0)
		assert(!"what we wrote cannot be read");
	audit_event_json(&back, &twice);
	assert(view_eq(buf_view(&once), buf_view(&twice)));
	audit_ocsf_json(&ev, &from, &shown);
	check_line(buf_view(&shown));
	buf_reset(&shown);
	audit_shorthand(&ev, &shown);
	check_line(buf_view(&shown));
	audit_record_free(a);
	audit_record_free(b);
	return 0;
}
