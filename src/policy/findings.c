#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/utf8.h"
#include "policy/model.h"

static void add(struct policy_findings *f, struct p_mark at, bool warning,
    const char *class, const char *fmt, va_list ap) PRINTF(5, 0);

static void
add(struct policy_findings *f, struct p_mark at, bool warning,
    const char *class, const char *fmt, va_list ap)
{
	char *text;

	if (warning)
		f->warnings++;
	else
		f->errors++;
	if (f->n == POLICY_FINDINGS_MAX)
		return;
	if (vasprintf(&text, fmt, ap) < 0)
		abort(); /* out of memory */
	if (f->n % 16 == 0)
		f->v = mem_realloc(f->v, f->n + 16, sizeof(*f->v));
	f->v[f->n++] = (struct policy_finding) { .warning = warning,
		.line = at.line,
		.column = at.column,
		.class = class,
		.text = text };
}

void
p_error(struct policy_findings *f, struct p_mark at, const char *class,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, at, false, class, fmt, ap);
	va_end(ap);
}

void
p_warn(struct policy_findings *f, struct p_mark at, const char *class,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, at, true, class, fmt, ap);
	va_end(ap);
}

struct p_shown
p_show(struct view v)
{
	AUTO_BUF struct buf b = BUF_INIT(sizeof(((struct p_shown *)0)->text));
	struct p_shown out;

	buf_put_escaped(&b, v.n > 80 ? utf8_clip(v, 77) : v);
	if (v.n > 80)
		buf_puts(&b, "...");
	snprintf(out.text, sizeof(out.text), "%s", buf_str(&b));
	return out;
}

bool
p_has_control(struct view v)
{
	uint32_t c;
	size_t n;

	for (size_t at = 0; at < v.n; at += n) {
		n = utf8_decode(view_slice(v, at, v.n), &c);
		if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
			return true;
	}
	return false;
}

void
policy_findings_fini(struct policy_findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].text);
	free(f->v);
	*f = (struct policy_findings) { 0 };
}

static int
by_place(const void *ap, const void *bp)
{
	const struct policy_finding *const *a = ap, *const *b = bp;

	if ((*a)->warning != (*b)->warning)
		return (*a)->warning ? 1 : -1;
	if ((*a)->line != (*b)->line)
		return (*a)->line < (*b)->line ? -1 : 1;
	if ((*a)->column != (*b)->column)
		return (*a)->column < (*b)->column ? -1 : 1;
	return *a < *b ? -1 : *a > *b; /* as found */
}

void
policy_findings_print(
    const struct policy_findings *f, const char *name, struct buf *out)
{
	const struct policy_finding *order[POLICY_FINDINGS_MAX];

	for (size_t i = 0; i < f->n; i++)
		order[i] = &f->v[i];
	qsort(order, f->n, sizeof(*order), by_place);
	for (size_t i = 0; i < f->n; i++) {
		const struct policy_finding *p = order[i];

		buf_puts(out, name);
		if (p->line > 0)
			buf_printf(out, ":%u:%u", p->line, p->column);
		buf_printf(out, ": %s: %s\n", p->warning ? "warning" : "error",
		    p->text);
	}
	if (f->errors + f->warnings > f->n)
		buf_printf(out, "%s: %zu more not shown\n", name,
		    f->errors + f->warnings - f->n);
}
