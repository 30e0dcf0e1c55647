/*
 * Sniffing and the reading of a ClientHello give one answer however the bytes
 * arrive: a prefix says "more" or what the whole says.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tls/sniff.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { INPUT_MAX = 2048 };

static void
check_hello(struct view in)
{
	struct client_hello whole, part;
	struct err e;
	int rc = client_hello_parse(in, &whole, &e);

	for (size_t i = 0; i < in.n; i++) {
		int sub = client_hello_parse(view_slice(in, 0, i), &part, &e);

		assert(sub == 0 || sub == rc);
		if (sub == 1)
			assert(memcmp(&part, &whole, sizeof(whole)) == 0);
	}
	if (rc == 1) {
		assert(whole.has_sni == (whole.sni[0] != '\0'));
		(void)client_hello_offers(&whole, VIEW("http/1.1"));
	}
}

static void
check_kind(struct view in)
{
	enum sniff_kind whole = sniff_classify(in);

	for (size_t i = 0; i < MIN(in.n, SNIFF_MAX); i++) {
		enum sniff_kind k = sniff_classify(view_slice(in, 0, i));

		assert(k == SNIFF_MORE || k == whole);
	}
	assert(in.n < SNIFF_MAX || whole != SNIFF_MORE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view in = { (const char *)p, MIN(n, INPUT_MAX) };

	check_kind(in);
	check_hello(in);
	return 0;
}
