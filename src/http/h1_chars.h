/* h1_chars: byte classes of RFC 9110 section 5.6.2, private to http. */
#ifndef HTTP_H1_CHARS_H
#define HTTP_H1_CHARS_H

#include <stdbool.h>

#include "base/bytes.h"

enum {
	CH_TOKEN = 1, /* tchar */
	CH_VALUE = 2, /* field-content: HTAB, SP, VCHAR, obs-text */
	CH_TARGET = 4, /* VCHAR without '#' */
	CH_HEX = 8
};

extern const unsigned char h1_chars[256];

static inline bool
h1_all(struct view v, unsigned char class)
{
	unsigned char both = class;

	for (size_t i = 0; i < v.n; i++)
		both &= h1_chars[(unsigned char)v.p[i]];
	return both == class;
}

#endif
