#include "rpc/frames.h"

#include <stdlib.h>

#include "base/mem.h"
#include "google/protobuf/struct.pb-c.h"
#include "openshell.pb-c.h"
#include "test.h"

/* Bytes written from their end: what is inside comes first. */
struct back {
	char *p;
	size_t at;
};

static void
put(struct back *b, uint8_t c)
{
	b->p[--b->at] = (char)c;
}

/* Tag and length before the n bytes that are there. */
static void
wrap(struct back *b, unsigned field, size_t n)
{
	uint8_t digits[10];
	size_t k = 0;

	for (; n >= 0x80; n >>= 7)
		digits[k++] = (uint8_t)(n | 0x80);
	digits[k++] = (uint8_t)n;
	while (k > 0)
		put(b, digits[--k]);
	put(b, (uint8_t)(field << 3 | 2));
}

/* google.protobuf.Struct { "": Value { Struct { "": ... } } }, or refused. */
static int
unpack_nested(unsigned levels, struct err *e)
{
	size_t size = (size_t)levels * 24 + 1;
	AUTO_FREE char *room = mem_calloc(1, size);
	struct back b = { room, size };
	ProtobufCMessage *m;

	for (unsigned i = 0; i < levels; i++) {
		wrap(&b, 5, size - b.at); /* Value.struct_value */
		wrap(&b, 2, size - b.at); /* entry.value */
		wrap(&b, 1, size - b.at); /* Struct.fields */
	}
	m = rpc_unpack(&google__protobuf__struct__descriptor,
	    (struct view) { room + b.at, size - b.at }, e);
	if (m == NULL)
		return -1;
	protobuf_c_message_free_unpacked(m, NULL);
	return 0;
}

TEST(unpack, takes_a_struct_that_nests_as_people_nest)
{
	struct err e;

	CHECK_INT(unpack_nested(0, &e), ==, 0);
	CHECK_INT(unpack_nested(10, &e), ==, 0);
}

TEST(unpack, refuses_a_struct_nested_a_hundred_thousand_deep)
{
	static const unsigned levels[] = { 50, 1000, 100000 };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		CHECK_INT(unpack_nested(levels[i], &e), ==, -1);
		CHECK_INT(e.code, ==, ERR_INVALID);
		CHECK_HAS(e.text, "nested deeper than");
	}
}

/* `size` bytes of one part over and over, as a message; -1 when refused. */
static int
unpack_parts(const ProtobufCMessageDescriptor *d, struct view part, size_t size,
    struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(size);
	ProtobufCMessage *m;

	while (size - b.n >= part.n)
		buf_put(&b, part);
	m = rpc_unpack(d, buf_view(&b), e);
	if (m == NULL)
		return -1;
	protobuf_c_message_free_unpacked(m, NULL);
	return 0;
}

enum { MIB = 1 << 20 };

/* Attack: memory of the reader, some seventy times what was sent. */
TEST(unpack, refuses_a_message_whose_parts_need_far_more_than_its_bytes)
{
	static const struct {
		const ProtobufCMessageDescriptor *d;
		struct view part;
	} rows[] = {
		/* empty log lines */
		{ &openshell__v1__get_sandbox_logs_response__descriptor,
		    VIEW("\x0a\0") },
		/* empty values of a list */
		{ &google__protobuf__list_value__descriptor, VIEW("\x0a\0") },
		/* numbers of a field that is not known */
		{ &openshell__v1__health_request__descriptor,
		    VIEW("\x78\x01") },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(
		    unpack_parts(rows[i].d, rows[i].part, MIB, &e), ==, -1);
		CHECK_INT(e.code, ==, ERR_LIMIT);
		CHECK_HAS(e.text, "too many parts");
		/* ... and a small one is nothing to worry about. */
		CHECK_INT(
		    unpack_parts(rows[i].d, rows[i].part, MIB / 16, &e), ==, 0);
	}
}

TEST(unpack, takes_large_messages_of_short_parts)
{
	static const struct {
		const ProtobufCMessageDescriptor *d;
		struct view part;
	} rows[] = {
		/* a log line of three letters */
		{ &openshell__v1__get_sandbox_logs_response__descriptor,
		    VIEW("\x0a\x15\x10\x80\x80\x80\x80\x80\x01"
			 "\x1a\x04INFO\x2a\x03"
			 "abc\x32\x01s") },
		/* { "a": true } */
		{ &google__protobuf__struct__descriptor,
		    VIEW("\x0a\x07\x0a\x01"
			 "a\x12\x02\x20\x01") },
		/* "log_sources": a word each */
		{ &openshell__v1__watch_sandbox_request__descriptor,
		    VIEW("\x4a\x06sandbo") },
		/* bytes */
		{ &openshell__v1__exec_sandbox_stdout__descriptor,
		    VIEW("\x0a\x01x") },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (unpack_parts(rows[i].d, rows[i].part, MIB, &e) < 0)
			fail_msg("row %zu: %s", i, e.text);
}
