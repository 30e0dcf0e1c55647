/*
 * load: the bench's HTTPS client.
 *
 *   load --host NAME [--port N] [--proxy URL | --connect ADDR:PORT] [--ca FILE]
 *
 * With --proxy (or HTTPS_PROXY in the environment) each connection is a
 * CONNECT through it and TLS inside; with --connect, TLS to that address.
 * wrk and its kin cannot CONNECT, and none of them lets the bench read the
 * proxy's CPU time exactly at the edges of the measured span.
 *
 * It takes orders on stdin, a line each, and answers with a JSON line each:
 *
 *   keep  CONNS MS PATH   CONNS connections, requests back to back on each
 *   fresh CONNS MS PATH   a new connection and full handshake a request
 *   resumed CONNS MS PATH the same, resuming a TLS session
 *   bulk  CONNS MS PATH   as keep, but cut off when the time is over
 *         -> {"ready":N}  connections stand (and are warm)
 *   go    -> {"requests":...}   after MS milliseconds
 *   end   -> {"ended":true}     connections are closed
 *   watch ROUNDS PATH     ROUNDS times: asks until it is allowed, then until
 *         it is denied -> {"allowed":NS} and {"denied":NS,...} by the
 *         monotonic clock
 *
 * One thread, edge-triggered epoll, a small state machine a connection: it
 * has to share two cores with what it measures.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/macros.h"

enum {
	CONNS_MAX = 1024,
	HEAD_MAX = 4096,
	REQUEST_MAX = 2048,
	SAMPLES_MAX = 1 << 20,
	ERRORS_MAX = 1000, /* then the run is given up */
	SETUP_MS = 15000, /* for all connections to stand */
	DRAIN_MS = 5000, /* for the answers still under way at the end */
	WATCH_MS = 5000 /* for one change of policy to be seen */
};

enum mode { MODE_KEEP, MODE_FRESH, MODE_RESUMED, MODE_BULK, MODE_WATCH };

enum state {
	ST_CLOSED,
	ST_CONNECT,
	ST_PROXY_SEND,
	ST_PROXY_HEAD,
	ST_HANDSHAKE,
	ST_IDLE, /* stands, nothing asked */
	ST_SEND,
	ST_HEAD,
	ST_BODY
};

struct conn {
	int fd;
	enum state state;
	SSL *ssl;
	uint64_t since; /* of the request, or of the connection if fresh */
	size_t sent, n_head;
	uint64_t body; /* bytes still to come */
	unsigned status;
	bool warm; /* has had its first answer */
	bool close; /* the peer said it would */
	char head[HEAD_MAX];
};

struct load {
	/* the way there */
	struct sockaddr_in to;
	bool proxy;
	const char *host;
	char connect[REQUEST_MAX]; /* CONNECT head */
	char request[REQUEST_MAX];
	size_t n_connect, n_request;
	SSL_CTX *tls;
	SSL_SESSION *session;
	int ep;
	/* one run */
	enum mode mode;
	unsigned n_conns, n_ready;
	bool measuring; /* between go and the end of the span */
	uint64_t until; /* no new request after this */
	uint64_t requests, connections, resumed, bytes;
	unsigned errors;
	char why[200]; /* the first error */
	uint32_t *samples; /* ns, SAMPLES_MAX */
	size_t n_samples;
	struct conn conns[CONNS_MAX];
	char scratch[65536];
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

NORETURN PRINTF(1, 2) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static void
conn_close(struct conn *c)
{
	if (c->state == ST_CLOSED)
		return;
	if (c->ssl) {
		/* Without it OpenSSL takes the session for a broken one. */
		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	close(c->fd);
	c->state = ST_CLOSED;
}

/* Counts an error, keeps the first one's words, closes the connection. */
PRINTF(3, 4)
static void
conn_fail(struct load *l, struct conn *c, const char *fmt, ...)
{
	va_list ap;

	if (l->errors++ == 0) {
		va_start(ap, fmt);
		vsnprintf(l->why, sizeof(l->why), fmt, ap);
		va_end(ap);
		for (char *p = l->why; *p; p++)
			if (*p < ' ' || *p == '"' || *p == '\\' || *p > '~')
				*p = ' ';
	}
	conn_close(c);
}

static void
conn_open(struct load *l, struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
		.data.ptr = c };
	int one = 1;

	*c = (struct conn) { .state = ST_CONNECT, .since = now_ns() };
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&l->to, sizeof(l->to)) < 0 &&
	    errno != EINPROGRESS) {
		conn_fail(l, c, "connect: %s", strerror(errno));
		return;
	}
	if (epoll_ctl(l->ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll_ctl: %s", strerror(errno));
	if (l->measuring)
		l->connections++;
}

/* The end of a head in c->head, or NULL. */
static char *
head_end(struct conn *c)
{
	c->head[c->n_head] = '\0';
	return strstr(c->head, "\r\n\r\n");
}

static unsigned
head_status(const struct conn *c)
{
	unsigned status = 0;

	if (sscanf(c->head, "HTTP/1.%*1[01] %3u", &status) != 1)
		return 0;
	return status;
}

/* The value of a field in a head that head_end has ended, or NULL. */
static const char *
head_field(const struct conn *c, const char *name)
{
	size_t n = strlen(name);
	const char *p = c->head;

	while ((p = strstr(p, "\r\n")) != NULL) {
		p += 2;
		if (strncasecmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " ");
	}
	return NULL;
}

/* The words of OpenSSL for what just failed. */
static const char *
tls_words(int why)
{
	unsigned long e = ERR_peek_last_error();

	if (e != 0)
		return ERR_reason_error_string(e);
	return why == SSL_ERROR_ZERO_RETURN ? "closed"
	       : errno                      ? strerror(errno)
					    : "closed without a word";
}

/* 1: go on, 0: wait for the socket, -1: failed and closed. */
static int
tls_result(struct load *l, struct conn *c, int got, const char *what)
{
	int why = SSL_get_error(c->ssl, got);

	if (got > 0)
		return 1;
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return 0;
	conn_fail(l, c, "%s: %s", what, tls_words(why));
	ERR_clear_error();
	return -1;
}

static int
step_connect(struct load *l, struct conn *c)
{
	if (connect(c->fd, (struct sockaddr *)&l->to, sizeof(l->to)) < 0 &&
	    errno != EISCONN) {
		if (errno == EALREADY || errno == EINPROGRESS)
			return 0;
		conn_fail(l, c, "connect: %s", strerror(errno));
		return -1;
	}
	c->state = l->proxy ? ST_PROXY_SEND : ST_HANDSHAKE;
	return 1;
}

static int
step_proxy_send(struct load *l, struct conn *c)
{
	ssize_t n = send(c->fd, l->connect, l->n_connect, MSG_NOSIGNAL);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n != (ssize_t)l->n_connect) {
		conn_fail(l, c, "CONNECT cut short");
		return -1;
	}
	c->state = ST_PROXY_HEAD;
	return 1;
}

static int
step_proxy_head(struct load *l, struct conn *c)
{
	ssize_t n;

	/* A client speaks first in TLS: nothing follows the head unasked. */
	n = recv(c->fd, c->head + c->n_head, HEAD_MAX - 1 - c->n_head, 0);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		conn_fail(l, c, "closed after CONNECT");
		return -1;
	}
	c->n_head += (size_t)n;
	if (!head_end(c))
		return 1;
	c->status = head_status(c);
	if (c->status != 200) {
		conn_fail(l, c, "CONNECT: status %u", c->status);
		return -1;
	}
	c->n_head = 0;
	c->state = ST_HANDSHAKE;
	return 1;
}

static int
step_handshake(struct load *l, struct conn *c)
{
	int r;

	if (!c->ssl) {
		c->ssl = SSL_new(l->tls);
		if (!c->ssl || !SSL_set_fd(c->ssl, c->fd) ||
		    !SSL_set_tlsext_host_name(c->ssl, l->host) ||
		    !SSL_set1_host(c->ssl, l->host))
			die("out of memory");
		if (l->mode == MODE_RESUMED && l->session)
			SSL_set_session(c->ssl, l->session);
	}
	r = tls_result(l, c, SSL_connect(c->ssl), "handshake");
	if (r <= 0)
		return r;
	if (l->measuring && SSL_session_reused(c->ssl))
		l->resumed++;
	c->state = ST_SEND;
	return 1;
}

static int
step_send(struct load *l, struct conn *c)
{
	int r = tls_result(
	    l, c, SSL_write(c->ssl, l->request, (int)l->n_request), "request");

	if (r <= 0)
		return r;
	c->n_head = 0;
	c->state = ST_HEAD;
	return 1;
}

/* The answer is whole: note it, and start what follows. */
static int
answered(struct load *l, struct conn *c)
{
	bool fresh = l->mode == MODE_FRESH || l->mode == MODE_RESUMED;
	uint64_t now = now_ns();

	if (c->status != 200) {
		conn_fail(l, c, "status %u", c->status);
		return -1;
	}
	if (!c->warm && !l->measuring)
		l->n_ready++;
	c->warm = true;
	if (l->measuring) {
		l->requests++;
		if (l->n_samples < SAMPLES_MAX)
			l->samples[l->n_samples++] =
			    (uint32_t)MIN(now - c->since, UINT32_MAX);
	}
	if (fresh || c->close) {
		conn_close(c);
		return -1;
	}
	c->state = ST_IDLE;
	if (!l->measuring || now >= l->until)
		return 0;
	c->since = now;
	c->state = ST_SEND;
	return 1;
}

static int
step_head(struct load *l, struct conn *c)
{
	const char *length, *connection;
	char *end;
	size_t over;
	int r;

	r = SSL_read(
	    c->ssl, c->head + c->n_head, (int)(HEAD_MAX - 1 - c->n_head));
	c->n_head += r > 0 ? (size_t)r : 0;
	r = tls_result(l, c, r, "answer");
	if (r <= 0)
		return r;
	end = head_end(c);
	if (!end && c->n_head < HEAD_MAX - 1)
		return 1;
	c->status = head_status(c);
	length = end ? head_field(c, "content-length") : NULL;
	if (!length) {
		conn_fail(l, c, "status %u without a length", c->status);
		return -1;
	}
	connection = head_field(c, "connection");
	c->close = connection && strncasecmp(connection, "close", 5) == 0;
	c->body = strtoull(length, NULL, 10);
	over = c->n_head - (size_t)(end + 4 - c->head);
	if (over > c->body) {
		conn_fail(l, c, "more bytes than the length says");
		return -1;
	}
	c->body -= over;
	l->bytes += over;
	c->state = ST_BODY;
	return 1;
}

static int
step_body(struct load *l, struct conn *c)
{
	int r;

	if (c->body == 0)
		return answered(l, c);
	r = SSL_read(c->ssl, l->scratch, (int)MIN(c->body, sizeof(l->scratch)));
	if (r > 0) {
		c->body -= (uint64_t)r;
		l->bytes += (uint64_t)r;
	}
	return tls_result(l, c, r, "body");
}

/* Until the connection has to wait for its socket, is idle, or is closed. */
static void
conn_run(struct load *l, struct conn *c)
{
	static int (*const steps[])(struct load *, struct conn *) = {
		[ST_CONNECT] = step_connect,
		[ST_PROXY_SEND] = step_proxy_send,
		[ST_PROXY_HEAD] = step_proxy_head,
		[ST_HANDSHAKE] = step_handshake,
		[ST_SEND] = step_send,
		[ST_HEAD] = step_head,
		[ST_BODY] = step_body,
	};

	while (c->state != ST_CLOSED && c->state != ST_IDLE &&
	       steps[c->state](l, c) > 0 &&
	       !(l->mode == MODE_BULK && l->measuring && now_ns() >= l->until))
		;
}

/* Waits for events until `deadline` and runs what they wake. */
static void
pump(struct load *l, uint64_t deadline)
{
	struct epoll_event ev[64];
	uint64_t now = now_ns();
	int n;

	if (now >= deadline)
		return;
	n = epoll_wait(
	    l->ep, ev, ARRAY_LEN(ev), (int)((deadline - now) / 1000000 + 1));
	if (n < 0 && errno != EINTR)
		die("epoll_wait: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		conn_run(l, ev[i].data.ptr);
}

static unsigned
count(const struct load *l, enum state s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->n_conns; i++)
		n += l->conns[i].state == s;
	return n;
}

/* Closed slots are opened again, as long as errors stay within their bound. */
static void
reopen(struct load *l)
{
	for (unsigned i = 0; i < l->n_conns && l->errors < ERRORS_MAX; i++)
		if (l->conns[i].state == ST_CLOSED)
			conn_open(l, &l->conns[i]);
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
percentile_us(const struct load *l, unsigned p)
{
	size_t i;

	if (l->n_samples == 0)
		return 0;
	i = l->n_samples * p / 100;
	return l->samples[MIN(i, l->n_samples - 1)] / 1000.0;
}

/* Next order on stdin; false at its end. */
static bool
order(char *line, int size)
{
	return fgets(line, size, stdin) != NULL;
}

static void
expect(const char *word)
{
	char line[64];

	if (!order(line, sizeof(line)) ||
	    strncmp(line, word, strlen(word)) != 0)
		die("expected the order %s", word);
}

static void
request_for(struct load *l, const char *path)
{
	int n = snprintf(l->request, sizeof(l->request),
	    "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\n"
	    "Accept: */*\r\n\r\n",
	    path, l->host);

	if (n < 0 || (size_t)n >= sizeof(l->request))
		die("path too long");
	l->n_request = (size_t)n;
}

/* Everything stands: connections that are warm, or a session to resume. */
static void
prepare(struct load *l)
{
	bool fresh = l->mode == MODE_FRESH || l->mode == MODE_RESUMED;
	uint64_t deadline = now_ns() + SETUP_MS * UINT64_C(1000000);
	unsigned wanted = fresh ? 1 : l->n_conns;
	unsigned conns = l->n_conns;

	l->errors = l->n_ready = 0;
	l->n_conns = wanted;
	if (l->session)
		SSL_SESSION_free(l->session);
	l->session = NULL;
	/* The first bulk answer may be large: warm with the rest of the run. */
	while (l->n_ready < wanted && l->errors < ERRORS_MAX &&
	       now_ns() < deadline) {
		reopen(l);
		pump(l, now_ns() + 100000000U);
	}
	if (l->n_ready < wanted)
		die("%u of %u connections stand; %u errors, first: %s",
		    l->n_ready, wanted, l->errors, l->why);
	if (l->mode == MODE_RESUMED && !l->session)
		die("the proxy gave no session to resume");
	l->n_conns = conns;
	l->requests = l->connections = l->resumed = l->bytes = 0;
	l->errors = 0;
	l->why[0] = '\0';
	l->n_samples = 0;
}

static void
measure(struct load *l, enum mode mode, unsigned conns, unsigned ms)
{
	bool fresh = mode == MODE_FRESH || mode == MODE_RESUMED;
	uint64_t start, end;

	l->mode = mode;
	l->n_conns = conns;
	prepare(l);
	printf("{\"ready\":%u}\n", conns);
	expect("go");
	start = now_ns();
	l->until = start + ms * UINT64_C(1000000);
	l->measuring = true;
	for (unsigned i = 0; i < conns; i++) {
		struct conn *c = &l->conns[i];

		if (c->state != ST_IDLE)
			continue;
		c->since = now_ns();
		c->state = ST_SEND;
		conn_run(l, c);
	}
	while (now_ns() < l->until && l->errors < ERRORS_MAX) {
		reopen(l);
		pump(l, l->until);
	}
	/* Every request counted in CPU time is counted as a request too. */
	while (mode != MODE_BULK &&
	       now_ns() < l->until + DRAIN_MS * UINT64_C(1000000) &&
	       count(l, ST_CLOSED) + count(l, ST_IDLE) < conns)
		pump(l, l->until + DRAIN_MS * UINT64_C(1000000));
	end = now_ns();
	l->measuring = false;
	qsort(l->samples, l->n_samples, sizeof(*l->samples), by_size);
	printf("{\"requests\":%" PRIu64
	       ",\"errors\":%u,\"connections\":%" PRIu64 ",\"resumed\":%" PRIu64
	       ",\"bytes\":%" PRIu64
	       ",\"seconds\":%.6f,\"rps\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f"
	       ",\"first_error\":\"%s\"}\n",
	    l->requests, l->errors, l->connections, l->resumed, l->bytes,
	    (double)(end - start) / 1e9,
	    (double)l->requests / ((double)(end - start) / 1e9),
	    percentile_us(l, 50), percentile_us(l, 99), l->why);
	expect("end");
	for (unsigned i = 0; i < conns; i++)
		conn_close(&l->conns[i]);
	if (fresh && l->session) {
		SSL_SESSION_free(l->session);
		l->session = NULL;
	}
	puts("{\"ended\":true}");
}

/* Asks until the answer is `allowed`; when that was, or 0 after WATCH_MS. */
static uint64_t
watch_for(struct load *l, bool allowed, uint64_t *asked)
{
	struct conn *c = &l->conns[0];
	uint64_t deadline = now_ns() + WATCH_MS * UINT64_C(1000000);

	for (*asked = 0; now_ns() < deadline; (*asked)++) {
		bool ok;

		l->errors = 0;
		if (c->state == ST_CLOSED) {
			conn_open(l, c);
		} else {
			c->state = ST_SEND;
			conn_run(l, c);
		}
		while (c->state != ST_IDLE && c->state != ST_CLOSED &&
		       now_ns() < deadline)
			pump(l, deadline);
		ok = c->state == ST_IDLE && l->errors == 0;
		if (ok == allowed)
			return now_ns();
		/* A flood of refused asks would delay what it waits for. */
		if (!ok)
			nanosleep(
			    &(struct timespec) { .tv_nsec = 100000 }, NULL);
	}
	return 0;
}

static void
watch(struct load *l, unsigned rounds)
{
	uint64_t at, asked;

	l->mode = MODE_WATCH;
	l->n_conns = 1;
	for (unsigned i = 0; i < 2 * rounds; i++) {
		bool allowed = i % 2 == 0;

		at = watch_for(l, allowed, &asked);
		if (at == 0)
			die("no change seen within %d ms; last: %s", WATCH_MS,
			    l->why);
		printf("{\"%s\":%" PRIu64 ",\"asked\":%" PRIu64
		       ",\"how\":\"%s\"}\n",
		    allowed ? "allowed" : "denied", at, asked,
		    allowed ? "" : l->why);
	}
	conn_close(&l->conns[0]);
	puts("{\"ended\":true}");
}

static void
serve(struct load *l)
{
	static const struct {
		const char *name;
		enum mode mode;
	} modes[] = {
		{ "keep", MODE_KEEP },
		{ "fresh", MODE_FRESH },
		{ "resumed", MODE_RESUMED },
		{ "bulk", MODE_BULK },
	};
	char line[512], word[16], path[256];
	unsigned conns, ms;
	size_t i;

	while (order(line, sizeof(line))) {
		if (sscanf(line, "watch %u %255s", &conns, path) == 2) {
			request_for(l, path);
			watch(l, MIN(conns, 1000U));
			continue;
		}
		if (sscanf(line, "%15s %u %u %255s", word, &conns, &ms, path) !=
			4 ||
		    conns == 0 || conns > CONNS_MAX)
			die("unknown order: %s", line);
		for (i = 0; i < ARRAY_LEN(modes); i++)
			if (strcmp(modes[i].name, word) == 0)
				break;
		if (i == ARRAY_LEN(modes))
			die("unknown order: %s", line);
		request_for(l, path);
		measure(l, modes[i].mode, conns, ms);
	}
}

/* "http://1.2.3.4:80/" or "1.2.3.4:80" */
static void
address(const char *text, struct sockaddr_in *to)
{
	char host[64];
	unsigned port;

	if (strncmp(text, "http://", 7) == 0)
		text += 7;
	*to = (struct sockaddr_in) { .sin_family = AF_INET };
	if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 || port > 65535 ||
	    inet_pton(AF_INET, host, &to->sin_addr) != 1)
		die("%s is not ADDRESS:PORT", text);
	to->sin_port = htons((uint16_t)port);
}

static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct load *l = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0);

	if (l->session)
		SSL_SESSION_free(l->session);
	l->session = session;
	return 1;
}

static void
tls_setup(struct load *l, const char *ca)
{
	int ok;

	l->tls = SSL_CTX_new(TLS_client_method());
	if (!l->tls || !SSL_CTX_set_ex_data(l->tls, 0, l))
		die("out of memory");
	ok = ca ? SSL_CTX_load_verify_locations(l->tls, ca, NULL)
		: SSL_CTX_set_default_verify_paths(l->tls);
	if (ok != 1)
		die("cannot read the trusted certificates");
	SSL_CTX_set_verify(l->tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(
	    l->tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(l->tls, keep_session);
	/* A proxy that closes without close_notify is not our concern. */
	SSL_CTX_set_options(l->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
}

int
main(int argc, char **argv)
{
	const char *ca = NULL, *proxy = getenv("HTTPS_PROXY"), *to = NULL;
	unsigned port = 443;
	struct load *l = calloc(1, sizeof(*l));
	int n;

	if (!l || !(l->samples = calloc(SAMPLES_MAX, sizeof(*l->samples))))
		die("out of memory");
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--host") == 0)
			l->host = argv[i + 1];
		else if (strcmp(argv[i], "--port") == 0)
			port = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--proxy") == 0)
			proxy = argv[i + 1];
		else if (strcmp(argv[i], "--connect") == 0)
			to = argv[i + 1];
		else if (strcmp(argv[i], "--ca") == 0)
			ca = argv[i + 1];
		else
			die("unknown option %s", argv[i]);
	}
	if (argc % 2 == 0 || !l->host || (!to && !proxy))
		die("usage: load --host NAME [--port N] [--ca FILE] "
		    "[--proxy URL | --connect ADDRESS:PORT]");
	l->proxy = to == NULL;
	address(to ? to : proxy, &l->to);
	n = snprintf(l->connect, sizeof(l->connect),
	    "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n\r\n", l->host, port,
	    l->host, port);
	if (n < 0 || (size_t)n >= sizeof(l->connect))
		die("host too long");
	l->n_connect = (size_t)n;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	tls_setup(l, ca);
	l->ep = epoll_create1(EPOLL_CLOEXEC);
	if (l->ep < 0)
		die("epoll_create1: %s", strerror(errno));
	serve(l);
	for (size_t i = 0; i < CONNS_MAX; i++)
		conn_close(&l->conns[i]);
	SSL_CTX_free(l->tls);
	free(l->samples);
	free(l);
	return 0;
}
