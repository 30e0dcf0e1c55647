/* openshell policy prove FILE --never REQUESTS... */
#include "base/mem.h"
#include "cli/policy_extent.h"
#include "cli/policy_file.h"

struct args {
	const char *file;
	struct cli_list never, programs;
	unsigned output;
};

static const struct cli_opt opts[] = {
	{ .name = "never",
	    .kind = OPT_LIST,
	    OPT(never),
	    .value = "REQUESTS",
	    .required = true,
	    .help = "Requests that must not pass: "
		    "[METHOD] [scheme://]HOST[:PORT][/PATH]",
	    .more = "METHOD is one, several with commas, or * for any; "
		    "WEBSOCKET_TEXT stands for text messages of a WebSocket's "
		    "client. HOST is a name, an address, a pattern of names "
		    "(*.a.com: one "
		    "label, **.a.com: one or more), or * for any host. "
		    "https and http give the port 443 and 80; without scheme "
		    "and PORT any port counts. PATH is a glob over canonical "
		    "paths, as in a policy; without it any path counts. "
		    "In the place of METHOD: 'mcp METHOD [TOOL]', 'json-rpc "
		    "METHOD', "
		    "'graphql TYPE [FIELD]' or 'grpc SERVICE [METHOD]', each "
		    "a glob but TYPE; graphql with wss or ws is about "
		    "messages of WebSockets." },
	{ .name = "program",
	    .kind = OPT_LIST,
	    OPT(programs),
	    .value = "GLOB",
	    .hint = HINT_FILE,
	    .help = "Only requests of these programs: a path, or a glob",
	    .more = "What a program may do because of its parents counts as "
		    "theirs." },
	EMIT_OPT(output), OPT_END
};

static const struct cli_pos pos[] = { POLICY_FILE_POS(file), { 0 } };

/* The rules let it pass; these may still refuse it, or change it. */
static void
put_middlewares(struct cli *c, const struct policy *policy,
    const struct extent_proof *p, struct buf *out)
{
	struct view keys[POLICY_MIDDLEWARES_MAX];
	size_t n = policy_middleware_keys(policy, p->request.host, keys);

	if (n == 0)
		return;
	buf_puts(out, "    ");
	cli_paint(out, c->color_out, COLOR_LABEL, "seen by: ");
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, i > 0 ? ", " : "");
		buf_put_escaped(out, keys[i]);
	}
	buf_puts(out, " (middleware)\n");
}

static void
put_proof(struct cli *c, const struct policy *policy, const char *never,
    const struct extent_proof *p, struct buf *out)
{
	const char *how = extent_how_text(p->cause.how);

	if (p->holds)
		cli_paint(out, c->color_out, COLOR_OK, "yes, never: ");
	else
		cli_paint(out, c->color_out, COLOR_BAD, "no: ");
	buf_put_escaped(out, view_of(never));
	buf_putc(out, '\n');
	if (p->holds)
		return;
	buf_puts(out, "    ");
	cli_paint(out, c->color_out, COLOR_LABEL, "passes:  ");
	extent_show_request(out, &p->request);
	buf_puts(out, "\n    ");
	cli_paint(out, c->color_out, COLOR_LABEL, "because: ");
	extent_show_place(out, &p->cause);
	if (how != NULL)
		buf_printf(out, " (%s)", how);
	buf_putc(out, '\n');
	put_middlewares(c, policy, p, out);
}

static void
emit_proof(struct emit_val *at, const struct policy *policy, const char *never,
    const struct extent_proof *p)
{
	struct emit_val *o = emit_object(at, NULL), *seen;
	struct view keys[POLICY_MIDDLEWARES_MAX];
	size_t n;

	emit_text(o, "never", never);
	emit_bool(o, "holds", p->holds);
	if (p->holds) {
		emit_null(o, "counterexample");
		return;
	}
	extent_emit_request(o, "counterexample", &p->request);
	extent_emit_cause(o, &p->cause);
	n = policy_middleware_keys(policy, p->request.host, keys);
	seen = emit_list(o, "middlewares");
	for (size_t i = 0; i < n; i++)
		emit_str(seen, NULL, keys[i]);
}

struct proofs {
	struct extent_never **never;
	struct view *programs;
	struct emit_val *list;
	struct buf *text;
	bool hold;
};

static int
read_questions(const struct args *a, struct proofs *q, struct err *e)
{
	for (size_t i = 0; i < a->never.n; i++)
		if (extent_never_parse(
			view_of(a->never.v[i]), &q->never[i], e) < 0)
			return err_wrap(e, "--never %.200s", a->never.v[i]);
	for (size_t i = 0; i < a->programs.n; i++) {
		q->programs[i] = view_of(a->programs.v[i]);
		if (extent_program_check(q->programs[i], e) < 0)
			return err_wrap(
			    e, "--program %.200s", a->programs.v[i]);
	}
	return 0;
}

static int
prove(struct cli *c, const struct args *a, const struct policy *p,
    struct proofs *q, struct err *e)
{
	q->hold = true;
	for (size_t i = 0; i < a->never.n; i++) {
		AUTO_PROOF struct extent_proof proof = { 0 };

		if (extent_prove(p, q->never[i], q->programs, a->programs.n,
			&proof, e) < 0)
			return err_wrap(e, "--never %.200s", a->never.v[i]);
		q->hold &= proof.holds;
		put_proof(c, p, a->never.v[i], &proof, q->text);
		emit_proof(q->list, p, a->never.v[i], &proof);
	}
	return 0;
}

static int
answer(struct cli *c, const struct args *a, const struct policy *p,
    struct proofs *q, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_BUF struct buf text = BUF_INIT(4 << 20);
	struct emit_val *root = emit_root(m);
	int rc;

	emit_text(root, "file", a->file);
	q->list = emit_list(root, "proofs");
	q->text = &text;
	if (prove(c, a, p, q, e) < 0)
		return -1;
	emit_bool(root, "holds", q->hold);
	rc = a->output == EMIT_TABLE
		 ? cli_out(c, &text, e)
		 : emit_print(c, m, (enum emit_format)a->output, NULL, e);
	if (rc < 0)
		return -1;
	return q->hold ? CLI_OK : CLI_FAILED;
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_POLICY struct policy *p = NULL;
	AUTO_FREE struct view *programs =
	    mem_calloc(a->programs.n + 1, sizeof(*programs));
	AUTO_FREE struct extent_never **never =
	    mem_calloc(a->never.n + 1, sizeof(struct extent_never *));
	struct proofs q = { .never = never, .programs = programs };
	int rc = read_questions(a, &q, e);

	if (rc == 0)
		rc = policy_load(c, a->file, &p, e);
	if (rc == 0)
		rc = answer(c, a, p, &q, e);
	else if (rc > 0)
		rc = CLI_USAGE;
	for (size_t i = 0; i < a->never.n; i++)
		extent_never_free(never[i]);
	return rc;
}

const struct cli_cmd cmd_policy_prove = {
	.path = "policy prove",
	.summary = "Prove that a policy never lets some requests pass",
	.about = "Answers for all programs, hosts, ports, methods, paths and "
		 "queries at once, exactly: yes, never; or a request that "
		 "passes, and the rule that lets it. Each such request has "
		 "been judged by the code that judges requests in a sandbox.\n"
		 "\n"
		 "Where nothing looks at requests (an endpoint without "
		 "protocol, tls: skip) or what is refused is only recorded "
		 "(enforcement: audit), every method and path passes. Which "
		 "addresses names have is not part of the question, nor what "
		 "a middleware that sees the request would make of it.",
	.status = "0 when none of the requests can pass, 1 when some can, 2 "
		  "when the question or the policy is wrong, or the answer "
		  "would take too long.",
	.examples = "openshell policy prove p.yaml --never "
		    "'POST https://*.github.com/**'\n"
		    "openshell policy prove p.yaml --never "
		    "'mcp tools/call rm_* https://a.com'\n"
		    "openshell policy prove p.yaml --never '* **.corp.com' "
		    "--program '/usr/bin/*'",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.fail_status = CLI_USAGE,
	.run = run,
};
