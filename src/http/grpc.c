#include "http/grpc.h"

bool
grpc_is(const struct h1_head *h)
{
	static const struct view type = VIEW("application/grpc");
	const struct h1_field *f = h1_find(h, VIEW("content-type"));

	return f != NULL &&
	       view_eq_nocase(view_slice(f->value, 0, type.n), type) &&
	       (f->value.n == type.n || f->value.p[type.n] == '+' ||
		   f->value.p[type.n] == ';');
}

bool
grpc_path(struct view path, struct view *service, struct view *method)
{
	if (path.n < 4 || path.p[0] != '/')
		return false;
	*service = view_cut(view_slice(path, 1, path.n), '/', method);
	return service->n > 0 && method->n > 0 && view_find(*method, '/') < 0;
}

void
grpc_message_put(struct buf *b, struct view v)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c >= ' ' && c <= '~' && c != '%') {
			buf_putc(b, (char)c);
			continue;
		}
		buf_putc(b, '%');
		buf_putc(b, hex[c >> 4]);
		buf_putc(b, hex[c & 15]);
	}
}

unsigned
grpc_status(unsigned http)
{
	static const struct {
		unsigned http, grpc;
	} known[] = {
		{ 403, 7 }, /* PERMISSION_DENIED */
		{ 413, 8 }, /* RESOURCE_EXHAUSTED */
		{ 408, 4 }, /* DEADLINE_EXCEEDED */
		{ 504, 4 },
		{ 502, 14 }, /* UNAVAILABLE */
		{ 503, 14 },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].http == http)
			return known[i].grpc;
	return 13; /* INTERNAL */
}
