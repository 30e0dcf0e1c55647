#include "codec/sha256.h"

#include <stdlib.h>

#include <openssl/evp.h>

void
sha256(struct view v, unsigned char out[SHA256_SIZE])
{
	/* Fails only when libcrypto is broken or out of memory. */
	if (EVP_Digest(v.p, v.n, out, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

void
sha256_hex(struct view v, char out[SHA256_HEX])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char d[SHA256_SIZE];

	sha256(v, d);
	for (size_t i = 0; i < SHA256_SIZE; i++) {
		out[2 * i] = hex[d[i] >> 4];
		out[2 * i + 1] = hex[d[i] & 15];
	}
	out[2 * SHA256_SIZE] = '\0';
}
