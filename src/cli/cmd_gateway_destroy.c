/* openshell gateway destroy */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/later.h"
#include "cli/state.h"

struct args {
	const char *name, *remote, *key;
	bool yes;
};

static const struct cli_opt opts[] = { DEPLOY_OPT(name),
	LATER_REMOTE_OPTS(remote, key),
	{ .name = "yes",
	    .letter = 'y',
	    .kind = OPT_FLAG,
	    OPT(yes),
	    .help = "Do not ask" },
	OPT_END };

static bool
confirmed(struct cli *c, const char *name)
{
	AUTO_BUF struct buf b = BUF_INIT(512);
	char answer[16];
	ssize_t n;

	buf_puts(&b, "Destroy gateway '");
	buf_put_escaped(&b, view_of(name));
	buf_puts(&b, "' with all its sandboxes? [y/N] ");
	cli_note(c, &b);
	n = read(c->in, answer, sizeof(answer));
	return n > 0 && (answer[0] == 'y' || answer[0] == 'Y');
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_FREE char *name = deploy_name(c, a->name);
	AUTO_GATEWAY g = { 0 };
	AUTO_FREE char *dir = NULL;
	struct err ignored;
	bool known;

	if (a->remote != NULL || a->key != NULL)
		return later_remote("destroyed", e);
	known =
	    state_is_name(name) && state_gateway_load(name, &g, &ignored) == 0;
	if (known && g.is_remote) {
		if (state_gateway_remove(name, e) < 0)
			return -1;
		deploy_say(c, COLOR_OK, "✓", "*",
		    "Gateway registration %s removed.", name);
		return 0;
	}
	if (deploy_check_local(name, e) < 0 ||
	    state_runtime_dir(name, &dir, e) < 0)
		return -1;
	/* A start that failed leaves a directory too. */
	if (!known && access(dir, F_OK) < 0) {
		deploy_say(c, COLOR_HINT, "•", "-",
		    "There is no gateway %s: nothing to destroy.", name);
		return 0;
	}
	if (!a->yes && isatty(c->in) && isatty(c->err) && !confirmed(c, name))
		return err_set(e, ERR_INVALID, "aborted by user");
	deploy_say(c, COLOR_HINT, "•", "-", "Destroying gateway %s...", name);
	if (deploy_destroy(c, name, e) < 0)
		return -1;
	deploy_say(c, COLOR_OK, "✓", "*", "Gateway %s destroyed.", name);
	return 0;
}

const struct cli_cmd cmd_gateway_destroy = {
	.path = "gateway destroy",
	.summary = "Stop a gateway and remove all it kept",
	.about =
	    "Deletes the sandboxes of the gateway, ends it and removes its "
	    "data, certificates and registration.",
	.examples = "openshell gateway destroy --name work --yes",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
