#include "test.h"

#include "http/target.h"

TEST(authority, accepts)
{
	static const struct {
		const char *in, *host;
		uint16_t fallback, port;
		bool literal;
	} rows[] = {
		{ "example.com:443", "example.com", 0, 443, false },
		{ "EXAMPLE.Com", "example.com", 80, 80, false },
		{ "example.com.:80", "example.com", 0, 80, false },
		{ "localhost:1", "localhost", 0, 1, false },
		{ "a--b.3com.example:65535", "a--b.3com.example", 0, 65535,
		    false },
		{ "xn--bcher-kva.example", "xn--bcher-kva.example", 443, 443,
		    false },
		{ "10.86.8.223:8000", "10.86.8.223", 0, 8000, true },
		{ "[::1]:8080", "::1", 0, 8080, true },
		{ "[0:0:0:0:0:0:0:1]:1", "::1", 0, 1, true },
		{ "[2001:DB8::1]", "2001:db8::1", 443, 443, true },
	};
	struct authority a;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (authority_parse(
			view_of(rows[i].in), rows[i].fallback, &a, &e) < 0)
			fail_msg("%s: %s", rows[i].in, e.text);
		CHECK_STR(a.host, rows[i].host);
		CHECK_INT(a.port, ==, rows[i].port);
		CHECK_INT(a.literal, ==, rows[i].literal);
	}
}

/* A01 to A10: another spelling of an address, another host, a split line. */
TEST(authority, refuses)
{
	static const char *const bad[] = { "", ":443", "h", "h:", "h:0",
		"h:65536", "h:+1", "h:-1", "h: 80", "h:080", "h:99999999999",
		"h:80:80", "::1:443", "0x7f.1:80", "2130706433:80",
		"0177.0.0.1:80", "127.1:80", "0x7f000001:80", "1.2.3.4.:80",
		"127.0.0.1.5:80", "a.b.0x1f:80", "[fe80::1%eth0]:80",
		"[fe80::1%25eth0]:80", "[::1]80", "[::1:80", "[]:80",
		"[1.2.3.4]:80", "[example.com]:80", "[::1]]:80", "a..b:80",
		".a:80", "a..:80", ".:80", "-a:80", "a-:80", "a.-b.c:80",
		"a_b:80", "a b:80", "a\tb:80", "a\rb:80", "a\nb:80",
		"user@a:80", "a%00b:80", "a%2eb:80", "a/b:80", "a\\b:80",
		"a?b:80", "a#b:80", "a,b:80", "*.a:80", "$(x).a:80",
		"b\xc3\xbc"
		"cher.example:80",
		"a\xe3\x80\x82"
		"b:80",
		"\xef\xbd\x81.com:80",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aa"
		".com:80" };
	struct authority a;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (authority_parse(view_of(bad[i]), 0, &a, &e) == 0)
			fail_msg("\"%s\" became %s", bad[i], a.host);
	CHECK_INT(
	    authority_parse((struct view) { "a\0b:80", 6 }, 0, &a, &e), ==, -1);
	CHECK_INT(
	    authority_parse((struct view) { "a:80\0", 5 }, 0, &a, &e), ==, -1);
}

TEST(authority, name_length_bounds)
{
	char text[300];
	struct authority a;
	struct err e;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 50 == 49 ? '.' : 'a';
	CHECK_INT(
	    authority_parse((struct view) { text, 253 }, 80, &a, &e), ==, 0);
	CHECK_INT(
	    authority_parse((struct view) { text, 254 }, 80, &a, &e), ==, -1);
}

/* */
TEST(absolute, vectors)
{
	static const struct {
		const char *in, *host, *rest;
		uint16_t port;
		bool https;
	} rows[] = {
		{ "http://10.86.8.223:8000/screenshot/", "10.86.8.223",
		    "/screenshot/", 8000, false },
		{ "http://example.com/path", "example.com", "/path", 80,
		    false },
		{ "https://api.example.com/v1/chat", "api.example.com",
		    "/v1/chat", 443, true },
		{ "HTTP://[::1]:8080/test", "::1", "/test", 8080, false },
		{ "http://host:80/api?key=val&foo=bar", "host",
		    "/api?key=val&foo=bar", 80, false },
		{ "http://h?x", "h", "/?x", 80, false },
		{ "http://h", "h", "/", 80, false },
	};
	AUTO_BUF struct buf scratch = BUF_INIT(TARGET_MAX);
	struct authority a;
	struct view rest;
	struct err e;
	bool https;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (absolute_parse(view_of(rows[i].in), &https, &a, &rest,
			&scratch, &e) < 0)
			fail_msg("%s: %s", rows[i].in, e.text);
		CHECK_STR(a.host, rows[i].host);
		CHECK_INT(a.port, ==, rows[i].port);
		CHECK_INT(https, ==, rows[i].https);
		CHECK_VIEW(rest, rows[i].rest);
	}
}

TEST(absolute, refuses)
{
	static const char *const bad[] = { "example.com/path", "http:///path",
		"http://", "http:/h", "http:h", "ftp://h/", "//h/", "/h",
		"http://allowed@evil/", "http://allowed:x@evil/", "http://h/#f",
		"http://h /", "http://h/a b", "http://h\t/", "http://h\r\n/",
		"http://h:0/", "http://h:/", "http://127.1/",
		"http://h\\@evil/", "http://h/\x80", "http://%61/", "http://?x",
		" http://h/" };
	AUTO_BUF struct buf scratch = BUF_INIT(TARGET_MAX);
	struct authority a;
	struct view rest;
	struct err e;
	bool https;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (absolute_parse(
			view_of(bad[i]), &https, &a, &rest, &scratch, &e) == 0)
			fail_msg("\"%s\" became %s", bad[i], a.host);
}
