#include "gateway/bounds.h"

#include <string.h>

#include "base/random.h"

enum { KEY_BYTES = 256, VALUE_BYTES = 8192 };

int
gw_check_length(const char *field, size_t n, size_t max, struct err *e)
{
	return n <= max ? 0
			: err_set(e, ERR_INVALID,
			      "%s exceeds maximum length (%zu > %zu)", field, n,
			      max);
}

int
gw_check_map(
    const char *field, size_t n, gw_entry *const *v, size_t max, struct err *e)
{
	char what[96];

	if (n > max)
		return err_set(e, ERR_INVALID,
		    "%s exceeds maximum entries (%zu > %zu)", field, n, max);
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(what, sizeof(what), "%s key", field);
		if (gw_check_length(what, strlen(v[i]->key), KEY_BYTES, e) < 0)
			return -1;
		(void)snprintf(what, sizeof(what), "%s value", field);
		if (gw_check_length(what, strlen(v[i]->value), VALUE_BYTES, e) <
		    0)
			return -1;
	}
	return 0;
}

int
gw_check_variable(const char *key, struct err *e)
{
	bool good = key[0] != '\0' && !(key[0] >= '0' && key[0] <= '9');

	for (const char *k = key; good && *k != '\0'; k++)
		good = *k == '_' || (*k >= 'A' && *k <= 'Z') ||
		       (*k >= 'a' && *k <= 'z') || (*k >= '0' && *k <= '9');
	return good ? 0
		    : err_set(e, ERR_INVALID,
			  "environment keys must match "
			  "^[A-Za-z_][A-Za-z0-9_]*$");
}

void
gw_new_uuid(char out[GW_ID])
{
	unsigned char b[16];
	size_t n = 0;

	random_bytes(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* RFC 9562, version 4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[n++] = '-';
		n += (size_t)snprintf(out + n, GW_ID - n, "%02x", b[i]);
	}
}
