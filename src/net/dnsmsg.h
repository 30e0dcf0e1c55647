/*
 * dnsmsg: what a name server needs of DNS messages, RFC 1035 section 4.
 *
 * Reads one question and writes its answer.  Strict on purpose: the sandbox
 * sends what it likes, and what is not understood whole is answered FORMERR
 * or not at all.  Pure; no I/O.
 */
#ifndef NET_DNSMSG_H
#define NET_DNSMSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/addr.h"

enum {
	DNS_UDP_MAX = 512, /* of an answer: with a few addresses it fits */
	DNS_EDNS_MAX = 1232, /* of a query over UDP */
	DNS_TCP_MAX = 4096, /* of a query over TCP; ours are far smaller */
	DNS_NAME_MAX = 255, /* octets on the wire, RFC 1035 section 2.3.4 */
	DNS_TEXT_MAX = 253, /* characters of a host name */
	DNS_EXTRA_MAX = 8 /* records that a query may carry along */
};

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_OPT = 41 };
enum { DNS_IN = 1 };

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16 /* RFC 6891 section 9 */
};

/* A query; the question's bytes stay in the message. */
struct dns_query {
	uint16_t id, type;
	uint8_t opcode;
	bool rd, edns;
	struct view question; /* as it came; empty when it was not understood */
	/*
	 * The name in small letters, labels joined by dots, without the last
	 * one; empty when it holds anything but letters, digits, '-' and '_'
	 * (then no policy can name it), or is the root.
	 */
	char name[DNS_TEXT_MAX + 1];
};

/*
 * Reads a query.  *rcode is what is wrong with it, DNS_NOERROR when nothing
 * is.  -1: it is not to be answered at all (too short, or itself an answer:
 * two servers would talk forever).
 */
int dns_query_parse(struct view msg, struct dns_query *out,
    enum dns_rcode *rcode, struct err *e) MUST_USE;

/*
 * Appends the answer: the question again, and with DNS_NOERROR an address
 * record for each of v (A or AAAA by its family).  What does not fit `max`
 * bytes is left out and the TC bit set.
 */
void dns_answer_put(struct buf *out, const struct dns_query *q,
    enum dns_rcode rcode, const struct addr *v, size_t n, uint32_t ttl,
    size_t max);

/* The shown form of whatever name the question holds; never empty. */
void dns_question_shown(const struct dns_query *q, struct buf *out);

#endif
