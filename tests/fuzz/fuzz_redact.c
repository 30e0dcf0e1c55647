/*
 * fuzz_redact: what is written has no token left and fits; what has none is
 * left alone; JSON stays JSON.
 */
#include <assert.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "inspect/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool
is_json(struct view v)
{
	/* Two keys that were tokens may be the same now. */
	json_t *doc =
	    json_loadb(v.p, v.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	bool yes = doc != NULL;

	json_decref(doc);
	return yes;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view in = { (const char *)p, n };
	AUTO_BUF struct buf out = BUF_INIT(redact_room(n));
	AUTO_BUF struct buf again = BUF_INIT(redact_room(redact_room(n)));
	size_t found = redact_tokens(in, &out);

	if (found == 0) {
		assert(out.n == 0);
		return 0;
	}
	assert(!out.full);
	assert(view_find(buf_view(&out), '[') >= 0);
	assert(redact_tokens(buf_view(&out), &again) == 0);
	assert(!is_json(in) || is_json(buf_view(&out)));
	return 0;
}
