/* The deprecation speaks for EVP, which we avoid: see the header. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "codec/sha256.h"

#include <stdlib.h>

#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= SHA256_STATE, "room for the state");
_Static_assert(_Alignof(SHA256_CTX) <= 8, "alignment of the state");

static SHA256_CTX *
ctx(struct sha256 *s)
{
	return (SHA256_CTX *)(void *)s->state;
}

/* These fail only when libcrypto is broken. */
static void
must(int ok)
{
	if (ok != 1)
		abort();
}

void
sha256_begin(struct sha256 *s)
{
	must(SHA256_Init(ctx(s)));
}

void
sha256_add(struct sha256 *s, struct view v)
{
	must(SHA256_Update(ctx(s), v.p, v.n));
}

void
sha256_end(struct sha256 *s, unsigned char out[SHA256_SIZE])
{
	must(SHA256_Final(out, ctx(s)));
}

void
sha256(struct view v, unsigned char out[SHA256_SIZE])
{
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, v);
	sha256_end(&s, out);
}

void
sha256_text(const unsigned char d[SHA256_SIZE], char out[SHA256_HEX])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_SIZE; i++) {
		out[2 * i] = hex[d[i] >> 4];
		out[2 * i + 1] = hex[d[i] & 15];
	}
	out[2 * SHA256_SIZE] = '\0';
}

void
sha256_hex(struct view v, char out[SHA256_HEX])
{
	unsigned char d[SHA256_SIZE];

	sha256(v, d);
	sha256_text(d, out);
}
