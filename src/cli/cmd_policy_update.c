/* openshell policy update [NAME] --add-endpoint ... */
#include "cli/policy_edits.h"
#include "cli/policy_extent.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"

struct args {
	const char *sandbox;
	struct edit_words words;
	bool dry_run, wait;
	unsigned timeout_s;
};

enum { TIMEOUT_S = 60 };

static const struct cli_opt opts[] = {
	{ .name = "add-endpoint",
	    .kind = OPT_LIST,
	    OPT(words.add_endpoints),
	    .value = "HOST:PORT[:ACCESS]",
	    .help =
		"Let --binary reach an endpoint; with an ACCESS (read-only, "
		"read-write, full) its requests are judged",
	    .more = "HOST:PORT[:ACCESS[:PROTOCOL[:ENFORCEMENT]]]; the protocol "
		    "is rest when left out. An IPv6 address stands in "
		    "brackets." },
	{ .name = "remove-endpoint",
	    .kind = OPT_LIST,
	    OPT(words.remove_endpoints),
	    .value = "HOST:PORT",
	    .help = "Take an endpoint out of --rule-name, or of every rule" },
	{ .name = "add-allow",
	    .kind = OPT_LIST,
	    OPT(words.add_allows),
	    .value = "HOST:PORT:METHOD:PATH",
	    .help = "Allow requests to an endpoint that is there" },
	{ .name = "add-deny",
	    .kind = OPT_LIST,
	    OPT(words.add_denies),
	    .value = "HOST:PORT:METHOD:PATH",
	    .help = "Refuse requests to an endpoint that is there" },
	{ .name = "remove-rule",
	    .kind = OPT_LIST,
	    OPT(words.remove_rules),
	    .value = "NAME",
	    .help = "Take a network policy out" },
	{ .name = "remove-binary",
	    .kind = OPT_LIST,
	    OPT(words.remove_binaries),
	    .value = "PATH",
	    .help = "Take a program out of --rule-name" },
	{ .name = "binary",
	    .kind = OPT_LIST,
	    OPT(words.binaries),
	    .value = "PATH",
	    .help = "A program that --add-endpoint is for; those of "
		    "--rule-name when left out" },
	{ .name = "rule-name",
	    .kind = OPT_STR,
	    OPT(words.rule),
	    .value = "NAME",
	    .help = "The network policy that is meant" },
	{ .name = "dry-run",
	    .kind = OPT_FLAG,
	    OPT(dry_run),
	    .help = "Only say what it would widen and narrow" },
	{ .name = "wait",
	    .kind = OPT_FLAG,
	    OPT(wait),
	    .help = "Return when the sandbox has acknowledged it" },
	{ .name = "timeout",
	    .kind = OPT_DURATION,
	    OPT(timeout_s),
	    .value = "DURATION",
	    .help = "How long --wait waits; 60 s when left out" },
	OPT_END
};

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

/* The same code as the gateway's, on the policy as it is now. */
static int
try(struct cli *c, const struct policy *now, const struct policy_edits *d,
    struct err *e)
{
	AUTO_POLICY struct policy *next = NULL;
	AUTO_EXTENT_DIFF struct extent_diff diff = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(16 << 20);

	if (edit_wire_apply(now, d->v, d->n, &next, e) < 0)
		return -1;
	if (next != NULL && extent_compare(now, next, &diff, e) < 0)
		return -1;
	for (size_t i = 0; i < diff.n; i++)
		extent_show_change(&out, c->color_out, &diff.v[i]);
	if (diff.dropped > 0)
		buf_printf(&out, "and %zu more\n", diff.dropped);
	if (diff.n == 0)
		buf_puts(&out, "no difference in what may be reached\n");
	return cli_out(c, &out, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_POLICY struct policy *now = NULL;
	AUTO_REACH struct reach *r = NULL;
	AUTO_EDITS d = { 0 };
	struct policy_place p;
	policy_wire_msg *wire;
	int rc;

	if (reach_open(c, &r, e) < 0 ||
	    policy_place_find(c, r, false, a->sandbox, &p, e) < 0 ||
	    policy_fetch(&p, &now, e) < 0)
		return -1;
	wire = policy_wire_from(now);
	rc = policy_edits_read(&a->words, wire, &d, e);
	policy_wire_free(wire);
	if (rc < 0)
		return -1;
	if (a->dry_run)
		return try(c, now, &d, e);
	return policy_push_edits(c, &p, d.v, d.n, a->wait,
	    a->timeout_s > 0 ? a->timeout_s : TIMEOUT_S, e);
}

const struct cli_cmd cmd_policy_update = {
	.path = "policy update",
	.summary = "Change parts of a sandbox's policy",
	.about = "The gateway makes the changes on the policy as it is then, "
		 "all of them or none: first what goes, then what comes. An "
		 "endpoint goes into a rule of the same programs, else it "
		 "becomes a rule of its own; a rule or endpoint without "
		 "anything left goes too. Rules beside a preset of access "
		 "take its place together with those it stands for.",
	.status = "0, or 1 when it would be no valid policy or the sandbox "
		  "refused it, 124 when --wait reached its timeout, 2 for a "
		  "wrong command line.",
	.examples = "openshell policy update demo --remove-rule mirror --wait\n"
		    "openshell policy update demo --dry-run \\\n"
		    "    --add-endpoint api.github.com:443:read-only \\\n"
		    "    --binary /usr/bin/gh\n"
		    "openshell policy update demo \\\n"
		    "    --add-deny 'api.github.com:443:POST:/user/**'",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
