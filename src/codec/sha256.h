/* sha256: FIPS 180-4 SHA-256, in one go, over libcrypto. */
#ifndef CODEC_SHA256_H
#define CODEC_SHA256_H

#include "base/bytes.h"

enum { SHA256_SIZE = 32, SHA256_HEX = 65 };

void sha256(struct view v, unsigned char out[SHA256_SIZE]);
/* Lower-case hex, NUL-terminated. */
void sha256_hex(struct view v, char out[SHA256_HEX]);

#endif
