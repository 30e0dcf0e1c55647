/* commands: the command tree, expanded from commands.def. */
#include "cli/cli.h"

#define CMD(name) extern const struct cli_cmd cmd_##name;
#define GROUP(path, summary, about)
#define ALIAS(from, to)
#include "cli/commands.def"
#undef CMD
#undef GROUP
#undef ALIAS

const struct cli_cmd *const cli_cmds[] = {
#define CMD(name) &cmd_##name,
#define GROUP(path, summary, about)
#define ALIAS(from, to)
#include "cli/commands.def"
#undef CMD
#undef GROUP
#undef ALIAS
	NULL
};

const struct cli_group cli_groups[] = {
#define CMD(name)
#define GROUP(path, summary, about) { path, summary, about },
#define ALIAS(from, to)
#include "cli/commands.def"
#undef CMD
#undef GROUP
#undef ALIAS
	{ NULL, NULL, NULL }
};

const struct cli_alias cli_aliases[] = {
#define CMD(name)
#define GROUP(path, summary, about)
#define ALIAS(from, to) { from, to },
#include "cli/commands.def"
#undef CMD
#undef GROUP
#undef ALIAS
	{ NULL, NULL }
};

/*
 * Understood before and after every command word.  Those with a value are
 * fields of struct cli_parsed; cli_parse handles the others by letter.
 */
#define GLOBAL(field) .off = offsetof(struct cli_parsed, field)
const struct cli_opt cli_globals[] = {
	{ .name = "gateway",
	    .letter = 'g',
	    .kind = OPT_STR,
	    GLOBAL(gateway),
	    .value = "NAME",
	    .env = "OPENSHELL_GATEWAY",
	    .hint = HINT_GATEWAY,
	    .help = "Use the gateway registered under this name" },
	{ .name = "gateway-endpoint",
	    .kind = OPT_STR,
	    GLOBAL(endpoint),
	    .value = "URL",
	    .env = "OPENSHELL_GATEWAY_ENDPOINT",
	    .help = "Connect straight to URL (https://, http://, unix:)" },
	{ .name = "verbose",
	    .letter = 'v',
	    .kind = OPT_COUNT,
	    .help = "Log more on stderr; repeat for debug and trace" },
	{ .name = "help",
	    .letter = 'h',
	    .kind = OPT_FLAG,
	    .help = "Show help; -h is brief, --help is complete" },
	{ .name = "version",
	    .letter = 'V',
	    .kind = OPT_FLAG,
	    .help = "Show the version" },
	OPT_END
};

const struct cli_cmd *
cli_find_cmd(const char *path)
{
	for (const struct cli_cmd *const *c = cli_cmds; *c != NULL; c++)
		if (strcmp((*c)->path, path) == 0)
			return *c;
	return NULL;
}

const struct cli_group *
cli_find_group(const char *path)
{
	for (const struct cli_group *g = cli_groups; g->path != NULL; g++)
		if (strcmp(g->path, path) == 0)
			return g;
	return NULL;
}

bool
cli_has_children(const char *path)
{
	size_t n = strlen(path);

	if (n == 0)
		return true;
	for (const struct cli_cmd *const *c = cli_cmds; *c != NULL; c++)
		if (strncmp((*c)->path, path, n) == 0 && (*c)->path[n] == ' ')
			return true;
	return false;
}
