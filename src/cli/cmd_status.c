/* openshell status */
#include "base/mem.h"
#include "cli/emit.h"
#include "cli/reach.h"

struct args {
	unsigned output;
};

enum { HEALTHY = OPENSHELL__V1__SERVICE_STATUS__SERVICE_STATUS_HEALTHY };

static const struct cli_opt opts[] = { EMIT_OPT(output), OPT_END };

static const struct emit_col cols[] = {
	{ "Gateway", "gateway", 0, 0, EMIT_NAME },
	{ "Server", "server", 0, 0, EMIT_PLAIN },
	{ "Auth", "auth", 0, 0, EMIT_PLAIN },
	{ "Status", "status", 0, 0, EMIT_PHASE },
	{ "Version", "version", 0, 0, EMIT_PLAIN },
	{ "HTTP", "http", 0, 0, EMIT_PLAIN },
	{ "gRPC error", "grpc_error", 0, 0, EMIT_PLAIN },
	{ "Error", "error", 0, 0, EMIT_PLAIN },
	{ 0 },
};
static const struct emit_table table = { cols, NULL, 9 };

static int
none(struct cli *c, unsigned format, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_BUF struct buf b = BUF_INIT(512);

	if (format != EMIT_TABLE) {
		emit_null(emit_root(m), "gateway");
		emit_null(emit_root(m), "server");
		emit_text(emit_root(m), "status", "No gateway configured");
		return emit_print(c, m, (enum emit_format)format, &table, e);
	}
	cli_paint(&b, c->color_out, COLOR_HEADING, "Gateway Status");
	buf_puts(&b, "\n\nStatus: No gateway configured.\n"
		     "Deploy a gateway with: openshell gateway start\n");
	return cli_out(c, &b, e);
}

static int
print(struct cli *c, const struct emit *m, unsigned format, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	if (format == EMIT_TABLE) {
		cli_paint(&b, c->color_out, COLOR_HEADING, "Server Status");
		buf_puts(&b, "\n\n");
		if (cli_out(c, &b, e) < 0)
			return -1;
	}
	return emit_print(c, m, (enum emit_format)format, &table, e);
}

/* Causes and fix in one line of a table. */
static void
emit_error(struct emit *m, const char *key, const struct err *why)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	for (const char *s = why->text; *s != '\0'; s++)
		if (*s == '\n')
			buf_puts(&b, "; ");
		else
			buf_putc(&b, *s);
	emit_text(emit_root(m), key, buf_str(&b));
}

/* What was found out. */
struct found {
	bool opened, up; /* the connection stood; Health answered */
	const char *auth, *status;
	char *version;
	unsigned http; /* what /healthz answered; 0: nothing, or not asked */
	struct err why; /* of the call, unless up */
};

/* By calls, then by HTTP: an edge or a proxy may let only that pass. */
static void
look(struct cli *c, struct found *f)
{
	Openshell__V1__HealthRequest q = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	Openshell__V1__HealthResponse *h = NULL;
	AUTO_REACH struct reach *r = NULL;
	struct err ignored;

	f->opened = reach_open(c, &r, &f->why) == 0;
	f->up = f->opened && reach_call(r, "Health", &q.base,
				 &openshell__v1__health_response__descriptor,
				 &h, NULL, &f->why) == 0;
	if (f->opened && reach_has_token(r))
		f->auth = "Edge (bearer token)";
	if (f->up) {
		f->status =
		    h->status ==
			    OPENSHELL__V1__SERVICE_STATUS__SERVICE_STATUS_HEALTHY
			? "Connected"
			: "Degraded";
		f->version = mem_strdup(h->version);
	} else if (reach_healthz(c, &f->http, &ignored) < 0)
		f->status = "Disconnected";
	else if (f->http / 100 == 2)
		f->status = "Connected (HTTP)";
	else
		f->status = f->opened ? "Error" : "Disconnected";
	openshell__v1__health_response__free_unpacked(h, NULL);
}

static void
emit_found(struct emit *m, const struct found *f)
{
	struct emit_val *at = emit_root(m);
	/* Not even connected: no call was refused. */
	bool call = f->opened || f->http / 100 == 2;

	emit_text(at, "auth", f->auth);
	emit_text(at, "status", f->status);
	emit_text(at, "version", f->version);
	if (f->http > 0)
		emit_uint(at, "http", f->http);
	else
		emit_null(at, "http");
	emit_null(at, call ? "error" : "grpc_error");
	if (f->up)
		emit_null(at, call ? "grpc_error" : "error");
	else
		emit_error(m, call ? "grpc_error" : "error", &f->why);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_FREE char *name = NULL, *url = NULL, *version = NULL;
	struct found f = { 0 };

	/* Nothing registered and nothing named is a state, not a fault. */
	if (reach_target(c, &name, &url, e) < 0)
		return e->code == ERR_NOT_FOUND && c->gateway == NULL &&
			       name == NULL
			   ? none(c, a->output, e)
			   : -1;
	look(c, &f);
	version = f.version;
	emit_text(emit_root(m), "gateway", name);
	emit_text(emit_root(m), "server", url);
	emit_found(m, &f);
	if (print(c, m, a->output, e) < 0)
		return -1;
	return f.up || f.http / 100 == 2 ? CLI_OK : CLI_FAILED;
}

const struct cli_cmd cmd_status = {
	.path = "status",
	.summary = "Show the gateway and whether it answers",
	.about = "Asks the gateway in use for its health; when its calls do "
		 "not answer, its HTTP at /healthz.",
	.status = "0 when it answers, and when no gateway is configured; 1 "
		  "when it does not answer.",
	.examples = "openshell status\nopenshell status -o json",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
