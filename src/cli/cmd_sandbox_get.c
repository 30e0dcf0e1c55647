/* openshell sandbox get [NAME] */
#include "cli/boxes.h"
#include "cli/reach.h"
#include "rpc/policy_wire.h"

struct args {
	const char *name;
	unsigned output;
};

static const struct cli_opt opts[] = { EMIT_OPT(output), OPT_END };

static const struct cli_pos pos[] = { REACH_POS(name), { 0 } };

static const struct emit_col cols[] = {
	{ "Id", "id", 0, 0, EMIT_PLAIN },
	{ "Name", "name", 0, 0, EMIT_NAME },
	{ "Namespace", "namespace", 0, 0, EMIT_PLAIN },
	{ "Phase", "phase", 0, 0, EMIT_PHASE },
	{ "Reason", "reason", 0, 0, EMIT_PLAIN },
	{ "Created", "created_at", 0, 0, EMIT_PLAIN },
	{ "Policy version", "policy_version", 0, 0, EMIT_PLAIN },
	{ "Policy source", "policy_source", 0, 0, EMIT_PLAIN },
	{ "Work directory", "workdir", 0, 0, EMIT_PLAIN },
	{ 0 },
};
static const struct emit_table table = { cols, NULL, 16 };

typedef Openshell__Sandbox__V1__GetSandboxConfigResponse config_msg;

static void
put_indented(struct buf *out, struct view yaml)
{
	while (yaml.n > 0) {
		struct view line = view_cut(yaml, '\n', &yaml);

		buf_puts(out, "  ");
		buf_put_escaped(out, line);
		buf_putc(out, '\n');
	}
}

static int
print_policy(struct cli *c, struct view yaml, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(4 << 20);

	buf_puts(&b, "\n");
	cli_paint(&b, c->color_out, COLOR_HEADING, "Policy:");
	buf_puts(&b, "\n\n");
	put_indented(&b, yaml);
	return cli_out(c, &b, e);
}

static int
print_heading(struct cli *c, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(64);

	cli_paint(&b, c->color_out, COLOR_HEADING, "Sandbox:");
	buf_puts(&b, "\n\n");
	return cli_out(c, &b, e);
}

static int
print(struct cli *c, const Openshell__Datamodel__V1__Sandbox *s,
    const config_msg *config, unsigned format, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_BUF struct buf yaml = BUF_INIT(POLICY_TEXT_MAX);

	box_emit(emit_root(m), s);
	emit_text(emit_root(m), "policy_source",
	    config->policy_source ==
		    OPENSHELL__SANDBOX__V1__POLICY_SOURCE__POLICY_SOURCE_GLOBAL
		? "global"
		: "sandbox");
	if (config->policy != NULL)
		policy_wire_yaml(config->policy, &yaml);
	if (format == EMIT_TABLE && print_heading(c, e) < 0)
		return -1;
	if (format != EMIT_TABLE)
		emit_yaml(emit_root(m), "policy", buf_view(&yaml));
	if (emit_print(c, m, (enum emit_format)format, &table, e) < 0)
		return -1;
	return format == EMIT_TABLE && yaml.n > 0
		   ? print_policy(c, buf_view(&yaml), e)
		   : 0;
}

/* What is wanted of it now, not only what it was made with. */
static int
fetch_policy(struct reach *r, const char *id,
    Openshell__Sandbox__V1__GetSandboxConfigResponse **out, struct err *e)
{
	Openshell__Sandbox__V1__GetSandboxConfigRequest q =
	    OPENSHELL__SANDBOX__V1__GET_SANDBOX_CONFIG_REQUEST__INIT;

	q.sandbox_id = (char *)(uintptr_t)id;
	return reach_call(r, "GetSandboxConfig", &q.base,
	    &openshell__sandbox__v1__get_sandbox_config_response__descriptor,
	    out, NULL, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	Openshell__Sandbox__V1__GetSandboxConfigResponse *config = NULL;
	Openshell__Datamodel__V1__Sandbox *s = NULL;
	AUTO_REACH struct reach *r = NULL;
	const char *name;
	int rc;

	if (reach_open(c, &r, e) < 0)
		return -1;
	name = reach_sandbox(c, r, a->name, e);
	if (name == NULL || reach_find(r, name, &s, e) < 0)
		return -1;
	rc = fetch_policy(r, s->id, &config, e);
	if (rc == 0)
		rc = print(c, s, config, a->output, e);
	openshell__sandbox__v1__get_sandbox_config_response__free_unpacked(
	    config, NULL);
	openshell__datamodel__v1__sandbox__free_unpacked(s, NULL);
	return rc;
}

const struct cli_cmd cmd_sandbox_get = {
	.path = "sandbox get",
	.summary = "Show one sandbox and its policy",
	.about = "Shows a sandbox: how it stands, why it is not ready when it "
		 "is not, and the policy that it should have now.",
	.examples = "openshell sandbox get demo\n"
		    "openshell sandbox get demo -o json",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
