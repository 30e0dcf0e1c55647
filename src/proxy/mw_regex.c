/*
 * mw_regex: the built-in middleware, `mode: redact`: tokens of a known shape
 * (inspect/redact.h) do not leave.
 */
#include "inspect/redact.h"
#include "proxy/mw.h"

#include "codec/utf8.h"

/* Bytes that count themselves: taking some out would make them another thing.
 */
static bool
is_text(const struct h1_head *h, struct view body)
{
	static const char *const binary[] = { "application/grpc",
		"application/protobuf", "application/x-protobuf",
		"application/octet-stream" };
	const struct h1_field *type =
	    h != NULL ? h1_find(h, VIEW("content-type")) : NULL;

	for (size_t i = 0; type != NULL && i < ARRAY_LEN(binary); i++) {
		struct view prefix = view_of(binary[i]);

		if (view_eq_nocase(
			view_slice(type->value, 0, prefix.n), prefix))
			return false;
	}
	return utf8_valid(body);
}

static bool
is_packed(const struct h1_head *h)
{
	for (size_t i = 0; h != NULL && i < h->n_fields; i++)
		if (view_eq_nocase(
			h->fields[i].name, VIEW("content-encoding")) &&
		    !view_eq_nocase(h->fields[i].value, VIEW("identity")))
			return true;
	return false;
}

enum mw_said
mw_regex(const struct h1_head *h, struct view body, struct mw_answer *a)
{
	size_t n;

	if (body.n == 0)
		return MW_PASSES;
	if (is_packed(h)) {
		a->why = "the body is compressed";
		return MW_FAILS;
	}
	a->body.max = redact_room(body.n);
	n = redact_tokens(body, &a->body);
	if (n == 0)
		return MW_PASSES;
	if (!is_text(h, body)) {
		a->why = "a token is in a body that is no text, from which "
			 "nothing can be taken out";
		return MW_FAILS;
	}
	(void)snprintf(
	    a->found[0].what, sizeof(a->found[0].what), "token sk-...");
	a->found[0].count = (uint32_t)MIN(n, (size_t)UINT32_MAX);
	a->n_found = 1;
	return MW_REPLACES;
}
