/*
 * h2_bridge: any bytes of a client, or of an upstream, on a connection of
 * HTTP/2 through the proxy.  An upstream of nghttp2 sees no request that the
 * policy has not allowed and that was not recorded as such; a client of
 * nghttp2 is told nothing that it must refuse; when the client has gone,
 * nothing is left.
 *
 * Input: a byte that says whose bytes follow (bit 0: the upstream's) and in
 * which pieces (the other bits), then the bytes, after the preface.
 */
#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "proxy/h2.h"
#include "proxy/px.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { ROUNDS = 400, INPUT_MAX = 65536 };

static const char policy_text[] =
    "version: 1\n"
    "network_policies:\n"
    "  p:\n"
    "    endpoints:\n"
    "      - host: a.test\n"
    "        port: 80\n"
    "        protocol: rest\n"
    "        h2c: true\n"
    "        rules:\n"
    "          - allow: { method: GET, path: \"/ok/**\" }\n"
    "          - allow: { method: POST, path: \"/ok/**\" }\n"
    "    binaries:\n"
    "      - path: /bin/x\n";

static struct px px;
static struct {
	int client, up; /* the other ends; -1: closed */
	nghttp2_session *peer; /* of the side that behaves */
	unsigned asked; /* requests that reached the upstream */
	bool method_ok, path_ok, authority_ok;
	uint8_t shape; /* of answers */
} w;

static void
begin(void)
{
	AUTO_FINDINGS struct policy_findings found = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	struct view pem;
	struct err e;

	(void)signal(SIGPIPE, SIG_IGN);
	if (uv_loop_init(&px.loop) != 0 || px_io_new(&px.io, &pem, &e) < 0 ||
	    policy_parse(view_of(policy_text), &p, &found) < 0 ||
	    snapshot_new(p, 1, &px.snap, &e) < 0)
		abort();
	px.generation = 1;
	px.tasks_end = &px.tasks;
	px.ctl = -1;
	px.conns_max = PX_CONNS_MAX;
	px.scratch = BUF_INIT(H1_RESPONSE_HEAD_MAX + 8192);
	px_events_init(&px.events, true, NULL);
}

static int
pair(int *other)
{
	int fd[2];

	if (socketpair(
		AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
		abort();
	*other = fd[1];
	return fd[0];
}

/* A connection as it is when its client has said the preface. */
static struct px_conn *
connection(void)
{
	struct px_conn *c = px_conn_new(&px, pair(&w.client), PX_MODE_CONNECT);
	struct policy_reason why;
	struct err e;
	bool ok;

	assert(c != NULL);
	c->owners = mem_calloc(1, sizeof(*c->owners));
	c->n_owners = 1;
	c->owners[0].who.exe = VIEW("/bin/x");
	c->identity_known = true;
	c->dst = (struct authority) { .host = "a.test", .port = 80 };
	px_pin(c);
	ok = px_judge_conn(c, c->snap, &c->conn, &why);
	assert(ok && c->conn.h2c);
	c->judged = c->event_done = true;
	ok = px_end_open(&c->up, &px.loop, pair(&w.up), &e) == 0;
	assert(ok);
	c->prior = true;
	(void)px_h2_start(c);
	px_run(c);
	return c;
}

/* ---- the upstream that behaves ----------------------------------------- */

static int
on_field(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name,
    size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
    void *arg)
{
	struct view n = { (const char *)name, name_n };
	struct view v = { (const char *)value, value_n };

	(void)s;
	(void)flags;
	(void)arg;
	if (f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (view_eq(n, VIEW(":method")))
		w.method_ok = view_eq(v, VIEW("GET")) ||
			      view_eq(v, VIEW("POST")) ||
			      view_eq(v, VIEW("HEAD"));
	if (view_eq(n, VIEW(":path")))
		w.path_ok = view_starts(v, VIEW("/ok/"));
	if (view_eq(n, VIEW(":authority")))
		w.authority_ok = view_eq(v, VIEW("a.test"));
	assert(view_find(v, '\r') < 0 && view_find(v, '\n') < 0);
	return 0;
}

static ssize_t
body(nghttp2_session *s, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
    nghttp2_data_source *source, void *arg)
{
	nghttp2_nv trailer = { (uint8_t *)"x-sum", (uint8_t *)"1", 5, 1, 0 };

	(void)source;
	(void)arg;
	n = MIN(n, (size_t)w.shape * 7);
	memset(p, 'b', n);
	*flags = NGHTTP2_DATA_FLAG_EOF;
	if (w.shape & 1) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		(void)nghttp2_submit_trailer(s, id, &trailer, 1);
	}
	return (ssize_t)n;
}

static int
on_request(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
	nghttp2_nv nv[] = { { (uint8_t *)":status", (uint8_t *)"200", 7, 3,
	    0 } };
	nghttp2_data_provider data = { .read_callback = body };

	(void)arg;
	if (f->hd.type != NGHTTP2_HEADERS ||
	    f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	w.asked++;
	assert(w.method_ok && w.path_ok && w.authority_ok);
	w.method_ok = w.path_ok = w.authority_ok = false;
	if (w.shape % 5 == 4)
		(void)nghttp2_submit_rst_stream(
		    s, 0, f->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
	else
		(void)nghttp2_submit_response(
		    s, f->hd.stream_id, nv, 1, w.shape % 3 == 0 ? NULL : &data);
	return 0;
}

static int
on_invalid(nghttp2_session *s, const nghttp2_frame *f, int code, void *arg)
{
	(void)s;
	(void)arg;
	fprintf(stderr, "frame %u of stream %d: %s\n", f->hd.type,
	    f->hd.stream_id, nghttp2_strerror(code));
	abort();
}

static void
behave(bool server)
{
	nghttp2_session_callbacks *cb;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		abort();
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
	    cb, on_invalid);
	if (server) {
		nghttp2_session_callbacks_set_on_header_callback(cb, on_field);
		nghttp2_session_callbacks_set_on_frame_recv_callback(
		    cb, on_request);
		(void)nghttp2_session_server_new(&w.peer, cb, NULL);
	} else {
		(void)nghttp2_session_client_new(&w.peer, cb, NULL);
	}
	nghttp2_session_callbacks_del(cb);
	(void)nghttp2_submit_settings(w.peer, 0, NULL, 0);
}

static void
ask(void)
{
	const struct {
		const char *method, *path;
	} rows[] = { { "GET", "/ok/1" }, { "HEAD", "/ok/2" },
		{ "GET", "/no/3" }, { "POST", "/ok/4" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *m = rows[i].method, *p = rows[i].path;
		nghttp2_nv nv[] = {
			{ (uint8_t *)":method", (uint8_t *)(uintptr_t)m, 7,
			    strlen(m), 0 },
			{ (uint8_t *)":scheme", (uint8_t *)"http", 7, 4, 0 },
			{ (uint8_t *)":authority", (uint8_t *)"a.test", 10, 6,
			    0 },
			{ (uint8_t *)":path", (uint8_t *)(uintptr_t)p, 5,
			    strlen(p), 0 },
		};

		(void)nghttp2_submit_request(
		    w.peer, NULL, nv, ARRAY_LEN(nv), NULL, NULL);
	}
}

/* What the peer that behaves reads and says.  False when all is quiet. */
static bool
peer_turn(int fd)
{
	uint8_t in[16384];
	const uint8_t *out;
	ssize_t n = recv(fd, in, sizeof(in), 0), m;
	bool any = n > 0;

	if (n > 0 && nghttp2_session_mem_recv(w.peer, in, (size_t)n) < 0)
		abort();
	while ((m = nghttp2_session_mem_send(w.peer, &out)) > 0) {
		(void)!send(fd, out, (size_t)m, 0);
		any = true;
	}
	return any;
}

/* ---- one input --------------------------------------------------------- */

static void
turn(void)
{
	px_tasks_run(&px);
	(void)uv_run(&px.loop, UV_RUN_NOWAIT);
	px_tasks_run(&px);
}

static void
drive(int hostile, int good, struct view bytes, size_t piece)
{
	char sink[16384];
	unsigned quiet = 0;

	for (unsigned i = 0; i < ROUNDS && quiet < 6; i++) {
		size_t n = MIN(piece, bytes.n);
		bool any = n > 0;

		if (n > 0) {
			ssize_t sent = send(hostile, bytes.p, n, 0);

			bytes = sent < 0
				    ? (struct view) { NULL, 0 }
				    : view_slice(bytes, (size_t)sent, bytes.n);
		}
		turn();
		any |= peer_turn(good);
		any |= recv(hostile, sink, sizeof(sink), 0) > 0;
		turn();
		quiet = any ? 0 : quiet + 1;
	}
}

static unsigned
allowed(void)
{
	static const char word[] = "\"action\":\"allow\"";
	const char *at = buf_str(&px.events.lines);
	unsigned n = 0;

	while ((at = strstr(at, word)) != NULL) {
		n++;
		at += sizeof(word) - 1;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
				      "\0\0\0\4\0\0\0\0";
	AUTO_BUF struct buf bytes = BUF_INIT(INPUT_MAX + sizeof(preface));
	bool upstream = n > 0 && (p[0] & 1);

	if (n == 0 || n > INPUT_MAX)
		return 0;
	if (px.io == NULL)
		begin();
	w.asked = 0;
	w.shape = p[0] >> 1;
	behave(!upstream);
	(void)connection();
	if (upstream)
		ask();
	/* All of the preface and SETTINGS, whose payload is empty; upstreams
	 * have SETTINGS alone. */
	buf_put(&bytes, upstream ? (struct view) { preface + 24, 9 }
				 : (struct view) { preface, 33 });
	buf_put(&bytes, (struct view) { (const char *)p + 1, n - 1 });
	drive(upstream ? w.up : w.client, upstream ? w.client : w.up,
	    buf_view(&bytes), w.shape < 2 ? (size_t)1 + w.shape * 8u : bytes.n);
	if (!upstream)
		assert(w.asked <= allowed());
	(void)close(w.client);
	(void)close(w.up);
	for (unsigned i = 0; i < 20 && px.n_conns > 0; i++)
		turn();
	for (unsigned i = 0; i < PX_SLOTS; i++)
		if (px.slot[i] != NULL && px.slot[i]->parent == NULL)
			px_close(px.slot[i], true);
	turn();
	assert(px.n_conns == 0 && px.n_streams == 0 && px.tasks == NULL);
	nghttp2_session_del(w.peer);
	buf_reset(&px.events.lines);
	return 0;
}
