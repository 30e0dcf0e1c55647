/*
 * sniff: see sniff.h.
 *
 * Each answer other than "more" depends on a prefix only, and no longer prefix
 * changes it; so it cannot depend on how the bytes arrived.
 */
#include "tls/sniff.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	REC_HANDSHAKE = 22, /* RFC 8446 section 5.1 */
	REC_HEAD = 5,
	REC_MAX = 16384,
	MSG_CLIENT_HELLO = 1, /* section 4 */
	MSG_HEAD = 4,
	EXT_SERVER_NAME = 0,
	EXT_ALPN = 16
};

/* 1 begins with `word`, 0 may yet, -1 cannot. */
static int
begins(struct view v, struct view word)
{
	size_t n = MIN(v.n, word.n);

	if (memcmp(v.p, word.p, n) != 0)
		return -1;
	return n == word.n;
}

enum sniff_kind
sniff_classify(struct view first)
{
	static const struct {
		struct view word;
		enum sniff_kind kind;
	} words[] = {
		{ VIEW("GET "), SNIFF_HTTP },
		{ VIEW("HEAD "), SNIFF_HTTP },
		{ VIEW("POST "), SNIFF_HTTP },
		{ VIEW("PUT "), SNIFF_HTTP },
		{ VIEW("DELETE "), SNIFF_HTTP },
		{ VIEW("PATCH "), SNIFF_HTTP },
		{ VIEW("OPTIONS "), SNIFF_HTTP },
		{ VIEW("CONNECT "), SNIFF_HTTP },
		{ VIEW("TRACE "), SNIFF_HTTP },
		{ VIEW("PRI * HTTP/2"), SNIFF_H2 },
		/* record type, then major version; minor is looked at below */
		{ VIEW("\x16\x03"), SNIFF_TLS },
	};
	bool may = false;

	if (first.n == 0)
		return SNIFF_MORE;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		int rc = begins(first, words[i].word);

		may |= rc == 0;
		if (rc <= 0)
			continue;
		if (words[i].kind != SNIFF_TLS)
			return words[i].kind;
		if (first.n < 3)
			return SNIFF_MORE;
		return (unsigned char)first.p[2] <= 4 ? SNIFF_TLS
						      : SNIFF_BINARY;
	}
	return may ? SNIFF_MORE : SNIFF_BINARY;
}

/* Letters and '-': a banner such as SSH's has digits and dots. */
static size_t
method_length(struct view v)
{
	size_t n = 0;

	while (n < v.n && (v.p[n] == '-' || ((v.p[n] | 0x20) >= 'a' &&
						(v.p[n] | 0x20) <= 'z')))
		n++;
	return n;
}

enum sniff_kind
sniff_request_line(struct view first)
{
	static const char version[] = " HTTP/1.";
	size_t n = method_length(first);
	struct view rest, line;

	if (n > SNIFF_MAX || (n < first.n && (n == 0 || first.p[n] != ' ')))
		return SNIFF_BINARY;
	if (memchr(first.p, '\n', first.n) == NULL)
		return first.n < SNIFF_LINE_MAX ? SNIFF_MORE : SNIFF_BINARY;
	line = view_cut(first, '\n', &rest);
	return memmem(line.p, line.n, version, sizeof(version) - 1) != NULL
		   ? SNIFF_HTTP
		   : SNIFF_BINARY;
}

/* server_name, RFC 6066 section 3 */
static int
parse_sni(struct rd ext, struct client_hello *out, struct err *e)
{
	struct rd list = rd_sub(&ext, rd_be16(&ext));
	uint8_t type = rd_u8(&list);
	struct view name = rd_view(&list, rd_be16(&list));

	if (!rd_end(&ext) || !rd_end(&list) || type != 0 || name.n == 0 ||
	    name.n > HELLO_SNI_MAX || out->has_sni)
		return err_set(e, ERR_PROTO, "malformed server_name");
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= 0x20 || name.p[i] >= 0x7f)
			return err_set(e, ERR_PROTO, "malformed server_name");
	memcpy(out->sni, name.p, name.n);
	out->has_sni = true;
	return 0;
}

/* application_layer_protocol_negotiation, RFC 7301 section 3.1 */
static int
parse_alpn(struct rd ext, struct client_hello *out, struct err *e)
{
	struct rd list = rd_sub(&ext, rd_be16(&ext));
	size_t n = list.n;

	if (!rd_end(&ext) || n < 2 || n > HELLO_ALPN_MAX || out->alpn_n != 0)
		return err_set(e, ERR_PROTO, "malformed ALPN");
	memcpy(out->alpn, list.p, n);
	while (list.n > 0) {
		if (rd_view(&list, rd_u8(&list)).n == 0) {
			return err_set(e, ERR_PROTO, "malformed ALPN");
		}
	}
	if (!rd_end(&list))
		return err_set(e, ERR_PROTO, "malformed ALPN");
	out->alpn_n = (uint16_t)n;
	return 0;
}

/* The ClientHello message without its header, RFC 8446 section 4.1.2. */
static int
parse_body(struct rd r, struct client_hello *out, struct err *e)
{
	struct rd exts;

	(void)rd_be16(&r); /* legacy_version */
	(void)rd_view(&r, 32); /* random */
	(void)rd_view(&r, rd_u8(&r)); /* legacy_session_id */
	(void)rd_view(&r, rd_be16(&r)); /* cipher_suites */
	(void)rd_view(&r, rd_u8(&r)); /* legacy_compression_methods */
	if (rd_end(&r))
		return 0; /* TLS 1.2 without extensions */
	exts = rd_sub(&r, rd_be16(&r));
	if (!rd_end(&r))
		return err_set(e, ERR_PROTO, "malformed ClientHello");
	while (exts.n > 0) {
		uint16_t type = rd_be16(&exts);
		struct rd ext = rd_sub(&exts, rd_be16(&exts));

		if (exts.bad)
			break;
		if (type == EXT_SERVER_NAME && parse_sni(ext, out, e) < 0)
			return -1;
		if (type == EXT_ALPN && parse_alpn(ext, out, e) < 0)
			return -1;
	}
	if (!rd_end(&exts))
		return err_set(e, ERR_PROTO, "malformed ClientHello");
	return 0;
}

/*
 * The next record's payload.  1, 0 when its header is not whole; a payload cut
 * short is given as far as it goes, with *whole false.
 */
static int
next_record(
    struct view *bytes, struct view *payload, bool *whole, struct err *e)
{
	const unsigned char *p = (const unsigned char *)bytes->p;
	size_t n;

	if ((bytes->n > 0 && p[0] != REC_HANDSHAKE) ||
	    (bytes->n > 1 && p[1] != 3) || (bytes->n > 2 && p[2] > 4))
		return err_set(e, ERR_PROTO, "not a TLS handshake record");
	if (bytes->n < REC_HEAD)
		return 0;
	n = (size_t)p[3] << 8 | p[4];
	if (n == 0 || n > REC_MAX)
		return err_set(e, ERR_PROTO, "TLS record of a wrong length");
	*whole = bytes->n - REC_HEAD >= n;
	*payload = view_slice(*bytes, REC_HEAD, REC_HEAD + n);
	*bytes = view_slice(*bytes, REC_HEAD + payload->n, bytes->n);
	return 1;
}

/* Once 4 bytes of `msg` are there: its length with the header, or -1. */
static ssize_t
message_length(struct view msg, struct err *e)
{
	struct rd r = rd_of(msg);
	uint8_t type = rd_u8(&r);
	size_t n = rd_be24(&r);

	if (type != MSG_CLIENT_HELLO || n > HELLO_MAX - MSG_HEAD)
		return err_set(
		    e, ERR_PROTO, "not a ClientHello, or too large a one");
	return (ssize_t)(n + MSG_HEAD);
}

int
client_hello_parse(struct view bytes, struct client_hello *out, struct err *e)
{
	AUTO_BUF struct buf joined = BUF_INIT(HELLO_MAX + REC_MAX);
	struct view msg = { NULL, 0 };

	memset(out, 0, sizeof(*out));
	for (;;) {
		struct view payload;
		bool whole;
		int rc = next_record(&bytes, &payload, &whole, e);

		if (rc <= 0)
			return rc;
		/* Usually one record: only more are worth a copy. */
		if (msg.n == 0) {
			msg = payload;
		} else {
			if (joined.n == 0)
				buf_put(&joined, msg);
			buf_put(&joined, payload);
			msg = buf_view(&joined);
		}
		if (msg.n > 0 && msg.p[0] != MSG_CLIENT_HELLO)
			return err_set(e, ERR_PROTO, "not a ClientHello");
		if (msg.n >= MSG_HEAD) {
			ssize_t n = message_length(msg, e);

			if (n < 0)
				return -1;
			if (msg.n >= (size_t)n) {
				msg = view_slice(msg, MSG_HEAD, (size_t)n);
				return parse_body(rd_of(msg), out, e) < 0 ? -1
									  : 1;
			}
		}
		if (!whole)
			return 0;
	}
}

bool
client_hello_offers(const struct client_hello *h, struct view protocol)
{
	struct rd r = rd_of((struct view) { (const char *)h->alpn, h->alpn_n });

	while (r.n > 0)
		if (view_eq(rd_view(&r, rd_u8(&r)), protocol))
			return true;
	return false;
}
