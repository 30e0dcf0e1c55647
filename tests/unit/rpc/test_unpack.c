#include "rpc/frames.h"

#include <stdlib.h>

#include "base/mem.h"
#include "google/protobuf/struct.pb-c.h"
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
