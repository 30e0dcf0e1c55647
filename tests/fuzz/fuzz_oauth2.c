/*
 * What a token endpoint answers: a token that is taken is printable and goes
 * into a field as it is, and the code of an error is a plain word.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "minter/oauth2.h"
#include "secrets/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_RW_OUT struct buf token = BUF_INIT(0);
	struct view body = { (const char *)p, n };
	char code[OAUTH2_CODE_MAX];
	uint64_t lifetime = 0;
	struct err e = { 0 };

	if (n > 65536)
		return 0;
	rw_out_init(&token, RW_VALUE_MAX + 1);
	if (oauth2_answer(body, &token, &lifetime, &e) == 0) {
		assert(token.n > 0 && token.n <= RW_VALUE_MAX);
		for (size_t i = 0; i < token.n; i++)
			assert(token.p[i] > 0x20 && token.p[i] < 0x7f);
		assert(lifetime <= UINT32_MAX);
	} else {
		assert(token.n == 0 && e.text[0] != '\0');
		/* Nothing of what came is in the reason. */
		assert(strchr(e.text, '{') == NULL);
	}
	oauth2_error(body, code);
	assert(strspn(code, "abcdefghijklmnopqrstuvwxyz_") == strlen(code));
	return 0;
}
