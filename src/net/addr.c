/*
 * addr: see addr.h.
 *
 * Classification is one table of ranges, each with the class it gives and,
 * when the range carries an IPv4 address of its own, where that sits.  Attack:
 * reaching the host, its network or a cloud's metadata service through a
 * spelling of the address that a shorter table does not know.
 */
#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Four decimal octets, no leading zeros (inet_aton reads those as octal). */
static bool
parse_v4(struct view v, uint8_t out[4])
{
	for (int i = 0; i < 4; i++) {
		struct view part = view_cut(v, '.', &v);
		uint64_t n;

		if (part.n == 0 || part.n > 3 || !view_u64(part, 255, &n) ||
		    (part.n > 1 && part.p[0] == '0') ||
		    (v.p == NULL) != (i == 3))
			return false;
		out[i] = (uint8_t)n;
	}
	return true;
}

bool
addr_parse(struct view v, struct addr *out)
{
	struct addr a = { .family = 4 };
	char text[ADDR_TEXT_MAX];

	if (v.n == 0 || v.n >= sizeof(text))
		return false;
	if (view_find(v, ':') < 0) {
		if (!parse_v4(v, a.b))
			return false;
		*out = a;
		return true;
	}
	for (size_t i = 0; i < v.n; i++)
		if (strchr("0123456789abcdefABCDEF:.", v.p[i]) == NULL ||
		    v.p[i] == '\0')
			return false;
	memcpy(text, v.p, v.n);
	text[v.n] = '\0';
	a.family = 6;
	if (inet_pton(AF_INET6, text, a.b) != 1)
		return false;
	*out = a;
	return true;
}

const char *
addr_format(const struct addr *a, char out[ADDR_TEXT_MAX])
{
	if (inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, out,
		ADDR_TEXT_MAX) == NULL)
		(void)snprintf(out, ADDR_TEXT_MAX, "?");
	return out;
}

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

struct addr
addr_unmap(struct addr a)
{
	struct addr v4 = { .family = 4 };

	if (a.family != 6 || memcmp(a.b, mapped_prefix, 12) != 0)
		return a;
	memcpy(v4.b, a.b + 12, 4);
	return v4;
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return a->family == b->family &&
	       memcmp(a->b, b->b, a->family == 4 ? 4 : 16) == 0;
}

bool
addr_is_loopback(const struct addr *given)
{
	static const struct addr one = { .family = 6, .b = { [15] = 1 } };
	struct addr a = addr_unmap(*given);

	return a.family == 4 ? a.b[0] == 127 : addr_eq(&a, &one);
}

bool
addr_from_sockaddr(const struct sockaddr *sa, struct addr *out, uint16_t *port)
{
	*out = (struct addr) { 0 };
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		out->family = 4;
		memcpy(out->b, &in.sin_addr, 4);
		*port = ntohs(in.sin_port);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		out->family = 6;
		memcpy(out->b, &in6.sin6_addr, 16);
		*port = ntohs(in6.sin6_port);
		return true;
	}
	return false;
}

socklen_t
addr_to_sockaddr(
    const struct addr *a, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };

	memset(out, 0, sizeof(*out));
	if (a->family == 4) {
		memcpy(&in.sin_addr, a->b, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, a->b, 16);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

static bool
prefix_eq(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

int
addr_net_parse(struct view v, struct addr_net *out, struct err *e)
{
	struct view bits, text = view_cut(v, '/', &bits);
	struct addr_net net = { 0 };
	uint64_t n;

	if (!addr_parse(text, &net.base))
		return err_set(e, ERR_INVALID, "invalid CIDR/IP");
	n = net.base.family == 4 ? 32 : 128;
	if (bits.p != NULL &&
	    (!view_u64(bits, n, &n) || (bits.n > 1 && bits.p[0] == '0')))
		return err_set(e, ERR_INVALID, "invalid CIDR/IP");
	if (n >= 96 && net.base.family == 6 &&
	    memcmp(net.base.b, mapped_prefix, 12) == 0) {
		net.base = addr_unmap(net.base);
		n -= 96;
	}
	net.bits = (uint8_t)n;
	for (unsigned i = 0; i < 16; i++) {
		if (i * 8 >= n)
			net.base.b[i] = 0;
		else if (n - i * 8 < 8)
			net.base.b[i] &= (uint8_t)(0xff << (8 - (n - i * 8)));
	}
	*out = net;
	return 0;
}

bool
addr_in_net(const struct addr *a, const struct addr_net *net)
{
	struct addr u = addr_unmap(*a);

	return u.family == net->base.family &&
	       prefix_eq(u.b, net->base.b, net->bits);
}

/* Where a range keeps the IPv4 address that packets really go to. */
enum embed {
	EMBED_NONE,
	EMBED_LAST, /* bytes 12..15: IPv4-mapped, NAT64 /96 */
	EMBED_6TO4, /* bytes 2..5, RFC 3056 */
	EMBED_TEREDO, /* server in 4..7, client in 12..15 inverted, RFC 4380 */
	EMBED_NAT64_48 /* RFC 6052 section 2.2 for /48 to /96, RFC 8215 */
};

struct range {
	const char *name;
	uint8_t bits;
	uint8_t class; /* enum addr_class */
	uint8_t embed; /* enum embed; classified as well, the worst counts */
	uint8_t b[16];
};

static const struct range v4_ranges[] = {
	{ "this network", 8, ADDR_BLOCKED, EMBED_NONE, { 0 } },
	{ "loopback", 8, ADDR_BLOCKED, EMBED_NONE, { 127 } },
	{ "link-local", 16, ADDR_BLOCKED, EMBED_NONE, { 169, 254 } },
	{ "cloud metadata", 32, ADDR_BLOCKED, EMBED_NONE,
	    { 100, 100, 100, 200 } },
	{ "cloud metadata", 32, ADDR_BLOCKED, EMBED_NONE,
	    { 168, 63, 129, 16 } },
	{ "multicast", 4, ADDR_BLOCKED, EMBED_NONE, { 224 } },
	{ "reserved", 4, ADDR_BLOCKED, EMBED_NONE, { 240 } },
	{ "private", 8, ADDR_INTERNAL, EMBED_NONE, { 10 } },
	{ "private", 12, ADDR_INTERNAL, EMBED_NONE, { 172, 16 } },
	{ "private", 16, ADDR_INTERNAL, EMBED_NONE, { 192, 168 } },
	{ "carrier-grade NAT", 10, ADDR_INTERNAL, EMBED_NONE, { 100, 64 } },
	{ "IETF protocol", 24, ADDR_INTERNAL, EMBED_NONE, { 192, 0, 0 } },
	{ "documentation", 24, ADDR_INTERNAL, EMBED_NONE, { 192, 0, 2 } },
	{ "benchmarking", 15, ADDR_INTERNAL, EMBED_NONE, { 198, 18 } },
	{ "documentation", 24, ADDR_INTERNAL, EMBED_NONE, { 198, 51, 100 } },
	{ "documentation", 24, ADDR_INTERNAL, EMBED_NONE, { 203, 0, 113 } },
};

/* The first that matches decides, so narrower ranges stand before wider. */
static const struct range v6_ranges[] = {
	{ "IPv4-mapped", 96, ADDR_PUBLIC, EMBED_LAST,
	    { [10] = 0xff, [11] = 0xff } },
	/* ::, ::1 and the IPv4-compatible addresses of RFC 4291 2.5.5.1 */
	{ "loopback or IPv4-compatible", 96, ADDR_BLOCKED, EMBED_NONE, { 0 } },
	/* RFC 2765: ::ffff:0:a.b.c.d */
	{ "IPv4-translated", 96, ADDR_INTERNAL, EMBED_LAST,
	    { [8] = 0xff, [9] = 0xff } },
	{ "NAT64", 96, ADDR_PUBLIC, EMBED_LAST, { 0, 0x64, 0xff, 0x9b } },
	{ "local NAT64", 48, ADDR_INTERNAL, EMBED_NAT64_48,
	    { 0, 0x64, 0xff, 0x9b, 0, 1 } },
	{ "discard", 64, ADDR_INTERNAL, EMBED_NONE, { 1 } },
	{ "Teredo", 32, ADDR_PUBLIC, EMBED_TEREDO, { 0x20, 1 } },
	{ "documentation", 32, ADDR_INTERNAL, EMBED_NONE,
	    { 0x20, 1, 0x0d, 0xb8 } },
	{ "6to4", 16, ADDR_PUBLIC, EMBED_6TO4, { 0x20, 2 } },
	{ "documentation", 20, ADDR_INTERNAL, EMBED_NONE, { 0x3f, 0xff } },
	{ "cloud metadata", 128, ADDR_BLOCKED, EMBED_NONE,
	    { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 } },
	{ "unique local", 7, ADDR_INTERNAL, EMBED_NONE, { 0xfc } },
	{ "link-local", 10, ADDR_BLOCKED, EMBED_NONE, { 0xfe, 0x80 } },
	{ "site-local", 10, ADDR_INTERNAL, EMBED_NONE, { 0xfe, 0xc0 } },
	{ "multicast", 8, ADDR_BLOCKED, EMBED_NONE, { 0xff } },
};

static const struct range *
range_of(const uint8_t *b, const struct range *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_eq(b, t[i].b, t[i].bits))
			return &t[i];
	return NULL;
}

/* Raises *worst to the class of the IPv4 address in b. */
static void
worsen_v4(const uint8_t b[4], enum addr_class *worst, const char **range)
{
	const struct range *r = range_of(b, v4_ranges, ARRAY_LEN(v4_ranges));

	if (r != NULL && r->class > *worst) {
		*worst = (enum addr_class)r->class;
		*range = r->name;
	}
}

/*
 * RFC 8215 leaves the prefix length to the operator, so each form of RFC 6052
 * is tried.  All-zero candidates are padding of the other forms.
 */
static void
worsen_nat64_48(const uint8_t b[16], enum addr_class *worst, const char **range)
{
	static const uint8_t at[][4] = { { 6, 7, 9, 10 }, { 7, 9, 10, 11 },
		{ 9, 10, 11, 12 }, { 12, 13, 14, 15 } };
	static const uint8_t zero[4];

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		uint8_t v4[4] = { b[at[i][0]], b[at[i][1]], b[at[i][2]],
			b[at[i][3]] };

		if (memcmp(v4, zero, 4) != 0)
			worsen_v4(v4, worst, range);
	}
}

enum addr_class
addr_class(const struct addr *a, const char **range)
{
	enum addr_class worst = ADDR_PUBLIC;
	const char *name = "public";
	const struct range *r;

	if (a->family == 4) {
		worsen_v4(a->b, &worst, &name);
	} else if ((r = range_of(a->b, v6_ranges, ARRAY_LEN(v6_ranges))) !=
		   NULL) {
		uint8_t client[4] = { a->b[12] ^ 0xff, a->b[13] ^ 0xff,
			a->b[14] ^ 0xff, a->b[15] ^ 0xff };

		worst = (enum addr_class)r->class;
		if (worst != ADDR_PUBLIC)
			name = r->name;
		switch ((enum embed)r->embed) {
		case EMBED_NONE:
			break;
		case EMBED_LAST:
			worsen_v4(a->b + 12, &worst, &name);
			break;
		case EMBED_6TO4:
			worsen_v4(a->b + 2, &worst, &name);
			break;
		case EMBED_TEREDO:
			worsen_v4(a->b + 4, &worst, &name);
			worsen_v4(client, &worst, &name);
			break;
		case EMBED_NAT64_48:
			worsen_nat64_48(a->b, &worst, &name);
			break;
		}
	}
	if (range != NULL)
		*range = name;
	return worst;
}

bool
addr_port_blocked(uint16_t port)
{
	static const uint16_t ports[] = { 2379, 2380, 6443, 10250, 10255 };

	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		if (ports[i] == port)
			return true;
	return false;
}
