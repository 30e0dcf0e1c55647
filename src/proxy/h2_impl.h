/* h2_impl: what the files of h2.h share. */
#ifndef PROXY_H2_IMPL_H
#define PROXY_H2_IMPL_H

#include <nghttp2/nghttp2.h>

#include "http/h2_guard.h"
#include "http/h2map.h"
#include "inspect/ws.h"
#include "proxy/h2.h"

enum {
	H2_STREAMS_MAX = 100,
	H2_STREAM_WINDOW = 256 << 10,
	H2_WINDOW = 1 << 20,
	H2_OUT_MAX = 64 << 10,
	/* After an early answer: as px_linger of a whole connection. */
	H2_LINGER_MS = 2000,
	H2_LINGER_MAX = 256 << 10,
	H2_TEXT_MAX = H1_RESPONSE_HEAD_MAX + 16384
};

struct h2_stream;

/* What differs between the two legs. */
struct h2_role {
	/* A header list is whole: what it says becomes text to be read. */
	void (*head)(struct h2_leg *leg, struct h2_stream *st, bool end);
	/* A head was written: sends it.  `end`: no body follows. */
	int (*send_head)(struct h2_leg *leg, struct h2_stream *st,
	    const struct h1_head *h, bool end, struct err *e);
	bool server;
};

struct h2_leg {
	struct px *px;
	struct px_conn *conn; /* whose it is */
	const struct h2_role *role;
	nghttp2_session *s;
	struct px_end *end; /* the socket: conn->client, or own */
	struct px_end own;
	struct px_task task; /* of the upstream's: pumps it */
	uv_timer_t *timer; /* there: comes back when its turn was too short */
	struct h2_guard guard;
	struct h2_list list; /* the header block that is coming in */
	bool in_block;
	uint64_t head_since; /* loop time; 0: none is coming in */
	struct h2_stream *streams;
	unsigned n_streams, n_lingering;
	const char *calm; /* the peer asked for too much: in words */
	bool over; /* no more exchanges */
	bool greeted; /* a frame came */
	bool touched; /* the first one, or a request, came since last seen */
	bool went_away; /* we said GOAWAY */
	struct err why; /* of its end */
};

enum h2_out { H2_OUT_HEAD, H2_OUT_BODY, H2_OUT_DONE };

/* One stream, and the port that its end sees. */
struct h2_stream {
	struct h2_leg *leg;
	struct h2_stream *next, **at;
	struct px_end *end; /* NULL: let go of */
	int32_t id; /* 0: none yet, or over */
	char method[H1_METHOD_MAX + 1];

	/* To be read. */
	struct buf text; /* heads, the last chunk: before, after the data */
	size_t text_at;
	struct buf data;
	size_t data_at;
	struct buf trailers; /* lines */
	bool in_head; /* the final head has come */
	bool in_chunked;
	bool in_end; /* END_STREAM */
	bool in_last; /* the last chunk is text */
	bool broken; /* no more comes than what is there */
	uint64_t linger_until; /* loop time: answered before its end; or 0 */
	size_t lingered; /* DATA read away since then */
	bool refused; /* the peer has done nothing for it, or is to hear so:
			 RFC 9113 section 8.7 */
	uint32_t code; /* why */
	bool websocket; /* an extended CONNECT: bytes follow the heads */
	char accept[WS_ACCEPT_SIZE]; /* upstream: what it would answer */

	/* Written. */
	enum h2_out state;
	struct buf head; /* not yet whole */
	size_t scanned;
	enum h1_framing framing;
	uint64_t left;
	struct h1_chunk chunk;
	struct buf out; /* DATA to be sent */
	size_t out_at;
	struct buf out_trailers; /* as they came, with their empty line */
	bool deferred; /* nghttp2 waits for DATA */
	bool sent_head;
};

static inline struct view
h2_scheme(const struct h2_leg *leg)
{
	return leg->conn->tls ? VIEW("https") : VIEW("http");
}

/* h2_leg.c */
struct h2_leg *h2_leg_new(
    struct px_conn *c, const struct h2_role *role, struct err *e) MUST_USE;
/* What came in, and what is to go out.  FAIL, EOF: leg->why says it. */
enum px_io_result h2_leg_pump(struct h2_leg *leg);
/* Something is to be sent. */
void h2_leg_wake(struct h2_leg *leg);
/* Nothing more from the peer; what is queued goes out. */
void h2_leg_terminate(struct h2_leg *leg, uint32_t code);
void h2_leg_reset(struct h2_leg *leg, int32_t id, uint32_t code);

/* Resets the streams that have lingered enough; false: there are none. */
bool h2_leg_end_lingering(struct h2_leg *leg);
/* When the next one has; 0: none lingers. */
uint64_t h2_leg_lingers_until(const struct h2_leg *leg) MUST_USE;

/* h2_stream.c */
struct h2_stream *h2_stream_new(struct h2_leg *leg, int32_t id);
void h2_stream_free(struct h2_stream *st);
void h2_stream_attach(struct h2_stream *st, struct px_end *end);
/* The owner runs again. */
void h2_stream_wake(struct h2_stream *st);
void h2_stream_data(struct h2_stream *st, struct view v);
/* No more is to be sent of what has no end of its own. */
void h2_stream_finish(struct h2_stream *st);
/* It is over: nothing more comes, `code` says why. */
void h2_stream_over(struct h2_stream *st, uint32_t code);
nghttp2_data_provider h2_stream_provider(struct h2_stream *st);
/* A list for nghttp2, which copies it. */
size_t h2_nv(const struct h1_field *v, size_t n, nghttp2_nv *nv);

#endif
