/*
 * dnsmsg: see dnsmsg.h.
 *
 * Attack: compression loops.  A pointer is never followed: in a question
 * nothing lies before the name that it could point to, so there it is an
 * error; in the records that a query may carry along (EDNS, TSIG) it ends the
 * name, which nobody reads.
 */
#include "net/dnsmsg.h"

#include <string.h>

enum {
	HEADER = 12,
	QR = 0x8000,
	OPCODE = 0x7800,
	OPCODE_SHIFT = 11,
	AA = 0x0400,
	TC = 0x0200,
	RD = 0x0100,
	RA = 0x0080,
	LABEL_MAX = 63,
	POINTER = 0xc0,
	OPT_BYTES = 11,
	NAME_AT_QUESTION = 0xc000 | HEADER
};

static bool
is_host_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

/* One label as text; false when it is no part of a host name. */
static bool
put_label(char *text, size_t *at, struct view label)
{
	if (*at > 0)
		text[(*at)++] = '.';
	for (size_t i = 0; i < label.n; i++) {
		unsigned char c = (unsigned char)label.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c + 32);
		if (!is_host_char(c))
			return false;
		text[(*at)++] = (char)c;
	}
	return true;
}

/* The name of a question.  The text fits: it is shorter than the wire form. */
static int
parse_name(struct rd *r, char text[DNS_TEXT_MAX + 1], struct err *e)
{
	size_t wire = 1, at = 0;
	bool host = true;

	for (;;) {
		uint8_t n = rd_u8(r);
		struct view label;

		if (n == 0)
			break;
		if (n > LABEL_MAX)
			return err_set(
			    e, ERR_PROTO, "label longer than 63, or a pointer");
		wire += 1u + n;
		if (wire > DNS_NAME_MAX)
			return err_set(e, ERR_PROTO, "name longer than 255");
		label = rd_view(r, n);
		if (r->bad)
			break;
		host = host && put_label(text, &at, label);
	}
	text[host ? at : 0] = '\0';
	return r->bad ? err_set(e, ERR_PROTO, "name is cut short") : 0;
}

/* A name that nobody reads, up to its end or a pointer; *root: it is empty. */
static bool
skip_name(struct rd *r, bool *root)
{
	size_t wire = 1;

	*root = false;
	for (;;) {
		uint8_t n = rd_u8(r);

		if (n == 0) {
			*root = wire == 1;
			return !r->bad;
		}
		if ((n & POINTER) == POINTER) {
			(void)rd_u8(r);
			return !r->bad;
		}
		wire += 1u + n;
		if (n > LABEL_MAX || wire > DNS_NAME_MAX)
			return false;
		(void)rd_view(r, n);
	}
}

/* A record of the additional section; only OPT (RFC 6891) says anything. */
static int
parse_extra(
    struct rd *r, struct dns_query *q, enum dns_rcode *rcode, struct err *e)
{
	bool root;
	uint16_t type;
	uint32_t ttl;

	if (!skip_name(r, &root))
		return err_set(e, ERR_PROTO, "malformed additional record");
	type = rd_be16(r);
	(void)rd_be16(r); /* what its sender takes; ours are small */
	ttl = rd_be32(r);
	(void)rd_view(r, rd_be16(r));
	if (r->bad)
		return err_set(e, ERR_PROTO, "additional record is cut short");
	if (type != DNS_OPT)
		return 0;
	if (!root || q->edns)
		return err_set(
		    e, ERR_PROTO, "a second OPT, or one with a name");
	q->edns = true;
	if ((ttl >> 16 & 0xff) != 0)
		*rcode = DNS_BADVERS;
	return 0;
}

static int
parse_question(struct rd *r, struct dns_query *q, struct view msg,
    enum dns_rcode *rcode, struct err *e)
{
	uint16_t class;

	if (parse_name(r, q->name, e) < 0)
		return -1;
	q->type = rd_be16(r);
	class = rd_be16(r);
	if (r->bad)
		return err_set(e, ERR_PROTO, "question is cut short");
	q->question = view_slice(msg, HEADER, msg.n - r->n);
	/* Chaos, Hesiod and ANY tell about servers, not about hosts. */
	if (class != DNS_IN) {
		*rcode = DNS_REFUSED;
		return err_set(e, ERR_PROTO, "class %u is not IN", class);
	}
	return 0;
}

/* What follows the header. */
static int
parse_body(struct rd *r, struct dns_query *q, struct view msg,
    enum dns_rcode *rcode, struct err *e)
{
	uint16_t questions = rd_be16(r), answers = rd_be16(r),
		 authority = rd_be16(r), extra = rd_be16(r);

	if (q->opcode != 0) {
		*rcode = DNS_NOTIMP;
		return err_set(e, ERR_PROTO, "opcode %u", q->opcode);
	}
	if (questions != 1 || answers != 0 || authority != 0 ||
	    extra > DNS_EXTRA_MAX)
		return err_set(
		    e, ERR_PROTO, "a query has one question and no answers");
	if (parse_question(r, q, msg, rcode, e) < 0)
		return -1;
	for (unsigned i = 0; i < extra; i++)
		if (parse_extra(r, q, rcode, e) < 0)
			return -1;
	if (!rd_end(r))
		return err_set(e, ERR_PROTO, "bytes after the message");
	return *rcode == DNS_NOERROR
		   ? 0
		   : err_set(e, ERR_PROTO, "EDNS version is not 0");
}

int
dns_query_parse(struct view msg, struct dns_query *out, enum dns_rcode *rcode,
    struct err *e)
{
	struct rd r = rd_of(msg);
	uint16_t flags;

	*out = (struct dns_query) { 0 };
	*rcode = DNS_NOERROR;
	if (msg.n < HEADER)
		return err_set(e, ERR_PROTO, "shorter than a header");
	out->id = rd_be16(&r);
	flags = rd_be16(&r);
	if (flags & QR)
		return err_set(e, ERR_PROTO, "an answer, not a query");
	out->rd = (flags & RD) != 0;
	out->opcode = (uint8_t)((flags & OPCODE) >> OPCODE_SHIFT);
	if (flags & TC) {
		*rcode = DNS_FORMERR;
		(void)err_set(e, ERR_PROTO, "a query that was cut short");
		return 0;
	}
	if (parse_body(&r, out, msg, rcode, e) < 0 && *rcode == DNS_NOERROR)
		*rcode = DNS_FORMERR;
	return 0;
}

static void
put16(struct buf *b, unsigned v)
{
	buf_putc(b, (char)(v >> 8));
	buf_putc(b, (char)v);
}

static void
put32(struct buf *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b, v & 0xffff);
}

static void
put_address(struct buf *b, const struct addr *a, uint32_t ttl)
{
	size_t len = a->family == 4 ? 4 : 16;

	put16(b, NAME_AT_QUESTION);
	put16(b, a->family == 4 ? DNS_A : DNS_AAAA);
	put16(b, DNS_IN);
	put32(b, ttl);
	put16(b, (unsigned)len);
	buf_put(b, (struct view) { (const char *)a->b, len });
}

void
dns_answer_put(struct buf *out, const struct dns_query *q, enum dns_rcode rcode,
    const struct addr *v, size_t n, uint32_t ttl, size_t max)
{
	size_t used = HEADER + q->question.n + (q->edns ? OPT_BYTES : 0);
	size_t fit = 0;
	unsigned flags = QR | AA | RA | (q->rd ? RD : 0) |
			 (unsigned)q->opcode << OPCODE_SHIFT | (rcode & 0xf);

	if (rcode != DNS_NOERROR || q->question.n == 0)
		n = 0;
	for (; fit < n; fit++) {
		size_t record = 12u + (v[fit].family == 4 ? 4 : 16);

		if (used + record > max)
			break;
		used += record;
	}
	put16(out, q->id);
	put16(out, flags | (fit < n ? TC : 0));
	put16(out, q->question.n > 0);
	put16(out, (unsigned)fit);
	put16(out, 0);
	put16(out, q->edns);
	buf_put(out, q->question);
	for (size_t i = 0; i < fit; i++)
		put_address(out, &v[i], ttl);
	if (!q->edns)
		return;
	buf_putc(out, '\0');
	put16(out, DNS_OPT);
	put16(out, DNS_EDNS_MAX);
	put32(out, (uint32_t)rcode >> 4 << 24);
	put16(out, 0);
}

void
dns_question_shown(const struct dns_query *q, struct buf *out)
{
	struct rd r = rd_of(q->question);
	size_t before = out->n;

	for (;;) {
		uint8_t n = rd_u8(&r);
		struct view label = rd_view(&r, n);

		if (n == 0 || r.bad)
			break;
		if (out->n > before)
			buf_putc(out, '.');
		for (size_t i = 0; i < label.n; i++) {
			unsigned char c = (unsigned char)label.p[i];

			if (is_host_char(c | (c >= 'A' && c <= 'Z' ? 32 : 0)))
				buf_putc(out, (char)c);
			else
				buf_printf(out, "\\%03u", c); /* section 5.1 */
		}
	}
	if (out->n == before)
		buf_putc(out, '.');
}
