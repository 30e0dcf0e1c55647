/* run_say: what the user is told while a command has the terminal. */
#include <unistd.h>

#include "cli/run_impl.h"

void
run_say(struct run *r, const struct buf *b)
{
	AUTO_BUF struct buf crlf = BUF_INIT(4 << 20);

	if (!r->term.raw || !isatty(r->c->err)) {
		cli_note(r->c, b);
		return;
	}
	for (size_t i = 0; i < b->n; i++) {
		if (b->p[i] == '\n')
			buf_putc(&crlf, '\r');
		buf_putc(&crlf, b->p[i]);
	}
	cli_note(r->c, &crlf);
}

void
run_say_lines(
    struct run *r, enum cli_color color, const char *mark, struct view text)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	while (text.n > 0) {
		struct view line = view_cut(text, '\n', &text);

		cli_paint(&b, r->c->color_err, color, mark);
		buf_putc(&b, ' ');
		buf_put_escaped(&b, line);
		buf_putc(&b, '\n');
	}
	run_say(r, &b);
}

void
run_say_error(struct run *r, struct view text)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	const char *before = "";

	cli_paint(&b, r->c->color_err, COLOR_BAD, "Error:");
	buf_putc(&b, ' ');
	while (text.n > 0) {
		struct view line = view_cut(text, '\n', &text);

		buf_puts(&b, before);
		buf_put_escaped(&b, line);
		buf_putc(&b, '\n');
		before = "  ";
	}
	run_say(r, &b);
}
