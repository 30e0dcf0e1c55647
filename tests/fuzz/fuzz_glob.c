/*
 * fuzz_glob: the compiled matcher agrees with a plain reading of the pattern,
 * which walks the text and keeps the set of places reached in the subject; and
 * so does the automaton of the pattern, walked along the subject.
 *
 * Input: one byte choosing the delimiter, the pattern, a line feed, and the
 * subject.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/automaton.h"
#include "codec/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { SUBJECT_MAX = 256 };

struct places {
	bool at[SUBJECT_MAX + 1];
};

struct reading {
	struct view pattern, subject;
	char delim;
};

static bool
in_class(const struct reading *r, size_t *i, char c)
{
	struct view p = r->pattern;
	bool negate = false, found = false, first = true;

	(*i)++;
	if (p.p[*i] == '!' || p.p[*i] == '^') {
		negate = true;
		(*i)++;
	}
	for (; first || p.p[*i] != ']'; first = false) {
		unsigned char from, to;

		if (p.p[*i] == '\\')
			(*i)++;
		from = to = (unsigned char)p.p[(*i)++];
		if (p.p[*i] == '-' && p.p[*i + 1] != ']') {
			(*i)++;
			if (p.p[*i] == '\\')
				(*i)++;
			to = (unsigned char)p.p[(*i)++];
		}
		found |= (unsigned char)c >= from && (unsigned char)c <= to;
	}
	(*i)++;
	return c != r->delim && found != negate;
}

/* Every place one byte further whose byte `c` satisfies the element at *i. */
static void
read_byte(const struct reading *r, size_t *i, struct places *s)
{
	struct places out = { 0 };
	size_t at = *i, after = *i;

	for (size_t k = 0; k <= r->subject.n; k++) {
		/* The class is parsed once even when no place is left. */
		char c = k < r->subject.n ? r->subject.p[k] : r->delim;
		bool yes;

		after = at;
		switch (r->pattern.p[at]) {
		case '?':
			yes = c != r->delim;
			after++;
			break;
		case '[':
			yes = in_class(r, &after, c);
			break;
		case '\\':
			yes = c == r->pattern.p[at + 1];
			after += 2;
			break;
		default:
			yes = c == r->pattern.p[at];
			after++;
			break;
		}
		if (k < r->subject.n && s->at[k] && yes)
			out.at[k + 1] = true;
	}
	*i = after;
	*s = out;
}

static void
read_stars(const struct reading *r, size_t *i, struct places *s)
{
	size_t from = *i, to = from;
	bool starts, component, reached = false;

	while (to < r->pattern.n && r->pattern.p[to] == '*')
		to++;
	*i = to;
	starts = from == 0 || r->pattern.p[from - 1] == r->delim;
	component = to - from == 2 && starts;
	if (component && to == r->pattern.n) {
		for (size_t k = 0; k <= r->subject.n; k++)
			s->at[k] = reached = reached || s->at[k];
	} else if (component && r->pattern.p[to] == r->delim) {
		(*i)++;
		for (size_t k = 0; k <= r->subject.n; k++) {
			bool here = s->at[k];

			if (k > 0 && reached && r->subject.p[k - 1] == r->delim)
				s->at[k] = true;
			reached |= here;
		}
	} else {
		for (size_t k = 1; k <= r->subject.n; k++)
			s->at[k] |=
			    s->at[k - 1] && r->subject.p[k - 1] != r->delim;
	}
}

static void read_seq(
    const struct reading *r, size_t *i, unsigned depth, struct places *s);

static void
read_braces(
    const struct reading *r, size_t *i, unsigned depth, struct places *s)
{
	struct places in = *s, out = { 0 };
	bool some = false;

	do {
		struct places branch = in;
		size_t from = ++(*i);

		read_seq(r, i, depth + 1, &branch);
		if (*i == from)
			continue;
		some = true;
		for (size_t k = 0; k <= r->subject.n; k++)
			out.at[k] |= branch.at[k];
	} while (r->pattern.p[*i] == ',');
	(*i)++;
	*s = some ? out : in;
}

static void
read_seq(const struct reading *r, size_t *i, unsigned depth, struct places *s)
{
	while (*i < r->pattern.n) {
		char c = r->pattern.p[*i];

		if (depth > 0 && (c == ',' || c == '}'))
			return;
		if (c == '*')
			read_stars(r, i, s);
		else if (c == '{')
			read_braces(r, i, depth, s);
		else
			read_byte(r, i, s);
	}
}

static bool
walked(const struct glob *g, struct view subject)
{
	struct automaton *a = automaton_of_glob(g);
	struct byte_classes c = BYTE_CLASSES_INIT;
	uint32_t at = AUTOMATON_START, twin;
	struct err e;
	bool yes;

	automaton_split(a, &c);
	for (size_t i = 0; i < subject.n && at != AUTOMATON_DEAD; i++) {
		unsigned char b = (unsigned char)subject.p[i], other = b;

		for (unsigned k = 0; k < 256; k++)
			if (c.of[k] == c.of[b])
				other = (unsigned char)k;
		/* 256 bytes lead through 257 states at most. */
		if (automaton_step(a, at, other, &twin, &e) < 0 ||
		    automaton_step(a, at, b, &at, &e) < 0)
			abort();
		assert(at == twin); /* bytes of one class are alike */
	}
	yes = automaton_accepts(a, at);
	automaton_free(a);
	return yes;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char delims[] = "/.";
	struct reading r;
	struct places s = { .at = { true } };
	struct glob *g = NULL;
	struct err e;
	size_t i = 0;

	if (n == 0)
		return 0;
	r.delim = delims[p[0] % 2];
	r.pattern = view_cut(
	    (struct view) { (const char *)p + 1, n - 1 }, '\n', &r.subject);
	r.subject = view_slice(r.subject, 0, SUBJECT_MAX);
	if (r.subject.p == NULL)
		r.subject = VIEW("");
	if (glob_new(r.pattern, r.delim, &g, &e) < 0) {
		assert(e.text[0] != '\0');
		return 0;
	}
	read_seq(&r, &i, 0, &s);
	assert(i == r.pattern.n);
	assert(glob_match(g, r.subject) == s.at[r.subject.n]);
	assert(walked(g, r.subject) == s.at[r.subject.n]);
	assert(!s.at[r.subject.n] || view_starts(r.subject, glob_prefix(g)));
	assert(!glob_is_literal(g) ||
	       s.at[r.subject.n] == view_eq(r.subject, glob_prefix(g)));
	glob_free(g);
	return 0;
}
