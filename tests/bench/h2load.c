/*
 * h2load: the bench's client of HTTP/2: one connection, many streams.
 *
 *	h2load --host NAME [--port N] [--ca FILE] --proxy ADDR:PORT |
 *	    --connect ADDR:PORT
 *
 * Speaks to the bench as load.c does, which says more: "keep STREAMS MS PATH",
 * "go", "end".  The programs that are known by that name cannot CONNECT.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"

enum { SAMPLES_MAX = 1 << 20, STREAMS_MAX = 100 };

static struct {
	SSL *ssl;
	nghttp2_session *h2;
	const char *host;
	char path[256];
	bool measuring;
	uint64_t until, requests, bytes;
	unsigned open, errors;
	uint64_t since[STREAMS_MAX];
	size_t slot; /* of the next request */
	uint32_t *samples;
	size_t n_samples;
} w;

NORETURN PRINTF(1, 2) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("h2load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static nghttp2_nv
nv(const char *name, const char *value)
{
	return (nghttp2_nv) { (uint8_t *)(uintptr_t)name,
		(uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0 };
}

static void
ask(size_t slot)
{
	nghttp2_nv head[] = { nv(":method", "GET"), nv(":scheme", "https"),
		nv(":authority", w.host), nv(":path", w.path),
		nv("user-agent", "load"), nv("accept", "*/*") };

	w.since[slot] = now_ns();
	if (nghttp2_submit_request(
		w.h2, NULL, head, ARRAY_LEN(head), NULL, &w.since[slot]) < 0)
		die("no more streams");
	w.open++;
}

static int
on_header(nghttp2_session *s UNUSED, const nghttp2_frame *f UNUSED,
    const uint8_t *name, size_t n, const uint8_t *value, size_t value_n,
    uint8_t flags UNUSED, void *arg UNUSED)
{
	if (n == 7 && memcmp(name, ":status", 7) == 0 &&
	    (value_n != 3 || memcmp(value, "200", 3) != 0))
		w.errors++;
	return 0;
}

static int
on_data(nghttp2_session *s UNUSED, uint8_t flags UNUSED, int32_t id UNUSED,
    const uint8_t *p UNUSED, size_t n, void *arg UNUSED)
{
	w.bytes += n;
	return 0;
}

static int
on_close(nghttp2_session *s, int32_t id, uint32_t code, void *arg UNUSED)
{
	uint64_t *since = nghttp2_session_get_stream_user_data(s, id);
	uint64_t now = now_ns();

	w.open--;
	w.errors += code != 0;
	if (!w.measuring)
		return 0;
	w.requests++;
	if (w.n_samples < SAMPLES_MAX)
		w.samples[w.n_samples++] =
		    (uint32_t)MIN(now - *since, UINT32_MAX);
	if (now < w.until)
		ask((size_t)(since - w.since));
	return 0;
}

static void
send_all(void)
{
	char out[65536];
	size_t n = 0;
	const uint8_t *p;
	ssize_t m;

	/* What there is leaves in one write. */
	while (n < sizeof(out) / 2 &&
	       (m = nghttp2_session_mem_send(w.h2, &p)) > 0) {
		if ((size_t)m > sizeof(out) - n)
			die("a frame too long");
		memcpy(out + n, p, (size_t)m);
		n += (size_t)m;
	}
	if (n > 0 && SSL_write(w.ssl, out, (int)n) != (int)n)
		die("write failed");
}

static void
turn(void)
{
	uint8_t in[65536];
	int n;

	send_all();
	n = SSL_read(w.ssl, in, sizeof(in));
	if (n <= 0 || nghttp2_session_mem_recv(w.h2, in, (size_t)n) < 0)
		die("the connection ended: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
	send_all();
}

static int
reach(const char *at, bool proxy, unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char host[64], head[512];
	unsigned p;
	int one = 1, n = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strncmp(at, "http://", 7) == 0)
		at += 7;
	if (sscanf(at, "%63[0-9.]:%u", host, &p) != 2 ||
	    inet_pton(AF_INET, host, &to.sin_addr) != 1)
		die("%s is not ADDRESS:PORT", at);
	to.sin_port = htons((uint16_t)p);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect: %s", strerror(errno));
	if (!proxy)
		return fd;
	n = snprintf(head, sizeof(head),
	    "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n\r\n", w.host, port,
	    w.host, port);
	if (send(fd, head, (size_t)n, 0) != n)
		die("CONNECT: %s", strerror(errno));
	for (n = 0; n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0; n++)
		if ((size_t)n == sizeof(head) || recv(fd, head + n, 1, 0) != 1)
			die("CONNECT was not answered");
	if (memcmp(head + 9, "200", 3) != 0)
		die("CONNECT: %.12s", head);
	return fd;
}

static void
start(int fd, const char *ca)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	nghttp2_session_callbacks *cb;
	const unsigned char *alpn;
	unsigned n;

	if (ca != NULL ? !SSL_CTX_load_verify_locations(ctx, ca, NULL)
		       : !SSL_CTX_set_default_verify_paths(ctx))
		die("cannot read the trusted certificates");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	w.ssl = SSL_new(ctx);
	if (!SSL_set_fd(w.ssl, fd) ||
	    !SSL_set_tlsext_host_name(w.ssl, w.host) ||
	    !SSL_set1_host(w.ssl, w.host) ||
	    SSL_set_alpn_protos(w.ssl, (const unsigned char *)"\x02h2", 3) ||
	    SSL_connect(w.ssl) != 1)
		die("handshake: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
	SSL_get0_alpn_selected(w.ssl, &alpn, &n);
	if (n != 2)
		die("HTTP/2 was not agreed on");
	if (nghttp2_session_callbacks_new(&cb) != 0)
		die("out of memory");
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	(void)nghttp2_session_client_new(&w.h2, cb, NULL);
	nghttp2_session_callbacks_del(cb);
	(void)nghttp2_submit_settings(w.h2, 0, NULL, 0);
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
measure(unsigned streams, unsigned ms)
{
	char line[64];
	uint64_t begin, end;

	ask(0); /* the first answer also brings the peer's settings */
	while (w.open > 0)
		turn();
	if (w.errors > 0)
		die("the first request was refused");
	printf("{\"ready\":%u}\n", streams);
	if (fgets(line, sizeof(line), stdin) == NULL)
		return;
	w.requests = w.bytes = 0;
	w.n_samples = 0;
	begin = now_ns();
	w.until = begin + ms * UINT64_C(1000000);
	w.measuring = true;
	for (size_t i = 0; i < streams; i++)
		ask(i);
	while (w.open > 0)
		turn();
	end = now_ns();
	w.measuring = false;
	qsort(w.samples, w.n_samples, sizeof(*w.samples), by_size);
	printf(
	    "{\"requests\":%" PRIu64
	    ",\"errors\":%u,\"connections\":1,\"resumed\":0,\"bytes\":%" PRIu64
	    ",\"seconds\":%.6f,\"rps\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f"
	    ",\"first_error\":\"\"}\n",
	    w.requests, w.errors, w.bytes, (double)(end - begin) / 1e9,
	    (double)w.requests / ((double)(end - begin) / 1e9),
	    w.n_samples ? w.samples[w.n_samples / 2] / 1000.0 : 0,
	    w.n_samples ? w.samples[w.n_samples * 99 / 100] / 1000.0 : 0);
	if (fgets(line, sizeof(line), stdin) != NULL)
		puts("{\"ended\":true}");
}

int
main(int argc, char **argv)
{
	const char *ca = NULL, *proxy = getenv("HTTPS_PROXY"), *to = NULL;
	unsigned port = 443, streams, ms;
	char line[512];

	for (int i = 1; i + 1 < argc; i += 2)
		if (strcmp(argv[i], "--host") == 0)
			w.host = argv[i + 1];
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
	if (argc % 2 == 0 || w.host == NULL || (to == NULL && proxy == NULL))
		die("usage: h2load --host NAME [--port N] [--ca FILE] "
		    "[--proxy URL | --connect ADDRESS:PORT]");
	w.samples = calloc(SAMPLES_MAX, sizeof(*w.samples));
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "keep %u %u %255s", &streams, &ms, w.path) !=
			3 ||
		    streams == 0 || streams > STREAMS_MAX)
			die("unknown order: %s", line);
		if (w.ssl == NULL)
			start(reach(to != NULL ? to : proxy, to == NULL, port),
			    ca);
		measure(streams, ms);
	}
	return 0;
}
