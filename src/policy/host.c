/*
 * host: host selectors and networks, normalised.  Strict, because a host that
 * the proxy would never let through is a rule that silently does nothing.
 */
#include <arpa/inet.h>

#include "policy/model.h"

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Letters, digits and inner hyphens; RFC 1123 section 2.1. */
static bool
is_ldh(struct view label)
{
	if (label.n == 0 || label.n > 63 || !is_alnum(label.p[0]) ||
	    !is_alnum(label.p[label.n - 1]))
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!is_alnum(label.p[i]) && label.p[i] != '-')
			return false;
	return true;
}

/*
 * Attack: resolvers read 127.1, 0x7f.1 and 2130706433 as addresses.  No name
 * has a last label that begins like a number (RFC 3696 section 2).
 */
static bool
is_name(struct view v)
{
	struct view rest = v, label = { 0 };

	do {
		label = view_cut(rest, '.', &rest);
		if (!is_ldh(label))
			return false;
	} while (rest.p != NULL);
	return !(label.p[0] >= '0' && label.p[0] <= '9');
}

static bool
normalise_address(struct p_host *h)
{
	unsigned char a[16];

	if (inet_pton(AF_INET, h->text, a) == 1)
		return true; /* has one spelling only */
	if (inet_pton(AF_INET6, h->text, a) != 1)
		return false;
	inet_ntop(AF_INET6, a, h->text, sizeof(h->text));
	h->n = strlen(h->text);
	return true;
}

int
p_host_normalise(struct view v, struct p_host *out)
{
	if (v.n > 2 && v.p[0] == '[' && v.p[v.n - 1] == ']')
		v = view_slice(v, 1, v.n - 1);
	else if (v.n > 1 && v.p[v.n - 1] == '.')
		v.n--;
	if (v.n == 0 || v.n > P_HOST_MAX || memchr(v.p, '\0', v.n) != NULL)
		return -1;
	for (size_t i = 0; i < v.n; i++)
		out->text[i] = v.p[i] >= 'A' && v.p[i] <= 'Z'
				   ? (char)(v.p[i] + 32)
				   : v.p[i];
	out->text[v.n] = '\0';
	out->n = v.n;
	return normalise_address(out) ||
		       is_name((struct view) { out->text, out->n })
		   ? 0
		   : -1;
}

bool
p_host_is_address(struct view host)
{
	return !is_name(host);
}

/*
 * "us-*.api.example.com": the name behind the first label must be one of two
 * labels at least (Attack: "*-x.com" takes in names that anybody can buy).
 */
static int
label_selector(struct view v, struct p_host *name)
{
	struct view rest, label = view_cut(v, '.', &rest), behind;
	struct p_host parent;

	if (label.n > 63 || view_ends(label, VIEW("-")) ||
	    view_starts(label, VIEW("-")) ||
	    p_host_normalise(rest, &parent) < 0)
		return -1;
	behind = (struct view) { parent.text, parent.n };
	if (view_find(behind, '.') < 0 || !is_name(behind) ||
	    label.n + 1 + parent.n > P_HOST_MAX)
		return -1;
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];

		c = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
		if (!is_alnum(c) && c != '-' && c != '*')
			return -1;
		name->text[i] = c;
	}
	name->text[label.n] = '.';
	memcpy(name->text + label.n + 1, parent.text, parent.n + 1);
	name->n = label.n + 1 + parent.n;
	return 0;
}

bool
p_host_is_name(const struct p_host *h)
{
	return is_name((struct view) { h->text, h->n });
}

int
p_host_selector(struct view v, enum p_hostkind *kind, struct p_host *name)
{
	struct view rest, label = view_cut(v, '.', &rest);

	*kind = HOST_EXACT;
	if (v.n == 0) {
		*kind = HOST_ANY;
		*name = (struct p_host) { 0 };
		return 0;
	}
	if (view_starts(v, VIEW("**."))) {
		*kind = HOST_GLOBSTAR;
		v = view_slice(v, 3, v.n);
	} else if (view_starts(v, VIEW("*."))) {
		*kind = HOST_STAR;
		v = view_slice(v, 2, v.n);
	} else if (view_find(label, '*') >= 0) {
		*kind = HOST_LABEL;
		return label_selector(v, name);
	}
	if (p_host_normalise(v, name) < 0)
		return -1;
	/* An address has no labels for a wildcard to stand for. */
	if (*kind != HOST_EXACT &&
	    !is_name((struct view) { name->text, name->n }))
		return -1;
	return 0;
}

void
p_net_mask(struct policy_net *n)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = n->prefix > 8 * i ? n->prefix - 8 * i : 0;

		if (keep < 8)
			n->addr[i] &= (uint8_t)(0xff00 >> keep);
	}
}

int
p_net_parse(struct view v, struct policy_net *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct view bits, ip = view_cut(v, '/', &bits);
	char text[64];
	uint64_t n;

	*out = (struct policy_net) { 0 };
	if (ip.n == 0 || ip.n >= sizeof(text) ||
	    memchr(ip.p, '\0', ip.n) != NULL)
		return -1;
	memcpy(text, ip.p, ip.n);
	text[ip.n] = '\0';
	if (inet_pton(AF_INET, text, out->addr) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, text, out->addr) == 1)
		out->family = 6;
	else
		return -1;
	n = out->family == 4 ? 32 : 128;
	if (bits.p != NULL && !view_u64(bits, n, &n))
		return -1;
	out->prefix = (uint8_t)n;
	p_net_mask(out);
	if (out->family == 6 && out->prefix >= 96 &&
	    memcmp(out->addr, mapped, sizeof(mapped)) == 0) {
		memmove(out->addr, out->addr + 12, 4);
		memset(out->addr + 4, 0, 12);
		out->family = 4;
		out->prefix -= 96;
	}
	return 0;
}
