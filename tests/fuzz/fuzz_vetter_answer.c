/*
 * What a vetter that was taken over may say: what is taken has a verdict and a
 * text that ends, within its place, and acts on no terminal.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codec/utf8.h"
#include "vetter/vetter.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct vetter_answer a = { .version = VETTER_VERSION };
	struct err e = { 0 };
	struct view text;

	if (n < 1 || n - 1 > sizeof(a.text))
		return 0;
	a.verdict = p[0];
	memcpy(a.text, p + 1, n - 1);
	if (vetter_answer_check(&a, &e) < 0) {
		assert(e.text[0] != '\0');
		return 0;
	}
	assert(a.verdict < VETTER_VERDICTS);
	assert(memchr(a.text, '\0', sizeof(a.text)) != NULL);
	text = view_of(a.text);
	assert(utf8_valid(text));
	for (size_t i = 0; i < text.n; i++)
		assert((unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f);
	return 0;
}
