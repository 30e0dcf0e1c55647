/*
 * h1_same: what must come through when a head is written out again, and what a
 * receiver laxer than ours would make of what was written.
 */
#ifndef FUZZ_H1_SAME_H
#define FUZZ_H1_SAME_H

#include <assert.h>
#include <stddef.h>

#include "http/h1.h"

/* The next field from `i` that must come through. */
static inline size_t
h1_next_kept(const struct h1_head *h, size_t i)
{
	for (; i < h->n_fields; i++) {
		struct view name = h->fields[i].name;

		if (h1_hop_by_hop(h, name) ||
		    view_eq_nocase(name, VIEW("content-length")) ||
		    view_eq_nocase(name, VIEW("transfer-encoding")))
			continue;
		if (h->is_request && (view_eq_nocase(name, VIEW("host")) ||
					 view_eq_nocase(name, VIEW("expect"))))
			continue;
		break;
	}
	return i;
}

/* Every such field, in its order, and no other. */
static inline void
h1_check_fields(const struct h1_head *a, const struct h1_head *b)
{
	size_t i = h1_next_kept(a, 0), j = h1_next_kept(b, 0);

	while (i < a->n_fields) {
		assert(j < b->n_fields);
		assert(view_eq(a->fields[i].name, b->fields[j].name));
		assert(view_eq(a->fields[i].value, b->fields[j].value));
		i = h1_next_kept(a, i + 1);
		j = h1_next_kept(b, j + 1);
	}
	assert(j == b->n_fields);
}

/* Whether a lax receiver takes this line for field `name`: it skips whatever
 * precedes and follows the name. */
static inline bool
h1_lax_named(struct view line, struct view name)
{
	size_t at = 0;

	while (at < line.n && ((unsigned char)line.p[at] <= ' ' ||
				  (unsigned char)line.p[at] >= 0x7f))
		at++;
	if (line.n - at < name.n ||
	    !view_eq_nocase(view_slice(line, at, at + name.n), name))
		return false;
	at += name.n;
	while (at < line.n && ((unsigned char)line.p[at] <= ' ' ||
				  (unsigned char)line.p[at] >= 0x7f))
		at++;
	return at < line.n && line.p[at] == ':';
}

/*
 * Attack: request smuggling.  A receiver that ends lines at a bare CR or LF
 * and is lax about names sees the one framing that was parsed, no line more
 * than was written, and the end of the head where ours is.
 */
static inline void
h1_check_lax(struct view out, const struct h1_head *h)
{
	size_t lengths = 0, codings = 0, start = 0;

	for (size_t i = 0; i < out.n; i++) {
		struct view line;

		assert(out.p[i] != '\0');
		if (out.p[i] != '\r' && out.p[i] != '\n')
			continue;
		assert(i + 1 < out.n);
		assert(out.p[i] == '\r' && out.p[i + 1] == '\n');
		line = view_slice(out, start, i);
		i++;
		start = i + 1;
		assert((line.n == 0) == (start == out.n));
		lengths += h1_lax_named(line, VIEW("content-length"));
		codings += h1_lax_named(line, VIEW("transfer-encoding"));
	}
	assert(start == out.n);
	assert(codings == (h->framing == H1_BODY_CHUNKED));
	assert(lengths <= 1 && lengths + codings <= 1);
	assert(h->framing != H1_BODY_LENGTH || lengths == 1);
}

#endif
