#include "test.h"

#include "codec/ydoc.h"

struct seen {
	size_t n;
	unsigned line, column; /* of the first */
	struct buf text;
};

static void
note(void *ctx, unsigned line, unsigned column, const char *text)
{
	struct seen *s = ctx;

	if (s->n++ == 0) {
		s->line = line;
		s->column = column;
	}
	buf_puts(&s->text, text);
	buf_putc(&s->text, '\n');
}

struct parsed {
	struct arena arena;
	struct ydoc_node *root;
	bool whole;
	struct seen seen;
};

static struct parsed
parse(struct view text)
{
	struct parsed p = { .seen.text = BUF_INIT(1 << 16) };

	p.whole = ydoc_parse(text, &p.arena, &p.root, note, &p.seen);
	return p;
}

static void
parsed_fini(struct parsed *p)
{
	arena_fini(&p->arena);
	buf_fini(&p->seen.text);
}

TEST(ydoc, keeps_places_and_types)
{
	struct parsed p = parse(VIEW("a: 1\nb:\n  - x\n  - 'true'\n  - ~\n"));
	const struct ydoc_node *b;

	CHECK(p.whole);
	CHECK_INT(p.seen.n, ==, 0);
	CHECK_INT(p.root->kind, ==, YDOC_MAP);
	CHECK_INT(p.root->n, ==, 2);
	CHECK_INT(p.root->first->value->type, ==, YDOC_INT);
	b = p.root->first->next;
	CHECK_VIEW(b->text, "b");
	CHECK_INT(b->line, ==, 2);
	CHECK_INT(b->column, ==, 1);
	CHECK_INT(b->value->n, ==, 3);
	CHECK_INT(b->value->first->line, ==, 3);
	CHECK_INT(b->value->first->column, ==, 5);
	CHECK_INT(b->value->first->next->type, ==, YDOC_STR);
	CHECK_INT(b->value->first->next->next->type, ==, YDOC_NULL);
	parsed_fini(&p);
}

TEST(ydoc, refuses_with_place)
{
	static const struct {
		const char *text, *what;
		unsigned line, column;
		bool whole;
	} v[] = {
		{ "a: &x 1\n", "anchors", 1, 4, true },
		{ "a: *x\n", "aliases", 1, 4, true },
		{ "a: !!str 1\n", "tags", 1, 4, true },
		{ "a: !x [1]\n", "tags", 1, 4, true },
		{ "<<: {a: 1}\n", "merge keys", 1, 1, true },
		{ "a: 1\nb: 2\na: 3\n", "duplicate key 'a'", 3, 1, true },
		{ "? [a]\n: 1\n", "must be a scalar", 1, 3, true },
		{ "a: 1\n---\nb: 1\n", "more than one document", 2, 1, false },
		{ "%YAML 1.1\n---\na: 1\n", "directives", 1, 1, true },
		{ "a: [1\nb: 2\n", "invalid YAML", 2, 2, false },
		{ "a: \"\\0\"\n", "NUL", 1, 4, true },
		{ "a: '\xff'\n", "not UTF-8", 1, 5, false },
		{ "a: 1\r\nb: x\x01y\n", "control characters", 2, 5, false },
		{ "a: 1\rb: \x7f\n", "control characters", 2, 4, false },
		{ "a: \xc2\x9b\n", "control characters", 1, 4, false },
		/* Attack: these would end the comment for libyaml alone. */
		{ "a: 1 # x\xc2\x85"
		  "b: 2\n",
		    "a line break that", 1, 9, false },
		{ "a: 1 # x\xe2\x80\xa8"
		  "b: 2\n",
		    "a line break that", 1, 9, false },
		{ "a: 1 # x\xe2\x80\xa9"
		  "b: 2\n",
		    "a line break that", 1, 9, false },
		{ "a: 1\n\xef\xbb\xbf"
		  "b: 2\n",
		    "byte order mark", 2, 1, false },
		{ "\"\\u0061\": 1\na: 2\n", "duplicate key 'a'", 2, 1, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct parsed p = parse(view_of(v[i].text));

		if (p.seen.n == 0 ||
		    strstr(buf_str(&p.seen.text), v[i].what) == NULL)
			fail_msg(
			    "%s: got '%s'", v[i].text, buf_str(&p.seen.text));
		if (p.seen.line != v[i].line || p.seen.column != v[i].column)
			fail_msg("%s: at %u:%u", v[i].text, p.seen.line,
			    p.seen.column);
		CHECK_INT(p.whole, ==, v[i].whole);
		parsed_fini(&p);
	}
}

TEST(ydoc, refuses_nul_bytes)
{
	struct parsed p = parse(VIEW("a: 1\nb\0: 1\n"));

	CHECK(!p.whole);
	CHECK_HAS(buf_str(&p.seen.text), "NUL");
	CHECK_INT(p.seen.line, ==, 2);
	CHECK_INT(p.seen.column, ==, 2);
	parsed_fini(&p);
}

static struct parsed
parse_nested(unsigned depth)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	for (unsigned i = 0; i < depth; i++)
		buf_putc(&b, '[');
	for (unsigned i = 0; i < depth; i++)
		buf_putc(&b, ']');
	return parse(buf_view(&b));
}

TEST(ydoc, bounds_nesting)
{
	struct parsed p = parse_nested(YDOC_DEPTH_MAX);

	CHECK(p.whole);
	CHECK_INT(p.seen.n, ==, 0);
	parsed_fini(&p);
	p = parse_nested(YDOC_DEPTH_MAX + 1);
	CHECK(!p.whole);
	CHECK_HAS(buf_str(&p.seen.text), "deeper than 32");
	parsed_fini(&p);
}

/* Attack: nine levels of nine aliases each are 3.8e8 nodes when expanded. */
TEST(ydoc, alias_bomb_is_not_expanded)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct parsed p;

	buf_puts(&b, "a0: &a0 [x]\n");
	for (int i = 1; i < 10; i++) {
		buf_printf(&b, "a%d: &a%d [", i, i);
		for (int k = 0; k < 9; k++)
			buf_printf(&b, "%s*a%d", k > 0 ? "," : "", i - 1);
		buf_puts(&b, "]\n");
	}
	p = parse(buf_view(&b));
	CHECK_INT(p.seen.n, ==, 10 + 81);
	parsed_fini(&p);
}

TEST(ydoc, resolves_by_the_core_schema)
{
	static const struct {
		const char *text;
		enum ydoc_type type;
	} v[] = {
		{ "", YDOC_NULL },
		{ "~", YDOC_NULL },
		{ "null", YDOC_NULL },
		{ "true", YDOC_BOOL },
		{ "FALSE", YDOC_BOOL },
		{ "tRue", YDOC_STR },
		{ "yes", YDOC_STR },
		{ "0", YDOC_INT },
		{ "-12", YDOC_INT },
		{ "+1", YDOC_INT },
		{ "0o17", YDOC_INT },
		{ "0x1F", YDOC_INT },
		{ "0o8", YDOC_STR },
		{ "-", YDOC_STR },
		{ "1.5", YDOC_FLOAT },
		{ "1.", YDOC_FLOAT },
		{ ".5", YDOC_FLOAT },
		{ "1e3", YDOC_FLOAT },
		{ "-.inf", YDOC_FLOAT },
		{ ".NaN", YDOC_FLOAT },
		{ ".", YDOC_STR },
		{ "1e", YDOC_STR },
		{ "1.2.3", YDOC_STR },
		{ "10.0.0.0/8", YDOC_STR },
		{ "/usr", YDOC_STR },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		if (ydoc_resolve(view_of(v[i].text)) != v[i].type)
			fail_msg("'%s' resolved to %d", v[i].text,
			    ydoc_resolve(view_of(v[i].text)));
}

TEST(ydoc, written_strings_read_back)
{
	static const char *const v[] = { "", "plain", "/repos/**", "*", "true",
		"1", "1.5", "~", "- a", "a: b", "a:", "a #b", "it's", "\"q\"",
		" lead", "trail ", "two  blanks", "a\nb", "tab\t",
		"caf\xc3\xa9", "\xc2\x85", "\xe2\x80\xa8", "\xf0\x9f\x98\x80",
		"\x01", "\\", "[a]", "{a}", "yes", "0777", "12:30",
		"2026-01-01", "...", "---", "<<", "a,b", "!x", "&a", "%a", "@a",
		"`a", "|", ">", "?", "=", "null", "x: y: z", "#c",
		"\xef\xbb\xbfx", "0x1F" };

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1024);
		struct parsed p;

		buf_puts(&b, "  ");
		ydoc_put_str(&b, view_of(v[i]));
		/* as a key and as a value alike */
		buf_puts(&b, ": ");
		ydoc_put_str(&b, view_of(v[i]));
		buf_putc(&b, '\n');
		p = parse(buf_view(&b));
		if (!p.whole || p.seen.n > 0 || p.root == NULL ||
		    p.root->kind != YDOC_MAP)
			fail_msg("'%s' written as %s: %s", v[i], buf_str(&b),
			    buf_str(&p.seen.text));
		CHECK_VIEW(p.root->first->text, v[i]);
		CHECK_VIEW(p.root->first->value->text, v[i]);
		CHECK_INT(p.root->first->type, ==, YDOC_STR);
		CHECK_INT(p.root->first->value->type, ==, YDOC_STR);
		parsed_fini(&p);
	}
}

TEST(ydoc, quotes_only_when_it_must)
{
	static const char *const plain[] = { "/repos/*/issues", "10.0.5.3",
		"10.0.0.0/8", "2001:db8::1", "fe80::1", "/a/{b,c}/[!x]?", "a,b",
		"it's", "a#b", "x & y", "two  blanks", "caf\xc3\xa9",
		"\xf0\x9f\x98\x80", "~/x", "a\\b", "1password", "v1.2" };
	static const char *const quoted[] = { "", "*.example.com", "yes", "On",
		"null", "0777", "12:30", "1_000", "0b1", "2026-01-01", "1e3",
		"a: b", "a:", "a #b", " a", "a ", "[a]", "{a}", "&a", "!a",
		"%a", "@a", "- a", "?", "...", "<<", "=", "a\nb",
		/* The letter would be one more digit of a hexadecimal escape.
		 */
		"a\xe2\x80\256b" };
	AUTO_BUF struct buf b = BUF_INIT(1024);

	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		buf_reset(&b);
		ydoc_put_str(&b, view_of(plain[i]));
		CHECK_STR(buf_str(&b), plain[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(quoted); i++) {
		buf_reset(&b);
		ydoc_put_str(&b, view_of(quoted[i]));
		if (b.p[0] != '\'' && b.p[0] != '"')
			fail_msg("'%s' is written plain", quoted[i]);
	}
}

/* Attack: a character that turns the line hides what is behind it. */
TEST(ydoc, escapes_what_turns_or_hides_text)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	ydoc_put_str(&b, VIEW("a\xe2\x80\xae"
			      "b\xe2\x80\x8b\xc2\xad"));
	CHECK_STR(buf_str(&b), "\"a\\u202Eb\\u200B\\u00AD\"");
}

TEST(ydoc, a_byte_order_mark_may_come_first)
{
	struct parsed p = parse(VIEW("\xef\xbb\xbf"
				     "a: 1\nb: 2\n"));

	CHECK(p.whole);
	CHECK_INT(p.seen.n, ==, 0);
	CHECK_INT(p.root->n, ==, 2);
	CHECK_INT(p.root->first->column, ==, 1);
	parsed_fini(&p);
}
