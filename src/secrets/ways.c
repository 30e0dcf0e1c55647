#include "secrets/ways.h"

#include <string.h>

#include "base/macros.h"

#define NEEDED true
#define OPTIONAL false

const struct way ways[WAYS] = {
#define WAY(id, word, put, summary) [WAY_##id] = { word, summary, put },
#include "secrets/ways.def"
};

const struct way_setting way_settings[WAY_SETTINGS] = {
#define WAY_SETTING(way, id, option, kind, need, preset, value, help) \
	[WAY_SET_##id] = { WAY_##way, option, preset, value, help, WAY_##kind, \
		need },
#include "secrets/ways.def"
};

const struct way_secret way_secrets[WAY_SECRETS] = {
#define WAY_SECRET(way, id, name, need, help) \
	[WAY_SECRET_##id] = { WAY_##way, name, help, need },
#include "secrets/ways.def"
};

static const struct {
	enum way_id way;
	const char *name;
} values[] = {
#define WAY_VALUE(way, name) { WAY_##way, name },
#include "secrets/ways.def"
};

/* --- names ---------------------------------------------------------------- */

int
way_find(struct view word, enum way_id *out, struct err *e)
{
	AUTO_BUF struct buf known = BUF_INIT(300);

	for (unsigned i = 0; i < WAYS; i++) {
		if (view_eq(word, view_of(ways[i].word))) {
			*out = (enum way_id)i;
			return 0;
		}
		buf_printf(&known, "%s%s", i > 0 ? ", " : "", ways[i].word);
	}
	return err_set(e, ERR_INVALID,
	    "'%.*s' is no way to mint credentials: there are %s",
	    (int)MIN(word.n, 64), word.p, buf_str(&known));
}

int
way_setting_find(enum way_id way, struct view option)
{
	for (int i = 0; i < WAY_SETTINGS; i++)
		if (way_settings[i].way == way &&
		    view_eq(option, view_of(way_settings[i].option)))
			return i;
	return -1;
}

int
way_secret_find(enum way_id way, struct view name)
{
	for (int i = 0; i < WAY_SECRETS; i++)
		if (way_secrets[i].way == way &&
		    view_eq(name, view_of(way_secrets[i].name)))
			return i;
	return -1;
}

const char *
way_value(enum way_id way, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (values[i].way == way && n-- == 0)
			return values[i].name;
	return NULL;
}

/* --- what they look like ---------------------------------------------------
 */

/* Every byte is a letter, a digit, or one of `more`. */
static bool
made_of(struct view v, const char *more)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9');

		if (!word && (c == '\0' || strchr(more, c) == NULL))
			return false;
	}
	return v.n > 0;
}

static bool
printable(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < 0x20 || v.p[i] > 0x7e)
			return false;
	return v.n > 0;
}

static bool
is_url(struct view v)
{
	struct view rest, host;

	if (!view_starts(v, VIEW("https://")) || view_find(v, '#') >= 0 ||
	    view_find(v, ' ') >= 0)
		return false;
	host = view_cut(view_slice(v, 8, v.n), '/', &rest);
	return host.n > 0 && view_find(host, '@') < 0 &&
	       view_find(host, '?') < 0;
}

static bool
is_path(struct view v)
{
	return v.n > 1 && v.p[0] == '/';
}

struct view
way_socket_path(struct view v)
{
	if (view_starts(v, VIEW("unix://")))
		return view_slice(v, 7, v.n);
	if (view_starts(v, VIEW("unix:")))
		return view_slice(v, 5, v.n);
	return v;
}

static bool
is_socket(struct view v)
{
	return is_path(way_socket_path(v));
}

static bool
is_spiffe(struct view v)
{
	struct view scheme = VIEW("spiffe://");

	return view_starts(v, scheme) &&
	       made_of(view_slice(v, scheme.n, v.n), "._-/");
}

/* "arn:aws:iam::123456789012:role/path/name", also of other partitions. */
static bool
is_role(struct view v)
{
	static const char *const parts[] = { "arn", NULL, "iam", "", NULL };
	struct view rest = v, part;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		part = view_cut(rest, ':', &rest);
		if (rest.p == NULL ||
		    (parts[i] != NULL && !view_eq(part, view_of(parts[i]))) ||
		    (i == 1 && !view_starts(part, VIEW("aws"))) ||
		    (i == 4 && (part.n != 12 || !view_u64(part, 999999999999,
						    &(uint64_t) { 0 }))))
			return false;
	}
	return view_starts(rest, VIEW("role/")) && made_of(rest, "/+=,.@_-");
}

static bool
is_session(struct view v)
{
	return v.n >= 2 && v.n <= 64 && made_of(v, "+=,.@_-");
}

static bool
is_seconds(struct view v)
{
	uint64_t n;

	return view_u64(v, 3600, &n) && n >= 900;
}

static bool
is_region(struct view v)
{
	return v.n <= 32 && made_of(v, "-") && v.p[0] >= 'a' && v.p[0] <= 'z';
}

static const struct kind {
	bool (*is)(struct view v);
	const char *what;
} kinds[WAY_KINDS] = {
	[WAY_TEXT] = { printable, "printable ASCII" },
	[WAY_URL] = { is_url, "an https:// URL without user and fragment" },
	[WAY_PATH] = { is_path, "an absolute path" },
	[WAY_SOCKET] = { is_socket, "an absolute path, or unix:///PATH" },
	[WAY_SPIFFE] = { is_spiffe, "an id like spiffe://example.org/gateway" },
	[WAY_ROLE] = { is_role,
	    "a role like arn:aws:iam::123456789012:role/NAME" },
	[WAY_SESSION] = { is_session,
	    "2 to 64 letters, digits and any of + = , . @ _ -" },
	[WAY_SECONDS] = { is_seconds, "seconds from 900 to 3600" },
	[WAY_REGION] = { is_region, "a region like eu-central-1" },
};

int
way_setting_check(enum way_setting_id id, struct view text, struct err *e)
{
	const struct way_setting *s = &way_settings[id];

	if (text.n >= WAY_TEXT_MAX)
		return err_set(e, ERR_INVALID, "--%s: longer than %d bytes",
		    s->option, (int)WAY_TEXT_MAX - 1);
	return printable(text) && kinds[s->kind].is(text)
		   ? 0
		   : err_set(e, ERR_INVALID, "--%s must be %s", s->option,
			 kinds[s->kind].what);
}

int
way_secret_check(enum way_secret_id id, struct view text, struct err *e)
{
	if (text.n < WAY_SECRET_MAX && printable(text))
		return 0;
	return err_set(e, ERR_INVALID,
	    "--mint-secret %s: it is empty, longer than %d bytes, or not "
	    "printable ASCII",
	    way_secrets[id].name, (int)WAY_SECRET_MAX - 1);
}
