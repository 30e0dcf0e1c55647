/*
 * glob: a pattern becomes a small automaton whose states are numbered in
 * pattern order.  Every transition that reads nothing goes forward, so one
 * ascending pass over the set of live states both follows those and takes the
 * next byte: time is at most states times bytes whatever the subject
 * (Attack: patterns and paths that make a backtracking matcher run for ever).
 * Braces become forks; nothing is ever multiplied out.
 */
#include "codec/glob_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { STATES_MAX = 2 * GLOB_MAX + 2, WORDS_MAX = (STATES_MAX + 63) / 64 };

struct compiler {
	struct view in;
	size_t at;
	char delim;
	unsigned depth, branches;
	struct glob_state *states;
	size_t n;
	struct glob_class *classes;
	size_t nclasses;
	struct err *e;
};

static size_t
emit(struct compiler *c, enum glob_op op, unsigned char byte, size_t arg)
{
	c->states[c->n] =
	    (struct glob_state) { (uint8_t)op, byte, (uint16_t)arg };
	return c->n++;
}

static bool
at_end(const struct compiler *c)
{
	return c->at == c->in.n;
}

static int
invalid(struct compiler *c, const char *what)
{
	return err_set(c->e, ERR_INVALID, "%s", what);
}

/* One member of a class, perhaps escaped. */
static int
class_byte(struct compiler *c, unsigned char *out)
{
	if (!at_end(c) && c->in.p[c->at] == '\\')
		c->at++;
	if (at_end(c))
		return invalid(c, "unclosed '['");
	*out = (unsigned char)c->in.p[c->at++];
	return 0;
}

static void
class_add(struct glob_class *k, unsigned from, unsigned to)
{
	for (unsigned b = from; b <= to; b++)
		k->bits[b / 64] |= (uint64_t)1 << (b % 64);
}

static int
compile_class(struct compiler *c)
{
	struct glob_class *k = &c->classes[c->nclasses];
	unsigned char from, to, d = (unsigned char)c->delim;
	bool negate = false, first = true;

	*k = (struct glob_class) { { 0 } };
	c->at++; /* '[' */
	if (!at_end(c) && (c->in.p[c->at] == '!' || c->in.p[c->at] == '^')) {
		negate = true;
		c->at++;
	}
	for (;; first = false) {
		if (at_end(c))
			return invalid(c, "unclosed '['");
		if (c->in.p[c->at] == ']' && !first)
			break;
		if (class_byte(c, &from) < 0)
			return -1;
		to = from;
		if (c->in.n - c->at >= 2 && c->in.p[c->at] == '-' &&
		    c->in.p[c->at + 1] != ']') {
			c->at++;
			if (class_byte(c, &to) < 0)
				return -1;
		}
		if (to < from)
			return invalid(c, "reversed range");
		class_add(k, from, to);
	}
	c->at++; /* ']' */
	for (size_t i = 0; negate && i < ARRAY_LEN(k->bits); i++)
		k->bits[i] = ~k->bits[i];
	k->bits[d / 64] &= ~((uint64_t)1 << (d % 64));
	emit(c, OP_CLASS, 0, c->nclasses++);
	return 0;
}

static void
compile_stars(struct compiler *c)
{
	size_t from = c->at, to = from;
	bool starts, ends, middle;

	while (to < c->in.n && c->in.p[to] == '*')
		to++;
	c->at = to;
	starts = from == 0 || c->in.p[from - 1] == c->delim;
	ends = to == c->in.n;
	middle = !ends && c->in.p[to] == c->delim;
	if (to - from != 2 || !starts || !(ends || middle)) {
		emit(c, OP_STAR, 0, 0);
	} else if (ends) {
		emit(c, OP_GLOBSTAR, 0, 0);
	} else {
		emit(c, OP_FORK, 0, c->n + 3);
		emit(c, OP_GLOBSTAR, 0, 0);
		emit(c, OP_BYTE, (unsigned char)c->delim, 0);
		c->at++; /* the delimiter */
	}
}

static int compile_seq(struct compiler *c);

/*
 * fork -> next branch; branch; jump -> end; and so on.  The jumps are chained
 * through their arguments until the end is known.
 */
static int
compile_braces(struct compiler *c)
{
	size_t fork = SIZE_MAX, jumps = 0, next;
	char stop;

	if (++c->depth > GLOB_DEPTH_MAX)
		return err_set(c->e, ERR_LIMIT, "braces nested deeper than %d",
		    GLOB_DEPTH_MAX);
	do {
		c->at++; /* '{' or ',' */
		if (at_end(c))
			return invalid(c, "unclosed '{'");
		if (c->in.p[c->at] != ',' && c->in.p[c->at] != '}') {
			if (++c->branches > GLOB_BRANCHES_MAX)
				return err_set(c->e, ERR_LIMIT,
				    "more than %d alternates",
				    GLOB_BRANCHES_MAX);
			if (fork != SIZE_MAX)
				c->states[fork].arg = (uint16_t)c->n;
			fork = emit(c, OP_FORK, 0, 0);
			if (compile_seq(c) < 0)
				return -1;
			jumps = emit(c, OP_JUMP, 0, jumps);
		}
		if (at_end(c))
			return invalid(c, "unclosed '{'");
		stop = c->in.p[c->at];
	} while (stop == ',');
	c->at++; /* '}' */
	c->depth--;
	if (fork == SIZE_MAX)
		return 0;
	/* The last branch has no alternative to fork to. */
	c->states[fork] =
	    (struct glob_state) { OP_JUMP, 0, (uint16_t)(fork + 1) };
	for (; jumps != 0; jumps = next) { /* 0 cannot be a jump: a fork is */
		next = c->states[jumps].arg;
		c->states[jumps].arg = (uint16_t)c->n;
	}
	return 0;
}

static int
compile_seq(struct compiler *c)
{
	while (!at_end(c)) {
		char b = c->in.p[c->at];

		if (c->depth > 0 && (b == ',' || b == '}'))
			return 0;
		switch (b) {
		case '*':
			compile_stars(c);
			break;
		case '?':
			emit(c, OP_ONE, 0, 0);
			c->at++;
			break;
		case '[':
			if (compile_class(c) < 0)
				return -1;
			break;
		case '{':
			if (compile_braces(c) < 0)
				return -1;
			break;
		case '}':
			return invalid(c, "unmatched '}'");
		case '\\':
			if (c->in.n - c->at < 2)
				return invalid(c, "trailing '\\'");
			c->at++;
			b = c->in.p[c->at];
			emit(c, OP_BYTE, (unsigned char)b, 0);
			c->at++;
			break;
		default: /* a byte, not an enum of ours */
			emit(c, OP_BYTE, (unsigned char)b, 0);
			c->at++;
			break;
		}
	}
	return 0;
}

static struct glob *
pack(const struct compiler *c)
{
	size_t classes = c->nclasses * sizeof(struct glob_class);
	size_t states = c->n * sizeof(struct glob_state), lit = 0;
	struct glob *g;
	char *prefix;

	while (c->states[lit].op == OP_BYTE)
		lit++;
	g = mem_calloc(1, sizeof(*g) + classes + states + lit + 1);
	g->classes = (struct glob_class *)(g + 1);
	g->states = (struct glob_state *)(g->classes + c->nclasses);
	g->n = c->n;
	g->delim = (unsigned char)c->delim;
	prefix = (char *)(g->states + c->n);
	if (classes > 0)
		memcpy(g->classes, c->classes, classes);
	memcpy(g->states, c->states, states);
	for (size_t i = 0; i < lit; i++)
		prefix[i] = (char)c->states[i].byte;
	g->prefix = (struct view) { prefix, lit };
	return g;
}

int
glob_new(struct view pattern, char delim, struct glob **out, struct err *e)
{
	AUTO_FREE struct glob_state *states = NULL;
	AUTO_FREE struct glob_class *classes = NULL;
	struct compiler c = { .in = pattern, .delim = delim, .e = e };

	if (pattern.n > GLOB_MAX)
		return err_set(
		    e, ERR_LIMIT, "pattern longer than %d bytes", GLOB_MAX);
	/* The worst is ",x": two bytes, three states; and one for the end. */
	c.states = states = mem_calloc(2 * pattern.n + 2, sizeof(*states));
	c.classes = classes = mem_calloc(pattern.n / 3 + 1, sizeof(*classes));
	if (compile_seq(&c) < 0)
		return -1;
	emit(&c, OP_END, 0, 0);
	*out = pack(&c);
	return 0;
}

void
glob_free(struct glob *g)
{
	free(g);
}

struct view
glob_prefix(const struct glob *g)
{
	return g->prefix;
}

bool
glob_is_literal(const struct glob *g)
{
	return g->states[g->prefix.n].op == OP_END;
}

static void
put(uint64_t *set, size_t i)
{
	set[i / 64] |= (uint64_t)1 << (i % 64);
}

/*
 * One pass over the live states.  Targets that read nothing are added to
 * `live` ahead of where the pass is.  byte < 0 stands for the end of the
 * subject.  true: the answer is yes, whatever follows.
 */
static bool
step(const struct glob *g, uint64_t *live, uint64_t *next, size_t words,
    int byte)
{
	unsigned char b = (unsigned char)byte;

	for (size_t w = 0; w < words; w++) {
		uint64_t done = 0, todo;

		while ((todo = live[w] & ~done) != 0) {
			unsigned bit = (unsigned)__builtin_ctzll(todo);
			size_t i = w * 64 + bit;
			const struct glob_state *s = &g->states[i];

			done |= (uint64_t)1 << bit;
			switch ((enum glob_op)s->op) {
			case OP_BYTE:
				if (byte >= 0 && s->byte == b)
					put(next, i + 1);
				break;
			case OP_ONE:
				if (byte >= 0 && b != g->delim)
					put(next, i + 1);
				break;
			case OP_CLASS:
				if (byte >= 0 &&
				    glob_class_has(&g->classes[s->arg], b))
					put(next, i + 1);
				break;
			case OP_STAR:
				put(live, i + 1);
				if (byte >= 0 && b != g->delim)
					put(next, i);
				break;
			case OP_GLOBSTAR:
				if (g->states[i + 1].op == OP_END)
					return true;
				put(live, i + 1);
				put(next, i);
				break;
			case OP_FORK:
				put(live, i + 1);
				put(live, s->arg);
				break;
			case OP_JUMP:
				put(live, s->arg);
				break;
			case OP_END:
				if (byte < 0)
					return true;
				break;
			}
		}
	}
	return false;
}

static bool
any(const uint64_t *set, size_t words)
{
	uint64_t all = 0;

	for (size_t w = 0; w < words; w++)
		all |= set[w];
	return all != 0;
}

static bool
run(const struct glob *g, struct view rest, uint64_t *live, uint64_t *next,
    size_t words)
{
	for (size_t w = 0; w < words; w++)
		live[w] = 0;
	put(live, g->prefix.n);
	for (size_t i = 0; i < rest.n; i++) {
		uint64_t *swap = live;

		for (size_t w = 0; w < words; w++)
			next[w] = 0;
		if (step(g, live, next, words, (unsigned char)rest.p[i]))
			return true;
		if (!any(next, words))
			return false;
		live = next;
		next = swap;
	}
	return step(g, live, next, words, -1);
}

static bool
run_large(const struct glob *g, struct view rest)
{
	uint64_t a[WORDS_MAX], b[WORDS_MAX];

	return run(g, rest, a, b, (g->n + 63) / 64);
}

bool
glob_match_rest(const struct glob *g, struct view subject)
{
	struct view rest = view_slice(subject, g->prefix.n, subject.n);
	uint64_t a, b;

	switch ((enum glob_op)g->states[g->prefix.n].op) {
	case OP_END:
		return rest.n == 0;
	case OP_GLOBSTAR:
		if (g->states[g->prefix.n + 1].op == OP_END)
			return true;
		break;
	case OP_BYTE:
	case OP_ONE:
	case OP_CLASS:
	case OP_STAR:
	case OP_FORK:
	case OP_JUMP:
		break;
	}
	/* Nearly every pattern fits one word, which the compiler keeps. */
	return g->n <= 64 ? run(g, rest, &a, &b, 1) : run_large(g, rest);
}

bool
glob_match(const struct glob *g, struct view subject)
{
	return view_starts(subject, g->prefix) && glob_match_rest(g, subject);
}
