/* help: what -h, --help, `openshell help` and usage errors show. */
#include <stdlib.h>

#include "cli/cli.h"

enum { TEXT_MAX = 256 * 1024, COLUMN_MAX = 30 };

struct page {
	struct buf *out;
	bool brief, color;
	unsigned width;
};

void
cli_wrap(const char *text, unsigned indent, unsigned width, struct buf *out)
{
	unsigned column = indent;
	bool fresh = true;

	while (*text != '\0') {
		size_t n = strcspn(text, " \n");
		unsigned shown = 0;

		/* Columns, not bytes: continuation bytes take no room. */
		for (size_t i = 0; i < n; i++)
			shown += ((unsigned char)text[i] & 0xC0) != 0x80;
		if (n > 0 && !fresh && column + 1 + shown > width) {
			buf_printf(out, "\n%*s", (int)indent, "");
			column = indent;
			fresh = true;
		}
		if (n > 0) {
			if (!fresh)
				buf_putc(out, ' ');
			buf_put(out, (struct view) { text, n });
			column += shown + (fresh ? 0 : 1);
			fresh = false;
		}
		text += n;
		if (*text == '\n') {
			buf_printf(out, "\n%*s", (int)indent, "");
			column = indent;
			fresh = true;
		}
		if (*text != '\0')
			text++;
	}
	buf_putc(out, '\n');
}

void
cli_opt_spelling(const struct cli_opt *o, struct buf *out)
{
	if (o->letter != 0)
		buf_printf(out, "-%c, ", o->letter);
	buf_printf(out, "--%s", o->name);
	if (o->value != NULL)
		buf_printf(out, " <%s>", o->value);
}

static void
pos_spelling(const struct cli_pos *p, struct buf *out)
{
	buf_printf(out, p->optional ? "[%s]%s" : "<%s>%s", p->name,
	    p->kind == OPT_LIST ? "..." : "");
}

void
cli_usage_line(const char *path, struct buf *out)
{
	const struct cli_cmd *cmd = cli_find_cmd(path);

	buf_printf(out, "openshell%s%s", *path != '\0' ? " " : "", path);
	if (cmd == NULL) {
		buf_puts(out, " [OPTIONS] <COMMAND>");
		return;
	}
	buf_puts(out, " [OPTIONS]");
	for (const struct cli_opt *o = cmd->opts;
	     o != NULL && o->kind != OPT_KIND_END; o++)
		if (o->required)
			buf_printf(out, " --%s <%s>", o->name, o->value);
	for (const struct cli_pos *p = cmd->pos; p != NULL && p->name != NULL;
	     p++) {
		buf_puts(out, p->trailing ? " [--] " : " ");
		pos_spelling(p, out);
	}
}

static void
heading(const struct page *p, const char *text)
{
	if (!view_ends(buf_view(p->out), VIEW("\n\n")))
		buf_putc(p->out, '\n');
	cli_paint(p->out, p->color, COLOR_HEADING, text);
	buf_putc(p->out, '\n');
}

/* A term and its text in two columns, or below each other when complete. */
static void
item(const struct page *p, const char *term, const char *text, unsigned column)
{
	size_t n = strlen(term);

	buf_printf(p->out, "  %s", term);
	if (!p->brief || n + 4 > column)
		buf_printf(p->out, "\n%*s", p->brief ? (int)column : 10, "");
	else
		buf_printf(p->out, "%*s", (int)(column - 2 - n), "");
	cli_wrap(text, p->brief ? column : 10, p->width, p->out);
	if (!p->brief)
		buf_putc(p->out, '\n');
}

static void
opt_text(const struct page *p, const struct cli_opt *o, struct buf *text)
{
	const char *now = o->env != NULL ? getenv(o->env) : NULL;

	buf_puts(text, o->help);
	if (!p->brief && o->more != NULL)
		buf_printf(text, ".\n%s", o->more);
	if (o->kind == OPT_ENUM) {
		buf_puts(text, " [possible values: ");
		for (size_t i = 0; o->choices[i] != NULL; i++)
			buf_printf(
			    text, "%s%s", i > 0 ? ", " : "", o->choices[i]);
		buf_putc(text, ']');
	}
	if (o->env != NULL) {
		buf_printf(text, " [env: %s=", o->env);
		buf_put_escaped(text, view_of(now != NULL ? now : ""));
		buf_putc(text, ']');
	}
	if (o->kind == OPT_LIST || o->kind == OPT_ENV)
		buf_puts(text, " (repeatable)");
}

static void
options(const struct page *p, const char *title, const struct cli_opt *opts)
{
	unsigned column = 0;
	bool any = false;

	for (const struct cli_opt *o = opts; o->kind != OPT_KIND_END; o++) {
		AUTO_BUF struct buf term = BUF_INIT(256);

		if (o->hidden)
			continue;
		any = true;
		cli_opt_spelling(o, &term);
		column = MAX(column, (unsigned)term.n + (o->letter ? 0 : 4));
	}
	if (!any)
		return;
	heading(p, title);
	column = MIN(column + 4, COLUMN_MAX);
	for (const struct cli_opt *o = opts; o->kind != OPT_KIND_END; o++) {
		AUTO_BUF struct buf term = BUF_INIT(256);
		AUTO_BUF struct buf text = BUF_INIT(8192);

		if (o->hidden)
			continue;
		if (o->letter == 0)
			buf_puts(&term, "    ");
		cli_opt_spelling(o, &term);
		opt_text(p, o, &text);
		item(p, buf_str(&term), buf_str(&text), column);
	}
}

static void
arguments(const struct page *p, const struct cli_pos *pos)
{
	unsigned column = 0;

	for (const struct cli_pos *a = pos; a->name != NULL; a++)
		column = MAX(column, (unsigned)strlen(a->name) + 5);
	heading(p, "ARGUMENTS");
	for (const struct cli_pos *a = pos; a->name != NULL; a++) {
		AUTO_BUF struct buf term = BUF_INIT(128);

		pos_spelling(a, &term);
		item(p, buf_str(&term), a->help, column + 4);
	}
}

static void
command(const struct page *p, const struct cli_cmd *c, size_t skip)
{
	size_t column = 0;

	for (const struct cli_cmd *const *at = cli_cmds; *at != NULL; at++)
		if (!(*at)->hidden)
			column = MAX(column, strlen((*at)->path) + 4);
	buf_printf(p->out, "  %s%*s", c->path + skip,
	    (int)(column - 2 - strlen(c->path + skip)), "");
	cli_wrap(c->summary, (unsigned)column, p->width, p->out);
}

static bool
is_below(const char *path, const char *group)
{
	size_t n = strlen(group);

	return strncmp(path, group, n) == 0 && path[n] == ' ';
}

/* The words below `path`. */
static void
commands(const struct page *p, const char *path)
{
	heading(p, "COMMANDS");
	for (const struct cli_cmd *const *c = cli_cmds; *c != NULL; c++)
		if (!(*c)->hidden && is_below((*c)->path, path))
			command(p, *c, strlen(path) + 1);
}

/* Every leaf, under the heading of its first word; the last takes the rest. */
static const struct section {
	const char *title;
	const char *words[4];
} sections[] = {
	{ "SANDBOX COMMANDS", { "run", "sandbox", "logs", "policy" } },
	{ "GATEWAY COMMANDS", { "gateway", "status" } },
	{ "ADDITIONAL COMMANDS", { NULL } },
};

static size_t
section_of(const char *path)
{
	size_t last = ARRAY_LEN(sections) - 1;

	for (size_t i = 0; i < last; i++)
		for (size_t k = 0; k < ARRAY_LEN(sections[i].words); k++) {
			const char *word = sections[i].words[k];

			if (word != NULL &&
			    (strcmp(path, word) == 0 || is_below(path, word)))
				return i;
		}
	return last;
}

static void
all_commands(const struct page *p)
{
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		heading(p, sections[i].title);
		for (const struct cli_cmd *const *c = cli_cmds; *c != NULL; c++)
			if (!(*c)->hidden && section_of((*c)->path) == i)
				command(p, *c, 0);
	}
}

/* Other spellings of a group, which are understood and never offered. */
static void
aliases(const struct page *p, const char *path)
{
	bool any = false;

	for (const struct cli_alias *a = cli_aliases; a->from != NULL; a++) {
		if (strcmp(a->to, path) != 0 || strchr(a->from, ' ') != NULL)
			continue;
		if (!any)
			heading(p, "ALIAS");
		any = true;
		buf_printf(p->out, "  openshell %s\n", a->from);
	}
}

static void
examples(const struct page *p, const char *text)
{
	heading(p, "EXAMPLES");
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		buf_printf(p->out, "  %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void
root_help(const struct page *p)
{
	cli_wrap("Run autonomous agents in a sandbox that does its work and "
		 "nothing else: a private file system, no network but a "
		 "policy-enforcing proxy, no real credentials.",
	    0, p->width, p->out);
	heading(p, "USAGE");
	buf_puts(p->out, "  ");
	cli_usage_line("", p->out);
	buf_putc(p->out, '\n');
	all_commands(p);
	options(p, "FLAGS", cli_globals);
	examples(p,
	    "openshell doctor\n"
	    "openshell run -- sh\n"
	    "openshell run --policy policy.yaml -- claude -p \"hi\"\n"
	    "openshell sandbox create --name demo --policy policy.yaml\n"
	    "openshell sandbox connect demo\n"
	    "openshell logs demo --denied\n"
	    "openshell sandbox delete demo");
	heading(p, "LEARN MORE");
	buf_puts(p->out, "  ");
	cli_wrap("`openshell run` needs nothing else and leaves nothing "
		 "behind. A sandbox of `openshell sandbox create` stays, with "
		 "a gateway that is started for it, until it is deleted.",
	    2, p->width, p->out);
	buf_puts(p->out, "\n  ");
	cli_wrap("Use `openshell help COMMAND` for all about one command.", 2,
	    p->width, p->out);
}

static void
leaf_help(const struct page *p, const struct cli_cmd *cmd)
{
	AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);

	buf_printf(&text, "%s.", cmd->summary);
	if (!p->brief && cmd->about != NULL)
		buf_printf(&text, "\n\n%s", cmd->about);
	cli_wrap(buf_str(&text), 0, p->width, p->out);
	heading(p, "USAGE");
	buf_puts(p->out, "  ");
	cli_usage_line(cmd->path, p->out);
	buf_putc(p->out, '\n');
	if (cmd->pos != NULL)
		arguments(p, cmd->pos);
	if (cli_has_children(cmd->path))
		commands(p, cmd->path);
	if (cmd->opts != NULL)
		options(p, "FLAGS", cmd->opts);
	options(p, "GLOBAL FLAGS", cli_globals);
	if (!p->brief && cmd->status != NULL) {
		heading(p, "EXIT STATUS");
		buf_puts(p->out, "  ");
		cli_wrap(cmd->status, 2, p->width, p->out);
	}
	if (cmd->examples != NULL)
		examples(p, cmd->examples);
}

void
cli_help(
    const char *path, bool brief, bool color, unsigned width, struct buf *out)
{
	struct page p = { out, brief, color, MAX(width, 40) };
	const struct cli_cmd *cmd = cli_find_cmd(path);
	const struct cli_group *group = cli_find_group(path);

	if (cmd != NULL) {
		leaf_help(&p, cmd);
		return;
	}
	if (group == NULL) {
		root_help(&p);
		return;
	}
	cli_wrap(group->about, 0, p.width, out);
	heading(&p, "USAGE");
	buf_puts(out, "  ");
	cli_usage_line(path, out);
	buf_putc(out, '\n');
	commands(&p, path);
	options(&p, "GLOBAL FLAGS", cli_globals);
	aliases(&p, path);
}
