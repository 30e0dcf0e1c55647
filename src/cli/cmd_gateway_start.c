/* openshell gateway start */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/egress_opts.h"
#include "cli/middleware_opts.h"
#include "cli/later.h"
#include "cli/state.h"

struct args {
	const char *name, *remote, *key;
	const char *port;
	bool recreate, plaintext, no_auth;
	const char *level, *host, *user, *token;
	struct egress_options egress;
	struct cli_list middlewares;
	bool gpu;
};

static const struct cli_opt opts[] = {
	{ .name = "name",
	    .kind = OPT_STR,
	    OPT(name),
	    .value = "NAME",
	    .hint = HINT_GATEWAY,
	    .help = "The gateway; 'openshell' when left out" },
	{ .name = "port",
	    .kind = OPT_STR,
	    OPT(port),
	    .value = "PORT",
	    .help = "Port on 127.0.0.1 (8080, or what it had); 0: a free one" },
	{ .name = "recreate",
	    .kind = OPT_FLAG,
	    OPT(recreate),
	    .help = "Destroy it first, with its sandboxes and data" },
	{ .name = "plaintext",
	    .kind = OPT_FLAG,
	    OPT(plaintext),
	    .help = "No TLS: every program of this machine may use it" },
	{ .name = "disable-gateway-auth",
	    .kind = OPT_FLAG,
	    OPT(no_auth),
	    .help = "TLS without client certificates" },
	LATER_REMOTE_OPTS(remote, key),
	{ .name = "gateway-host",
	    .kind = OPT_STR,
	    OPT(host),
	    .value = "HOST",
	    .help = "Refused: a gateway listens on 127.0.0.1 alone",
	    .hidden = true },
	{ .name = "gpu",
	    .kind = OPT_FLAG,
	    OPT(gpu),
	    .help = "Refused: native sandboxes have no GPU",
	    .hidden = true },
	{ .name = "registry-username",
	    .kind = OPT_STR,
	    OPT(user),
	    .value = "NAME",
	    .help = "Refused: there are no images yet",
	    .hidden = true },
	{ .name = "registry-token",
	    .kind = OPT_STR,
	    OPT(token),
	    .value = "TOKEN",
	    .help = "Refused: there are no images yet",
	    .hidden = true },
	{ .name = "log-level",
	    .kind = OPT_STR,
	    OPT(level),
	    .value = "LEVEL",
	    .help = "error, warn, info, debug or trace" },
	EGRESS_OPTS(egress), MIDDLEWARE_OPT(middlewares), OPT_END
};

/* Passed over, each would promise what is not done. */
static int
refuse_later(const struct args *a, struct err *e)
{
	if (a->remote != NULL || a->key != NULL)
		return later_remote("started", e);
	if (a->host != NULL)
		return err_set(e, ERR_INVALID,
		    "--gateway-host is not there yet: a gateway listens on "
		    "127.0.0.1 alone\nleave it out");
	if (a->gpu)
		return err_set(e, ERR_INVALID,
		    "--gpu is not supported by the native driver\nleave it "
		    "out");
	if (a->user != NULL || a->token != NULL)
		return err_set(e, ERR_INVALID,
		    "--registry-username and --registry-token are not there "
		    "yet: native sandboxes use no images\nleave them out");
	return 0;
}

/* Before anything is started; the gateway works in /. */
static int
check_egress(struct egress_options *g, char **file, struct err *e)
{
	AUTO_BUF struct buf ignored = BUF_INIT(EGRESS_TEXT_MAX);

	if (g->auth_file != NULL) {
		*file = realpath(g->auth_file, NULL);
		if (*file == NULL)
			return err_sys(
			    e, "--upstream-proxy-auth-file %s", g->auth_file);
		g->auth_file = *file;
	}
	return egress_write(g, &ignored, e);
}

/* As one text, as the gateway takes them. */
static int
join_middlewares(const struct cli_list *l, struct buf *out, struct err *e)
{
	AUTO_SERVICES struct services s = { .n = 0 };

	for (size_t i = 0; i < l->n; i++) {
		if (services_add(&s, view_of(l->v[i]), e) < 0)
			return err_wrap(e, "--middleware");
		buf_printf(out, "%s%s", i > 0 ? ";" : "", l->v[i]);
	}
	return 0;
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_FREE char *name = a->name != NULL      ? mem_strdup(a->name)
			       : c->gateway != NULL ? mem_strdup(c->gateway)
						    : mem_strdup("openshell");
	struct deploy_options o = { .name = name,
		.port_given = a->port != NULL,
		.plaintext = a->plaintext,
		.no_auth = a->no_auth,
		.log_level = a->level,
		.egress = a->egress };
	AUTO_GATEWAY g = { 0 };
	AUTO_FREE char *file = NULL;
	AUTO_BUF struct buf middlewares = BUF_INIT(SERVICES_TEXT_MAX);

	if (refuse_later(a, e) < 0 || check_egress(&o.egress, &file, e) < 0 ||
	    join_middlewares(&a->middlewares, &middlewares, e) < 0)
		return -1;
	if (middlewares.n > 0)
		o.middlewares = buf_str(&middlewares);
	if (a->port != NULL &&
	    cli_value_uint(a->port, 0, 65535, &o.port, e) < 0) {
		(void)err_wrap(e, "--port %.40s", a->port);
		return cli_misused(c, e);
	}
	if (deploy_check_local(name, e) < 0)
		return -1;
	if (a->recreate && deploy_destroy(c, name, e) < 0)
		return -1;
	if (deploy_start(c, &o, e) < 0)
		return -1;
	if (state_gateway_load(name, &g, e) < 0)
		return -1;
	deploy_say(c, COLOR_LABEL, " ", " ", "Name: %s", name);
	deploy_say(c, COLOR_LABEL, " ", " ", "Endpoint: %s", g.endpoint);
	deploy_say(c, COLOR_OK, "✓", "*", "Active gateway set to '%s'", name);
	return 0;
}

const struct cli_cmd cmd_gateway_start = {
	.path = "gateway start",
	.summary = "Start a gateway",
	.about =
	    "Starts a gateway of this machine, registers it and makes it "
	    "the active one. One that was stopped goes on with all it had; "
	    "one that runs is left as it is.",
	.examples = "openshell gateway start\nopenshell gateway start --name "
		    "work --port 9090",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
