/* confirm: see confirm.h. */
#include "cli/confirm.h"

#include <unistd.h>

int
confirm(struct cli *c, const char *question, const char *nobody, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	char line[16] = "";
	ssize_t n;

	if (!isatty(c->in) || !isatty(c->err))
		return err_set(e, ERR_INVALID, "%s", nobody);
	buf_printf(&b, "%s Go on? [y/N] ", question);
	cli_note(c, &b);
	n = read(c->in, line, sizeof(line) - 1);
	if (n > 0 && (line[0] == 'y' || line[0] == 'Y'))
		return 0;
	return err_set(e, ERR_INVALID, "aborted by user");
}

int
confirm_global(
    struct cli *c, const char *what, const char *changed, struct err *e)
{
	char nobody[160], question[160];

	(void)snprintf(nobody, sizeof(nobody),
	    "global setting %s require confirmation; pass --yes in "
	    "non-interactive mode",
	    what);
	(void)snprintf(question, sizeof(question),
	    "This changes %s of every sandbox at once.", changed);
	return confirm(c, question, nobody, e);
}
