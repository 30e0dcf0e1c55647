/*
 * refresh_rows: the options by which a provider is told how its credentials are
 * made, inside the option table of a command whose struct args has a struct
 * refresh_args `refresh`.  One row a WAY_SETTING; no guard: each such table has them.
 */
/* clang-format off */
#define WAY_SETTING(way, id, opt, kind_, need, preset, value_, help_) \
	{ .name = opt, .kind = OPT_STR, OPT(refresh.settings[WAY_SET_##id]), \
	    .value = value_, .help = help_ },
#include "secrets/ways.def"
	{ .name = "mint-secret", .kind = OPT_LIST, OPT(refresh.secrets),
	    .value = "KEY[=VALUE]",
	    .help = "A secret for it, which sandboxes never get",
	    .more = "As --credential: KEY alone takes the variable's value, "
		    "KEY=- reads a line of standard input, KEY@FILE a file. "
		    "AWS roles need AWS_ACCESS_KEY_ID and "
		    "AWS_SECRET_ACCESS_KEY." },
	{ .name = "credential-key", .kind = OPT_STR, OPT(refresh.key),
	    .value = "KEY",
	    .help = "The name that programs know a minted token by" },
/* clang-format on */
