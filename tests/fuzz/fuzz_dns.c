/*
 * Any datagram to the policy's name server: it is answered at most once, the
 * answer keeps within what was asked for and is one that another
 * implementation (c-ares) reads the same; what is understood survives being
 * written as a question again; and no prefix of a good query is a good query.
 */
#include <arpa/nameser.h>
#include <ares.h>
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/dnsmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { TTL = 30, TC_BYTE = 2, TC_BIT = 0x02, ADDRS = 40 };

/* c-ares reads as many addresses as the header says. */
static void
check_peer(struct view got, bool v4, unsigned want)
{
	struct ares_addrttl a4[ADDRS];
	struct ares_addr6ttl a6[ADDRS];
	int n = ADDRS;
	int rc = v4 ? ares_parse_a_reply((const unsigned char *)got.p,
			  (int)got.n, NULL, a4, &n)
		    : ares_parse_aaaa_reply((const unsigned char *)got.p,
			  (int)got.n, NULL, a6, &n);

	if (want == 0)
		return;
	assert(rc == ARES_SUCCESS && n == (int)want);
	for (int i = 0; i < n; i++)
		assert((v4 ? a4[i].ttl : a6[i].ttl) == TTL);
}

static void
check_answer(const struct dns_query *q, enum dns_rcode rcode, size_t max)
{
	struct addr v[ADDRS];
	AUTO_BUF struct buf b = BUF_INIT(65536);
	bool v4 = q->type != DNS_AAAA;
	unsigned count;

	memset(v, 0, sizeof(v));
	for (size_t i = 0; i < ADDRS; i++)
		v[i].family = v4 ? 4 : 6;
	dns_answer_put(&b, q, rcode, v, ADDRS, TTL, max);
	assert(!b.full && b.n >= 12 && b.n <= max);
	assert((uint8_t)b.p[0] == q->id >> 8);
	assert(((uint8_t)b.p[3] & 0xf) == (rcode & 0xf));
	count = (unsigned)(uint8_t)b.p[6] << 8 | (uint8_t)b.p[7];
	assert(rcode == DNS_NOERROR || count == 0);
	assert(rcode != DNS_NOERROR ||
	       (count < ADDRS) == ((b.p[TC_BYTE] & TC_BIT) != 0));
	if (rcode == DNS_NOERROR && q->name[0] != '\0' &&
	    (q->type == DNS_A || q->type == DNS_AAAA))
		check_peer(buf_view(&b), v4, count);
}

/* The text, asked by c-ares, is read as the same text. */
static void
check_again(const struct dns_query *q)
{
	unsigned char *made = NULL;
	struct dns_query back;
	enum dns_rcode rcode;
	struct err e;
	int n = 0;

	if (q->name[0] == '\0' ||
	    ares_create_query(q->name, ns_c_in, q->type, q->id, q->rd, &made,
		&n, 0) != ARES_SUCCESS)
		return;
	assert(dns_query_parse((struct view) { (char *)made, (size_t)n }, &back,
		   &rcode, &e) == 0);
	assert(rcode == DNS_NOERROR && strcmp(back.name, q->name) == 0);
	assert(back.id == q->id && back.type == q->type && back.rd == q->rd);
	ares_free_string(made);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view in = { (const char *)p, MIN(n, (size_t)DNS_TCP_MAX) };
	AUTO_BUF struct buf shown = BUF_INIT(4096);
	struct dns_query q, part;
	enum dns_rcode rcode, ignored;
	struct err e;

	if (dns_query_parse(in, &q, &rcode, &e) < 0)
		return 0;
	assert(strlen(q.name) <= DNS_TEXT_MAX);
	assert(q.question.n <= DNS_NAME_MAX + 4);
	assert(q.question.n == 0 ||
	       (q.question.p >= in.p &&
		   q.question.p + q.question.n <= in.p + in.n));
	dns_question_shown(&q, &shown);
	assert(!shown.full && shown.n > 0);
	for (size_t i = 0; i < shown.n; i++)
		assert(shown.p[i] > ' ' && shown.p[i] < 0x7f);
	check_answer(&q, rcode, DNS_UDP_MAX);
	check_answer(&q, rcode, DNS_EDNS_MAX);
	if (rcode != DNS_NOERROR)
		return 0;
	assert(q.opcode == 0 && q.question.n > 0);
	check_again(&q);
	for (size_t i = 0; i < in.n; i++)
		assert(dns_query_parse(
			   view_slice(in, 0, i), &part, &ignored, &e) < 0 ||
		       ignored != DNS_NOERROR);
	return 0;
}
