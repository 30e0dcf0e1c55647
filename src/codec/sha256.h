/*
 * sha256: FIPS 180-4 SHA-256, over libcrypto's block function.
 *
 * The low-level calls are used on purpose: EVP would initialise the whole
 * library (1.8 ms, 0.7 MiB) in programs that need nothing else of it.
 */
#ifndef CODEC_SHA256_H
#define CODEC_SHA256_H

#include "base/bytes.h"

enum { SHA256_SIZE = 32, SHA256_HEX = 65, SHA256_STATE = 128 };

/* In pieces: begin, any number of adds, end.  Owns nothing. */
struct sha256 {
	_Alignas(8) unsigned char state[SHA256_STATE];
};
void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, struct view v);
void sha256_end(struct sha256 *s, unsigned char out[SHA256_SIZE]);

/* In one go. */
void sha256(struct view v, unsigned char out[SHA256_SIZE]);
/* Lower-case hex of a digest, NUL-terminated. */
void sha256_text(const unsigned char d[SHA256_SIZE], char out[SHA256_HEX]);
/* Both: the digest of v as text. */
void sha256_hex(struct view v, char out[SHA256_HEX]);

#endif
