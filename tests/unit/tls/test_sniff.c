#include "test.h"

#include <openssl/ssl.h>

#include "tls/sniff.h"

/* */
TEST(sniff, classifies)
{
	static const struct {
		struct view in;
		enum sniff_kind kind;
	} rows[] = {
		{ VIEW("GET / "), SNIFF_HTTP },
		{ VIEW("POST /api"), SNIFF_HTTP },
		{ VIEW("DELETE /foo"), SNIFF_HTTP },
		{ VIEW("OPTIONS *"), SNIFF_HTTP },
		{ VIEW("HELLO"), SNIFF_BINARY },
		{ VIEW("get / "), SNIFF_BINARY },
		{ VIEW("GETS / "), SNIFF_BINARY },
		{ VIEW("PROPFIND / HTTP/1.1"), SNIFF_BINARY }, /* */
		{ VIEW("\0\0\0\x08"), SNIFF_BINARY },
		{ VIEW("\x16\x03\x01"), SNIFF_TLS },
		{ VIEW("\x16\x03\x03"), SNIFF_TLS },
		{ VIEW("\x16\x03\x00"), SNIFF_TLS },
		{ VIEW("\x16\x03\x05"), SNIFF_BINARY },
		{ VIEW("\x16\x04"), SNIFF_BINARY },
		{ VIEW("\x17\x03\x03"), SNIFF_BINARY },
		{ VIEW("SSH-2.0"), SNIFF_BINARY },
		{ VIEW("\x16\x03"), SNIFF_MORE },
		{ VIEW("\x16"), SNIFF_MORE },
		{ VIEW(""), SNIFF_MORE },
		{ VIEW("G"), SNIFF_MORE },
		{ VIEW("GET"), SNIFF_MORE },
		{ VIEW("P"), SNIFF_MORE },
		{ VIEW("PRI * HTTP/2.0\r\n"), SNIFF_H2 },
		{ VIEW("PRI * HTTP/1"), SNIFF_BINARY },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (sniff_classify(rows[i].in) != rows[i].kind)
			fail_msg("\"%.*s\": kind %d, want %d",
			    (int)rows[i].in.n, rows[i].in.p,
			    sniff_classify(rows[i].in), rows[i].kind);
}

/* A prefix says either "more" or what the whole says. */
TEST(sniff, any_method_is_told_by_its_line)
{
	static const struct {
		const char *text;
		enum sniff_kind kind;
	} rows[] = {
		{ "PROPFIND /a HTTP/1.1\r\n", SNIFF_HTTP },
		{ "get / HTTP/1.0\n", SNIFF_HTTP },
		{ "M-SEARCH * HTTP/1.1\r\nHost: a", SNIFF_HTTP },
		{ "PROPF", SNIFF_MORE },
		{ "PROPFIND /a HTTP/1.1", SNIFF_MORE },
		{ "", SNIFF_MORE },
		{ "EHLO a\r\n", SNIFF_BINARY },
		{ "SSH-2.0-a b\r\n", SNIFF_BINARY },
		{ "\x16\x03", SNIFF_BINARY },
		{ " HTTP/1.1\n", SNIFF_BINARY },
		{ "AAAAAAAAAAAAAAAAAAAAAAAAA /", SNIFF_BINARY },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(sniff_request_line(view_of(rows[i].text)), ==,
		    rows[i].kind);
}

TEST(sniff, does_not_depend_on_splitting)
{
	static const char *const all[] = { "GET / HTTP/1.1", "PATCH /x",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02",
		"PROPFIND / HTTP/1.1", "CONNECT a:1 HTTP/1.1",
		"CONNECTED 123456789012345678" };

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct view v = view_of(all[i]);
		enum sniff_kind whole = sniff_classify(v);

		CHECK(whole != SNIFF_MORE);
		for (size_t n = 0; n < v.n; n++) {
			enum sniff_kind k = sniff_classify(view_slice(v, 0, n));

			CHECK(k == SNIFF_MORE || k == whole);
		}
	}
}

/* What OpenSSL's client sends first. */
static void
real_hello(struct buf *out, const char *sni, const char *alpn)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(ctx);
	char *p;
	long n;

	SSL_set_bio(ssl, in, sent);
	if (sni != NULL)
		SSL_set_tlsext_host_name(ssl, sni);
	if (alpn != NULL)
		SSL_set_alpn_protos(
		    ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
	CHECK_INT(SSL_connect(ssl), <, 0);
	n = BIO_get_mem_data(sent, &p);
	buf_put(out, (struct view) { p, (size_t)n });
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

TEST(client_hello, reads_sni_and_alpn_however_it_arrives)
{
	AUTO_BUF struct buf b = BUF_INIT(65536);
	struct client_hello h;
	struct err e;

	real_hello(&b, "api.example.com", "\x02h2\x08http/1.1");
	for (size_t n = 0; n < b.n; n++)
		CHECK_INT(
		    client_hello_parse(view_slice(buf_view(&b), 0, n), &h, &e),
		    ==, 0);
	CHECK_INT(client_hello_parse(buf_view(&b), &h, &e), ==, 1);
	CHECK(h.has_sni);
	CHECK_STR(h.sni, "api.example.com");
	CHECK(client_hello_offers(&h, VIEW("http/1.1")));
	CHECK(client_hello_offers(&h, VIEW("h2")));
	CHECK(!client_hello_offers(&h, VIEW("http/1.0")));
	buf_puts(&b, "and what follows");
	CHECK_INT(client_hello_parse(buf_view(&b), &h, &e), ==, 1);
}

TEST(client_hello, may_have_neither)
{
	AUTO_BUF struct buf b = BUF_INIT(65536);
	struct client_hello h;
	struct err e;

	real_hello(&b, NULL, NULL);
	CHECK_INT(client_hello_parse(buf_view(&b), &h, &e), ==, 1);
	CHECK(!h.has_sni && h.alpn_n == 0);
	CHECK(!client_hello_offers(&h, VIEW("h2")));
}

/* The same message cut over records of `step` bytes. */
static void
fragment(const struct buf *in, size_t step, struct buf *out)
{
	struct view body = view_slice(buf_view(in), 5, in->n);

	for (size_t at = 0; at < body.n; at += step) {
		struct view part = view_slice(body, at, at + step);

		buf_put(out, VIEW("\x16\x03\x01"));
		buf_putc(out, (char)(part.n >> 8));
		buf_putc(out, (char)part.n);
		buf_put(out, part);
	}
}

TEST(client_hello, is_joined_over_records)
{
	static const size_t steps[] = { 1, 2, 3, 4, 5, 50, 200 };
	AUTO_BUF struct buf b = BUF_INIT(65536);
	struct err e;

	real_hello(&b, "split.example.com", "\x02h2");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		AUTO_BUF struct buf cut = BUF_INIT(65536);
		struct client_hello h;

		fragment(&b, steps[i], &cut);
		CHECK_INT(client_hello_parse(
			      view_slice(buf_view(&cut), 0, cut.n - 1), &h, &e),
		    ==, 0);
		CHECK_INT(client_hello_parse(buf_view(&cut), &h, &e), ==, 1);
		CHECK_STR(h.sni, "split.example.com");
		CHECK(client_hello_offers(&h, VIEW("h2")));
	}
}

TEST(client_hello, refuses_what_is_none)
{
	static const struct view bad[] = {
		VIEW("GET / HTTP/1.1\r\n"),
		VIEW("\x15\x03\x01\x00\x02\x01\x00"),
		VIEW("\x16\x02"),
		VIEW("\x16\x03\x01\x00\x00"), /* empty record */
		VIEW("\x16\x03\x01\x40\x01"), /* 16385 bytes */
		VIEW("\x16\x03\x01\x00\x04\x02\x00\x00\x00"), /* ServerHello */
		VIEW("\x16\x03\x01\x00\x04\x01\x00\x40\x00"), /* too large */
		VIEW("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"),
	};
	struct client_hello h;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (client_hello_parse(bad[i], &h, &e) != -1)
			fail_msg("row %zu was accepted", i);
}

/* Every way to damage one byte ends in an answer, never in a read past. */
TEST(client_hello, survives_damage)
{
	AUTO_BUF struct buf b = BUF_INIT(65536);
	struct client_hello h;
	struct err e;
	int answers[3] = { 0 };

	real_hello(&b, "damage.example.com", "\x02h2");
	for (size_t i = 0; i < b.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			b.p[i] ^= (char)(1 << bit);
			answers[client_hello_parse(buf_view(&b), &h, &e) + 1]++;
			b.p[i] ^= (char)(1 << bit);
		}
	CHECK(answers[0] > 0 && answers[1] > 0 && answers[2] > 0);
}
