/* cli: the edge: dispatch, streams, colours, and the only place that prints
 * errors. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/cli.h"

enum { HELP_MAX = 256 * 1024, WIDTH = 80, WIDTH_MAX = 100 };

bool
cli_color_wanted(int fd)
{
	const char *no = getenv("NO_COLOR");
	const char *force = getenv("CLICOLOR_FORCE");
	const char *term = getenv("TERM");

	if (no != NULL && *no != '\0')
		return false;
	if (force != NULL && *force != '\0' && strcmp(force, "0") != 0)
		return true;
	return isatty(fd) && term != NULL && strcmp(term, "dumb") != 0;
}

/* Whether the user's locale can show more than ASCII, without loading it. */
static bool
wants_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *v = getenv(names[i]);

		if (v == NULL || *v == '\0')
			continue;
		return strcasestr(v, "utf-8") != NULL ||
		       strcasestr(v, "utf8") != NULL;
	}
	return false;
}

/*
 * A file we open must never become one of the standard streams by taking the
 * number of a closed one.
 */
static void
fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(&fd);
}

/*
 * A gateway that closes while something is written to it is an error like any
 * other, to be told; libuv writes with write(2), so the signal would end us
 * without a word.  True when the user had it end programs.
 */
static bool
ignore_sigpipe(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction was;

	return sigaction(SIGPIPE, &ignore, &was) == 0 &&
	       was.sa_handler == SIG_DFL;
}

bool
cli_signal_ignored(int signo)
{
	struct sigaction now;

	return sigaction(signo, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void
cli_init(struct cli *c)
{
	struct winsize ws;

	fill_standard_streams();
	*c = (struct cli) { .in = STDIN_FILENO,
		.out = STDOUT_FILENO,
		.err = STDERR_FILENO,
		.width = WIDTH };
	c->pipe_ends = ignore_sigpipe();
	c->color_out = cli_color_wanted(c->out);
	c->color_err = cli_color_wanted(c->err);
	c->utf8 = wants_utf8();
	if (ioctl(c->out, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
		c->width = MIN(ws.ws_col, WIDTH_MAX);
}

void
cli_paint(struct buf *out, bool on, enum cli_color role, const char *text)
{
	static const char *const codes[] = {
		[COLOR_HEADING] = "\033[1;36m",
		[COLOR_LABEL] = "\033[2m",
		[COLOR_OK] = "\033[1;32m",
		[COLOR_WARN] = "\033[33m",
		[COLOR_BAD] = "\033[1;31m",
		[COLOR_HINT] = "\033[36m",
	};

	if (!on) {
		buf_puts(out, text);
		return;
	}
	buf_printf(out, "%s%s\033[0m", codes[role], text);
}

int
cli_out(struct cli *c, const struct buf *b, struct err *e)
{
	if (b->full)
		return err_set(e, ERR_LIMIT, "the output is too large");
	if (fd_write_all(c->out, b->p, b->n, e) == 0)
		return 0;
	/* `openshell ... | head` ends as quietly as any program. */
	if (e->sys == EPIPE && c->pipe_ends) {
		(void)signal(SIGPIPE, SIG_DFL);
		(void)raise(SIGPIPE);
	}
	return err_wrap(e, "write to standard output");
}

int
cli_say(struct cli *c, bool ok, const char *did, const char *name,
    const char *tail, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	cli_paint(&b, c->color_out, ok ? COLOR_OK : COLOR_WARN,
	    !ok       ? "!"
	    : c->utf8 ? "✓"
		      : "*");
	buf_printf(&b, " %s ", did);
	buf_put_escaped(&b, view_of(name));
	buf_printf(&b, "%s\n", tail);
	return cli_out(c, &b, e);
}

void
cli_note(struct cli *c, const struct buf *b)
{
	struct err ignored;

	if (fd_write_all(c->err, b->p, b->n, &ignored) < 0)
		return;
}

/* The lines of e->text after the first, each with a prefix. */
static void
more_lines(struct buf *b, struct view text, const char *prefix)
{
	while (text.p != NULL && text.n > 0) {
		struct view rest, line = view_cut(text, '\n', &rest);

		buf_puts(b, prefix);
		buf_put_escaped(b, line);
		buf_putc(b, '\n');
		text = rest;
	}
}

void
cli_print_error(struct cli *c, const struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(16384);
	struct view rest, first = view_cut(view_of(e->text), '\n', &rest);

	cli_paint(&b, c->color_err, COLOR_BAD, "Error:");
	buf_putc(&b, ' ');
	buf_put_escaped(&b, first);
	buf_putc(&b, '\n');
	more_lines(&b, rest, "  ");
	cli_note(c, &b);
}

int
cli_misused(struct cli *c, const struct err *e)
{
	cli_print_error(c, e);
	return CLI_USAGE;
}

static void
print_usage_error(
    struct cli *c, const struct cli_parsed *p, const struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(16384);
	struct view rest, first = view_cut(view_of(e->text), '\n', &rest);

	cli_paint(&b, c->color_err, COLOR_BAD, "error:");
	buf_putc(&b, ' ');
	buf_put_escaped(&b, first);
	buf_puts(&b, "\n");
	if (rest.n > 0) {
		buf_putc(&b, '\n');
		more_lines(&b, rest, "  tip: ");
	}
	buf_puts(&b, "\nUsage: ");
	cli_usage_line(p->path, &b);
	buf_puts(&b, "\n\nFor more information, try '--help'.\n");
	cli_note(c, &b);
}

static int
print_asked(struct cli *c, const struct cli_parsed *p, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(HELP_MAX);

	if (p->asks != CLI_VERSION) {
		cli_help(p->path, p->asks == CLI_HELP_SHORT, c->color_out,
		    c->width, &b);
		return cli_out(c, &b, e);
	}
	cli_man_name(p->path, &b);
	buf_puts(&b, " " OPENSHELL_VERSION "\n");
	return cli_out(c, &b, e);
}

/* OPENSHELL_LOG, or RUST_LOG as upstream. */
static void
set_log_level(unsigned verbose)
{
	const char *v = getenv("OPENSHELL_LOG");
	enum log_level level =
	    MIN(LOG_L_WARN + (int)MIN(verbose, 3U), LOG_L_TRACE);

	if (v == NULL)
		v = getenv("RUST_LOG");
	if (v != NULL)
		(void)log_level_named(v, &level);
	log_set_level(level);
}

static int
dispatch(struct cli *c, const struct cli_parsed *p)
{
	struct err e = { 0 };
	int status;

	if (p->asks != CLI_RUN || p->cmd == NULL) {
		struct cli_parsed asked = *p;

		/* A group without a command shows what it holds. */
		if (asked.asks == CLI_RUN)
			asked.asks = CLI_HELP_LONG;
		status = print_asked(c, &asked, &e);
	} else
		status = p->cmd->run(c, p->args, &e);
	if (status >= 0)
		return status;
	cli_print_error(c, &e);
	if (p->cmd != NULL && p->cmd->fail_status != 0)
		return p->cmd->fail_status;
	return CLI_FAILED;
}

int
cli_main(struct cli *c, int argc, char *const argv[])
{
	struct cli_parsed p;
	struct err e = { 0 };
	const char *shell = getenv("COMPLETE");
	int status;

	/* How shells of upstream's users ask for the script. */
	if (shell != NULL && *shell != '\0' && argc <= 1) {
		AUTO_BUF struct buf b = BUF_INIT(HELP_MAX);

		if (cli_completion_script(shell, &b) == 0)
			return cli_out(c, &b, &e) < 0 ? CLI_FAILED : CLI_OK;
	}
	if (cli_parse(argc, argv, &p, &e) < 0) {
		print_usage_error(c, &p, &e);
		status = CLI_USAGE;
	} else {
		c->verbose = p.verbose;
		c->gateway = p.gateway;
		c->endpoint = p.endpoint;
		set_log_level(p.verbose);
		status = dispatch(c, &p);
	}
	cli_parsed_fini(&p);
	return status;
}
