/* reason: bounded, escaped text in the caller's storage; no allocation. */
#include "codec/utf8.h"
#include "policy/compiled.h"

static void
append(struct c_text *t, const char *p, size_t n)
{
	if (t->cut || n > t->max - 1 - t->n) {
		t->cut = true;
		return;
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

void
c_puts(struct c_text *t, const char *s)
{
	append(t, s, strlen(s));
}

void
c_put(struct c_text *t, struct view v)
{
	static const char hex[] = "0123456789abcdef";
	size_t n;
	uint32_t c;

	for (size_t at = 0; at < v.n && !t->cut; at += n) {
		unsigned char b = (unsigned char)v.p[at];

		n = utf8_decode(view_slice(v, at, v.n), &c);
		if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
			/* In full for both bytes of a C1 control. */
			n = 1;
			append(t,
			    (char[]) { '\\', 'x', hex[b >> 4], hex[b & 15] },
			    4);
		} else
			append(t, v.p + at, n);
	}
}

void
c_put_host(struct c_text *t, struct view host, uint16_t port)
{
	bool v6 = view_find(host, ':') >= 0;
	char number[8];

	if (v6)
		c_puts(t, "[");
	c_put(t, host);
	snprintf(number, sizeof(number), "%s:%u", v6 ? "]" : "", port);
	c_puts(t, number);
}

/* Ends the string, with "..." when something did not fit. */
void
c_end(struct c_text *t)
{
	struct view v;

	if (t->cut && t->max >= 4) {
		v = utf8_clip(
		    (struct view) { t->p, t->n }, MIN(t->n, t->max - 4));
		memcpy(t->p + v.n, "...", 3);
		t->n = v.n + 3;
	}
	t->p[t->n] = '\0';
}
