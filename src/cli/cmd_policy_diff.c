/* openshell policy diff FROM TO */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/policy_extent.h"
#include "cli/policy_source.h"
#include "cli/providers.h"
#include "secrets/profile.h"

struct args {
	const char *from, *to;
	struct cli_list providers;
	unsigned output;
};

static const struct cli_opt opts[] = {
	{ .name = "provider",
	    .kind = OPT_LIST,
	    OPT(providers),
	    .value = "TYPE",
	    .hint = HINT_PROVIDER_TYPE,
	    .help = "Credentials of this type are there: find what the change "
		    "means for them",
	    .more = "What a credential_binding of the policy names counts "
		    "without it." },
	EMIT_OPT(output), OPT_END
};

static const struct cli_pos pos[] = {
	{ .name = "FROM",
	    .kind = OPT_STR,
	    OPT(from),
	    .hint = HINT_FILE,
	    .help = "A policy file, - for standard input, or the name of a "
		    "sandbox: the policy it has now" },
	{ .name = "TO",
	    .kind = OPT_STR,
	    OPT(to),
	    .hint = HINT_FILE,
	    .help = "The policy to compare it with, given in the same way" },
	{ 0 }
};

/*
 * ! credential_reach_expansion, of github: github.endpoints[0].rules[1]
 *     POST api.github.com:443/user by /usr/bin/gh
 */
static void
put_finding(struct cli *c, const struct extent_finding *f, struct buf *out)
{
	AUTO_BUF struct buf head = BUF_INIT(64);

	buf_printf(&head, "! %s", extent_finding_word(f->kind));
	cli_paint(out, c->color_out, COLOR_BAD, buf_str(&head));
	if (f->provider.n > 0) {
		buf_puts(out, ", of ");
		buf_put_escaped(out, f->provider);
	}
	buf_puts(out, ": ");
	extent_show_place(out, &f->cause);
	if (extent_how_text(f->cause.how) != NULL)
		buf_printf(out, ", %s", extent_how_text(f->cause.how));
	buf_puts(out, "\n    ");
	extent_show_request(out, &f->request);
	buf_putc(out, '\n');
}

static void
put_table(struct cli *c, const struct extent_diff *d,
    const struct extent_findings *f, struct buf *out)
{
	for (size_t i = 0; i < d->n; i++)
		extent_show_change(out, c->color_out, &d->v[i]);
	if (d->dropped > 0)
		buf_printf(out, "and %zu more\n", d->dropped);
	if (d->n == 0)
		buf_puts(out, "no difference in what may be reached\n");
	for (size_t i = 0; i < d->n_middlewares; i++)
		extent_show_middleware(out, c->color_out, &d->middlewares[i]);
	for (size_t i = 0; i < f->n; i++)
		put_finding(c, &f->v[i], out);
}

/* What this command does not compare. */
static void
note_static(struct cli *c, const struct extent_diff *d)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	if (!d->static_differs)
		return;
	buf_puts(&b, "filesystem_policy or landlock differ too: see "
		     "'openshell policy show' of both\n");
	cli_note(c, &b);
}

static void
emit_change(struct emit_val *at, const struct extent_change *ch)
{
	struct emit_val *o = emit_object(at, NULL), *ports;

	emit_text(o, "kind", extent_kind_word(ch->kind));
	emit_text(o, "dimension", extent_dim_word(ch->dim));
	extent_emit_cause(o, &ch->cause);
	ports = emit_list(o, "ports");
	for (size_t i = 0; i < ch->n_ports; i++)
		emit_uint(ports, NULL, ch->ports[i]);
	extent_emit_request(o, "example", &ch->request);
}

static void
emit_middleware(struct emit_val *at, const struct extent_middleware *m)
{
	struct emit_val *o = emit_object(at, NULL);

	emit_text(o, "kind", extent_kind_word(m->kind));
	emit_str(o, "key", m->key);
	emit_str(o, "middleware", m->middleware);
	emit_text(o, "what", m->what);
}

static void
emit_finding(struct emit_val *at, const struct extent_finding *f)
{
	struct emit_val *o = emit_object(at, NULL);

	emit_text(o, "kind", extent_finding_word(f->kind));
	if (f->provider.n > 0)
		emit_str(o, "provider", f->provider);
	else
		emit_null(o, "provider");
	extent_emit_cause(o, &f->cause);
	extent_emit_request(o, "example", &f->request);
}

static int
print(struct cli *c, const struct args *a, const struct extent_diff *d,
    const struct extent_findings *f, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_BUF struct buf text = BUF_INIT(16 << 20);
	struct emit_val *root = emit_root(m), *list;

	if (a->output == EMIT_TABLE) {
		put_table(c, d, f, &text);
		if (cli_out(c, &text, e) < 0)
			return -1;
		note_static(c, d);
		return 0;
	}
	emit_text(root, "from", a->from);
	emit_text(root, "to", a->to);
	emit_bool(root, "same_reach", d->n == 0);
	emit_bool(root, "static_differs", d->static_differs);
	emit_uint(root, "dropped", d->dropped);
	list = emit_list(root, "changes");
	for (size_t i = 0; i < d->n; i++)
		emit_change(list, &d->v[i]);
	list = emit_list(root, "middlewares");
	for (size_t i = 0; i < d->n_middlewares; i++)
		emit_middleware(list, &d->middlewares[i]);
	list = emit_list(root, "findings");
	for (size_t i = 0; i < f->n; i++)
		emit_finding(list, &f->v[i]);
	return emit_print(c, m, (enum emit_format)a->output, NULL, e);
}

enum { PLACES_MAX = 256 };

/* Where credentials of these types belong. */
static int
find_places(
    const struct args *a, struct extent_place *v, size_t *n, struct err *e)
{
	for (size_t i = 0; i < a->providers.n; i++) {
		const char *type = provider_type(a->providers.v[i], e);
		struct view host;

		if (type == NULL)
			return -1;
		for (size_t k = 0; (host = profile_host(type, k)).n > 0; k++) {
			if (*n == PLACES_MAX)
				return err_set(e, ERR_LIMIT,
				    "more providers than can be looked at");
			v[(*n)++] =
			    (struct extent_place) { view_of(type), host, 443 };
		}
	}
	return 0;
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_POLICY struct policy *from = NULL, *to = NULL;
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	AUTO_EXTENT_FINDINGS struct extent_findings f = { 0 };
	AUTO_FREE struct extent_place *places =
	    mem_calloc(PLACES_MAX, sizeof(*places));
	size_t n = 0;
	int rc;

	if (strcmp(a->from, "-") == 0 && strcmp(a->to, "-") == 0)
		return err_set(e, ERR_INVALID,
		    "standard input can be one of the two policies only");
	if (find_places(a, places, &n, e) < 0)
		return -1;
	rc = policy_source(c, a->from, &from, e);
	if (rc == 0)
		rc = policy_source(c, a->to, &to, e);
	if (rc != 0)
		return rc < 0 ? -1 : CLI_USAGE;
	if (extent_compare(from, to, &d, e) < 0 ||
	    extent_find(from, to, places, n, EXTENT_STEPS, &f, e) < 0 ||
	    print(c, a, &d, &f, e) < 0)
		return -1;
	return d.n == 0 && d.n_middlewares == 0 && f.n == 0 ? CLI_OK
							    : CLI_FAILED;
}

const struct cli_cmd cmd_policy_diff = {
	.path = "policy diff",
	.summary = "Say what a change of a policy widens and narrows",
	.about = "Compares what two policies let pass, not their texts: "
		 "renamed policies, other orders and rules that others imply "
		 "make no difference. Each line says in what a request is out "
		 "of reach on the other side (host, port, program, "
		 "inspection, method, path, query, operation), which entry "
		 "lets it pass, "
		 "and gives one such request, which the code that judges "
		 "requests in a sandbox has judged in both policies.\n"
		 "\n"
		 "'~ changes address' says that the addresses a name may have "
		 "are ruled otherwise (allowed_ips, a host named exactly).\n"
		 "\n"
		 "A line about a middleware says that another, or none, looks "
		 "at requests before they go; one that is gone widens.\n"
		 "\n"
		 "'!' lines are findings: what of the change touches "
		 "credentials (--provider, credential_binding) or addresses of "
		 "the link, and should be looked at by a person.",
	.status = "0 when both let the same pass, 1 when they differ, 2 for "
		  "trouble: a policy that is wrong or cannot be had, or a "
		  "comparison that would take too long.",
	.examples = "openshell policy diff old.yaml new.yaml\n"
		    "openshell policy diff demo new.yaml --provider github "
		    "-o json",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.fail_status = CLI_USAGE,
	.run = run,
};
