/*
 * settings: what can be set of a sandbox, or of all of them, besides policy.
 *
 * The registry is settings.def: a key is known by its row and a value is
 * checked against it, here, for gateway, keeper and CLI alike.  A list of
 * stored settings keeps keys without a row too, as one that was taken out of
 * the registry must still be deletable.
 */
#ifndef SETTINGS_SETTINGS_H
#define SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
	SETTING_TEXT_MAX = 1024, /* bytes of a value */
	SETTING_KEY_MAX = 128,
	SETTINGS_MAX = 256, /* in one list */
	SETTINGS_BYTES_MAX = 1 << 20 /* of one list, stored */
};

enum setting_kind { SETTING_STRING, SETTING_BOOL, SETTING_INT };
/* "string", "bool", "int" */
const char *setting_kind_name(enum setting_kind k);

struct setting_value {
	enum setting_kind kind;
	bool flag;
	int64_t number;
	struct view text; /* borrowed */
};

/* --- the registry -------------------------------------------------------- */

enum setting_id {
#define SETTING(key, kind, initial, words, about) SETTING_ID_##key,
#include "settings/settings.def"
#undef SETTING
	SETTINGS_N
};

struct setting {
	const char *key;
	enum setting_kind kind;
	const char *initial, *words, *about;
};

extern const struct setting setting_rows[SETTINGS_N];

/* NULL: there is no such setting. */
const struct setting *setting_find(struct view key);
/* "unknown setting key 'K'. Allowed keys: A, B" */
int setting_unknown(struct view key, struct err *e);
/* Is it a value that this setting may have? */
int setting_check(const struct setting *s, const struct setting_value *v,
    struct err *e) MUST_USE;
/*
 * What a person wrote; *out borrows `text`.  Booleans are 1 true yes y on and
 * 0 false no n off, in either case.
 */
int setting_parse(const struct setting *s, struct view text,
    struct setting_value *out, struct err *e) MUST_USE;
/* As a person would write it, unescaped. */
void setting_put(const struct setting_value *v, struct buf *out);
struct setting_value setting_initial(enum setting_id id);

/* --- a list of them, as it is stored ------------------------------------- */

struct setting_row {
	char *key, *text; /* what value.text points to, or NULL */
	struct setting_value value;
};

struct settings {
	uint64_t revision; /* how often it changed */
	struct setting_row *v; /* in the order of keys */
	size_t n;
};

void settings_fini(struct settings *s);
#define AUTO_SETTINGS CLEANUP(settings_fini) struct settings

const struct setting_value *settings_find(
    const struct settings *s, struct view key);
/* Copies; *changed: it was not so before.  Does not touch the revision. */
int settings_set(struct settings *s, struct view key,
    const struct setting_value *v, bool *changed, struct err *e) MUST_USE;
/* Whether it was there. */
bool settings_drop(struct settings *s, struct view key);

/* {"revision":N,"settings":{"K":{"type":"String|Bool|Int","value":...}}} */
void settings_write(const struct settings *s, struct buf *out);
int settings_read(
    struct view json, struct settings *out, struct err *e) MUST_USE;

#endif
