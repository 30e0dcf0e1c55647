#include "inspect/ws.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

/* RFC 6455 section 4.2.1: base64 of 16 bytes is 22 digits and two '='. */
bool
ws_key_valid(struct view key)
{
	if (key.n != 24 || !view_ends(key, VIEW("==")))
		return false;
	for (size_t i = 0; i < 22; i++) {
		char c = key.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '+' || c == '/'))
			return false;
	}
	return true;
}

void
ws_accept(struct view key, char out[WS_ACCEPT_SIZE])
{
	static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char text[128], sum[SHA_DIGEST_LENGTH];
	size_t n = MIN(key.n, sizeof(text) - sizeof(magic));

	memcpy(text, key.p, n);
	memcpy(text + n, magic, sizeof(magic) - 1);
	SHA1(text, n + sizeof(magic) - 1, sum);
	(void)EVP_EncodeBlock((unsigned char *)out, sum, sizeof(sum));
}

/* ---- permessage-deflate, RFC 7692 section 7.1 --------------------------- */

/* A row a parameter: for which side, and whether it takes a window size. */
enum value { V_NONE, V_BITS, V_MAYBE_BITS };

static const struct parameter {
	struct view name;
	bool of_client;
	enum value offered, agreed;
} parameters[] = {
	{ VIEW("server_no_context_takeover"), false, V_NONE, V_NONE },
	{ VIEW("client_no_context_takeover"), true, V_NONE, V_NONE },
	{ VIEW("server_max_window_bits"), false, V_BITS, V_BITS },
	{ VIEW("client_max_window_bits"), true, V_MAYBE_BITS, V_BITS },
};

static bool
read_bits(struct view v, unsigned *bits)
{
	uint64_t n;

	if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
		v = view_slice(v, 1, v.n - 1);
	if (v.n > 0 && v.p[0] == '0')
		return false;
	if (!view_u64(v, 15, &n) || n < 8)
		return false;
	*bits = (unsigned)n;
	return true;
}

static bool
read_parameter(struct view v, bool answer, unsigned *seen,
    struct ws_deflate *client, struct ws_deflate *server)
{
	struct view value, name = view_trim(view_cut(v, '=', &value));

	for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
		const struct parameter *p = &parameters[i];
		enum value want = answer ? p->agreed : p->offered;
		struct ws_deflate *d = p->of_client ? client : server;

		if (!view_eq_nocase(name, p->name))
			continue;
		if (*seen & 1u << i)
			return false;
		*seen |= 1u << i;
		if (want == V_NONE) {
			d->no_context = true;
			return value.p == NULL;
		}
		if (value.p == NULL)
			return want == V_MAYBE_BITS;
		return read_bits(view_trim(value), &d->window_bits);
	}
	return false;
}

/* One permessage-deflate offer or answer.  false: another extension, or a
 * parameter that RFC 7692 does not know. */
static bool
read_extension(struct view v, bool answer, struct ws_deflate *client,
    struct ws_deflate *server)
{
	struct view rest, name = view_trim(view_cut(v, ';', &rest));
	unsigned seen = 0;

	*client = *server =
	    (struct ws_deflate) { .on = true, .window_bits = 15 };
	if (!view_eq_nocase(name, VIEW("permessage-deflate")))
		return false;
	while (rest.p != NULL)
		if (!read_parameter(view_trim(view_cut(rest, ';', &rest)),
			answer, &seen, client, server))
			return false;
	return true;
}

int
ws_extensions_agreed(struct view value, struct ws_deflate *client,
    struct ws_deflate *server, struct err *e)
{
	*client = *server = (struct ws_deflate) { .window_bits = 15 };
	value = view_trim(value);
	if (value.n == 0)
		return 0;
	if (view_find(value, ',') >= 0 ||
	    !read_extension(value, true, client, server))
		return err_set(e, ERR_PROTO,
		    "WebSocket: the server agreed to an extension that cannot "
		    "be inspected");
	return 0;
}

void
ws_extensions_offer(struct view value, struct buf *out)
{
	while (value.p != NULL) {
		struct view one = view_trim(view_cut(value, ',', &value));
		struct ws_deflate client, server;

		if (!read_extension(one, false, &client, &server))
			continue;
		if (out->n > 0)
			buf_puts(out, ", ");
		buf_put(out, one);
	}
}
