/* openshell gateway status */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/emit.h"
#include "cli/reach.h"
#include "cli/state.h"

struct args {
	const char *name;
	unsigned output;
};

static const struct cli_opt opts[] = { DEPLOY_OPT(name), EMIT_OPT(output),
	OPT_END };

static const struct emit_col cols[] = {
	{ "Gateway", "gateway", 0, 0, EMIT_NAME },
	{ "Status", "status", 0, 0, EMIT_PLAIN },
	{ "Pid", "pid", 0, 0, EMIT_PLAIN },
	{ "Started", "started_at", 0, 0, EMIT_PLAIN },
	{ "Version", "version", 0, 0, EMIT_PLAIN },
	{ "Endpoint", "endpoint", 0, 0, EMIT_PLAIN },
	{ "Sandboxes", "sandboxes", 0, 0, EMIT_PLAIN },
	{ "State", "state_dir", 0, 0, EMIT_PLAIN },
	{ 0 },
};
static const struct emit_table table = { cols, NULL, 11 };

/* When it took its lock. */
static void
emit_started(struct emit *m, const char *dir, bool running)
{
	AUTO_FREE char *lock = mem_printf("%s/gateway.pid", dir);
	struct stat st;

	if (running && stat(lock, &st) == 0)
		emit_time(emit_root(m), "started_at",
		    (int64_t)st.st_mtim.tv_sec * 1000 +
			st.st_mtim.tv_nsec / 1000000);
	else
		emit_null(emit_root(m), "started_at");
}

static void
emit_version(struct cli *c, struct emit *m, const char *name, bool running)
{
	Openshell__V1__HealthRequest q = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	Openshell__V1__HealthResponse *h = NULL;
	AUTO_REACH struct reach *r = NULL;
	struct cli with = *c;
	struct err ignored;

	with.gateway = name;
	with.endpoint = NULL;
	if (running && reach_open(&with, &r, &ignored) == 0 &&
	    reach_call(r, "Health", &q.base,
		&openshell__v1__health_response__descriptor, &h, NULL,
		&ignored) == 0)
		emit_text(emit_root(m), "version", h->version);
	else
		emit_null(emit_root(m), "version");
	openshell__v1__health_response__free_unpacked(h, NULL);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_FREE char *name = deploy_name(c, a->name), *dir = NULL;
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_GATEWAY g = { 0 };
	struct deploy_state s;
	struct err ignored;
	bool known;

	if (deploy_check_local(name, e) < 0 || deploy_look(name, &s, e) < 0 ||
	    state_runtime_dir(name, &dir, e) < 0)
		return -1;
	known = state_gateway_load(name, &g, &ignored) == 0;
	emit_text(emit_root(m), "gateway", name);
	emit_text(emit_root(m), "status",
	    s.running  ? "running"
	    : s.exists ? "stopped"
		       : "not found");
	if (s.running)
		emit_int(emit_root(m), "pid", s.pid);
	else
		emit_null(emit_root(m), "pid");
	emit_started(m, dir, s.running);
	emit_version(c, m, name, s.running);
	if (known)
		emit_text(emit_root(m), "endpoint", g.endpoint);
	else
		emit_null(emit_root(m), "endpoint");
	emit_uint(emit_root(m), "sandboxes", s.sandboxes);
	emit_text(emit_root(m), "state_dir", dir);
	if (emit_print(c, m, (enum emit_format)a->output, &table, e) < 0)
		return -1;
	if (!s.running)
		deploy_say(c, COLOR_HINT, "•", "-",
		    "Start it: openshell gateway start --name %s", name);
	return s.running ? CLI_OK : CLI_FAILED;
}

const struct cli_cmd cmd_gateway_status = {
	.path = "gateway status",
	.summary = "Show whether a gateway runs",
	.about =
	    "Shows the gateway as a process of this machine: whether it runs, "
	    "where it listens, how many sandboxes it has.",
	.status = "0 when it runs, else 1.",
	.examples = "openshell gateway status -o json",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
