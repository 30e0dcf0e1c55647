/*
 * jdoc: one pass, no recursion.  The path of open containers is an array of
 * node indices; a node is written when its value begins and completed when it
 * ends, so the array is the tree in the order of the text.
 *
 * Attacks: two members of one name, of which a server takes the other one
 * than we did; nesting that overflows a stack; a text whose reading costs far
 * more than its size.
 */
#include "inspect/jdoc.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/utf8.h"

struct scan {
	struct jdoc *d;
	struct view text;
	size_t at;
	uint32_t open[JDOC_DEPTH_MAX];
	size_t depth;
	struct err *e;
};

static int
bad(struct scan *s, const char *what)
{
	return err_set(
	    s->e, ERR_PROTO, "JSON: %s at byte %zu", what, s->at + 1);
}

static bool
peek(const struct scan *s, char c)
{
	return s->at < s->text.n && s->text.p[s->at] == c;
}

static void
skip_blanks(struct scan *s)
{
	while (s->at < s->text.n) {
		char c = s->text.p[s->at];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			break;
		s->at++;
	}
}

/* ---- strings ------------------------------------------------------------ */

static bool
hex4(struct scan *s, uint32_t *out)
{
	uint32_t v = 0;

	if (s->text.n - s->at < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		char c = s->text.p[s->at + i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	s->at += 4;
	*out = v;
	return true;
}

static char *
put_utf8(char *to, uint32_t cp)
{
	if (cp < 0x80) {
		*to++ = (char)cp;
	} else if (cp < 0x800) {
		*to++ = (char)(0xc0 | cp >> 6);
		*to++ = (char)(0x80 | (cp & 0x3f));
	} else if (cp < 0x10000) {
		*to++ = (char)(0xe0 | cp >> 12);
		*to++ = (char)(0x80 | (cp >> 6 & 0x3f));
		*to++ = (char)(0x80 | (cp & 0x3f));
	} else {
		*to++ = (char)(0xf0 | cp >> 18);
		*to++ = (char)(0x80 | (cp >> 12 & 0x3f));
		*to++ = (char)(0x80 | (cp >> 6 & 0x3f));
		*to++ = (char)(0x80 | (cp & 0x3f));
	}
	return to;
}

/* Behind a backslash: what it stands for. */
static int
read_escape(struct scan *s, uint32_t *cp)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *hit;
	uint32_t low;

	if (s->at == s->text.n)
		return bad(s, "string without its end");
	if (s->text.p[s->at] != 'u') {
		hit = memchr(from, s->text.p[s->at], sizeof(from) - 1);
		if (hit == NULL)
			return bad(s, "unknown escape");
		*cp = (uint32_t)to[hit - from];
		s->at++;
		return 0;
	}
	s->at++;
	if (!hex4(s, cp))
		return bad(s, "\\u needs four hexadecimal digits");
	if (*cp < 0xd800 || *cp > 0xdfff)
		return 0;
	if (*cp > 0xdbff || s->text.n - s->at < 6 || s->text.p[s->at] != '\\' ||
	    s->text.p[s->at + 1] != 'u')
		return bad(s, "lone surrogate");
	s->at += 2;
	if (!hex4(s, &low) || low < 0xdc00 || low > 0xdfff)
		return bad(s, "lone surrogate");
	*cp = 0x10000 + ((*cp - 0xd800) << 10 | (low - 0xdc00));
	return 0;
}

/* From behind the opening quote to behind the closing one. */
static int
skip_string(struct scan *s, bool *escaped)
{
	*escaped = false;
	for (;;) {
		struct view rest = view_slice(s->text, s->at, s->text.n);
		uint32_t cp;
		size_t n = utf8_decode(rest, &cp);

		if (rest.n == 0)
			return bad(s, "string without its end");
		if (n == 0)
			return bad(s, "bytes that are not UTF-8");
		if (cp < 0x20)
			return bad(s, "control character in a string");
		s->at += n;
		if (cp == '"')
			return 0;
		if (cp != '\\')
			continue;
		*escaped = true;
		if (read_escape(s, &cp) < 0)
			return -1;
	}
}

/* A string at the cursor, decoded; a copy only when it holds an escape. */
static int
read_string(struct scan *s, struct view *out)
{
	size_t from = s->at + 1, end;
	bool escaped;
	char *p, *to;

	s->at = from;
	if (skip_string(s, &escaped) < 0)
		return -1;
	end = s->at;
	*out = view_slice(s->text, from, end - 1);
	if (!escaped)
		return 0;
	/* An escape is never shorter than what it stands for. */
	to = p = arena_alloc(&s->d->arena, out->n + 1, 1);
	for (s->at = from; s->at < end - 1;) {
		uint32_t cp;

		if (s->text.p[s->at] != '\\') {
			*to++ = s->text.p[s->at++];
			continue;
		}
		s->at++;
		if (read_escape(s, &cp) < 0)
			return -1; /* cannot be: it was read once */
		to = put_utf8(to, cp);
	}
	s->at = end;
	*out = (struct view) { p, (size_t)(to - p) };
	return 0;
}

/* ---- numbers and words -------------------------------------------------- */

static size_t
digits(struct scan *s)
{
	size_t from = s->at;

	while (s->at < s->text.n && s->text.p[s->at] >= '0' &&
	       s->text.p[s->at] <= '9')
		s->at++;
	return s->at - from;
}

static double
number_value(struct view v)
{
	char text[JDOC_NUMBER_MAX + 1];

	assert(v.n <= JDOC_NUMBER_MAX);
	memcpy(text, v.p, v.n);
	text[v.n] = '\0';
	return strtod(text, NULL);
}

static int
read_number(struct scan *s, struct view *out)
{
	size_t from = s->at, n;
	bool zero;

	if (peek(s, '-'))
		s->at++;
	zero = peek(s, '0');
	n = digits(s);
	if (n == 0 || (zero && n > 1))
		return bad(s, "malformed number");
	if (peek(s, '.')) {
		s->at++;
		if (digits(s) == 0)
			return bad(s, "malformed number");
	}
	if (peek(s, 'e') || peek(s, 'E')) {
		s->at++;
		if (peek(s, '+') || peek(s, '-'))
			s->at++;
		if (digits(s) == 0)
			return bad(s, "malformed number");
	}
	*out = view_slice(s->text, from, s->at);
	if (out->n > JDOC_NUMBER_MAX)
		return err_set(s->e, ERR_LIMIT,
		    "JSON: number of more than %d bytes", JDOC_NUMBER_MAX);
	if (!isfinite(number_value(*out)))
		return bad(s, "number too large for a double");
	return 0;
}

static int
read_word(struct scan *s, struct view word)
{
	if (!view_starts(view_slice(s->text, s->at, s->text.n), word))
		return bad(s, "unexpected byte");
	s->at += word.n;
	return 0;
}

/* ---- the tree ----------------------------------------------------------- */

static struct jdoc_node *
add_node(struct scan *s, enum jdoc_type type, struct view key)
{
	struct jdoc *d = s->d;

	if (d->n == JDOC_NODES_MAX) {
		(void)err_set(s->e, ERR_LIMIT, "JSON: more than %d values",
		    JDOC_NODES_MAX);
		return NULL;
	}
	if (d->n == d->cap) {
		d->cap = d->cap > 0 ? d->cap * 2 : 64;
		d->v = mem_realloc(d->v, d->cap, sizeof(*d->v));
	}
	d->v[d->n] = (struct jdoc_node) {
		.type = type,
		.key = key,
		.raw = { s->text.p + s->at, 0 },
	};
	return &d->v[d->n++];
}

static void
end_node(struct scan *s, struct jdoc_node *v)
{
	v->raw.n = (size_t)(s->text.p + s->at - v->raw.p);
	v->next = (uint32_t)s->d->n;
}

/* A value at the cursor; a container is left open. */
static int
read_value(struct scan *s, struct view key)
{
	char c = s->at < s->text.n ? s->text.p[s->at] : '\0';
	static const struct {
		char first;
		enum jdoc_type type;
		struct view word;
	} kinds[] = {
		{ '{', JDOC_OBJECT, VIEW("{") },
		{ '[', JDOC_ARRAY, VIEW("[") },
		{ '"', JDOC_STRING, VIEW("") },
		{ 't', JDOC_TRUE, VIEW("true") },
		{ 'f', JDOC_FALSE, VIEW("false") },
		{ 'n', JDOC_NULL, VIEW("null") },
	};
	enum jdoc_type type = JDOC_NUMBER;
	struct view word = VIEW(""), str = { 0 };
	struct jdoc_node *v;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (c == kinds[i].first) {
			type = kinds[i].type;
			word = kinds[i].word;
		}
	if (type == JDOC_NUMBER && c != '-' && (c < '0' || c > '9'))
		return bad(s, "no value");
	v = add_node(s, type, key);
	if (v == NULL)
		return -1;
	if (type == JDOC_STRING)
		r = read_string(s, &str);
	else if (type == JDOC_NUMBER)
		r = read_number(s, &str);
	else
		r = read_word(s, word);
	if (r < 0)
		return -1;
	v->str = str;
	end_node(s, v);
	if (type != JDOC_OBJECT && type != JDOC_ARRAY)
		return 0;
	if (s->depth == JDOC_DEPTH_MAX)
		return err_set(s->e, ERR_LIMIT,
		    "JSON: nested more than %d deep", JDOC_DEPTH_MAX);
	s->open[s->depth++] = (uint32_t)(v - s->d->v);
	return 0;
}

static int
by_bytes(const void *a, const void *b)
{
	const struct view *x = a, *y = b;

	return view_cmp(*x, *y);
}

/* Attack: `method` twice, and the server acts on the other one. */
static int
check_names(struct scan *s, const struct jdoc_node *object)
{
	AUTO_FREE struct view *names = NULL;
	size_t n = 0;

	if (object->n < 2)
		return 0;
	names = mem_calloc(object->n, sizeof(*names));
	JDOC_EACH(m, s->d, object)
	names[n++] = m->key;
	qsort(names, n, sizeof(*names), by_bytes);
	for (size_t i = 1; i < n; i++)
		if (view_eq(names[i - 1], names[i])) {
			struct view shown = utf8_clip(names[i], 64);
			char text[300];
			struct buf b = { .p = text,
				.cap = sizeof(text),
				.max = sizeof(text) - 1 };

			buf_put_escaped(&b, shown);
			return err_set(s->e, ERR_PROTO,
			    "JSON: member \"%.*s\" occurs twice in one object",
			    (int)b.n, b.p);
		}
	return 0;
}

static int
close_container(struct scan *s)
{
	struct jdoc_node *v = &s->d->v[s->open[--s->depth]];

	s->at++;
	end_node(s, v);
	return v->type == JDOC_OBJECT ? check_names(s, v) : 0;
}

/* What comes next in the innermost open container: a member, item or its end.
 */
static int
read_next(struct scan *s)
{
	struct jdoc_node *in = &s->d->v[s->open[s->depth - 1]];
	bool object = in->type == JDOC_OBJECT;
	struct view key = { 0 };

	skip_blanks(s);
	if (peek(s, object ? '}' : ']'))
		return close_container(s);
	if (in->n > 0) {
		if (!peek(s, ','))
			return bad(s, "no comma between values");
		s->at++;
		skip_blanks(s);
	}
	if (object) {
		if (!peek(s, '"'))
			return bad(s, "no member name");
		if (read_string(s, &key) < 0)
			return -1;
		if (view_find(key, '\0') >= 0)
			return bad(s, "NUL in a member name");
		skip_blanks(s);
		if (!peek(s, ':'))
			return bad(s, "no colon behind a member name");
		s->at++;
		skip_blanks(s);
	}
	in->n++;
	return read_value(s, key);
}

int
jdoc_parse(struct view text, struct jdoc *out, struct err *e)
{
	struct scan s = { .d = out, .text = text, .e = e };

	*out = (struct jdoc) { 0 };
	if (text.n > JDOC_TEXT_MAX)
		return err_set(
		    e, ERR_LIMIT, "JSON: more than %d bytes", JDOC_TEXT_MAX);
	skip_blanks(&s);
	if (read_value(&s, (struct view) { 0 }) < 0)
		return -1;
	while (s.depth > 0)
		if (read_next(&s) < 0)
			return -1;
	skip_blanks(&s);
	return s.at == text.n ? 0 : bad(&s, "bytes behind the end");
}

void
jdoc_fini(struct jdoc *d)
{
	arena_fini(&d->arena);
	free(d->v);
	*d = (struct jdoc) { 0 };
}

const struct jdoc_node *
jdoc_first(const struct jdoc *d, const struct jdoc_node *in)
{
	(void)d;
	return in != NULL && in->n > 0 ? in + 1 : NULL;
}

const struct jdoc_node *
jdoc_after(const struct jdoc *d, const struct jdoc_node *in,
    const struct jdoc_node *at)
{
	return at->next < in->next ? &d->v[at->next] : NULL;
}

const struct jdoc_node *
jdoc_get(const struct jdoc *d, const struct jdoc_node *in, const char *name)
{
	struct view want = view_of(name);

	if (in == NULL || in->type != JDOC_OBJECT)
		return NULL;
	JDOC_EACH(m, d, in)
	if (view_eq(m->key, want))
		return m;
	return NULL;
}

bool
jdoc_is_integer(const struct jdoc_node *v)
{
	return v->type == JDOC_NUMBER && view_find(v->str, '.') < 0 &&
	       view_find(v->str, 'e') < 0 && view_find(v->str, 'E') < 0;
}

/* A byte that is no UTF-8 stands for itself, beyond all characters. */
size_t
jdoc_fold(struct view v, uint32_t *folded)
{
	uint32_t cp = 0;
	size_t n = utf8_decode(v, &cp);

	if (n == 0) {
		*folded = 0x110000u + (unsigned char)v.p[0];
		return 1;
	}
	if (cp >= 'A' && cp <= 'Z')
		cp |= 0x20;
	*folded = cp == 0x17f ? 's' : cp == 0x212a ? 'k' : cp;
	return n;
}

bool
jdoc_name_like(struct view a, struct view b)
{
	while (a.n > 0 && b.n > 0) {
		uint32_t x, y;
		size_t i = jdoc_fold(a, &x), j = jdoc_fold(b, &y);

		if (x != y)
			return false;
		a = view_slice(a, i, a.n);
		b = view_slice(b, j, b.n);
	}
	return a.n == b.n;
}

const struct jdoc_node *
jdoc_lookalike(
    const struct jdoc *d, const struct jdoc_node *in, const char *const *names)
{
	if (in == NULL || in->type != JDOC_OBJECT)
		return NULL;
	JDOC_EACH(m, d, in)
	for (size_t i = 0; names[i] != NULL; i++)
		if (!view_eq(m->key, view_of(names[i])) &&
		    jdoc_name_like(m->key, view_of(names[i])))
			return m;
	return NULL;
}

/* Integers that a double holds exactly are written as such. */
static struct view
one_spelling(const struct jdoc_node *number, struct arena *a)
{
	struct view as_written = number->str;
	double v = number_value(as_written);
	char text[64];
	int n;

	if (fabs(v) <= 9007199254740992.0 && v == (double)(int64_t)v)
		n = snprintf(text, sizeof(text), "%.0f", v + 0.0);
	else if (jdoc_is_integer(number))
		return as_written; /* an integer that only bignums hold */
	else
		n = snprintf(text, sizeof(text), "%.17g", v);
	return arena_view(a, (struct view) { text, (size_t)n });
}

struct view
jdoc_scalar(const struct jdoc_node *v, struct arena *a)
{
	switch (v->type) {
	case JDOC_NULL:
		return VIEW("null");
	case JDOC_FALSE:
		return VIEW("false");
	case JDOC_TRUE:
		return VIEW("true");
	case JDOC_NUMBER:
		return one_spelling(v, a);
	case JDOC_STRING:
		return v->str;
	case JDOC_ARRAY:
	case JDOC_OBJECT:
		break;
	}
	return (struct view) { NULL, 0 };
}
