/* openshell policy show FILE */
#include "base/mem.h"
#include "cli/policy_file.h"
#include "codec/json.h"

struct args {
	const char *file;
	unsigned output;
};

enum { OUT_YAML, OUT_JSON };
static const char *const outputs[] = { "yaml", "json", NULL };

static const struct cli_opt opts[] = {
	{ .name = "output",
	    .letter = 'o',
	    .kind = OPT_ENUM,
	    OPT(output),
	    .value = "FORMAT",
	    .choices = outputs,
	    .help = "How to print; json gives the hash too" },
	OPT_END
};

static const struct cli_pos pos[] = { POLICY_FILE_POS(file), { 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_POLICY struct policy *p = NULL;
	AUTO_BUF struct buf yaml = BUF_INIT(16 << 20);
	AUTO_BUF struct buf out = BUF_INIT(32 << 20);
	struct json j = JSON_INIT(&out);
	char hash[65];
	int rc = policy_load(c, a->file, &p, e);

	if (rc < 0)
		return -1;
	if (rc > 0)
		return CLI_FAILED;
	policy_canonical(p, &yaml);
	if (a->output == OUT_YAML)
		return cli_out(c, &yaml, e);
	policy_hash(p, hash);
	json_open(&j, '{');
	json_key(&j, "file");
	json_str(&j, a->file);
	json_key(&j, "hash");
	json_str(&j, hash);
	json_key(&j, "policies");
	json_uint(&j, policy_network_count(p));
	json_key(&j, "policy");
	json_view(&j, buf_view(&yaml));
	json_close(&j, '}');
	buf_putc(&out, '\n');
	return cli_out(c, &out, e);
}

const struct cli_cmd cmd_policy_show = {
	.path = "policy show",
	.summary = "Print a policy in its canonical form",
	.about = "Prints the policy as it is hashed and compared: stable "
		 "order, defaults and comments left out, nothing written "
		 "twice. The output is a policy file with the same "
		 "meaning.",
	.status = "0, or 1 when the policy is invalid or cannot be read, 2 "
		  "for a wrong command line.",
	.examples = "openshell policy show policy.yaml",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
