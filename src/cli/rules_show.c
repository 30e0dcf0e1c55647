/* rules_show: a proposal for people and for programs. */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/policy_extent.h"
#include "cli/rules.h"
#include "policy/merge.h"

typedef Openshell__Sandbox__V1__NetworkEndpoint endpoint_msg;
typedef Openshell__Sandbox__V1__L7Allow allow_msg;

enum { LABEL = 13, YAML_MAX = 1 << 20, SHOWN = 16 };

static void
emit_done(struct emit_val *o, const struct rules *r, const struct rules_done *d)
{
	emit_text(o, "sandbox", r->sandbox);
	if (d->chunk_id != NULL)
		emit_text(o, "chunk_id", d->chunk_id);
	if (d->status != NULL)
		emit_text(o, "status", d->status);
	if (d->several) {
		emit_uint(o, "approved", d->approved);
		emit_uint(o, "skipped", d->skipped);
	}
	if (d->clears)
		emit_uint(o, "cleared", d->cleared);
	if (d->policy_version > 0)
		emit_uint(o, "policy_version", d->policy_version);
	if (d->policy_hash != NULL)
		emit_text(o, "policy_hash", d->policy_hash);
}

int
rules_say(struct cli *c, const struct rules *r, const struct rules_done *d,
    unsigned output, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_BUF struct buf b = BUF_INIT(4096);

	if (output != EMIT_TABLE) {
		emit_done(emit_root(m), r, d);
		return emit_print(c, m, (enum emit_format)output, NULL, e);
	}
	cli_paint(&b, c->color_out, COLOR_OK, "OK");
	buf_printf(&b, " %s", d->text);
	if (d->policy_version > 0)
		buf_printf(&b, " Policy version: %u", d->policy_version);
	if (d->policy_hash != NULL)
		buf_printf(&b, ", hash: %.12s", d->policy_hash);
	buf_putc(&b, '\n');
	return cli_out(c, &b, e);
}

void
rules_put_time(int64_t wall_ms, struct buf *out)
{
	char t[CLOCK_TEXT_MAX];

	(void)clock_text(wall_ms, t);
	buf_printf(out, "%.10s %.8s", t, t + 11);
}

/* --- what a rule is ------------------------------------------------------- */

static void
put_endpoint(const endpoint_msg *ep, struct buf *out)
{
	char between = ':';

	buf_put_escaped(out, view_of(ep->host));
	if (ep->n_ports == 0 && ep->port > 0)
		buf_printf(out, ":%u", ep->port);
	for (size_t i = 0; i < ep->n_ports; i++, between = ',')
		buf_printf(out, "%c%u", between, ep->ports[i]);
	buf_put_escaped(out, view_of(ep->path));
}

void
rules_put_endpoints(const chunk_msg *m, struct buf *out)
{
	for (size_t i = 0;
	     m->proposed_rule != NULL && i < m->proposed_rule->n_endpoints;
	     i++) {
		buf_puts(out, i > 0 ? ", " : "");
		put_endpoint(m->proposed_rule->endpoints[i], out);
	}
}

static void
put_word(struct buf *out, const char *word)
{
	if (word[0] == '\0')
		return;
	buf_putc(out, ' ');
	buf_put_escaped(out, view_of(word));
}

static void
put_allow(struct buf *out, const allow_msg *a)
{
	put_word(out, a->method);
	put_word(out, a->path);
	put_word(out, a->command);
	put_word(out, a->operation_type);
	put_word(out, a->operation_name);
	put_word(out, a->service);
	put_word(out, a->rpc);
	if (a->n_query + a->n_params + a->n_fields > 0)
		buf_puts(out, " ...");
}

/* "rest GET /zen, POST /x"; what is not judged says so. */
static void
put_requests(const endpoint_msg *ep, struct buf *out)
{
	if (ep->protocol[0] == '\0') {
		buf_puts(out, "any (nothing looks at them)");
		return;
	}
	buf_put_escaped(out, view_of(ep->protocol));
	put_word(out, ep->access);
	for (size_t i = 0; i < ep->n_rules && i < SHOWN; i++) {
		buf_puts(out, i > 0 ? "," : "");
		if (ep->rules[i]->allow != NULL)
			put_allow(out, ep->rules[i]->allow);
	}
	if (ep->n_rules > SHOWN)
		buf_printf(out, " and %zu more", ep->n_rules - SHOWN);
	if (ep->n_deny_rules > 0)
		buf_printf(out, ", but %zu", ep->n_deny_rules);
}

/* --- for people ----------------------------------------------------------- */

static void
label(struct cli *c, struct buf *out, const char *text)
{
	AUTO_BUF struct buf b = BUF_INIT(64);

	buf_printf(&b, "%s:", text);
	buf_puts(out, "  ");
	cli_paint(out, c->color_out, COLOR_LABEL, buf_str(&b));
	buf_printf(out, "%*s", (int)(LABEL - b.n), "");
}

/* An agent's text: a line, escaped; nothing when there is none. */
static void
line(struct cli *c, struct buf *out, const char *name, const char *text,
    enum cli_color color)
{
	AUTO_BUF struct buf b = BUF_INIT(64 << 10);

	if (text[0] == '\0')
		return;
	label(c, out, name);
	buf_put_escaped(&b, view_of(text));
	if (color == COLOR_LABEL)
		buf_put(out, buf_view(&b));
	else
		cli_paint(out, c->color_out, color, buf_str(&b));
	buf_putc(out, '\n');
}

static enum cli_color
color_of(const char *status)
{
	if (strcmp(status, "approved") == 0)
		return COLOR_OK;
	return strcmp(status, "rejected") == 0 ? COLOR_BAD : COLOR_WARN;
}

static void
put_rule(struct cli *c, const chunk_msg *m, struct buf *out)
{
	const Openshell__Sandbox__V1__NetworkPolicyRule *r = m->proposed_rule;

	label(c, out, "Endpoints");
	rules_put_endpoints(m, out);
	buf_putc(out, '\n');
	label(c, out, "Requests");
	for (size_t i = 0; i < r->n_endpoints; i++) {
		buf_puts(out, i > 0 ? "; " : "");
		put_requests(r->endpoints[i], out);
	}
	buf_putc(out, '\n');
	label(c, out, "Binaries");
	for (size_t i = 0; i < r->n_binaries; i++) {
		buf_puts(out, i > 0 ? ", " : "");
		buf_put_escaped(out, view_of(r->binaries[i]->path));
	}
	buf_putc(out, '\n');
}

static void
put_hits(struct cli *c, const chunk_msg *m, struct buf *out)
{
	if (m->hit_count <= 1)
		return;
	label(c, out, "Hits");
	buf_printf(out, "%d (first seen ", m->hit_count);
	rules_put_time(m->first_seen_ms, out);
	buf_puts(out, ", last seen ");
	rules_put_time(m->last_seen_ms, out);
	buf_puts(out, ")\n");
}

void
rules_put(struct cli *c, const chunk_msg *m, bool full, struct buf *out)
{
	char percent[16];

	(void)snprintf(percent, sizeof(percent), "%u%%",
	    (unsigned)((double)m->confidence * 100 + 0.5));
	line(c, out, "Chunk", m->id, COLOR_LABEL);
	line(c, out, "Status", m->status, color_of(m->status));
	line(c, out, "Rule", m->rule_name, COLOR_LABEL);
	line(c, out, "Binary", m->binary, COLOR_LABEL);
	line(c, out, "Confidence", percent, COLOR_LABEL);
	line(c, out, "Rationale", m->rationale, COLOR_LABEL);
	line(c, out, "Security", m->security_notes, COLOR_WARN);
	line(c, out, "Checked", m->validation_result, COLOR_WARN);
	line(c, out, "Rejected", m->rejection_reason, COLOR_LABEL);
	if (m->proposed_rule != NULL)
		put_rule(c, m, out);
	put_hits(c, m, out);
	if (full && m->proposed_rule != NULL) {
		buf_puts(out, "---\n");
		policy_wire_rule_yaml(m->rule_name, m->proposed_rule, out);
	}
}

/* --- for programs --------------------------------------------------------- */

void
rules_emit(struct emit_val *at, const chunk_msg *m)
{
	AUTO_BUF struct buf yaml = BUF_INIT(YAML_MAX);
	struct emit_val *o = emit_object(at, NULL);

	emit_text(o, "id", m->id);
	emit_text(o, "status", m->status);
	emit_text(o, "rule", m->rule_name);
	emit_text(o, "binary", m->binary);
	emit_int(
	    o, "confidence_percent", (int)((double)m->confidence * 100 + 0.5));
	emit_text(o, "rationale", m->rationale);
	emit_text(o, "security_notes", m->security_notes);
	emit_text(o, "validation_result", m->validation_result);
	emit_text(o, "rejection_reason", m->rejection_reason);
	emit_text(o, "stage", m->stage);
	emit_int(o, "hits", m->hit_count);
	emit_time(o, "first_seen_at", m->first_seen_ms);
	emit_time(o, "last_seen_at", m->last_seen_ms);
	emit_time(o, "created_at", m->created_at_ms);
	emit_time(o, "decided_at", m->decided_at_ms);
	if (m->proposed_rule != NULL)
		policy_wire_rule_yaml(m->rule_name, m->proposed_rule, &yaml);
	emit_yaml(o, "policy", buf_view(&yaml));
}

/* --- what it opens -------------------------------------------------------- */

int
rules_put_widening(struct cli *c, struct rules *r, const chunk_msg *m,
    struct buf *out, struct err *e)
{
	struct policy_place place = { r->reach, r->sandbox };
	AUTO_POLICY struct policy *base = NULL, *rule = NULL, *next = NULL;
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_MERGED struct policy_merged merged = { 0 };
	AUTO_BUF struct buf yaml = BUF_INIT(YAML_MAX);

	policy_wire_rule_yaml(m->rule_name, m->proposed_rule, &yaml);
	if (policy_fetch(&place, &base, e) < 0)
		return -1;
	/* What cannot be merged the gateway refuses, with the reason. */
	if (policy_parse(buf_view(&yaml), &rule, &f) < 0 ||
	    policy_merge(base, rule, &next, &merged, &f) < 0)
		return 0;
	if (next == NULL) {
		buf_puts(out, "nothing new: the policy allows it already\n");
		return 0;
	}
	if (extent_compare(base, next, &d, e) < 0)
		return -1;
	for (size_t i = 0; i < d.n; i++)
		extent_show_change(out, c->color_out, &d.v[i]);
	if (d.dropped > 0)
		buf_printf(out, "and %zu more\n", d.dropped);
	return 0;
}
