/* openshell status */
#include "base/mem.h"
#include "cli/emit.h"
#include "cli/reach.h"

struct args {
	unsigned output;
};

static const struct cli_opt opts[] = { EMIT_OPT(output), OPT_END };

static const struct emit_col cols[] = {
	{ "Gateway", "gateway", 0, 0, EMIT_NAME },
	{ "Server", "server", 0, 0, EMIT_PLAIN },
	{ "Auth", "auth", 0, 0, EMIT_PLAIN },
	{ "Status", "status", 0, 0, EMIT_PLAIN },
	{ "Version", "version", 0, 0, EMIT_PLAIN },
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
emit_error(struct emit *m, const struct err *why)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	for (const char *s = why->text; *s != '\0'; s++)
		if (*s == '\n')
			buf_puts(&b, "; ");
		else
			buf_putc(&b, *s);
	emit_text(emit_root(m), "error", buf_str(&b));
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	Openshell__V1__HealthRequest q = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	Openshell__V1__HealthResponse *h = NULL;
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_FREE char *name = NULL, *url = NULL;
	AUTO_REACH struct reach *r = NULL;
	struct err why;
	bool up;

	/* Nothing registered and nothing named is a state, not a fault. */
	if (reach_target(c, &name, &url, e) < 0)
		return e->code == ERR_NOT_FOUND && c->gateway == NULL &&
			       name == NULL
			   ? none(c, a->output, e)
			   : -1;
	emit_text(emit_root(m), "gateway", name);
	emit_text(emit_root(m), "server", url);
	up = reach_open(c, &r, &why) == 0 &&
	     reach_call(r, "Health", &q.base,
		 &openshell__v1__health_response__descriptor, &h, NULL,
		 &why) == 0;
	emit_text(emit_root(m), "auth",
	    r != NULL && reach_has_token(r) ? "Edge (bearer token)" : NULL);
	emit_text(emit_root(m), "status",
	    !up ? "Disconnected"
	    : h->status == OPENSHELL__V1__SERVICE_STATUS__SERVICE_STATUS_HEALTHY
		? "Connected"
		: "Degraded");
	if (up) {
		emit_text(emit_root(m), "version", h->version);
		emit_null(emit_root(m), "error");
	} else {
		emit_null(emit_root(m), "version");
		emit_error(m, &why);
	}
	openshell__v1__health_response__free_unpacked(h, NULL);
	if (print(c, m, a->output, e) < 0)
		return -1;
	return up ? CLI_OK : CLI_FAILED;
}

const struct cli_cmd cmd_status = {
	.path = "status",
	.summary = "Show the gateway and whether it answers",
	.about = "Asks the gateway in use for its health.",
	.status = "0 when it answers, and when no gateway is configured; 1 "
		  "when it does not answer.",
	.examples = "openshell status\nopenshell status -o json",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
