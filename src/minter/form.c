#include "minter/form.h"

#include "secrets/pct.h"

void
form_put(struct buf *form, const char *name, struct view value)
{
	if (value.n == 0)
		return;
	if (form->n > 0)
		buf_putc(form, '&');
	buf_puts(form, name);
	buf_putc(form, '=');
	pct_encode(value, PCT_UNRESERVED, form);
}
