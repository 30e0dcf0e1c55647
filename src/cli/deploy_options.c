/* deploy_options: what a gateway was last started with, kept for a restart. */
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/state.h"

enum { FILE_SMALL = 256 };

static const char plaintext_line[] = "plaintext",
		  no_auth_line[] = "disable-gateway-auth",
		  level_line[] = "log-level=";

int
deploy_keep(const char *state, const struct deploy_options *o, struct err *e)
{
	AUTO_CLOSE int dir =
	    open(state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_BUF struct buf b = BUF_INIT(FILE_SMALL);

	if (dir < 0)
		return err_sys(e, "open %s", state);
	if (o->plaintext)
		buf_printf(&b, "%s\n", plaintext_line);
	if (o->no_auth)
		buf_printf(&b, "%s\n", no_auth_line);
	if (o->log_level != NULL)
		buf_printf(&b, "%s%.16s\n", level_line, o->log_level);
	return file_keep(dir, "options", buf_view(&b), e);
}

void
deploy_had(const char *name, struct deploy_options *o, char **level)
{
	AUTO_FREE char *dir = NULL, *path = NULL, *text = NULL;
	struct view rest, line;
	struct err ignored;
	size_t n;

	*level = NULL;
	if (state_runtime_dir(name, &dir, &ignored) < 0)
		return;
	path = mem_printf("%s/options", dir);
	if (file_read_path(path, true, FILE_SMALL, &text, &n, &ignored) < 0)
		return;
	rest = (struct view) { text, n };
	while (rest.n > 0) {
		line = view_cut(rest, '\n', &rest);
		if (view_eq(line, view_of(plaintext_line)))
			o->plaintext = true;
		else if (view_eq(line, view_of(no_auth_line)))
			o->no_auth = true;
		else if (view_starts(line, view_of(level_line))) {
			free(*level);
			*level = view_dup(
			    view_slice(line, sizeof(level_line) - 1, line.n));
			o->log_level = *level;
		}
	}
}
