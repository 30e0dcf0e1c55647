#include "http/h2map.h"

#include "http/grpc.h"
#include "http/h1_chars.h"

enum { FIELD_OVERHEAD = 32 /* RFC 9113 section 6.5.2 */ };

void
h2_list_reset(struct h2_list *l)
{
	l->bytes.max = H2_LIST_MAX;
	buf_reset(&l->bytes);
	l->n = l->size = 0;
	l->over = false;
}

void
h2_list_fini(struct h2_list *l)
{
	buf_fini(&l->bytes);
}

bool
h2_list_add(struct h2_list *l, struct view name, struct view value)
{
	size_t at = l->bytes.n;

	l->size += name.n + value.n + FIELD_OVERHEAD;
	if (l->n == H2_FIELDS_MAX || l->size > H2_LIST_MAX) {
		l->over = true;
		return false;
	}
	buf_put(&l->bytes, name);
	buf_put(&l->bytes, value);
	l->v[l->n].at = (uint32_t)at;
	l->v[l->n].name_n = (uint32_t)name.n;
	l->v[l->n++].value_n = (uint32_t)value.n;
	return true;
}

static struct h1_field
field_at(const struct h2_list *l, size_t i)
{
	const char *p = l->bytes.p + l->v[i].at;
	size_t n = l->v[i].name_n;

	return (struct h1_field) { { p, n }, { p + n, l->v[i].value_n } };
}

/* ---- checks ------------------------------------------------------------ */

/* Fields that are of a connection, RFC 9113 section 8.2.2. */
static bool
of_connection(struct view name)
{
	static const struct view names[] = { VIEW("connection"),
		VIEW("proxy-connection"), VIEW("keep-alive"),
		VIEW("transfer-encoding"), VIEW("upgrade"),
		VIEW("http2-settings") };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (view_eq_nocase(name, names[i]))
			return true;
	return false;
}

static int
check_field(struct h1_field f, struct err *e)
{
	if (f.name.n == 0 || !h1_all(f.name, CH_TOKEN))
		return err_set(e, ERR_PROTO, "malformed field name");
	for (size_t i = 0; i < f.name.n; i++)
		if (f.name.p[i] >= 'A' && f.name.p[i] <= 'Z')
			return err_set(
			    e, ERR_PROTO, "field name with a capital letter");
	if (!h1_all(f.value, CH_VALUE))
		return err_set(
		    e, ERR_PROTO, "field value holds a control byte");
	if (view_trim(f.value).n != f.value.n)
		return err_set(
		    e, ERR_PROTO, "field value begins or ends with a blank");
	if (of_connection(f.name))
		return err_set(e, ERR_PROTO,
		    "field %.*s is of a connection of HTTP/1.1",
		    (int)MIN(f.name.n, (size_t)32), f.name.p);
	if (view_eq(f.name, VIEW("te")) &&
	    !view_eq_nocase(f.value, VIEW("trailers")))
		return err_set(e, ERR_PROTO, "TE is not trailers");
	return 0;
}

static int
parse_length(struct view v, bool *has, uint64_t *length, struct err *e)
{
	if (*has || v.n > 18 || !view_u64(v, UINT64_MAX, length))
		return err_set(
		    e, ERR_PROTO, "malformed or repeated content-length");
	*has = true;
	return 0;
}

/* ---- lists to heads ---------------------------------------------------- */

/* The pseudo-header fields of a list, which come first. */
struct pseudo {
	struct view method, scheme, authority, path, status, protocol;
	size_t n; /* of them */
};

static int
take_pseudo(const struct h2_list *l, struct pseudo *p, struct err *e)
{
	struct {
		struct view name;
		struct view *to;
	} known[] = {
		{ VIEW(":method"), &p->method },
		{ VIEW(":scheme"), &p->scheme },
		{ VIEW(":authority"), &p->authority },
		{ VIEW(":path"), &p->path },
		{ VIEW(":status"), &p->status },
		{ VIEW(":protocol"), &p->protocol },
	};

	*p = (struct pseudo) { 0 };
	for (; p->n < l->n; p->n++) {
		struct h1_field f = field_at(l, p->n);
		size_t i = 0;

		if (f.name.n == 0 || f.name.p[0] != ':')
			break;
		while (i < ARRAY_LEN(known) && !view_eq(f.name, known[i].name))
			i++;
		if (i == ARRAY_LEN(known) || known[i].to->p != NULL)
			return err_set(e, ERR_PROTO,
			    "unknown or repeated pseudo-header field");
		*known[i].to = f.value;
	}
	return 0;
}

static void
put_line(struct buf *out, struct view name, struct view value)
{
	buf_put(out, name);
	buf_put(out, VIEW(": "));
	buf_put(out, value);
	buf_put(out, VIEW("\r\n"));
}

static void
put_length(struct buf *out, uint64_t n)
{
	buf_printf(out, "content-length: %llu\r\n", (unsigned long long)n);
}

/* A server reads one Cookie only: RFC 9113 section 8.2.3. */
static void
put_cookies(const struct h2_list *l, size_t from, struct buf *out)
{
	bool first = true;

	for (size_t i = from; i < l->n; i++) {
		struct h1_field f = field_at(l, i);

		if (!view_eq(f.name, VIEW("cookie")))
			continue;
		buf_put(out, first ? VIEW("cookie: ") : VIEW("; "));
		buf_put(out, f.value);
		first = false;
	}
	if (!first)
		buf_put(out, VIEW("\r\n"));
}

/* The fields behind the pseudo ones; framing and Host are told, not written. */
struct seen {
	bool has_length, has_host;
	uint64_t length;
	struct view host;
};

static int
put_fields(const struct h2_list *l, size_t from, bool request, struct buf *out,
    struct seen *s, struct err *e)
{
	bool cookies = false;

	*s = (struct seen) { 0 };
	for (size_t i = from; i < l->n; i++) {
		struct h1_field f = field_at(l, i);

		if (check_field(f, e) < 0)
			return -1;
		if (view_eq(f.name, VIEW("content-length"))) {
			if (parse_length(
				f.value, &s->has_length, &s->length, e) < 0)
				return -1;
		} else if (request && view_eq(f.name, VIEW("host"))) {
			if (s->has_host)
				return err_set(e, ERR_PROTO, "repeated host");
			s->has_host = true;
			s->host = f.value;
		} else if (request && view_eq(f.name, VIEW("cookie"))) {
			if (!cookies)
				put_cookies(l, i, out);
			cookies = true;
		} else {
			put_line(out, f.name, f.value);
		}
	}
	return 0;
}

static int
check_request_line(const struct pseudo *p, struct view scheme, struct err *e)
{
	if (p->status.p != NULL || p->method.n == 0 ||
	    !h1_all(p->method, CH_TOKEN))
		return err_set(e, ERR_PROTO, "malformed :method");
	if (p->protocol.p == NULL && view_eq_nocase(p->method, VIEW("CONNECT")))
		return err_set(e, ERR_DENIED, "CONNECT inside a tunnel");
	if (!view_eq(p->scheme, scheme))
		return err_set(
		    e, ERR_PROTO, ":scheme is not that of the connection");
	if (p->path.n == 0 || !h1_all(p->path, CH_TARGET) ||
	    (p->path.p[0] != '/' && !view_eq(p->path, VIEW("*"))))
		return err_set(e, ERR_PROTO, "malformed :path");
	return 0;
}

/* What any request has; its fields are appended. */
static int
take_request(const struct h2_list *l, struct view scheme, struct pseudo *p,
    struct seen *s, struct view *host, struct buf *fields, struct err *e)
{
	if (take_pseudo(l, p, e) < 0 || check_request_line(p, scheme, e) < 0 ||
	    put_fields(l, p->n, true, fields, s, e) < 0)
		return -1;
	*host = p->authority.p != NULL ? p->authority : s->host;
	if (host->n == 0 || !h1_all(*host, CH_TARGET))
		return err_set(e, ERR_PROTO, "no usable :authority");
	/* Attack: one is judged and the other served. */
	if (s->has_host && !view_eq_nocase(*host, s->host))
		return err_set(e, ERR_PROTO, "host differs from :authority");
	return 0;
}

static int
whole(const struct buf *out, const struct buf *fields, struct err *e)
{
	return out->full || fields->full
		   ? err_set(e, ERR_LIMIT, "the head is too long")
		   : 0;
}

int
h2_request_head(const struct h2_list *l, struct view scheme, bool end,
    bool *chunked, struct buf *out, struct err *e)
{
	AUTO_BUF struct buf fields = BUF_INIT(out->max);
	struct pseudo p;
	struct seen s;
	struct view host;

	if (take_request(l, scheme, &p, &s, &host, &fields, e) < 0)
		return -1;
	if (p.protocol.p != NULL)
		return err_set(e, ERR_PROTO, "an unexpected :protocol");
	if (end && s.has_length && s.length > 0)
		return err_set(
		    e, ERR_PROTO, "content-length without such a body");
	buf_put(out, p.method);
	buf_putc(out, ' ');
	buf_put(out, p.path);
	buf_put(out, VIEW(" HTTP/1.1\r\n"));
	put_line(out, VIEW("host"), host);
	buf_put(out, buf_view(&fields));
	*chunked = !end && !s.has_length;
	if (s.has_length)
		put_length(out, s.length);
	else if (!end)
		buf_put(out, VIEW("transfer-encoding: chunked\r\n"));
	buf_put(out, VIEW("\r\n"));
	return whole(out, &fields, e);
}

/* ---- WebSocket, RFC 8441 ----------------------------------------------- */

static const struct view upgrade_lines =
    VIEW("upgrade: websocket\r\nconnection: upgrade\r\n");

/* Sec-WebSocket-Key and -Accept are of HTTP/1.1's handshake alone. */
static bool
of_handshake(struct view name)
{
	return view_eq_nocase(name, VIEW("sec-websocket-key")) ||
	       view_eq_nocase(name, VIEW("sec-websocket-accept"));
}

static int
check_websocket(const struct h2_list *l, const struct pseudo *p,
    const struct seen *s, bool end, struct err *e)
{
	if (end || s->has_length)
		return err_set(e, ERR_PROTO,
		    "an extended CONNECT or its answer that ends or has a "
		    "length");
	for (size_t i = p->n; i < l->n; i++)
		if (of_handshake(field_at(l, i).name))
			return err_set(e, ERR_PROTO,
			    "field %.*s has no place in HTTP/2",
			    (int)l->v[i].name_n, field_at(l, i).name.p);
	return 0;
}

bool
h2_is_extended_connect(const struct h2_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (view_eq(field_at(l, i).name, VIEW(":protocol")))
			return true;
	return false;
}

int
h2_websocket_head(const struct h2_list *l, struct view scheme, bool end,
    struct view key, struct buf *out, struct err *e)
{
	AUTO_BUF struct buf fields = BUF_INIT(out->max);
	struct pseudo p;
	struct seen s;
	struct view host;

	if (take_request(l, scheme, &p, &s, &host, &fields, e) < 0 ||
	    check_websocket(l, &p, &s, end, e) < 0)
		return -1;
	if (!view_eq(p.method, VIEW("CONNECT")) ||
	    !view_eq(p.protocol, VIEW("websocket")))
		return err_set(e, ERR_DENIED,
		    "an extended CONNECT to something other than websocket");
	buf_put(out, VIEW("GET "));
	buf_put(out, p.path);
	buf_put(out, VIEW(" HTTP/1.1\r\n"));
	put_line(out, VIEW("host"), host);
	buf_put(out, upgrade_lines);
	put_line(out, VIEW("sec-websocket-key"), key);
	buf_put(out, buf_view(&fields));
	buf_put(out, VIEW("\r\n"));
	return whole(out, &fields, e);
}

int
h2_websocket_answer(const struct h2_list *l, bool end, struct view accept,
    bool *agreed, struct buf *out, struct err *e)
{
	AUTO_BUF struct buf fields = BUF_INIT(out->max);
	struct pseudo p;
	struct seen s;

	if (take_pseudo(l, &p, e) < 0)
		return -1;
	*agreed = p.n == 1 && p.status.n == 3 && p.status.p[0] == '2';
	if (!*agreed)
		return 0;
	if (put_fields(l, p.n, false, &fields, &s, e) < 0 ||
	    check_websocket(l, &p, &s, end, e) < 0)
		return -1;
	buf_put(out, VIEW("HTTP/1.1 101 Switching Protocols\r\n"));
	buf_put(out, upgrade_lines);
	put_line(out, VIEW("sec-websocket-accept"), accept);
	buf_put(out, buf_view(&fields));
	buf_put(out, VIEW("\r\n"));
	return whole(out, &fields, e);
}

int
h2_response_head(const struct h2_list *l, struct view method, bool end,
    unsigned *status, enum h1_framing *framing, uint64_t *length,
    struct buf *out, struct err *e)
{
	AUTO_BUF struct buf fields = BUF_INIT(out->max);
	struct pseudo p;
	struct seen s;
	uint64_t n;

	if (take_pseudo(l, &p, e) < 0 ||
	    put_fields(l, p.n, false, &fields, &s, e) < 0)
		return -1;
	if (p.n != 1 || p.status.n != 3 || !view_u64(p.status, 999, &n) ||
	    n < 100)
		return err_set(e, ERR_PROTO, "malformed :status");
	if (n == 101 || (n < 200 && (end || s.has_length)))
		return err_set(e, ERR_PROTO, "no such interim response");
	*status = (unsigned)n;
	*length = s.length;
	if (view_eq(method, VIEW("HEAD")) || n < 200 || n == 204 || n == 304)
		*framing = H1_BODY_NONE;
	else if (s.has_length)
		*framing = H1_BODY_LENGTH;
	else
		*framing = H1_BODY_CHUNKED;
	if (end && *framing == H1_BODY_LENGTH && s.length > 0)
		return err_set(
		    e, ERR_PROTO, "content-length without such a body");
	buf_printf(out, "HTTP/1.1 %u %s\r\n", *status, h1_reason(*status));
	buf_put(out, buf_view(&fields));
	if (s.has_length && n != 204)
		put_length(out, s.length);
	else if (*framing == H1_BODY_CHUNKED)
		buf_put(out, VIEW("transfer-encoding: chunked\r\n"));
	buf_put(out, VIEW("\r\n"));
	return whole(out, &fields, e);
}

int
h2_trailer_lines(const struct h2_list *l, struct buf *out, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		struct h1_field f = field_at(l, i);

		if (f.name.n > 0 && f.name.p[0] == ':')
			return err_set(e, ERR_PROTO,
			    "a pseudo-header field among the trailers");
		if (check_field(f, e) < 0)
			return -1;
		if (h1_trailer_may(f.name))
			put_line(out, f.name, f.value);
	}
	return out->full ? err_set(e, ERR_LIMIT, "the trailers are too long")
			 : 0;
}

/* ---- heads to lists ---------------------------------------------------- */

static struct view
small(struct view name, struct buf *names)
{
	size_t at = names->n;

	if (!buf_reserve(names, name.n))
		return (struct view) { NULL, 0 };
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		names->p[at + i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	names->n += name.n;
	return (struct view) { names->p + at, name.n };
}

static ssize_t
put_list(const struct h1_head *h, bool trailers, struct h1_field *v, size_t n,
    struct buf *names, struct err *e)
{
	for (size_t i = 0; i < h->n_fields; i++) {
		const struct h1_field *f = &h->fields[i];
		struct view name = f->name;

		if (of_connection(name) || of_handshake(name) ||
		    view_eq_nocase(name, VIEW("te")) ||
		    (h->is_request && view_eq_nocase(name, VIEW("host"))))
			continue;
		if (trailers && !h1_trailer_may(name))
			continue;
		name = small(name, names);
		if (n == H2_FIELDS_MAX || name.p == NULL)
			return err_set(e, ERR_LIMIT, "too many fields");
		v[n++] = (struct h1_field) { name, f->value };
	}
	return (ssize_t)n;
}

/* One allocation: the views into it must not move. */
static int
make_room(const struct h1_head *h, struct buf *names, struct err *e)
{
	size_t need = 32;

	for (size_t i = 0; i < h->n_fields; i++)
		need += h->fields[i].name.n;
	return buf_reserve(names, need)
		   ? 0
		   : err_set(e, ERR_LIMIT, "the head is too long");
}

ssize_t
h2_from_request(const struct h1_head *h, struct view scheme, struct h1_field *v,
    struct buf *names, struct err *e)
{
	size_t n = 0;

	if (h->upgrade &&
	    !(h1_is_websocket(h) && view_eq(h->method, VIEW("GET"))))
		return err_set(
		    e, ERR_PROTO, "HTTP/2 has no upgrade to another protocol");
	if (make_room(h, names, e) < 0)
		return -1;
	v[n++] = (struct h1_field) { VIEW(":method"),
		h->upgrade ? VIEW("CONNECT") : h->method };
	if (h->upgrade)
		v[n++] =
		    (struct h1_field) { VIEW(":protocol"), VIEW("websocket") };
	v[n++] = (struct h1_field) { VIEW(":scheme"), scheme };
	v[n++] = (struct h1_field) { VIEW(":authority"), h->host };
	v[n++] = (struct h1_field) { VIEW(":path"), h->target };
	/* What servers of it ask for, and is true: trailers come through. */
	if (grpc_is(h))
		v[n++] = (struct h1_field) { VIEW("te"), VIEW("trailers") };
	return put_list(h, false, v, n, names, e);
}

ssize_t
h2_from_response(const struct h1_head *h, struct h1_field *v, struct buf *names,
    struct err *e)
{
	size_t at;

	if (make_room(h, names, e) < 0)
		return -1;
	at = names->n;
	buf_printf(names, "%03u", h->status);
	v[0] = (struct h1_field) { VIEW(":status"), { names->p + at, 3 } };
	return put_list(h, false, v, 1, names, e);
}

ssize_t
h2_from_trailers(const struct h1_head *h, struct h1_field *v, struct buf *names,
    struct err *e)
{
	if (make_room(h, names, e) < 0)
		return -1;
	return put_list(h, true, v, 0, names, e);
}
