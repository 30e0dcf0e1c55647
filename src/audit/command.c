#include "audit/command.h"

#include "base/macros.h"

static const char hidden[] = "***";

/* A name with one of these in it, or with one of those at its end. */
static const char *const within[] = { "token", "secret", "passw", "passphrase",
	"credential", "cookie", "authorization", "apikey", "api-key", "api_key",
	"bearer" };
static const char *const at_end[] = { "key", "auth", "pass", "pwd" };
/* What tokens begin with that are known by their shape. */
static const char *const shapes[] = { "ghp_", "gho_", "ghu_", "ghs_", "ghr_",
	"github_pat_", "glpat-", "sk-", "xoxb-", "xoxp-", "AKIA", "ASIA" };

/* What a word asks of those behind it. */
enum hide {
	HIDE_NONE,
	HIDE_NEXT, /* the next word */
	HIDE_LOGIN, /* what stands behind ':' in the next word */
	HIDE_REST /* all up to the next quote, or of the argument */
};

static bool
has_nocase(struct view v, struct view what)
{
	for (size_t i = 0; i + what.n <= v.n; i++)
		if (view_eq_nocase(view_slice(v, i, i + what.n), what))
			return true;
	return false;
}

static bool
is_secret(struct view name)
{
	for (size_t i = 0; i < ARRAY_LEN(within); i++)
		if (has_nocase(name, view_of(within[i])))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(at_end); i++) {
		struct view end = view_of(at_end[i]);

		if (name.n >= end.n &&
		    view_eq_nocase(
			view_slice(name, name.n - end.n, name.n), end))
			return true;
	}
	return false;
}

static bool
has_shape(struct view word)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (view_starts(word, view_of(shapes[i])))
			return true;
	return false;
}

static size_t
find(struct view v, const char *chars)
{
	size_t i = 0;

	while (i < v.n && strchr(chars, v.p[i]) == NULL)
		i++;
	return i;
}

/* A login in front of the host, a query behind the path. */
static void
put_url(struct view word, size_t at, struct buf *out)
{
	struct view rest = view_slice(word, at, word.n);
	size_t host = find(rest, "/?#"), query;

	buf_put(out, view_slice(word, 0, at));
	for (size_t i = host; i > 0; i--)
		if (rest.p[i - 1] == '@') {
			buf_puts(out, hidden);
			rest = view_slice(rest, i - 1, rest.n);
			break;
		}
	query = find(rest, "?");
	buf_put(out, view_slice(rest, 0, query));
	if (query + 1 < rest.n) {
		buf_putc(out, '?');
		buf_puts(out, hidden);
	}
}

static size_t
find_url(struct view word)
{
	const char *at = word.n > 0 ? memmem(word.p, word.n, "://", 3) : NULL;

	return at != NULL ? (size_t)(at - word.p) + 3 : 0;
}

/* The end of a name that speaks of a secret, with its '=' or ':'; 0: none. */
static size_t
find_secret(struct view word, size_t url)
{
	for (size_t i = 0; i < word.n; i++) {
		if (url > 0 && i + 3 >= url)
			return 0;
		if ((word.p[i] == '=' || word.p[i] == ':') &&
		    is_secret(view_slice(word, 0, i)))
			return i + 1;
	}
	return 0;
}

/* A word that nothing before it hides; returns what it hides itself. */
static enum hide
put_word(struct view word, struct buf *out)
{
	size_t url = find_url(word), secret = find_secret(word, url);
	size_t value = find(word, "=");

	if (secret > 0) {
		buf_put(out, view_slice(word, 0, secret));
		if (secret == word.n)
			return HIDE_REST;
		buf_puts(out, hidden);
		return word.p[secret - 1] == ':' ? HIDE_REST : HIDE_NONE;
	}
	value = value < word.n ? value + 1 : 0;
	if (url > 0) {
		put_url(word, url, out);
	} else if (has_shape(view_slice(word, value, word.n))) {
		buf_put(out, view_slice(word, 0, value));
		buf_puts(out, hidden);
	} else {
		buf_put(out, word);
	}
	if (value == 0 && view_starts(word, VIEW("-")) && is_secret(word))
		return HIDE_NEXT;
	return view_eq(word, VIEW("-u")) || view_eq(word, VIEW("--user"))
		   ? HIDE_LOGIN
		   : HIDE_NONE;
}

static enum hide
put_hidden(struct view word, enum hide hide, struct buf *out)
{
	size_t colon = find(word, ":");

	/* Another option: the one before it had no value. */
	if (hide != HIDE_REST && view_starts(word, VIEW("-")))
		return put_word(word, out);
	if (hide == HIDE_LOGIN && colon == word.n)
		return put_word(word, out);
	if (hide == HIDE_LOGIN)
		buf_put(out, view_slice(word, 0, colon + 1));
	buf_puts(out, hidden);
	return hide == HIDE_REST ? HIDE_REST : HIDE_NONE;
}

/*
 * An argument may be a script: its words are looked at one by one.  A quote
 * ends what is hidden when something was: the first one may open it.
 */
static enum hide
put_argument(struct view arg, enum hide hide, struct buf *out)
{
	bool any = false;

	while (arg.n > 0 && !out->full) {
		size_t n = find(arg, " \t\r\n'\"`");
		struct view word = view_slice(arg, 0, n);
		bool more = n < arg.n;
		bool quote = more && strchr("'\"`", arg.p[n]) != NULL;

		if (n > 0 && hide != HIDE_NONE) {
			hide = put_hidden(word, hide, out);
			any = true;
		} else if (n > 0) {
			hide = put_word(word, out);
			any = hide == HIDE_REST && out->p[out->n - 1] == '*';
		}
		if (more)
			buf_putc(out, arg.p[n]);
		if (quote && any && hide == HIDE_REST)
			hide = HIDE_NONE;
		arg = view_slice(arg, n + more, arg.n);
	}
	return hide == HIDE_REST ? HIDE_NONE : hide;
}

void
audit_command(const char *const *argv, size_t n, struct buf *out)
{
	enum hide hide = HIDE_NONE;

	for (size_t i = 0; i < n && !out->full; i++) {
		struct view arg = view_of(argv[i]);
		bool quoted = arg.n == 0 || find(arg, " \t\r\n'\"") < arg.n;

		buf_puts(out, i > 0 ? " " : "");
		buf_puts(out, quoted ? "'" : "");
		hide = put_argument(arg, hide, out);
		buf_puts(out, quoted ? "'" : "");
	}
}
