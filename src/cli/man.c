/* man: manual pages in man(7) form, from the same rows as the help. */
#include "cli/cli.h"

/* Text with what roff would read as its own taken away. */
static void
roff(struct view v, struct buf *out)
{
	bool start = out->n == 0 || out->p[out->n - 1] == '\n';

	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (start && (c == '.' || c == '\''))
			buf_puts(out, "\\&");
		start = c == '\n';
		if (c == '\\')
			buf_puts(out, "\\e");
		else if (c == '-')
			buf_puts(out, "\\-");
		else
			buf_putc(out, c);
	}
}

static void
roff_text(const char *s, struct buf *out)
{
	roff(view_of(s), out);
}

/* Blank lines part paragraphs. */
static void
paragraphs(const char *text, struct buf *out)
{
	while (*text != '\0') {
		const char *end = strstr(text, "\n\n");
		size_t n = end != NULL ? (size_t)(end - text) : strlen(text);

		roff((struct view) { text, n }, out);
		buf_putc(out, '\n');
		if (end != NULL)
			buf_puts(out, ".PP\n");
		text += n + (end != NULL ? 2 : 0);
	}
}

static void
options(const char *title, const struct cli_opt *o, struct buf *out)
{
	buf_printf(out, ".SH %s\n", title);
	for (; o->kind != OPT_KIND_END; o++) {
		AUTO_BUF struct buf term = BUF_INIT(256);

		if (o->hidden)
			continue;
		cli_opt_spelling(o, &term);
		buf_puts(out, ".TP\n\\fB");
		roff(buf_view(&term), out);
		buf_puts(out, "\\fR\n");
		roff_text(o->help, out);
		buf_puts(out, ".\n");
		if (o->more != NULL) {
			roff_text(o->more, out);
			buf_putc(out, '\n');
		}
		if (o->kind == OPT_ENUM) {
			buf_puts(out, "Possible values:");
			for (size_t i = 0; o->choices[i] != NULL; i++)
				buf_printf(out, " %s%s", o->choices[i],
				    o->choices[i + 1] != NULL ? "," : ".\n");
		}
		if (o->env != NULL)
			buf_printf(out, "Environment: %s.\n", o->env);
		if (o->kind == OPT_LIST || o->kind == OPT_ENV)
			buf_puts(out, "May be given more than once.\n");
	}
}

static void
verbatim(const char *title, const char *text, struct buf *out)
{
	buf_printf(out, ".SH %s\n.nf\n", title);
	roff_text(text, out);
	buf_puts(out, "\n.fi\n");
}

static void
children(const char *path, struct buf *out)
{
	size_t n = strlen(path);

	buf_puts(out, ".SH COMMANDS\n");
	for (const struct cli_cmd *const *c = cli_cmds; *c != NULL; c++) {
		if ((*c)->hidden ||
		    (n > 0 && (strncmp((*c)->path, path, n) != 0 ||
				  (*c)->path[n] != ' ')))
			continue;
		buf_puts(out, ".TP\n\\fB");
		roff_text((*c)->path, out);
		buf_puts(out, "\\fR\n");
		roff_text((*c)->summary, out);
		buf_puts(out, ".\n");
	}
}

void
cli_man_name(const char *path, struct buf *out)
{
	buf_puts(out, *path != '\0' ? "openshell-" : "openshell");
	for (; *path != '\0'; path++)
		buf_putc(out, *path == ' ' ? '-' : *path);
}

void
cli_man(const char *path, struct buf *out)
{
	const struct cli_cmd *cmd = cli_find_cmd(path);
	const struct cli_group *group = cli_find_group(path);
	AUTO_BUF struct buf name = BUF_INIT(128);
	AUTO_BUF struct buf usage = BUF_INIT(512);

	cli_man_name(path, &name);
	buf_puts(out, ".TH ");
	roff(buf_view(&name), out);
	buf_puts(out, " 1 \"\" \"openshell " OPENSHELL_VERSION "\"\n");
	buf_puts(out, ".SH NAME\n");
	roff(buf_view(&name), out);
	buf_puts(out, " \\- ");
	roff_text(cmd != NULL     ? cmd->summary
		  : group != NULL ? group->summary
				  : "run autonomous agents in a sandbox",
	    out);
	buf_puts(out, "\n.SH SYNOPSIS\n");
	cli_usage_line(path, &usage);
	roff(buf_view(&usage), out);
	buf_putc(out, '\n');
	if (cmd == NULL) {
		if (group != NULL) {
			buf_puts(out, ".SH DESCRIPTION\n");
			paragraphs(group->about, out);
		}
		children(path, out);
		options("GLOBAL OPTIONS", cli_globals, out);
		return;
	}
	if (cmd->about != NULL) {
		buf_puts(out, ".SH DESCRIPTION\n");
		paragraphs(cmd->about, out);
	}
	for (const struct cli_pos *a = cmd->pos; a != NULL && a->name != NULL;
	     a++) {
		if (a == cmd->pos)
			buf_puts(out, ".SH ARGUMENTS\n");
		buf_printf(out, ".TP\n\\fI%s\\fR\n", a->name);
		roff_text(a->help, out);
		buf_puts(out, ".\n");
	}
	if (cmd->opts != NULL)
		options("OPTIONS", cmd->opts, out);
	options("GLOBAL OPTIONS", cli_globals, out);
	if (cmd->status != NULL) {
		buf_puts(out, ".SH EXIT STATUS\n");
		paragraphs(cmd->status, out);
	}
	if (cmd->examples != NULL)
		verbatim("EXAMPLES", cmd->examples, out);
}
