/* policy_show: `policy get` and `policy list` of what a gateway keeps. */
#include <unistd.h>

#include "base/mem.h"
#include "cli/emit.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"

enum { CALL_MS = 30000, YAML_MAX = 4 << 20, OUT_MAX = 16 << 20 };

typedef Openshell__V1__SandboxPolicyRevision revision;
typedef Openshell__V1__GetSandboxPolicyStatusResponse status_resp;
typedef Openshell__V1__ListSandboxPoliciesResponse list_resp;

const char *const policy_shows[] = { "auto", "table", "json", "yaml", NULL };

static const char *
status_word(Openshell__V1__PolicyStatus s)
{
	static const char *const words[] = { "Unspecified", "Pending", "Loaded",
		"Failed", "Superseded" };

	return (unsigned)s < ARRAY_LEN(words) ? words[s] : words[0];
}

/* The fields of a revision, the same in get and list. */
static void
put_revision(struct emit_val *o, const revision *r)
{
	emit_uint(o, "version", r->version);
	emit_text(o, "hash", r->policy_hash);
	emit_text(o, "status", status_word(r->status));
	emit_time(o, "created_at", r->created_at_ms);
	emit_time(o, "loaded_at", r->loaded_at_ms);
	emit_text(o, "error", r->load_error[0] != '\0' ? r->load_error : NULL);
}

static int
no_history(struct cli *c, const struct policy_place *p)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	if (p->sandbox == NULL)
		buf_puts(&b, "No global policy history found\n");
	else {
		buf_puts(&b, "No policy history found for sandbox '");
		buf_put_escaped(&b, view_of(p->sandbox));
		buf_puts(&b, "'\n");
	}
	cli_note(c, &b);
	return CLI_OK;
}

static const struct emit_col get_cols[] = { { .title = "Scope",
						.field = "scope" },
	{ .title = "Version", .field = "version" },
	{ .title = "Hash", .field = "hash" },
	{ .title = "Status", .field = "status", .style = EMIT_PHASE },
	{ .title = "Active", .field = "active_version" },
	{ .title = "Created", .field = "created_at" },
	{ .title = "Loaded", .field = "loaded_at" },
	{ .title = "Error", .field = "error" }, { 0 } };
static const struct emit_table get_table = { .cols = get_cols, .label = 14 };

static void
note_no_payload(struct cli *c)
{
	AUTO_BUF struct buf b = BUF_INIT(128);

	buf_puts(&b, "Policy payload not available for this version\n");
	cli_note(c, &b);
}

/* The document alone on stdout, so that it can be set again. */
static int
print_document(
    struct cli *c, const struct emit *m, const struct buf *yaml, struct err *e)
{
	AUTO_BUF struct buf head = BUF_INIT(65536);

	emit_put(m, EMIT_TABLE, &get_table, c->color_err, &head);
	cli_note(c, &head);
	if (yaml->n == 0) {
		note_no_payload(c);
		return CLI_FAILED;
	}
	return cli_out(c, yaml, e);
}

static int
print_table(struct cli *c, const struct emit *m, const struct buf *yaml,
    bool full, struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

	emit_put(m, EMIT_TABLE, &get_table, c->color_out, &out);
	if (full && yaml->n > 0) {
		buf_puts(&out, "---\n");
		buf_put(&out, buf_view(yaml));
	}
	if (cli_out(c, &out, e) < 0)
		return -1;
	if (full && yaml->n == 0)
		note_no_payload(c);
	return CLI_OK;
}

static int
print_revision(struct cli *c, const struct policy_place *p,
    const status_resp *s, bool full, enum policy_show how, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_BUF struct buf yaml = BUF_INIT(YAML_MAX);
	struct emit_val *o = emit_root(m);

	emit_text(o, "scope", p->sandbox == NULL ? "global" : NULL);
	emit_text(o, "sandbox", p->sandbox);
	put_revision(o, s->revision);
	if (p->sandbox != NULL)
		emit_uint(o, "active_version", s->active_version);
	if (s->revision->policy != NULL)
		policy_wire_yaml(s->revision->policy, &yaml);
	if (yaml.full)
		return err_set(e, ERR_LIMIT, "the policy is too large");
	if (how == POLICY_AUTO)
		how = isatty(c->out) ? POLICY_TABLE : POLICY_YAML;
	switch (how) {
	case POLICY_AUTO:
	case POLICY_TABLE:
		return print_table(c, m, &yaml, full, e);
	case POLICY_YAML:
		return print_document(c, m, &yaml, e);
	case POLICY_JSON:
		emit_yaml(o, "policy", buf_view(&yaml));
		return emit_print(c, m, EMIT_JSON, &get_table, e);
	}
	return CLI_OK;
}

static int
ask_revision(const struct policy_place *p, unsigned rev, ProtobufCMessage **m,
    enum rpc_code *code, struct err *e)
{
	Openshell__V1__GetSandboxPolicyStatusRequest q =
	    OPENSHELL__V1__GET_SANDBOX_POLICY_STATUS_REQUEST__INIT;
	AUTO_FREE char *name = mem_strdup(p->sandbox != NULL ? p->sandbox : "");

	q.name = name;
	q.version = rev;
	q.global = p->sandbox == NULL;
	return rpc_unary(reach_rpc(p->reach),
	    "/openshell.v1.OpenShell/GetSandboxPolicyStatus", &q.base,
	    &openshell__v1__get_sandbox_policy_status_response__descriptor, m,
	    CALL_MS, code, e);
}

/* Else the policy shown would pass for the one in force. */
static void
note_global(struct cli *c, const struct policy_place *p)
{
	const struct policy_place everywhere = { .reach = p->reach };
	AUTO_BUF struct buf b = BUF_INIT(256);
	AUTO_MSG ProtobufCMessage *m = NULL;
	const status_resp *s;
	enum rpc_code code;
	struct err ignored;

	if (p->sandbox == NULL ||
	    ask_revision(&everywhere, 0, &m, &code, &ignored) < 0)
		return;
	s = (const status_resp *)(const void *)m;
	if (s->revision == NULL ||
	    s->revision->status !=
		OPENSHELL__V1__POLICY_STATUS__POLICY_STATUS_LOADED)
		return;
	cli_paint(&b, c->color_err, COLOR_WARN, "!");
	buf_printf(&b,
	    " Global policy version %u is in force in its place: openshell "
	    "policy get --global\n",
	    s->revision->version);
	cli_note(c, &b);
}

int
policy_show_revision(struct cli *c, struct policy_place *p, unsigned rev,
    bool full, enum policy_show how, struct err *e)
{
	AUTO_MSG ProtobufCMessage *m = NULL;
	const status_resp *s;
	enum rpc_code code;

	if (ask_revision(p, rev, &m, &code, e) < 0) {
		/* A sandbox that is not there is another NOT_FOUND. */
		if (code == RPC_NOT_FOUND && rev == 0 &&
		    strstr(e->text, "sandbox not found") == NULL)
			return no_history(c, p);
		return err_wrap(e, "get the policy");
	}
	s = (const status_resp *)(const void *)m;
	if (s->revision == NULL)
		return no_history(c, p);
	note_global(c, p);
	return print_revision(c, p, s, full, how, e);
}

int
policy_fetch(struct policy_place *p, struct policy **out, struct err *e)
{
	Openshell__V1__GetSandboxPolicyStatusRequest q =
	    OPENSHELL__V1__GET_SANDBOX_POLICY_STATUS_REQUEST__INIT;
	AUTO_FREE char *name = mem_strdup(p->sandbox);
	AUTO_FINDINGS struct policy_findings found = { 0 };
	AUTO_MSG ProtobufCMessage *m = NULL;
	const status_resp *s;

	q.name = name;
	if (rpc_unary(reach_rpc(p->reach),
		"/openshell.v1.OpenShell/GetSandboxPolicyStatus", &q.base,
		&openshell__v1__get_sandbox_policy_status_response__descriptor,
		&m, CALL_MS, NULL, e) < 0)
		return err_wrap(e, "get the policy of %.100s", p->sandbox);
	s = (const status_resp *)(const void *)m;
	if (s->revision == NULL || s->revision->policy == NULL)
		return err_set(
		    e, ERR_NOT_FOUND, "%.100s has no policy", p->sandbox);
	if (policy_wire_to(s->revision->policy, out, &found) < 0)
		return err_set(e, ERR_INVALID,
		    "the policy of %.100s cannot be read: %.300s", p->sandbox,
		    found.n > 0 ? found.v[0].text : "unknown");
	return 0;
}

static const struct emit_col list_cols[] = {
	{ .title = "VERSION", .field = "version", .min = 8 },
	{ .title = "HASH", .field = "short_hash", .min = 14 },
	{ .title = "STATUS",
	    .field = "status",
	    .min = 12,
	    .style = EMIT_PHASE },
	{ .title = "CREATED", .field = "created_at", .min = 24 },
	{ .title = "ERROR", .field = "error", .max = 40 }, { 0 }
};
static const struct emit_table list_table = { .cols = list_cols };

int
policy_show_list(struct cli *c, struct policy_place *p, unsigned limit,
    unsigned format, struct err *e)
{
	Openshell__V1__ListSandboxPoliciesRequest q =
	    OPENSHELL__V1__LIST_SANDBOX_POLICIES_REQUEST__INIT;
	AUTO_FREE char *name = mem_strdup(p->sandbox != NULL ? p->sandbox : "");
	AUTO_MSG ProtobufCMessage *m = NULL;
	AUTO_EMIT struct emit *doc = emit_new(EMIT_LIST);
	const list_resp *l;

	q.name = name;
	q.limit = limit;
	q.global = p->sandbox == NULL;
	if (rpc_unary(reach_rpc(p->reach),
		"/openshell.v1.OpenShell/ListSandboxPolicies", &q.base,
		&openshell__v1__list_sandbox_policies_response__descriptor, &m,
		CALL_MS, NULL, e) < 0)
		return err_wrap(e, "list policies");
	l = (const list_resp *)(const void *)m;
	if (l->n_revisions == 0 && format == EMIT_TABLE)
		return no_history(c, p);
	for (size_t i = 0; i < l->n_revisions; i++) {
		struct emit_val *o = emit_object(emit_root(doc), NULL);
		char hash[13];

		put_revision(o, l->revisions[i]);
		(void)snprintf(
		    hash, sizeof(hash), "%.12s", l->revisions[i]->policy_hash);
		if (format == EMIT_TABLE)
			emit_text(o, "short_hash", hash);
	}
	return emit_print(c, doc, format, &list_table, e);
}
