/* openshell doctor exec -- COMMAND... */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/remote.h"
#include "cli/state.h"

struct args {
	const char *name, *remote, *key;
	struct cli_list command;
};

static const struct cli_opt opts[] = { DEPLOY_OPT(name),
	REMOTE_OPTS(remote, key), OPT_END };

static const struct cli_pos pos[] = { { .name = "COMMAND",
					  .kind = OPT_LIST,
					  OPT(command),
					  .trailing = true,
					  .hint = HINT_COMMAND,
					  .help =
					      "The command and its arguments" },
	{ 0 } };

static int
run_remote(
    const char *name, const char *host, const struct args *a, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	buf_printf(&b, "cd .openshell/gateways/%s && OPENSHELL_GATEWAY=%s exec",
	    name, name);
	for (size_t i = 0; i < a->command.n; i++) {
		buf_putc(&b, ' ');
		remote_quote(&b, a->command.v[i]);
	}
	if (b.full)
		return err_set(e, ERR_LIMIT, "the command is too long");
	return remote_become(
	    host, a->key, isatty(0) && isatty(1), buf_str(&b), e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_FREE char *name = deploy_name(c, a->name);
	AUTO_FREE char *dir = NULL, *host = NULL;

	if (state_runtime_dir(name, &dir, e) < 0 ||
	    remote_host_of(name, a->remote, &host, e) < 0)
		return -1;
	if (host != NULL)
		return run_remote(name, host, a, e);
	if (chdir(dir) < 0)
		return errno == ENOENT
			   ? err_set(e, ERR_NOT_FOUND,
				 "There is no gateway %.100s on this machine.\n"
				 "Start one: openshell gateway start",
				 name)
			   : err_sys(e, "go to %s", dir);
	if (setenv("OPENSHELL_GATEWAY", name, 1) < 0)
		return err_sys(e, "set OPENSHELL_GATEWAY");
	(void)execvp(a->command.v[0], (char *const *)(uintptr_t)a->command.v);
	return err_sys(e, "run %.200s", a->command.v[0]);
}

const struct cli_cmd cmd_doctor_exec = {
	.path = "doctor exec",
	.summary = "Run a command where a gateway keeps its files",
	.about = "In the gateway's state directory and with OPENSHELL_GATEWAY "
		 "set; for a gateway elsewhere on its machine, by ssh.",
	.status = "That of the command, or of ssh; 1 when it cannot be run, 2 "
		  "for a wrong command line.",
	.examples = "openshell doctor exec -- ls -l\n"
		    "openshell doctor exec -- tail logs/server.log",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
