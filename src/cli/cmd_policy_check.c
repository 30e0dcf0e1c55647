/* openshell policy check FILE */
#include "base/mem.h"
#include "cli/policy_file.h"
#include "codec/json.h"

struct args {
	const char *file;
	unsigned output;
};

enum { OUT_TABLE, OUT_JSON };
static const char *const outputs[] = { "table", "json", NULL };

static const struct cli_opt opts[] = { { .name = "output",
					   .letter = 'o',
					   .kind = OPT_ENUM,
					   OPT(output),
					   .value = "FORMAT",
					   .choices = outputs,
					   .help = "How to print" },
	OPT_END };

static const struct cli_pos pos[] = { POLICY_FILE_POS(file), { 0 } };

static void
put_json(const char *name, const struct policy *p,
    const struct policy_findings *found, struct buf *out)
{
	struct json j = JSON_INIT(out);
	char hash[65];

	json_open(&j, '{');
	json_key(&j, "file");
	json_str(&j, name);
	json_key(&j, "valid");
	json_bool(&j, p != NULL);
	if (p != NULL) {
		policy_hash(p, hash);
		json_key(&j, "policies");
		json_uint(&j, policy_network_count(p));
		json_key(&j, "hash");
		json_str(&j, hash);
	}
	json_key(&j, "errors");
	json_uint(&j, found->errors);
	json_key(&j, "warnings");
	json_uint(&j, found->warnings);
	json_key(&j, "findings");
	json_open(&j, '[');
	for (size_t i = 0; i < found->n; i++) {
		const struct policy_finding *f = &found->v[i];

		json_open(&j, '{');
		json_key(&j, "severity");
		json_str(&j, f->warning ? "warning" : "error");
		json_key(&j, "class");
		json_str(&j, f->class);
		json_key(&j, "line");
		json_uint(&j, f->line);
		json_key(&j, "column");
		json_uint(&j, f->column);
		json_key(&j, "message");
		json_str(&j, f->text);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	buf_putc(out, '\n');
}

static void
put_verdict(struct cli *c, const char *name, const struct policy *p,
    const struct policy_findings *found, struct buf *out)
{
	size_t n;
	char hash[65];

	buf_put_escaped(out, view_of(name));
	buf_puts(out, ": ");
	if (p == NULL) {
		cli_paint(out, c->color_err, COLOR_BAD, "invalid");
		buf_printf(out, " (%zu error%s)\n", found->errors,
		    found->errors == 1 ? "" : "s");
		return;
	}
	n = policy_network_count(p);
	policy_hash(p, hash);
	cli_paint(out, c->color_out, COLOR_OK, "valid");
	buf_printf(
	    out, " (%zu polic%s, hash %.12s)\n", n, n == 1 ? "y" : "ies", hash);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	const char *name = strcmp(a->file, "-") == 0 ? "<stdin>" : a->file;
	AUTO_FREE char *text = NULL;
	AUTO_POLICY struct policy *p = NULL;
	AUTO_FINDINGS struct policy_findings found = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(4 << 20);
	AUTO_BUF struct buf lines = BUF_INIT(4 << 20);
	size_t n;

	if (policy_text(c, a->file, &text, &n, e) < 0)
		return -1;
	if (policy_parse((struct view) { text, n }, &p, &found) < 0)
		p = NULL;
	if (a->output == OUT_JSON) {
		put_json(name, p, &found, &out);
		if (cli_out(c, &out, e) < 0)
			return -1;
		return p != NULL ? CLI_OK : CLI_FAILED;
	}
	policy_findings_print(&found, name, &lines);
	put_verdict(c, name, p, &found, p != NULL ? &out : &lines);
	cli_note(c, &lines);
	if (cli_out(c, &out, e) < 0)
		return -1;
	return p != NULL ? CLI_OK : CLI_FAILED;
}

const struct cli_cmd cmd_policy_check = {
	.path = "policy check",
	.summary = "Check a policy file",
	.about = "Reads the policy as a sandbox would and reports every fault "
		 "at once, each with its line and column. Warnings do not "
		 "make a policy invalid.",
	.status = "0 when the policy is valid, 1 when it is not or cannot be "
		  "read, 2 for a wrong command line.",
	.examples = "openshell policy check policy.yaml\n"
		    "openshell policy check -o json - < policy.yaml",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
