/*
 * bench_tls: CPU time of TLS, over socket pairs in one thread.
 *
 * An inspected connection is four half-handshakes: client, our server side,
 * our client side, upstream.  Each half is timed on its own, so that the part
 * of the proxy (the two in the middle) can be told from that of its peers.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "tls/stream.h"

enum { HANDSHAKES = 2000, BULK = 256 * 1024 * 1024, PIECE = 65536 };

struct bench {
	struct ca *ca;
	struct mint *mint;
	struct trust *trust;
	struct tls_server *server;
	struct tls_client *client;
};

static double
cpu_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static NORETURN void
die(const struct err *e)
{
	(void)fprintf(stderr, "bench_tls: %s\n", e->text);
	exit(1);
}

static void
bench_init(struct bench *b)
{
	struct err e;

	if (ca_new(&b->ca, &e) < 0 || mint_new(b->ca, &b->mint, &e) < 0 ||
	    tls_server_new(b->mint, &b->server, &e) < 0)
		die(&e);
	b->trust = trust_new(ca_pem(b->ca));
	if (tls_client_new(b->trust, &b->client, &e) < 0)
		die(&e);
}

/* One call of a half, its time added to *us: true when it is done. */
static bool
half(struct stream *s, double *us)
{
	double from = cpu_us();
	struct err e;
	int rc = stream_handshake(s, &e);

	*us += cpu_us() - from;
	if (rc < 0 && e.code != ERR_AGAIN)
		die(&e);
	return rc == 0;
}

/* A connected pair; setting a side up counts as its time too. */
static void
connect_pair(struct bench *b, struct view host, struct stream **c,
    struct stream **s, double *us_c, double *us_s)
{
	bool done_c = false, done_s = false;
	struct err e;
	double from;
	int fds[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		exit(1);
	from = cpu_us();
	*c = stream_new(fds[0]);
	if (stream_connect(*c, b->client, host, 443, STREAM_ALPN_H1, &e) < 0)
		die(&e);
	*us_c += cpu_us() - from;
	from = cpu_us();
	*s = stream_new(fds[1]);
	if (stream_accept(*s, b->server, host, STREAM_ALPN_H1, &e) < 0)
		die(&e);
	*us_s += cpu_us() - from;
	while (!done_c || !done_s) {
		done_c = done_c || half(*c, us_c);
		done_s = done_s || half(*s, us_s);
	}
	from = cpu_us();
	(void)!stream_read(*c, &byte, 1, &e); /* takes the tickets */
	*us_c += cpu_us() - from;
}

static void
close_pair(struct stream *c, struct stream *s, double *us_c, double *us_s)
{
	double from = cpu_us();

	stream_free(c);
	*us_c += cpu_us() - from;
	from = cpu_us();
	stream_free(s);
	*us_s += cpu_us() - from;
}

static void
bench_handshakes(bool resume)
{
	double us_c = 0, us_s = 0, warm = 0;
	struct stream *c, *s;
	unsigned resumed = 0;
	struct bench b;
	char host[32];

	bench_init(&b);
	(void)snprintf(host, sizeof(host), "host.test");
	connect_pair(&b, view_of(host), &c, &s, &warm, &warm);
	close_pair(c, s, &warm, &warm);
	for (int i = 0; i < HANDSHAKES; i++) {
		/* The port is part of the key of a session, the leaf is not
		 * made anew. */
		if (!resume) {
			tls_client_free(b.client);
			struct err e;

			if (tls_client_new(b.trust, &b.client, &e) < 0)
				die(&e);
			warm += 1;
		}
		connect_pair(&b, view_of(host), &c, &s, &us_c, &us_s);
		resumed += stream_resumed(c);
		close_pair(c, s, &us_c, &us_s);
	}
	(void)printf("%-8s server side %6.1f us, client side %6.1f us, "
		     "proxy %6.1f us (%u of %d resumed)\n",
	    resume ? "resumed" : "full", us_s / HANDSHAKES, us_c / HANDSHAKES,
	    (us_s + us_c) / HANDSHAKES, resumed, HANDSHAKES);
}

static void
bench_mint(void)
{
	struct bench b;
	char host[32];
	struct err e;
	double from;

	bench_init(&b);
	from = cpu_us();
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(host, sizeof(host), "host%d.test", i);
		if (mint_leaf(b.mint, view_of(host), &e) == NULL)
			die(&e);
	}
	(void)printf("mint     %6.1f us a leaf\n", (cpu_us() - from) / 1000);
	from = cpu_us();
	for (int i = 0; i < 1000; i++)
		if (mint_leaf(b.mint, VIEW("host999.test"), &e) == NULL)
			die(&e);
	(void)printf("cached   %6.2f us a leaf\n", (cpu_us() - from) / 1000);
}

/* Encrypts and decrypts, as the proxy does once each. */
static void
bench_bulk(void)
{
	static char piece[PIECE], got[PIECE];
	double unused = 0, from;
	struct stream *c, *s;
	size_t n_got = 0;
	struct bench b;
	struct err e;

	bench_init(&b);
	connect_pair(&b, VIEW("host.test"), &c, &s, &unused, &unused);
	from = cpu_us();
	while (n_got < BULK) {
		ssize_t n;

		(void)!stream_write(s, (struct view) { piece, PIECE }, &e);
		while ((n = stream_read(c, got, sizeof(got), &e)) > 0)
			n_got += (size_t)n;
	}
	(void)printf("bulk     %6.0f MB per CPU second, written and read\n",
	    (double)n_got / (cpu_us() - from));
}

int
main(void)
{
	bench_handshakes(false);
	bench_handshakes(true);
	bench_mint();
	bench_bulk();
	return 0;
}
