/* records_print: records of a file, as a log of a sandbox is shown. */
#include "audit/ocsf.h"
#include "cli/records.h"

enum { FLUSH = 1 << 20 };

struct printer {
	struct cli *c;
	enum records_form form;
	bool denied;
	size_t skip; /* of those that are asked for */
	size_t seen;
	char sandbox[80]; /* whose records these are, once one says so */
	struct buf out;
	bool bad;
	struct err e;
};

static bool
wanted(const struct printer *p, const struct audit_event *ev)
{
	return !p->denied || ev->action == AUDIT_DENY;
}

static void
on_count(void *ctx, const struct audit_event *ev, struct view line UNUSED)
{
	struct printer *p = ctx;

	p->seen += wanted(p, ev);
}

static void
flush(struct printer *p)
{
	p->bad |= cli_out(p->c, &p->out, &p->e) < 0;
	buf_reset(&p->out);
}

static void
on_print(void *ctx, const struct audit_event *ev, struct view line)
{
	struct printer *p = ctx;
	struct audit_source from = { { NULL, 0 }, { NULL, 0 } };

	if (ev->sandbox.n > 0)
		(void)snprintf(p->sandbox, sizeof(p->sandbox), "%.*s",
		    (int)ev->sandbox.n, ev->sandbox.p);
	from.sandbox = view_of(p->sandbox);
	if (p->bad || !wanted(p, ev))
		return;
	if (p->skip > 0) {
		p->skip--;
		return;
	}
	switch (p->form) {
	case RECORDS_SHORT:
		audit_shorthand(ev, &p->out);
		break;
	case RECORDS_JSON:
		/* Whoever altered the file may have put anything there. */
		buf_put_escaped(&p->out, line);
		buf_putc(&p->out, '\n');
		break;
	case RECORDS_OCSF:
		audit_ocsf_json(ev, &from, &p->out);
		break;
	}
	if (p->out.n > FLUSH / 2)
		flush(p);
}

int
records_print(struct cli *c, const char *file, enum records_form form,
    bool denied, size_t lines, struct err *e)
{
	AUTO_RECORDS r = { 0 };
	struct printer p = {
		.c = c, .form = form, .denied = denied, .out = BUF_INIT(FLUSH)
	};

	if (records_read_file(file, &r, e) < 0)
		return -1;
	if (lines > 0) {
		(void)records_each(&r, on_count, &p);
		p.skip = p.seen > lines ? p.seen - lines : 0;
	}
	(void)records_each(&r, on_print, &p);
	flush(&p);
	buf_fini(&p.out);
	if (p.bad)
		*e = p.e;
	return p.bad ? -1 : CLI_OK;
}
