#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void
random_bytes(void *p, size_t n)
{
	unsigned char *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			abort();
		at += got;
		n -= (size_t)got;
	}
}

void
random_hex(char *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c;

		random_bytes(&c, 1);
		out[i] = "0123456789abcdef"[c & 15];
	}
	out[n] = '\0';
}
