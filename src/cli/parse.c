/*
 * parse: the argument grammar, GNU style.
 *
 * Words walk down the command tree until a command without children takes the
 * rest; before that only the global options are known, because an option's
 * row says whether it takes a value.  No abbreviations: a script that works
 * today must not break when a longer name appears tomorrow.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

enum { OPTS_MAX = 64, POS_MAX = 8 };

struct parser {
	struct cli_parsed *out;
	char *const *argv;
	int argc, at;
	bool only_words; /* after "--" */
	unsigned seen[OPTS_MAX], globals_seen[OPTS_MAX];
	size_t pos; /* the next positional's row */
	size_t pos_given[POS_MAX];
};

static bool
takes_value(const struct cli_opt *o)
{
	return o->kind >= OPT_STR;
}

static void
list_add(struct cli_list *l, const char *s)
{
	l->v = mem_realloc(l->v, l->n + 2, sizeof(*l->v));
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

/* "invalid value 'x' for '--limit <N>': why" around what *e holds. */
static int
bad_value(const char *value, const char *label, struct err *e)
{
	char why[sizeof(e->text)];

	memcpy(why, e->text, sizeof(why));
	return err_set(e, ERR_INVALID,
	    "invalid value '%.120s' for '%s': %.200s", value, label, why);
}

static int
store_enum(
    const struct cli_opt *o, const char *value, unsigned *to, struct err *e)
{
	AUTO_BUF struct buf all = BUF_INIT(256);

	for (unsigned i = 0; o->choices[i] != NULL; i++) {
		if (strcmp(o->choices[i], value) == 0) {
			*to = i;
			return 0;
		}
		buf_printf(&all, "%s%s", i == 0 ? "" : ", ", o->choices[i]);
	}
	return err_set(e, ERR_INVALID, "possible values: %s", buf_str(&all));
}

/* A name that every shell takes, with or without a value. */
static int
store_env(const char *value, struct cli_list *to, struct err *e)
{
	size_t n = strcspn(value, "=");

	for (size_t i = 0; i < n; i++) {
		char c = value[i];
		bool letter = (c >= 'a' && c <= 'z') ||
			      (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && !(i > 0 && c >= '0' && c <= '9'))
			n = 0;
	}
	if (n == 0)
		return err_set(e, ERR_INVALID,
		    "not NAME or NAME=VALUE, NAME of letters, digits and _");
	list_add(to, value);
	return 0;
}

static int
store(const struct cli_opt *o, void *args, const char *value, struct err *e)
{
	char *field = (char *)args + o->off;

	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)(void *)field = true;
		return 0;
	case OPT_SET:
		*(int *)(void *)field = o->set;
		return 0;
	case OPT_COUNT:
		(*(unsigned *)(void *)field)++;
		return 0;
	case OPT_STR:
		*(const char **)(void *)field = value;
		return 0;
	case OPT_LIST:
		list_add((struct cli_list *)(void *)field, value);
		return 0;
	case OPT_ENV:
		return store_env(value, (struct cli_list *)(void *)field, e);
	case OPT_UINT:
		return cli_value_uint(
		    value, o->min, o->max, (unsigned *)(void *)field, e);
	case OPT_SIZE:
		return cli_value_size(value, (uint64_t *)(void *)field, e);
	case OPT_DURATION:
		return cli_value_duration(
		    value, o->set != 0, (unsigned *)(void *)field, e);
	case OPT_ENUM:
		return store_enum(o, value, (unsigned *)(void *)field, e);
	case OPT_KIND_END:
		break;
	}
	return err_set(e, ERR_INTERNAL, "option without a kind");
}

static const struct cli_opt *
find_long(const struct cli_opt *opts, struct view name)
{
	for (; opts != NULL && opts->kind != OPT_KIND_END; opts++)
		if (view_eq(view_of(opts->name), name))
			return opts;
	return NULL;
}

static const struct cli_opt *
find_short(const struct cli_opt *opts, char letter)
{
	for (; opts != NULL && opts->kind != OPT_KIND_END; opts++)
		if (opts->letter == letter)
			return opts;
	return NULL;
}

static void
offer_all(struct cli_nearest *near, const struct cli_opt *opts)
{
	for (; opts != NULL && opts->kind != OPT_KIND_END; opts++)
		if (!opts->hidden)
			cli_nearest_offer(near, opts->name);
}

static int
unknown_option(const struct parser *p, const char *word, struct err *e)
{
	char name[64];
	size_t n = strcspn(word, "=");
	struct cli_nearest near = { .word = name };
	const struct cli_cmd *cmd = p->out->cmd;

	err_set(e, ERR_INVALID, "unexpected argument '%.*s' found",
	    (int)MIN(n, 200), word);
	if (n > 2 && n - 2 < sizeof(name) && word[1] == '-') {
		memcpy(name, word + 2, n - 2);
		name[n - 2] = '\0';
		offer_all(&near, cli_globals);
		if (cmd != NULL)
			offer_all(&near, cmd->opts);
	}
	if (near.best != NULL)
		err_set(e, ERR_INVALID,
		    "unexpected argument '%.*s' found\n"
		    "a similar option exists: '--%s'",
		    (int)MIN(n, 200), word, near.best);
	else if (cmd != NULL && cmd->pos != NULL)
		err_set(e, ERR_INVALID,
		    "unexpected argument '%.*s' found\n"
		    "to pass '%.*s' as a value, use '-- %.*s'",
		    (int)MIN(n, 80), word, (int)MIN(n, 80), word,
		    (int)MIN(n, 80), word);
	return -1;
}

static int
unknown_word(const struct parser *p, const char *word, struct err *e)
{
	const char *path = p->out->path;
	size_t n = strlen(path);
	struct cli_nearest near = { .word = word };

	for (const struct cli_cmd *const *c = cli_cmds; *c != NULL; c++) {
		const char *rest = (*c)->path;

		if (n > 0 && (strncmp(rest, path, n) != 0 || rest[n] != ' '))
			continue;
		rest += n > 0 ? n + 1 : 0;
		if (!(*c)->hidden && strchr(rest, ' ') == NULL)
			cli_nearest_offer(&near, rest);
	}
	for (const struct cli_group *g = cli_groups; g->path != NULL; g++)
		if (n == 0 && strchr(g->path, ' ') == NULL)
			cli_nearest_offer(&near, g->path);
	if (near.best != NULL)
		return err_set(e, ERR_INVALID,
		    "unrecognized subcommand '%.200s'\n"
		    "a similar subcommand exists: '%s'",
		    word, near.best);
	return err_set(
	    e, ERR_INVALID, "unrecognized subcommand '%.200s'", word);
}

/* One occurrence of an option; value is NULL when none was written. */
static int
take_option(
    struct parser *p, const struct cli_opt *o, const char *value, struct err *e)
{
	AUTO_BUF struct buf label = BUF_INIT(256);
	const struct cli_cmd *cmd = p->out->cmd;
	bool repeats = o->kind == OPT_LIST || o->kind == OPT_ENV ||
		       o->kind == OPT_COUNT || o->kind == OPT_SET;
	unsigned *seen;

	cli_opt_spelling(o, &label);
	if (find_long(cli_globals, view_of(o->name)) == o) {
		seen = &p->globals_seen[o - cli_globals];
		if (o->letter == 'v')
			p->out->verbose++;
	} else
		seen = &p->seen[o - cmd->opts];
	if ((*seen)++ > 0 && !repeats)
		return err_set(e, ERR_INVALID,
		    "the argument '%s' cannot be used multiple times",
		    buf_str(&label));
	if (!takes_value(o) && value != NULL)
		return err_set(e, ERR_INVALID,
		    "unexpected value '%.200s' for '%s' found; it takes none",
		    value, buf_str(&label));
	/* Of a duration its own check says what was wrong with nothing. */
	if (takes_value(o) &&
	    (value == NULL || (*value == '\0' && o->kind != OPT_DURATION)))
		return err_set(e, ERR_INVALID,
		    "a value is required for '%s' but none was supplied",
		    buf_str(&label));
	if (seen >= p->globals_seen && seen < p->globals_seen + OPTS_MAX)
		return takes_value(o) ? store(o, p->out, value, e) : 0;
	if (store(o, p->out->args, value, e) < 0)
		return bad_value(value, buf_str(&label), e);
	return 0;
}

/*
 * The value of an option whose word ended.  A word that looks like a long
 * option is not one: "--policy --quiet" is a mistake, not a file name.
 */
static const char *
next_value(struct parser *p)
{
	const char *word;

	if (p->at >= p->argc)
		return NULL;
	word = p->argv[p->at];
	if (strncmp(word, "--", 2) == 0)
		return NULL;
	p->at++;
	return word;
}

/* Help and version end the parse at once, as people type them anywhere. */
static bool
asks_something(struct parser *p, const struct cli_opt *o, bool is_long)
{
	if (o == find_short(cli_globals, 'h'))
		p->out->asks = is_long ? CLI_HELP_LONG : CLI_HELP_SHORT;
	else if (o == find_short(cli_globals, 'V'))
		p->out->asks = CLI_VERSION;
	return p->out->asks != CLI_RUN;
}

static int
long_option(struct parser *p, const char *word, struct err *e)
{
	const struct cli_cmd *cmd = p->out->cmd;
	struct view rest, name = view_cut(view_of(word + 2), '=', &rest);
	const struct cli_opt *o = find_long(cli_globals, name);
	const char *value = rest.p;

	if (o == NULL && cmd != NULL)
		o = find_long(cmd->opts, name);
	if (o == NULL)
		return unknown_option(p, word, e);
	if (value == NULL && takes_value(o))
		value = next_value(p);
	if (value == NULL && asks_something(p, o, true))
		return 0;
	return take_option(p, o, value, e);
}

/* "-vvn5", "-n 5", "-n=5". */
static int
short_options(struct parser *p, const char *word, struct err *e)
{
	const struct cli_cmd *cmd = p->out->cmd;

	for (const char *s = word + 1; *s != '\0'; s++) {
		const struct cli_opt *o = find_short(cli_globals, *s);
		const char *value = NULL;

		if (o == NULL && cmd != NULL)
			o = find_short(cmd->opts, *s);
		if (o == NULL) {
			char bad[3] = { '-', *s, '\0' };

			return unknown_option(
			    p, (unsigned char)*s < 0x80 ? bad : word, e);
		}
		if (takes_value(o)) {
			if (s[1] == '=')
				value = s + 2;
			else if (s[1] != '\0')
				value = s + 1;
			else
				value = next_value(p);
			return take_option(p, o, value, e);
		}
		if (s[1] == '=')
			return take_option(p, o, s + 2, e);
		if (asks_something(p, o, false))
			return 0;
		if (take_option(p, o, NULL, e) < 0)
			return -1;
	}
	return 0;
}

static int
take_positional(struct parser *p, const char *word, struct err *e)
{
	const struct cli_pos *row = p->out->cmd->pos;
	char *field;

	if (row == NULL || row[p->pos].name == NULL)
		return err_set(
		    e, ERR_INVALID, "unexpected argument '%.200s' found", word);
	while (row[p->pos].before_dashes && p->only_words)
		p->pos++;
	row += p->pos;
	field = (char *)p->out->args + row->off;
	p->pos_given[p->pos]++;
	if (row->kind == OPT_STR) {
		*(const char **)(void *)field = word;
		p->pos++;
		return 0;
	}
	list_add((struct cli_list *)(void *)field, word);
	/* What follows the first word of a command belongs to it. */
	while (row->trailing && p->at < p->argc)
		list_add((struct cli_list *)(void *)field, p->argv[p->at++]);
	return 0;
}

/* One word down the tree, through aliases; false: no such word here. */
static bool
descend(struct parser *p, const char *word)
{
	struct cli_parsed *out = p->out;
	char path[sizeof(out->path)];
	const char *next = path;
	int n = snprintf(path, sizeof(path), "%s%s%s", out->path,
	    out->path[0] != '\0' ? " " : "", word);

	if (n < 0 || (size_t)n >= sizeof(path) || strchr(word, ' ') != NULL)
		return false;
	for (const struct cli_alias *a = cli_aliases; a->from != NULL; a++)
		if (strcmp(a->from, path) == 0)
			next = a->to;
	if (cli_find_cmd(next) == NULL && cli_find_group(next) == NULL)
		return false;
	/* "doctor -o json check": the same command, with what it was given. */
	if (out->cmd != NULL && out->cmd == cli_find_cmd(next))
		return true;
	(void)snprintf(out->path, sizeof(out->path), "%s", next);
	out->cmd = cli_find_cmd(next);
	free(out->args);
	out->args = NULL;
	if (out->cmd != NULL)
		out->args = mem_calloc(1, MAX(out->cmd->args_size, 1));
	return true;
}

static int
take_word(struct parser *p, const char *word, struct err *e)
{
	bool fresh = p->pos == 0 && p->pos_given[0] == 0 && !p->only_words;

	if (fresh && descend(p, word))
		return 0;
	if (p->out->cmd == NULL)
		return unknown_word(p, word, e);
	return take_positional(p, word, e);
}

/* Defaults from the environment, for options that were not given. */
static int
from_environment(struct parser *p, struct err *e)
{
	const struct cli_opt *opts = p->out->cmd->opts;

	for (size_t i = 0; opts != NULL && opts[i].kind != OPT_KIND_END; i++) {
		const char *v;

		if (opts[i].env == NULL || p->seen[i] > 0)
			continue;
		v = getenv(opts[i].env);
		/* A blank value is how a person unsets a variable. */
		if (v == NULL || view_trim(view_of(v)).n == 0)
			continue;
		if (store(&opts[i], p->out->args, v, e) < 0)
			return bad_value(v, opts[i].env, e);
	}
	return 0;
}

static void
globals_from_environment(struct parser *p)
{
	for (size_t i = 0; cli_globals[i].kind != OPT_KIND_END; i++) {
		const struct cli_opt *o = &cli_globals[i];
		const char *v = o->env != NULL ? getenv(o->env) : NULL;

		if (v != NULL && p->globals_seen[i] == 0 &&
		    view_trim(view_of(v)).n > 0)
			*(const char **)(void *)((char *)p->out + o->off) = v;
	}
}

/* "[NAME] EVENT-ID" with one word: it is the one that must be there. */
static void
settle_positionals(struct parser *p)
{
	const struct cli_pos *row = p->out->cmd->pos;

	for (size_t i = 0; row != NULL && row[i].name != NULL; i++) {
		const char **field, **next;

		if (!row[i].optional || row[i].kind != OPT_STR ||
		    row[i + 1].name == NULL || row[i + 1].optional ||
		    row[i + 1].kind != OPT_STR || p->pos_given[i] == 0 ||
		    p->pos_given[i + 1] > 0)
			continue;
		field =
		    (const char **)(void *)((char *)p->out->args + row[i].off);
		next = (const char **)(void *)((char *)p->out->args +
					       row[i + 1].off);
		*next = *field;
		*field = NULL;
		p->pos_given[i + 1] = p->pos_given[i];
		p->pos_given[i] = 0;
	}
}

static int
check_complete(const struct parser *p, struct err *e)
{
	const struct cli_pos *row = p->out->cmd->pos;
	const struct cli_opt *opts = p->out->cmd->opts;
	AUTO_BUF struct buf missing = BUF_INIT(256);

	for (size_t i = 0; opts != NULL && opts[i].kind != OPT_KIND_END; i++)
		if (opts[i].required && p->seen[i] == 0)
			buf_printf(&missing, " --%s <%s>", opts[i].name,
			    opts[i].value);
	for (size_t i = 0; row != NULL && row[i].name != NULL; i++)
		if (!row[i].optional && p->pos_given[i] == 0)
			buf_printf(&missing, " <%s>", row[i].name);
	if (missing.n > 0)
		return err_set(e, ERR_INVALID,
		    "the following required arguments were not provided:%s",
		    buf_str(&missing));
	return 0;
}

int
cli_parse(int argc, char *const argv[], struct cli_parsed *out, struct err *e)
{
	struct parser p = { .out = out, .argv = argv, .argc = argc, .at = 1 };

	*out = (struct cli_parsed) { .asks = CLI_RUN };
	while (p.at < p.argc) {
		const char *word = argv[p.at++];
		int rc;

		if (p.only_words || word[0] != '-' || word[1] == '\0')
			rc = take_word(&p, word, e);
		else if (strcmp(word, "--") == 0) {
			p.only_words = true;
			rc = 0;
		} else if (word[1] == '-')
			rc = long_option(&p, word, e);
		else
			rc = short_options(&p, word, e);
		if (rc < 0)
			return -1;
		if (out->asks != CLI_RUN)
			return 0;
	}
	globals_from_environment(&p);
	if (out->cmd == NULL)
		return 0;
	if (from_environment(&p, e) < 0)
		return -1;
	settle_positionals(&p);
	return check_complete(&p, e);
}

void
cli_parsed_fini(struct cli_parsed *p)
{
	const struct cli_opt *o = p->cmd != NULL ? p->cmd->opts : NULL;
	const struct cli_pos *row = p->cmd != NULL ? p->cmd->pos : NULL;

	if (p->args == NULL)
		return;
	for (; o != NULL && o->kind != OPT_KIND_END; o++)
		if (o->kind == OPT_LIST || o->kind == OPT_ENV)
			free(((struct cli_list *)(void *)((char *)p->args +
							  o->off))
				 ->v);
	for (; row != NULL && row->name != NULL; row++)
		if (row->kind == OPT_LIST)
			free(((struct cli_list *)(void *)((char *)p->args +
							  row->off))
				 ->v);
	free(p->args);
	p->args = NULL;
}
