/* openshell doctor */
#include "cli/cli.h"
#include "codec/json.h"
#include "sandbox/doctor.h"

struct args {
	unsigned output;
};

enum { OUT_TABLE, OUT_JSON };
static const char *const outputs[] = { "table", "json", NULL };

static const struct cli_opt opts[] = { { .name = "output",
					   .letter = 'o',
					   .kind = OPT_ENUM,
					   OPT(output),
					   .value = "FORMAT",
					   .choices = outputs,
					   .help = "How to print" },
	OPT_END };

static const struct mark {
	const char *word, *utf8, *ascii;
	enum cli_color color;
} marks[] = {
	[DOCTOR_OK] = { "ok", "✓", "+", COLOR_OK },
	[DOCTOR_DEGRADED] = { "degraded", "!", "!", COLOR_WARN },
	[DOCTOR_MISSING] = { "missing", "✗", "x", COLOR_BAD },
	[DOCTOR_INFO] = { "info", "·", "-", COLOR_LABEL },
};

static void
put_json(const struct doctor *d, struct buf *out)
{
	struct json j = JSON_INIT(out);

	json_open(&j, '{');
	json_key(&j, "usable");
	json_bool(&j, d->usable != 0);
	json_key(&j, "checks");
	json_open(&j, '[');
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_row *r = &d->rows[i];

		json_open(&j, '{');
		json_key(&j, "name");
		json_str(&j, r->name);
		json_key(&j, "title");
		json_str(&j, r->title);
		json_key(&j, "verdict");
		json_str(&j, marks[r->verdict].word);
		json_key(&j, "found");
		json_str(&j, r->found);
		json_key(&j, "gives");
		json_str(&j, r->gives);
		json_key(&j, "remedy");
		json_str(&j, r->remedy[0] != '\0' ? r->remedy : NULL);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	buf_putc(out, '\n');
}

static void
put_row(
    struct cli *c, const struct doctor_row *r, unsigned column, struct buf *out)
{
	const struct mark *m = &marks[r->verdict];
	AUTO_BUF struct buf text = BUF_INIT(1024);

	cli_paint(out, c->color_out, m->color, c->utf8 ? m->utf8 : m->ascii);
	buf_printf(out, " %-*s", (int)(column - 2), r->title);
	buf_put_escaped(&text, view_of(r->found));
	if (r->gives[0] != '\0') {
		buf_puts(&text, text.n > 0 ? "; gives " : "gives ");
		buf_put_escaped(&text, view_of(r->gives));
	}
	cli_wrap(buf_str(&text), column, MAX(c->width, column + 40), out);
	if (r->remedy[0] == '\0')
		return;
	/* Never wrapped: it is there to be copied. */
	buf_printf(out, "%*s", (int)column, "");
	cli_paint(out, c->color_out, COLOR_HINT, "fix: ");
	buf_put_escaped(out, view_of(r->remedy));
	buf_putc(out, '\n');
}

static void
put_table(struct cli *c, const struct doctor *d, struct buf *out)
{
	unsigned column = 0, missing = 0, degraded = 0;

	for (size_t i = 0; i < d->n; i++) {
		column = MAX(column, (unsigned)strlen(d->rows[i].title) + 4);
		missing += d->rows[i].verdict == DOCTOR_MISSING;
		degraded += d->rows[i].verdict == DOCTOR_DEGRADED;
	}
	for (size_t i = 0; i < d->n; i++)
		put_row(c, &d->rows[i], column, out);
	buf_putc(out, '\n');
	if (!d->usable) {
		cli_paint(out, c->color_out, COLOR_BAD,
		    "A sandbox cannot be made safely here");
		buf_printf(out, ": %u protection%s missing, see fix above\n",
		    missing, missing == 1 ? "" : "s");
		return;
	}
	cli_paint(out, c->color_out, COLOR_OK, "Sandboxes can be made here");
	if (degraded > 0)
		buf_printf(out, "; %u protection%s weaker than possible",
		    degraded, degraded == 1 ? " is" : "s are");
	buf_putc(out, '\n');
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	struct doctor d = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);

	doctor_run(&d);
	if (a->output == OUT_JSON)
		put_json(&d, &out);
	else
		put_table(c, &d, &out);
	if (cli_out(c, &out, e) < 0)
		return -1;
	return d.usable ? CLI_OK : CLI_FAILED;
}

const struct cli_cmd cmd_doctor = {
	.path = "doctor",
	.summary = "Say what this machine offers a sandbox",
	.about = "Tries each protection a sandbox is made of and says what is "
		 "there, what it gives, and for what is missing or weaker "
		 "than possible the exact remedy. Changes nothing.",
	.status = "0 when a sandbox can be made safely, 1 when not, 2 for a "
		  "wrong command line.",
	.examples = "openshell doctor\nopenshell doctor -o json",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
