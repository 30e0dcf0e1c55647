/* Queries as they come over the wire, and what is answered. */
#include "test.h"

#include "net/dnsmsg.h"

/* The example name of RFC 1035 section 4.1.4, asked as in section 4.1.1. */
#define HEAD(flags, qd, an, ns, ar) \
	"\x12\x34" flags "\x00" qd "\x00" an "\x00" ns "\x00" ar
#define FISI \
	"\x01" \
	"F" \
	"\x04" \
	"ISI" \
	"\x00"
#define NAME \
	"\x01" \
	"F" \
	"\x03" \
	"ISI" \
	"\x04" \
	"ARPA" \
	"\x00"
#define OPT(size, version) "\x00\x00\x29" size "\x00" version "\x00\x00\x00\x00"

static enum dns_rcode
parse(struct view v, struct dns_query *q)
{
	enum dns_rcode rcode;
	struct err e;

	CHECK_INT(dns_query_parse(v, q, &rcode, &e), ==, 0);
	return rcode;
}

TEST(dnsmsg, reads_a_question)
{
	struct dns_query q;

	CHECK_INT(parse(VIEW(HEAD("\x01\x00", "\x01", "\x00", "\x00", "\x00")
				NAME "\x00\x01\x00\x01"),
		      &q),
	    ==, DNS_NOERROR);
	CHECK_STR(q.name, "f.isi.arpa");
	CHECK_INT(q.id, ==, 0x1234);
	CHECK_INT(q.type, ==, DNS_A);
	CHECK(q.rd && !q.edns);
	CHECK_INT(q.question.n, ==, sizeof(NAME) - 1 + 4);
}

TEST(dnsmsg, tolerates_edns)
{
	struct dns_query q;

	CHECK_INT(
	    parse(VIEW(HEAD("\x01\x20", "\x01", "\x00", "\x00", "\x01") NAME
		      "\x00\x1c\x00\x01" OPT("\x04\xd0", "\x00")),
		&q),
	    ==, DNS_NOERROR);
	CHECK(q.edns);
	CHECK_INT(q.type, ==, DNS_AAAA);
	CHECK_INT(
	    parse(VIEW(HEAD("\x01\x20", "\x01", "\x00", "\x00", "\x01") NAME
		      "\x00\x1c\x00\x01" OPT("\x04\xd0", "\x01")),
		&q),
	    ==, DNS_BADVERS);
}

TEST(dnsmsg, refuses_what_is_no_query)
{
	static const struct {
		struct view v;
		enum dns_rcode want;
	} rows[] = {
#define Q1 HEAD("\x01\x00", "\x01", "\x00", "\x00", "\x00")
		{ VIEW(Q1 "\xc0\x0c\x00\x01\x00\x01"), DNS_FORMERR },
		{ VIEW(Q1 "\x01"
			  "a\xc0\x0c\x00\x01\x00\x01"),
		    DNS_FORMERR },
		{ VIEW(Q1 FISI "\x00\x01\x00\x01"), DNS_FORMERR },
		{ VIEW(Q1 NAME "\x00\x01\x00"), DNS_FORMERR },
		{ VIEW(Q1 NAME "\x00\x01\x00\x01x"), DNS_FORMERR },
		{ VIEW(Q1 NAME "\x00\x01\x00\x03"), DNS_REFUSED },
		{ VIEW(Q1 NAME "\x00\x01\x00\xff"), DNS_REFUSED },
		{ VIEW(HEAD("\x28\x00", "\x01", "\x00", "\x00", "\x00") NAME
		      "\x00\x01\x00\x01"),
		    DNS_NOTIMP },
		{ VIEW(HEAD("\x03\x00", "\x01", "\x00", "\x00", "\x00") NAME
		      "\x00\x01\x00\x01"),
		    DNS_FORMERR },
		{ VIEW(HEAD("\x01\x00", "\x00", "\x00", "\x00", "\x00")),
		    DNS_FORMERR },
		{ VIEW(HEAD("\x01\x00", "\x02", "\x00", "\x00", "\x00") NAME
		      "\x00\x01\x00\x01" NAME "\x00\x01\x00\x01"),
		    DNS_FORMERR },
		{ VIEW(HEAD("\x01\x00", "\x01", "\x01", "\x00", "\x00") NAME
		      "\x00\x01\x00\x01"),
		    DNS_FORMERR },
		{ VIEW(HEAD("\x01\x00", "\x01", "\x00", "\x00", "\x01") NAME
		      "\x00\x01\x00\x01"),
		    DNS_FORMERR },
		{ VIEW(HEAD("\x01\x00", "\x01", "\x00", "\x00", "\x02") NAME
		      "\x00\x01\x00\x01" OPT("\x04\xd0", "\x00")
			  OPT("\x04\xd0", "\x00")),
		    DNS_FORMERR },
	};
	struct dns_query q;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(parse(rows[i].v, &q), ==, rows[i].want);
}

TEST(dnsmsg, answers_neither_answers_nor_scraps)
{
	struct dns_query q;
	enum dns_rcode rcode;
	struct err e;

	CHECK_INT(dns_query_parse(VIEW("\x12\x34\x01\x00\x00\x01\x00\x00\x00"
				       "\x00\x00"),
		      &q, &rcode, &e),
	    ==, -1);
	CHECK_INT(dns_query_parse(VIEW(HEAD("\x81\x80", "\x01", "\x00", "\x00",
				      "\x00") NAME "\x00\x01\x00\x01"),
		      &q, &rcode, &e),
	    ==, -1);
}

/* A query for a name of labels of that length. */
static void
long_name(struct buf *b, const unsigned *labels, size_t n)
{
	buf_put(b, VIEW(HEAD("\x01\x00", "\x01", "\x00", "\x00", "\x00")));
	for (size_t i = 0; i < n; i++) {
		buf_putc(b, (char)labels[i]);
		for (unsigned j = 0; j < labels[i]; j++)
			buf_putc(b, 'a');
	}
	buf_put(b, VIEW("\x00\x00\x01\x00\x01"));
}

TEST(dnsmsg, bounds_labels_and_names)
{
	static const struct {
		unsigned labels[4];
		size_t n;
		enum dns_rcode want;
	} rows[] = {
		{ { 63 }, 1, DNS_NOERROR },
		{ { 64 }, 1, DNS_FORMERR },
		{ { 63, 63, 63, 61 }, 4, DNS_NOERROR }, /* 255 octets */
		{ { 63, 63, 63, 62 }, 4, DNS_FORMERR },
	};
	struct dns_query q;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1024);

		long_name(&b, rows[i].labels, rows[i].n);
		CHECK_INT(parse(buf_view(&b), &q), ==, rows[i].want);
		if (rows[i].want == DNS_NOERROR && rows[i].n == 4)
			CHECK_INT(strlen(q.name), ==, DNS_TEXT_MAX);
	}
}

/* Attack: "api.github\.com" or a NUL read as another name by the policy. */
TEST(dnsmsg, names_with_other_bytes_are_no_host_names)
{
	AUTO_BUF struct buf shown = BUF_INIT(1024);
	struct dns_query q;

	CHECK_INT(parse(VIEW(HEAD("\x01\x00", "\x01", "\x00", "\x00",
			    "\x00") "\x05"
				    "a.b\0c"
				    "\x03"
				    "com"
				    "\x00\x00\x01\x00\x01"),
		      &q),
	    ==, DNS_NOERROR);
	CHECK_STR(q.name, "");
	dns_question_shown(&q, &shown);
	CHECK_STR(buf_str(&shown), "a\\046b\\000c.com");
}

TEST(dnsmsg, writes_an_answer)
{
	static const char want[] =
	    "\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x01" NAME
	    "\x00\x01\x00\x01"
	    "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\xc6\x12\x00\x05"
	    "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
	struct addr a = { 4, { 198, 18, 0, 5 } };
	AUTO_BUF struct buf b = BUF_INIT(1024);
	struct dns_query q;

	CHECK_INT(
	    parse(VIEW(HEAD("\x01\x00", "\x01", "\x00", "\x00", "\x01") NAME
		      "\x00\x01\x00\x01" OPT("\x04\xd0", "\x00")),
		&q),
	    ==, DNS_NOERROR);
	dns_answer_put(&b, &q, DNS_NOERROR, &a, 1, 30, DNS_UDP_MAX);
	CHECK_INT(b.n, ==, sizeof(want) - 1);
	CHECK(memcmp(b.p, want, b.n) == 0);
}

TEST(dnsmsg, cuts_an_answer_that_does_not_fit)
{
	struct addr v[40] = { { 6, { 0xfd } } };
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct dns_query q;

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i].family = 6;
	(void)parse(VIEW(HEAD("\x01\x00", "\x01", "\x00", "\x00", "\x00") NAME
			"\x00\x1c\x00\x01"),
	    &q);
	dns_answer_put(&b, &q, DNS_NOERROR, v, ARRAY_LEN(v), 30, DNS_UDP_MAX);
	CHECK(b.n <= DNS_UDP_MAX && b.n > DNS_UDP_MAX - 28);
	CHECK(b.p[2] & 0x02);
	CHECK_INT(b.p[7], ==, (b.n - 12 - q.question.n) / 28);
}
