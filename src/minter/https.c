/*
 * https: see https.h.  The process has one job and nobody else to serve, so it
 * waits where it stands, until the job's time is over.
 */
#include "minter/https.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "http/uproxy.h"
#include "minter/roots.h"
#include "net/dial_name.h"
#include "tls/stream.h"

enum { ASK_MAX = 65536, INTERIM_MAX = 4, PIECE = 16384 };

/* --- what is asked ---------------------------------------------------------
 */

int
https_url_parse(struct view url, struct https_url *out, struct err *e)
{
	AUTO_BUF struct buf scratch = BUF_INIT(WAY_TEXT_MAX + 2);
	bool https = false;

	*out = (struct https_url) { .host = BUF_INIT(HOST_MAX + 16) };
	if (absolute_parse(url, &https, &out->at, &out->target, &scratch, e) <
	    0)
		return -1;
	if (!https)
		return err_set(e, ERR_INVALID, "it must begin with https://");
	/* Bytes of `scratch` are a '?' behind no path: rare, and not needed. */
	if (scratch.n > 0)
		return err_set(e, ERR_INVALID, "it has a query and no path");
	buf_printf(&out->host,
	    out->at.literal && strchr(out->at.host, ':') != NULL ? "[%s]"
								 : "%s",
	    out->at.host);
	if (out->at.port != 443)
		buf_printf(&out->host, ":%u", (unsigned)out->at.port);
	return 0;
}

void
https_url_fini(struct https_url *u)
{
	buf_fini(&u->host);
}

static int
write_ask(const struct https_post *p, struct buf *out, struct err *e)
{
	static const struct h1_field always[] = {
		{ VIEW("Accept-Encoding"), VIEW("identity") },
		{ VIEW("User-Agent"), VIEW("openshell/" OPENSHELL_VERSION) },
	};
	struct h1_head h = { .is_request = true,
		.minor = 1,
		.method = VIEW("POST"),
		.framing = H1_BODY_LENGTH,
		.has_length = true,
		.content_length = p->body.n };
	const struct h1_write w = { .target = p->url->target,
		.host = buf_view(&p->url->host),
		.extra = always,
		.n_extra = ARRAY_LEN(always),
		.close = true };

	for (size_t i = 0; i < p->n_fields; i++)
		h.fields[h.n_fields++] = p->fields[i];
	if (h1_write_request(&h, &w, out, e) < 0)
		return -1;
	buf_put(out, p->body);
	return out->full ? err_set(e, ERR_LIMIT, "the request is too long") : 0;
}

/* --- the connection --------------------------------------------------------
 */

struct wire {
	const struct minter_job *job;
	const struct https_post *post;
	struct trust *trust;
	struct tls_client *tls;
	struct stream *s;
	struct buf in;
	struct err why; /* of the dial */
	int fd;
	bool dialled;
};

static void
wire_fini(struct wire *w)
{
	fd_close(&w->fd);
	stream_free(w->s);
	tls_client_free(w->tls);
	trust_free(w->trust);
	if (w->in.p != NULL)
		mem_wipe(w->in.p, w->in.n);
	buf_fini(&w->in);
}

const char *const minter_roots[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
	NULL,
};

static int
open_roots(const char *given, struct err *e)
{
	int fd = -1;

	if (given[0] != '\0') {
		fd = open(given, O_RDONLY | O_CLOEXEC);
		return fd >= 0 ? fd : err_sys(e, "roots %.200s", given);
	}
	for (size_t i = 0; fd < 0 && minter_roots[i] != NULL; i++)
		fd = open(minter_roots[i], O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd
		       : err_set(e, ERR_NOT_FOUND,
			     "no trusted roots are installed: install "
			     "ca-certificates, or name a file of them");
}

static void
on_dialled(void *arg, int fd, const struct addr *to UNUSED, const struct err *e)
{
	struct wire *w = arg;

	w->dialled = true;
	w->fd = fd;
	if (e != NULL)
		w->why = *e;
}

/* Until on_dialled was called; false: time is over. */
static bool
await_dial(const struct wire *w)
{
	while (!w->dialled && !*w->job->late)
		(void)uv_run(w->job->loop, UV_RUN_ONCE);
	return w->dialled;
}

static int
dial_to(struct wire *w, const char *host, uint16_t port, struct err *e)
{
	struct dial_name *d =
	    dial_name_start(w->job->loop, host, port, on_dialled, w);

	if (!await_dial(w)) {
		dial_name_cancel(d);
		return err_set(e, ERR_AGAIN, "it did not answer in time");
	}
	if (w->fd < 0)
		*e = w->why;
	return w->fd < 0 ? -1 : 0;
}

/* Names are not looked up here: their addresses are the proxy's to know. */
static bool
goes_through(const struct egress *g, const struct authority *at)
{
	struct addr a;
	size_t n = addr_parse(view_of(at->host), &a) ? 1 : 0;

	return g->has_proxy &&
	       !egress_is_exempt(g, view_of(at->host), at->port, &a, n);
}

static int
dial_through(struct wire *w, const struct authority *at, struct err *e)
{
	const struct egress *g = w->job->egress;
	const char *proxy = egress_is_alias(view_of(g->proxy.host))
				? "127.0.0.1"
				: g->proxy.host;
	AUTO_BUF struct buf target = BUF_INIT(HOST_MAX + 16);
	struct uproxy_dial *d;

	if (dial_to(w, proxy, g->proxy.port, e) < 0)
		return err_wrap(e, "the upstream proxy");
	buf_printf(&target,
	    at->literal && strchr(at->host, ':') != NULL ? "[%s]:%u" : "%s:%u",
	    at->host, (unsigned)at->port);
	w->dialled = false;
	d = uproxy_dial_over(w->job->loop, take_fd(w->fd), buf_view(&target),
	    g->login, on_dialled, w, e);
	if (d == NULL)
		return -1;
	if (!await_dial(w)) {
		uproxy_dial_cancel(d);
		return err_set(
		    e, ERR_AGAIN, "the upstream proxy did not answer in time");
	}
	if (w->fd < 0)
		*e = w->why;
	return w->fd < 0 ? -1 : 0;
}

static int
dial(struct wire *w, struct err *e)
{
	const struct authority *at = &w->post->url->at;
	int rc = goes_through(w->job->egress, at)
		     ? dial_through(w, at, e)
		     : dial_to(w, at->host, at->port, e);

	return rc == 0 ? 0 : err_wrap(e, "connect to %.200s", at->host);
}

/* Until what the last ERR_AGAIN waits for. */
static int
wait_for(const struct wire *w, struct err *e)
{
	unsigned wants = stream_wants(w->s);
	struct pollfd p = { stream_fd(w->s),
		(short)((wants & STREAM_READ ? POLLIN : 0) |
			(wants & STREAM_WRITE ? POLLOUT : 0)),
		0 };
	uint64_t now = clock_mono_ms();

	if (now >= w->job->ends_ms ||
	    poll(&p, 1, (int)(w->job->ends_ms - now)) == 0)
		return err_set(e, ERR_AGAIN, "it did not answer in time");
	return 0;
}

static int
secure(struct wire *w, struct err *e)
{
	const struct authority *at = &w->post->url->at;
	int roots = open_roots(w->post->ca_file, e);

	if (roots < 0)
		return -1;
	w->trust = trust_new_fd(roots);
	if (tls_client_new(w->trust, &w->tls, e) < 0)
		return -1;
	w->s = stream_new(take_fd(w->fd));
	if (stream_connect(w->s, w->tls, view_of(at->host), at->port,
		STREAM_ALPN_H1, e) < 0)
		return -1;
	while (stream_handshake(w->s, e) < 0)
		if (e->code != ERR_AGAIN || wait_for(w, e) < 0)
			return -1;
	return 0;
}

static int
say(struct wire *w, struct view v, struct err *e)
{
	while (v.n > 0) {
		ssize_t n = stream_write(w->s, v, e);

		if (n < 0 && (e->code != ERR_AGAIN || wait_for(w, e) < 0))
			return -1;
		if (n > 0)
			v = view_slice(v, (size_t)n, v.n);
	}
	return 0;
}

/* 1: more is in w->in; 0: no more comes. */
static int
hear(struct wire *w, struct err *e)
{
	ssize_t n;

	if (!buf_reserve(&w->in, PIECE))
		return err_set(e, ERR_LIMIT, "its answer is too long");
	for (;;) {
		n = stream_read(w->s, w->in.p + w->in.n, PIECE, e);
		if (n >= 0)
			break;
		/* Without a close_notify nobody knows that it is whole. */
		if (e->code == ERR_PROTO)
			return err_set(e, ERR_PROTO, "its answer was cut off");
		if (e->code != ERR_AGAIN || wait_for(w, e) < 0)
			return -1;
	}
	w->in.n += (size_t)n;
	return n > 0;
}

/* --- the answer ------------------------------------------------------------
 */

static int
take_head(struct wire *w, struct h1_head *h, struct buf *head, struct err *e)
{
	for (unsigned interim = 0; interim <= INTERIM_MAX; interim++) {
		size_t scanned = 0;
		ssize_t n;
		int more;

		while ((n = h1_head_end(buf_view(&w->in), H1_REQUEST_HEAD_MAX,
			    &scanned, e)) == 0) {
			more = hear(w, e);
			if (more < 0)
				return -1;
			if (more == 0)
				return err_set(
				    e, ERR_PROTO, "its answer was cut off");
		}
		if (n < 0)
			return -1;
		buf_reset(head);
		buf_put(head, view_slice(buf_view(&w->in), 0, (size_t)n));
		buf_drop(&w->in, (size_t)n);
		if (h1_parse_response(buf_view(head), VIEW("POST"), h, e) < 0)
			return -1;
		if (h->status >= 200)
			return 0;
		if (h->status == 101)
			break;
	}
	return err_set(e, ERR_PROTO, "it does not come to an answer");
}

/* What of w->in is body, appended to `out`; *done at its end. */
static int
take_some(struct wire *w, const struct h1_head *h, struct h1_chunk *chunk,
    struct buf *out, bool *done, struct err *e)
{
	struct view body = buf_view(&w->in);
	ssize_t used = (ssize_t)body.n;

	if (h->framing == H1_BODY_CHUNKED) {
		used = h1_chunk_feed(chunk, body, &body, e);
		if (used < 0)
			return -1;
		*done = chunk->done;
	} else if (h->framing == H1_BODY_LENGTH) {
		body = view_slice(body, 0, h->content_length - out->n);
		used = (ssize_t)body.n;
	}
	buf_put(out, body);
	buf_drop(&w->in, (size_t)used);
	if (out->full)
		return err_set(e, ERR_LIMIT,
		    "its answer is longer than %d bytes", (int)HTTPS_BODY_MAX);
	if (h->framing == H1_BODY_LENGTH)
		*done = out->n == h->content_length;
	/* Fed until it takes no more. */
	return used > 0 && w->in.n > 0 && !*done;
}

static int
take_body(
    struct wire *w, const struct h1_head *h, struct buf *out, struct err *e)
{
	bool done = h->framing == H1_BODY_NONE;
	struct h1_chunk chunk;
	int more;

	h1_chunk_init(&chunk);
	if (h->framing == H1_BODY_LENGTH && h->content_length > HTTPS_BODY_MAX)
		return err_set(e, ERR_LIMIT,
		    "its answer is longer than %d bytes", (int)HTTPS_BODY_MAX);
	if (h->framing == H1_BODY_LENGTH && h->content_length == 0)
		done = true;
	while (!done) {
		while ((more = take_some(w, h, &chunk, out, &done, e)) > 0)
			continue;
		if (more < 0)
			return -1;
		if (done)
			break;
		more = hear(w, e);
		if (more < 0)
			return -1;
		if (more == 0 && h->framing != H1_BODY_UNTIL_CLOSE)
			return err_set(e, ERR_PROTO, "its answer was cut off");
		done = more == 0;
	}
	return 0;
}

static int
check_head(const struct h1_head *h, struct err *e)
{
	const struct h1_field *coding = h1_find(h, VIEW("content-encoding"));

	if (coding != NULL && !view_eq_nocase(coding->value, VIEW("identity")))
		return err_set(e, ERR_PROTO,
		    "its answer is compressed, although it was asked not to");
	/* Attack: a redirect takes what proves who we are to another host. */
	if (h->status >= 300 && h->status < 400)
		return err_set(e, ERR_DENIED,
		    "it answered %u: redirects are not followed", h->status);
	return 0;
}

static int
exchange(struct wire *w, struct https_answer *out, struct err *e)
{
	AUTO_RW_OUT struct buf ask = BUF_INIT(0);
	AUTO_BUF struct buf head = BUF_INIT(H1_REQUEST_HEAD_MAX);
	struct h1_head h;

	rw_out_init(&ask, ASK_MAX);
	if (write_ask(w->post, &ask, e) < 0 || dial(w, e) < 0 ||
	    secure(w, e) < 0 || say(w, buf_view(&ask), e) < 0 ||
	    take_head(w, &h, &head, e) < 0 || check_head(&h, e) < 0 ||
	    take_body(w, &h, &out->body, e) < 0)
		return -1;
	out->status = h.status;
	return 0;
}

int
https_post(const struct minter_job *j, const struct https_post *p,
    struct https_answer *out, struct err *e)
{
	CLEANUP(wire_fini)
	struct wire w = { .job = j,
		.post = p,
		.fd = -1,
		.in = BUF_INIT(H1_REQUEST_HEAD_MAX + HTTPS_BODY_MAX + PIECE) };

	*out = (struct https_answer) { 0 };
	rw_out_init(&out->body, HTTPS_BODY_MAX);
	if (exchange(&w, out, e) < 0)
		return err_wrap(e, "%.200s",
		    buf_str((struct buf *)(uintptr_t)&p->url->host));
	return 0;
}

void
https_answer_fini(struct https_answer *a)
{
	rw_out_fini(&a->body);
}
