/*
 * grpc_frames: the messages of a stream are the same however its bytes are
 * split, and no more than one message is ever stored.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "codec/sha256.h"
#include "rpc/rpc.h"

enum { LIMIT = 1000 };

struct outcome {
	size_t messages;
	bool refused;
	enum err_code code;
	struct sha256 hash; /* over what came out */
};

static struct outcome
decode(const uint8_t *p, size_t n, size_t step)
{
	struct outcome o = { .messages = 0 };
	struct rpc_frames f;
	struct err e;

	sha256_begin(&o.hash);
	rpc_frames_init(&f, LIMIT);
	for (size_t at = 0; at < n && !o.refused; at += step) {
		struct view in = { (const char *)p + at, MIN(step, n - at) };
		struct view m;

		while (in.n > 0 && !o.refused) {
			if (rpc_frames_feed(&f, &in, &e) < 0) {
				o.refused = true;
				o.code = e.code;
				break;
			}
			assert(f.b.n <= LIMIT + 5);
			if (rpc_frames_next(&f, &m)) {
				assert(m.n <= LIMIT);
				sha256_add(&o.hash, m);
				o.messages++;
				rpc_frames_taken(&f);
			}
		}
	}
	rpc_frames_fini(&f);
	return o;
}

static void
check_same(struct outcome a, struct outcome b)
{
	unsigned char x[SHA256_SIZE], y[SHA256_SIZE];

	assert(a.messages == b.messages && a.refused == b.refused);
	assert(!a.refused || a.code == b.code);
	sha256_end(&a.hash, x);
	sha256_end(&b.hash, y);
	assert(memcmp(x, y, sizeof(x)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct outcome whole = decode(p, n, n > 0 ? n : 1);

	check_same(whole, decode(p, n, 1));
	check_same(whole, decode(p, n, 7));
	return 0;
}
