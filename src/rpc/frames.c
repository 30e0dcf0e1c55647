/*
 * frames: length-prefixed messages and the small texts of gRPC over HTTP/2
 * (grpc/doc/PROTOCOL-HTTP2.md).
 */
#include "rpc/rpc.h"
#include "rpc/frames.h"

#include <stdlib.h>

#include "base/mem.h"
#include "codec/utf8.h"

enum { PREFIX = 5 };

void
rpc_frames_init(struct rpc_frames *f, size_t max)
{
	*f = (struct rpc_frames) { .b = BUF_INIT(max + PREFIX), .max = max };
}

void
rpc_frames_fini(struct rpc_frames *f)
{
	buf_fini(&f->b);
}

static size_t
length_of(const struct buf *b)
{
	struct rd r = rd_of(view_slice(buf_view(b), 1, PREFIX));

	return rd_be32(&r);
}

/* The prefix at the start of the buffer, as soon as it is there. */
static int
check_prefix(struct rpc_frames *f, struct err *e)
{
	if (f->b.n >= 1 && f->b.p[0] != 0)
		return err_set(
		    e, ERR_PROTO, "compressed messages are not supported");
	if (f->b.n >= PREFIX && length_of(&f->b) > f->max)
		return err_set(e, ERR_LIMIT,
		    "Error, decoded message length too large: found %zu "
		    "bytes, the limit is: %zu bytes",
		    length_of(&f->b), f->max);
	return 0;
}

static size_t
wanted(const struct rpc_frames *f)
{
	return f->b.n < PREFIX ? PREFIX : PREFIX + length_of(&f->b);
}

int
rpc_frames_feed(struct rpc_frames *f, struct view *in, struct err *e)
{
	while (in->n > 0) {
		size_t want = wanted(f), take;

		if (f->b.n >= PREFIX && f->b.n == want)
			return 0; /* whole: to be taken first */
		take = MIN(in->n, want - f->b.n);
		/* All at once: not a step for each piece that comes. */
		if (!buf_reserve(&f->b, want - f->b.n))
			return err_set(e, ERR_LIMIT, "message too large");
		buf_put(&f->b, (struct view) { in->p, take });
		*in = view_slice(*in, take, in->n);
		if (check_prefix(f, e) < 0)
			return -1;
	}
	return 0;
}

int
rpc_frames_next(struct rpc_frames *f, struct view *message)
{
	if (f->b.n < PREFIX || f->b.n < wanted(f))
		return 0;
	*message = view_slice(buf_view(&f->b), PREFIX, f->b.n);
	return 1;
}

void
rpc_frames_taken(struct rpc_frames *f)
{
	/* A large one is not kept for the small ones that follow. */
	if (f->b.cap > 65536)
		rpc_frames_fini(f);
	else
		buf_reset(&f->b);
}

bool
rpc_frames_empty(const struct rpc_frames *f)
{
	return f->b.n == 0;
}

void
rpc_frame_put(struct buf *b, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);

	if (n > UINT32_MAX || !buf_reserve(b, PREFIX + n)) {
		b->full = true;
		return;
	}
	buf_putc(b, 0);
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_putc(b, (char)(n >> shift & 0xff));
	b->n += protobuf_c_message_pack(m, (uint8_t *)b->p + b->n);
}

/* --- small texts --------------------------------------------------------- */

int64_t
rpc_timeout_ms(struct view v)
{
	static const struct {
		char unit;
		int64_t mul, div; /* to milliseconds */
	} units[] = {
		{ 'H', 3600000, 1 },
		{ 'M', 60000, 1 },
		{ 'S', 1000, 1 },
		{ 'm', 1, 1 },
		{ 'u', 1, 1000 },
		{ 'n', 1, 1000000 },
	};
	uint64_t n;

	/* At most eight digits: nothing below can overflow. */
	if (v.n < 2 || v.n > 9 ||
	    !view_u64(view_slice(v, 0, v.n - 1), 99999999, &n))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (units[i].unit == v.p[v.n - 1])
			return ((int64_t)n * units[i].mul + units[i].div - 1) /
			       units[i].div;
	return -1;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
rpc_percent_take(struct buf *b, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		int hi = -1, lo = -1;

		if (v.p[i] == '%' && v.n - i > 2) {
			hi = hex_value(v.p[i + 1]);
			lo = hex_value(v.p[i + 2]);
		}
		/* What is malformed is kept as it is, as gRPC asks. */
		if (hi < 0 || lo < 0) {
			buf_putc(b, v.p[i]);
			continue;
		}
		buf_putc(b, (char)(hi << 4 | lo));
		i += 2;
	}
}

/* --- messages ------------------------------------------------------------ */

enum { DEPTH_MAX = 32, VARINT_MAX = 10, FIELD_NUMBER_MAX = 0x1fffffff };

static uint64_t
rd_varint(struct rd *r)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < VARINT_MAX; i++) {
		uint8_t b = rd_u8(r);

		n |= (uint64_t)(b & 0x7f) << (7 * i);
		if (!(b & 0x80))
			return n;
	}
	r->bad = true;
	return 0;
}

static int check_fields(const ProtobufCMessageDescriptor *d, struct view v,
    unsigned depth, struct err *e);

static int
check_bytes(const ProtobufCFieldDescriptor *f, struct view v, unsigned depth,
    struct err *e)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return check_fields(f->descriptor, v, depth + 1, e);
	if (f->type != PROTOBUF_C_TYPE_STRING)
		return 0;
	/* A C string would end there, and what was checked is not what is
	 * kept. */
	if (v.n > 0 && view_find(v, '\0') >= 0)
		return err_set(
		    e, ERR_INVALID, "a string in %s holds a NUL", f->name);
	if (!utf8_valid(v))
		return err_set(
		    e, ERR_INVALID, "a string in %s is not UTF-8", f->name);
	return 0;
}

/*
 * What protobuf-c does not look at: depth (it recurses for each level, and
 * google.protobuf.Struct may nest as deep as a message is long), and that
 * strings are UTF-8 without NUL.
 */
static int
check_fields(const ProtobufCMessageDescriptor *d, struct view v, unsigned depth,
    struct err *e)
{
	struct rd r = rd_of(v);

	if (depth > DEPTH_MAX)
		return err_set(e, ERR_INVALID,
		    "message nested deeper than %d levels", (int)DEPTH_MAX);
	while (r.n > 0 && !r.bad) {
		uint64_t tag = rd_varint(&r);
		uint64_t number = tag >> 3;
		const ProtobufCFieldDescriptor *f;
		struct view bytes;

		/* protobuf-c keeps a number of 32 bits, and 0: what it would
		 * look up must be what is looked up here. */
		if (number == 0 || number > FIELD_NUMBER_MAX) {
			r.bad = true;
			continue;
		}
		switch (tag & 7) {
		case 0:
			(void)rd_varint(&r);
			continue;
		case 1:
			(void)rd_view(&r, 8);
			continue;
		case 5:
			(void)rd_view(&r, 4);
			continue;
		case 2:
			bytes = rd_view(&r, (size_t)rd_varint(&r));
			break;
		default: /* groups are not of proto3 */
			r.bad = true;
			continue;
		}
		f = r.bad ? NULL
			  : protobuf_c_message_descriptor_get_field(
				d, (unsigned)number);
		if (f != NULL && check_bytes(f, bytes, depth, e) < 0)
			return -1;
	}
	if (r.bad)
		return err_set(e, ERR_INVALID, "malformed message %s", d->name);
	return 0;
}

/*
 * Attack: a message of empty messages takes ninety times its size.  Log lines
 * of three letters take ten times, the smallest entries of a Struct twenty: a
 * message may take 8 MiB and sixteen times its size.  All that is asked for
 * counts, also what protobuf-c gives back before it is done.
 */
enum { UNPACK_FREE = 8 << 20, UNPACK_TIMES = 16, MALLOC_HEAD = 16 };

static void *
budget_alloc(void *left, size_t n)
{
	size_t *budget = left;

	if (n > *budget || *budget - n < MALLOC_HEAD) {
		*budget = 0;
		return NULL;
	}
	*budget -= n + MALLOC_HEAD;
	return mem_realloc(NULL, n, 1);
}

static void
budget_free(void *left UNUSED, void *p)
{
	free(p);
}

ProtobufCMessage *
rpc_unpack(const ProtobufCMessageDescriptor *d, struct view v, struct err *e)
{
	size_t left = UNPACK_FREE + UNPACK_TIMES * v.n;
	ProtobufCAllocator budget = { budget_alloc, budget_free, &left };
	ProtobufCMessage *m;

	if (check_fields(d, v, 0, e) < 0)
		return NULL;
	m = protobuf_c_message_unpack(d, &budget, v.n, (const uint8_t *)v.p);
	if (m != NULL)
		return m;
	if (left == 0)
		(void)err_set(e, ERR_LIMIT,
		    "message %s has too many parts for its %zu bytes", d->name,
		    v.n);
	else
		(void)err_set(e, ERR_INVALID, "malformed message %s", d->name);
	return NULL;
}
