/* setting_change: `settings set` and `settings delete`. */
#ifndef CLI_SETTING_CHANGE_H
#define CLI_SETTING_CHANGE_H

#include "cli/cli.h"
#include "settings/settings.h"

struct setting_change {
	const char *sandbox; /* as given, or NULL */
	bool global, yes;
	const char *key;
	const struct setting_value *value; /* NULL: it is deleted */
};
/* Asks first when it is for every sandbox; says on stdout what changed. */
int setting_change(
    struct cli *c, const struct setting_change *h, struct err *e) MUST_USE;

/* The rows of both commands. */
#define SETTING_KEY_OPT(field) \
	{ \
		.name = "key", .kind = OPT_STR, OPT(field), .value = "KEY", \
		.required = true, .hint = HINT_SETTING, .help = "The setting", \
		.more = "'openshell settings get' lists them." \
	}
#define SETTING_GLOBAL_OPT(field) \
	{ \
		.name = "global", .kind = OPT_FLAG, OPT(field), \
		.help = "Of every sandbox, over what each has of its own" \
	}
#define SETTING_YES_OPT(field) \
	{ \
		.name = "yes", .letter = 'y', .kind = OPT_FLAG, OPT(field), \
		.help = "Do not ask before a global change" \
	}

#endif
