#include "gateway/sealed.h"

#include "gateway/seal.h"
#include "secrets/rewrite.h"

static struct seal *
need_seal(struct gateway *g, struct err *e)
{
	if (g->seal == NULL && seal_open(g->state_dir, &g->seal, e) < 0)
		return NULL;
	return g->seal;
}

int
sealed_pack(struct gateway *g, struct view bound, const ProtobufCMessage *m,
    struct buf *out, struct err *e)
{
	AUTO_RW_OUT struct buf plain = BUF_INIT(0);
	struct seal *s = need_seal(g, e);

	if (s == NULL)
		return -1;
	rw_out_init(&plain, protobuf_c_message_get_packed_size(m) + 1);
	plain.n = protobuf_c_message_pack(m, (uint8_t *)plain.p);
	return seal_lock(s, bound, buf_view(&plain), out, e);
}

int
sealed_unpack(struct gateway *g, struct view bound, struct view sealed,
    const ProtobufCMessageDescriptor *type, ProtobufCMessage **out,
    struct err *e)
{
	AUTO_RW_OUT struct buf plain = BUF_INIT(0);
	struct seal *s = need_seal(g, e);

	rw_out_init(&plain, sealed.n + 1);
	if (s == NULL || seal_unlock(s, bound, sealed, &plain, e) < 0)
		return -1;
	*out = protobuf_c_message_unpack(
	    type, NULL, plain.n, (const uint8_t *)plain.p);
	return *out != NULL ? 0 : err_set(e, ERR_INVALID, "it cannot be read");
}
