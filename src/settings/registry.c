/* registry: the rows of settings.def, and what they say of a value. */
#include "settings/settings.h"

const struct setting setting_rows[SETTINGS_N] = {
#define SETTING(key, kind, initial, words, about) \
	[SETTING_ID_##key] = { #key, SETTING_##kind, initial, words, about },
#include "settings/settings.def"
#undef SETTING
};

const char *
setting_kind_name(enum setting_kind k)
{
	static const char *const names[] = {
		[SETTING_STRING] = "string",
		[SETTING_BOOL] = "bool",
		[SETTING_INT] = "int",
	};

	return names[k];
}

const struct setting *
setting_find(struct view key)
{
	for (size_t i = 0; i < SETTINGS_N; i++)
		if (view_eq(key, view_of(setting_rows[i].key)))
			return &setting_rows[i];
	return NULL;
}

int
setting_unknown(struct view key, struct err *e)
{
	AUTO_BUF struct buf shown = BUF_INIT(4 * SETTING_KEY_MAX),
			    known = BUF_INIT(4096);

	buf_put_escaped(&shown, view_slice(key, 0, SETTING_KEY_MAX));
	for (size_t i = 0; i < SETTINGS_N; i++)
		buf_printf(
		    &known, "%s%s", i > 0 ? ", " : "", setting_rows[i].key);
	return err_set(e, ERR_INVALID,
	    "unknown setting key '%s'. Allowed keys: %s", buf_str(&shown),
	    buf_str(&known));
}

static bool
is_word_of(struct view text, const char *words)
{
	struct view rest = view_of(words);

	while (rest.n > 0)
		if (view_eq(text, view_cut(rest, ' ', &rest)))
			return true;
	return false;
}

static int
refuse_word(const struct setting *s, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(512);
	struct view rest = view_of(s->words);

	while (rest.n > 0) {
		if (text.n > 0)
			buf_puts(&text, ", ");
		buf_put(&text, view_cut(rest, ' ', &rest));
	}
	return err_set(e, ERR_INVALID, "setting '%s' must be one of: %s",
	    s->key, buf_str(&text));
}

int
setting_check(
    const struct setting *s, const struct setting_value *v, struct err *e)
{
	if (v->kind != s->kind)
		return err_set(e, ERR_INVALID, "setting '%s' expects %s value",
		    s->key, setting_kind_name(s->kind));
	if (v->kind != SETTING_STRING)
		return 0;
	if (v->text.n > SETTING_TEXT_MAX)
		return err_set(e, ERR_LIMIT,
		    "setting '%s' is longer than %d bytes", s->key,
		    (int)SETTING_TEXT_MAX);
	if (s->words[0] != '\0' && !is_word_of(v->text, s->words))
		return refuse_word(s, e);
	return 0;
}

/* --- what a person writes ------------------------------------------------ */

static bool
parse_bool(struct view text, bool *out)
{
	static const struct {
		struct view word;
		bool is;
	} rows[] = {
		{ VIEW("1"), true },
		{ VIEW("true"), true },
		{ VIEW("yes"), true },
		{ VIEW("y"), true },
		{ VIEW("on"), true },
		{ VIEW("0"), false },
		{ VIEW("false"), false },
		{ VIEW("no"), false },
		{ VIEW("n"), false },
		{ VIEW("off"), false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (view_eq_nocase(text, rows[i].word)) {
			*out = rows[i].is;
			return true;
		}
	return false;
}

static bool
parse_int(struct view text, int64_t *out)
{
	bool minus = text.n > 0 && text.p[0] == '-';
	bool sign = minus || (text.n > 0 && text.p[0] == '+');
	uint64_t n;

	if (!view_u64(view_slice(text, sign, text.n),
		(uint64_t)INT64_MAX + minus, &n))
		return false;
	*out = (int64_t)(minus ? 0 - n : n);
	return true;
}

static int
refuse_text(
    const struct setting *s, struct view text, const char *want, struct err *e)
{
	AUTO_BUF struct buf shown = BUF_INIT(512);

	buf_put_escaped(&shown, view_slice(text, 0, 100));
	return err_set(e, ERR_INVALID, "invalid %s value '%s' for key '%s'%s",
	    setting_kind_name(s->kind), buf_str(&shown), s->key, want);
}

int
setting_parse(const struct setting *s, struct view text,
    struct setting_value *out, struct err *e)
{
	struct setting_value v = { .kind = s->kind, .text = text };
	struct view trimmed = view_trim(text);

	switch (s->kind) {
	case SETTING_STRING:
		break;
	case SETTING_BOOL:
		v.text = (struct view) { 0 };
		if (!parse_bool(trimmed, &v.flag))
			return refuse_text(s, text,
			    ": write true, yes, y, on, 1 or false, no, n, "
			    "off, 0",
			    e);
		break;
	case SETTING_INT:
		v.text = (struct view) { 0 };
		if (!parse_int(trimmed, &v.number))
			return refuse_text(s, text,
			    ": write a whole number of at most 64 bits", e);
		break;
	}
	if (setting_check(s, &v, e) < 0)
		return -1;
	*out = v;
	return 0;
}

void
setting_put(const struct setting_value *v, struct buf *out)
{
	switch (v->kind) {
	case SETTING_STRING:
		buf_put(out, v->text);
		break;
	case SETTING_BOOL:
		buf_puts(out, v->flag ? "true" : "false");
		break;
	case SETTING_INT:
		buf_printf(out, "%lld", (long long)v->number);
		break;
	}
}

/* That every row has one that it takes, a unit test says. */
struct setting_value
setting_initial(enum setting_id id)
{
	const struct setting *s = &setting_rows[id];
	struct setting_value v = { .kind = s->kind };
	struct err ignored;

	(void)!setting_parse(s, view_of(s->initial), &v, &ignored);
	return v;
}
