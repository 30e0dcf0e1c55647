/*
 * rpc_message: what rpc_unpack lets through means one thing: packed and
 * unpacked again it is the same message.  The first byte chooses which.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "openshell.pb-c.h"
#include "rpc/frames.h"
#include "supervisor.pb-c.h"

static const ProtobufCMessageDescriptor *const types[] = {
	&openshell__supervisor__v1__up__descriptor,
	&openshell__supervisor__v1__relay_up__descriptor,
	&openshell__supervisor__v1__down__descriptor,
	&openshell__v1__create_sandbox_request__descriptor,
	&openshell__v1__exec_sandbox_input__descriptor,
	&openshell__v1__update_config_request__descriptor,
};

static uint8_t *
pack(const ProtobufCMessage *m, size_t *n)
{
	uint8_t *p;

	*n = protobuf_c_message_get_packed_size(m);
	p = mem_calloc(1, *n + 1);
	assert(protobuf_c_message_pack(m, p) == *n);
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const ProtobufCMessageDescriptor *d;
	ProtobufCMessage *m, *again;
	uint8_t *a, *b;
	size_t an, bn;
	struct err e;

	if (n == 0)
		return 0;
	d = types[p[0] % ARRAY_LEN(types)];
	m = rpc_unpack(d, (struct view) { (const char *)p + 1, n - 1 }, &e);
	if (m == NULL) {
		assert(e.code == ERR_INVALID && e.text[0] != '\0');
		return 0;
	}
	a = pack(m, &an);
	again = rpc_unpack(d, (struct view) { (const char *)a, an }, &e);
	assert(again != NULL);
	b = pack(again, &bn);
	assert(an == bn && memcmp(a, b, an) == 0);
	free(a);
	free(b);
	protobuf_c_message_free_unpacked(m, NULL);
	protobuf_c_message_free_unpacked(again, NULL);
	return 0;
}
