/*
 * authority: host and port of a CONNECT target, a Host field or an absolute
 * URI, RFC 3986 section 3.2; declared in target.h.
 *
 * One spelling a host: lower case, IPv6 in RFC 5952 form, no trailing dot.
 * What a resolver might read differently from policy is refused here.
 * Attack: A01 to A10, naming an internal address or a second host.
 */
#include "http/target.h"

#include <string.h>

#include "net/addr.h"

enum { LABEL_MAX = 63 };

static bool
is_ldh(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool
all_digits(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
	return v.n > 0;
}

/* A last label that inet_aton would take for a number: digits, or 0x. */
static bool
is_numeric_label(struct view v)
{
	return all_digits(v) ||
	       (v.n >= 2 && v.p[0] == '0' && (v.p[1] == 'x' || v.p[1] == 'X'));
}

/* `host` is lower case and has no trailing dot. */
static int
check_name(struct view host, struct err *e)
{
	struct view label = { NULL, 0 };

	while (host.p != NULL) {
		label = view_cut(host, '.', &host);
		if (label.n == 0 || label.n > LABEL_MAX)
			return err_set(e, ERR_INVALID,
			    "host has an empty or overlong label");
		for (size_t i = 0; i < label.n; i++)
			if (!is_ldh((unsigned char)label.p[i]))
				return err_set(e, ERR_INVALID,
				    "host holds a byte that no name has");
		if (label.p[0] == '-' || label.p[label.n - 1] == '-')
			return err_set(e, ERR_INVALID,
			    "host has a label that begins or ends with '-'");
	}
	if (is_numeric_label(label))
		return err_set(
		    e, ERR_INVALID, "host is a numeric spelling of an address");
	return 0;
}

/* The host without brackets into out->host. */
static int
put_host(struct view v, bool bracketed, struct authority *out, struct err *e)
{
	struct addr a;

	if (addr_parse(v, &a)) {
		if ((a.family == 6) != bracketed)
			return err_set(e, ERR_INVALID,
			    "an IPv6 address, and nothing else, is written in "
			    "brackets");
		out->literal = true;
		(void)addr_format(&a, out->host);
		return 0;
	}
	if (bracketed)
		return err_set(e, ERR_INVALID, "not an IPv6 address");
	if (v.n > 1 && v.p[v.n - 1] == '.')
		v.n--;
	if (v.n == 0 || v.n > HOST_MAX)
		return err_set(e, ERR_INVALID, "host is empty or too long");
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		out->host[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	out->host[v.n] = '\0';
	out->literal = false;
	return check_name((struct view) { out->host, v.n }, e);
}

int
authority_parse(
    struct view v, uint16_t default_port, struct authority *out, struct err *e)
{
	struct authority a = { .port = default_port };
	struct view host, port = { NULL, 0 };
	bool bracketed = v.n > 0 && v.p[0] == '[';
	uint64_t n;

	if (bracketed) {
		ssize_t end = view_find(v, ']');

		if (end < 0)
			return err_set(e, ERR_INVALID, "host lacks its ']'");
		host = view_slice(v, 1, (size_t)end);
		v = view_slice(v, (size_t)end + 1, v.n);
		if (v.n > 0 && v.p[0] != ':')
			return err_set(
			    e, ERR_INVALID, "only a port may follow ']'");
		if (v.n > 0)
			port = view_slice(v, 1, v.n);
	} else {
		host = view_cut(v, ':', &port);
	}
	if (port.p != NULL) {
		if (port.n > 5 || !view_u64(port, 65535, &n) ||
		    port.p[0] == '0')
			return err_set(e, ERR_INVALID,
			    "port is not a number from 1 to 65535");
		a.port = (uint16_t)n;
	}
	if (a.port == 0)
		return err_set(e, ERR_INVALID, "port is missing");
	if (put_host(host, bracketed, &a, e) < 0)
		return -1;
	*out = a;
	return 0;
}

int
absolute_parse(struct view v, bool *https, struct authority *out,
    struct view *rest, struct buf *scratch, struct err *e)
{
	struct view authority;
	bool tls = false;
	size_t end;

	if (v.n >= 7 && view_eq_nocase(view_slice(v, 0, 7), VIEW("http://"))) {
		v = view_slice(v, 7, v.n);
	} else if (v.n >= 8 &&
		   view_eq_nocase(view_slice(v, 0, 8), VIEW("https://"))) {
		v = view_slice(v, 8, v.n);
		tls = true;
	} else {
		return err_set(e, ERR_INVALID,
		    "request-target is neither a path nor an http URI");
	}
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c <= 0x20 || c >= 0x7f || c == '#')
			return err_set(e, ERR_INVALID,
			    "URI holds a fragment or a byte no URI has");
	}
	for (end = 0; end < v.n && v.p[end] != '/' && v.p[end] != '?'; end++)
		;
	authority = view_slice(v, 0, end);
	if (view_find(authority, '@') >= 0)
		return err_set(e, ERR_INVALID, "URI carries user information");
	if (authority_parse(authority, tls ? 443 : 80, out, e) < 0)
		return -1;
	*https = tls;
	*rest = view_slice(v, end, v.n);
	if (rest->n == 0) {
		*rest = VIEW("/");
	} else if (rest->p[0] == '?') {
		buf_reset(scratch);
		buf_putc(scratch, '/');
		buf_put(scratch, *rest);
		if (scratch->full)
			return err_set(e, ERR_LIMIT, "URI is too long");
		*rest = buf_view(scratch);
	}
	return 0;
}
