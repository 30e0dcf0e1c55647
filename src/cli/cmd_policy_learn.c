/* openshell policy learn [NAME] -o FILE */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/policy_file.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"
#include "cli/records.h"
#include "policy/learn.h"

struct args {
	const char *name, *file, *policy, *output;
	unsigned distinct;
	bool allowed, enforce, force;
};

static const struct cli_opt opts[] = {
	{ .name = "output",
	    .letter = 'o',
	    .kind = OPT_STR,
	    OPT(output),
	    .value = "FILE",
	    .hint = HINT_FILE,
	    .help = "Where to write the policy; standard output when left "
		    "out" },
	{ .name = "force",
	    .kind = OPT_FLAG,
	    OPT(force),
	    .help = "Replace the file when it is there" },
	RECORDS_FILE_OPT(file),
	{ .name = "policy",
	    .letter = 'p',
	    .kind = OPT_STR,
	    OPT(policy),
	    .value = "FILE",
	    .hint = HINT_FILE,
	    .help = "The policy to add to; that of the sandbox when left out, "
		    "and for a file of records one that allows nothing" },
	{ .name = "distinct",
	    .kind = OPT_UINT,
	    OPT(distinct),
	    .min = 2,
	    .max = 1000,
	    .value = "N",
	    .help = "An identifier in a path becomes * when so many "
		    "different ones were seen (3)" },
	{ .name = "allowed",
	    .kind = OPT_FLAG,
	    OPT(allowed),
	    .help = "Learn from what was allowed, too",
	    .more = "For a policy made from nothing. With the policy that is "
		    "in force it could bring back what was taken out of it." },
	{ .name = "enforce",
	    .kind = OPT_FLAG,
	    OPT(enforce),
	    .help = "Endpoints that only audit enforce in the result" },
	OPT_END
};

static const struct cli_pos pos[] = { REACH_POS(name), { 0 } };

/* --- what it learns from ------------------------------------------------- */

enum { NAMES_MAX = 32 };

struct study {
	struct learner *l;
	bool allowed;
	size_t records, asked; /* all, and those of a verdict that counts */
	size_t other; /* refused for another reason than the policy */
	size_t by[LEARN_NSKIPS];
	/* Names that were looked up and are no endpoint's, each with who
	 * asked; escaped. */
	char *names[NAMES_MAX];
	size_t n_names;
	bool more_names;
};

static void
study_fini(struct study *s)
{
	while (s->n_names > 0)
		free(s->names[--s->n_names]);
}

/* A request, or a connection that was judged. */
static bool
counts(const struct study *s, const struct audit_event *ev)
{
	if (ev->action == AUDIT_DENY || ev->action == AUDIT_AUDIT)
		return audit_is_verdict(ev);
	return s->allowed && ev->action == AUDIT_ALLOW &&
	       (ev->kind == AUDIT_CONNECT || ev->kind == AUDIT_FORWARD ||
		   ev->kind == AUDIT_FORWARD_L7 ||
		   ev->kind == AUDIT_L7_REQUEST ||
		   ev->kind == AUDIT_HTTP_REQUEST);
}

/* Of a name nobody knows yet at which port, so no rule can be made. */
static void
add_name(struct study *s, const struct audit_event *ev)
{
	AUTO_BUF struct buf b = BUF_INIT(512); /* more is cut off */

	buf_put_escaped(&b, ev->host);
	buf_puts(&b, " by ");
	buf_put_escaped(&b, ev->binary.n > 0 ? ev->binary : VIEW("?"));
	for (size_t i = 0; i < s->n_names; i++)
		if (view_eq(view_of(s->names[i]), buf_view(&b)))
			return;
	if (s->n_names == NAMES_MAX)
		s->more_names = true;
	else
		s->names[s->n_names++] = mem_strdup(buf_str(&b));
}

static void
on_record(void *ctx, const struct audit_event *ev, struct view line UNUSED)
{
	struct study *s = ctx;
	/* A value that was cut is not what was asked for. */
	const struct policy_seen seen = { ev->binary, ev->host, ev->method,
		ev->truncated ? VIEW("") : ev->path, ev->port, ev->operation,
		ev->tool, ev->fields };

	s->records++;
	if (ev->kind == AUDIT_DNS && ev->action == AUDIT_DENY) {
		add_name(s, ev);
		return;
	}
	if (!counts(s, ev)) {
		s->other += ev->action == AUDIT_DENY;
		return;
	}
	s->asked++;
	s->by[learner_add(s->l, &seen)]++;
}

/* --- the base ------------------------------------------------------------ */

static int
parse_nothing(struct policy **out, struct err *e)
{
	AUTO_FINDINGS struct policy_findings found = { 0 };

	if (policy_parse(VIEW("version: 1\n"), out, &found) < 0)
		return err_set(e, ERR_INTERNAL, "no policy to begin with");
	return 0;
}

/* 0; 1: the given policy has errors, all printed; -1. */
static int
load(struct cli *c, const struct args *a, struct records *r,
    struct policy **base, struct err *e)
{
	AUTO_REACH struct reach *reach = NULL;
	struct policy_place p;

	if (a->file != NULL) {
		if (records_read_file(a->file, r, e) < 0)
			return -1;
		return a->policy != NULL ? policy_load(c, a->policy, base, e)
					 : parse_nothing(base, e);
	}
	if (reach_open(c, &reach, e) < 0 ||
	    policy_place_find(c, reach, false, a->name, &p, e) < 0 ||
	    records_fetch(reach, p.sandbox, r, e) < 0)
		return -1;
	return a->policy != NULL ? policy_load(c, a->policy, base, e)
				 : policy_fetch(&p, base, e);
}

/* --- what it says -------------------------------------------------------- */

static void
put_summary(const struct study *s, const struct records *r, struct buf *out)
{
	buf_printf(
	    out, "Learned from %zu of %zu records of ", s->asked, s->records);
	buf_put_escaped(out, view_of(r->name));
	buf_printf(out, ": %zu different request%s added.\n",
	    learner_count(s->l), learner_count(s->l) == 1 ? "" : "s");
	for (unsigned i = LEARN_TAKEN + 1; i < LEARN_NSKIPS; i++)
		if (s->by[i] > 0)
			buf_printf(out, "Left out: %zu %s.\n", s->by[i],
			    learn_skip_text((enum learn_skip)i));
	if (s->other > 0)
		buf_printf(out,
		    "Left out: %zu refused for another reason than the "
		    "policy.\n",
		    s->other);
	if (s->n_names == 0)
		return;
	buf_puts(out,
	    "Names that were looked up and do not exist in the sandbox; for "
	    "which port\nis not known, so add an endpoint where one is "
	    "wanted:\n");
	for (size_t i = 0; i < s->n_names; i++)
		buf_printf(out, "  %s\n", s->names[i]);
	if (s->more_names)
		buf_puts(out, "  and more\n");
}

static int
write_file(const struct args *a, const struct buf *yaml, struct err *e)
{
	AUTO_CLOSE int fd = open(a->output,
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY |
		(a->force ? O_TRUNC : O_EXCL),
	    0644);

	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_EXISTS,
		    "%.300s is there already\n"
		    "give another name, or --force to replace it",
		    a->output);
	if (fd < 0)
		return err_sys(e, "write %.300s", a->output);
	return fd_write_all(fd, yaml->p, yaml->n, e);
}

static int
learn(struct cli *c, const struct args *a, const struct records *r,
    const struct policy *base, struct err *e)
{
	AUTO_LEARNER struct learner *l = NULL;
	AUTO_BUF struct buf yaml = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_BUF struct buf summary = BUF_INIT(1 << 16);
	CLEANUP(study_fini) struct study s = { .allowed = a->allowed };
	size_t unread;

	if (learner_new(base, a->distinct > 0 ? a->distinct : LEARN_DISTINCT,
		a->enforce, &l, e) < 0)
		return -1;
	s.l = l;
	unread = records_each(r, on_record, &s);
	put_summary(&s, r, &summary);
	if (unread > 0)
		buf_printf(&summary,
		    "Left out: %zu lines that are no "
		    "records.\n",
		    unread);
	if (learner_yaml(l, buf_view(&summary), &yaml, e) < 0)
		return -1;
	if ((a->output != NULL ? write_file(a, &yaml, e)
			       : cli_out(c, &yaml, e)) < 0)
		return -1;
	cli_note(c, &summary);
	return CLI_OK;
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_RECORDS r = { 0 };
	AUTO_POLICY struct policy *base = NULL;
	int rc;

	if (a->file != NULL && a->name != NULL) {
		(void)err_set(e, ERR_INVALID, "name a sandbox or --file");
		return cli_misused(c, e);
	}
	rc = load(c, a, &r, &base, e);
	if (rc != 0)
		return rc < 0 ? -1 : CLI_FAILED;
	return learn(c, a, &r, base, e);
}

const struct cli_cmd cmd_policy_learn = {
	.path = "policy learn",
	.summary = "Make the narrowest policy that allows what was denied",
	.about =
	    "Reads the records of a sandbox, or of a run, and adds to its "
	    "policy what it was denied and what endpoints that only audit "
	    "recorded: by program, host, port, method and path; of MCP and "
	    "JSON-RPC by method and tool; of GraphQL by type and root fields; "
	    "of WebSockets by path, upgrade and messages. Nothing is "
	    "widened but identifiers in paths, of which enough different ones "
	    "were seen, and a comment marks each. Where only a connection was "
	    "refused its requests are not known: reading is allowed then, and "
	    "a comment says so. Names that were only looked up are listed at "
	    "the top. The result is checked, and can be set as it is.\n"
	    "\n"
	    "Read it before you set it: it allows what the programs tried, "
	    "not what they should do. Names are not looked up.",
	.status = "0, or 1 when there are no records or they make no policy, "
		  "2 for a wrong command line.",
	.examples = "openshell policy learn demo -o policy.yaml\n"
		    "openshell policy learn --file events.jsonl -p policy.yaml "
		    "-o next.yaml",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
