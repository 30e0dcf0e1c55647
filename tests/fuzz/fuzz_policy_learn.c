/*
 * Lines of records to a policy: what comes of any lines loads, without an
 * error, and allows every request that it says it learned.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "audit/event.h"
#include "base/mem.h"
#include "policy/learn.h"

enum { LINES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char base[] =
    "version: 1\n"
    "network_policies:\n"
    "  a:\n"
    "    endpoints:\n"
    "    - {host: '*.lan.test', port: 443, protocol: rest, enforcement: audit, "
    "access: read-only, allowed_ips: [10.1.0.0/16]}\n"
    "    - {host: plain.test, port: 80}\n"
    "    - {host: raw.test, port: 443, protocol: tcp}\n"
    "    - host: part.test\n"
    "      port: 443\n"
    "      path: /v1/**\n"
    "      protocol: rest\n"
    "      access: read-write\n"
    "      deny_rules: [{method: '*', path: '/v1/admin/**'}]\n"
    "    - {host: shut.test, port: 443, tls: skip}\n"
    "    - host: tools.test\n"
    "      port: 443\n"
    "      path: /mcp/*\n"
    "      protocol: mcp\n"
    "      rules: [{allow: {method: tools/call, tool: read}}]\n"
    "      deny_rules: [{method: tools/call, tool: secret}]\n"
    "    - {host: calls.test, port: 443, protocol: json-rpc, rules: "
    "[{allow: {method: a}}]}\n"
    "    - {host: graph.test, port: 443, protocol: graphql, access: "
    "read-only, deny_rules: [{fields: [secret]}]}\n"
    "    - {host: ws.test, port: 443, protocol: websocket, rules: "
    "[{allow: {method: GET, path: /chat}}]}\n"
    "    - {host: sub.test, port: 443, protocol: websocket, rules: "
    "[{allow: {method: GET, path: /g}}, {allow: {operation_type: query}}]}\n"
    "    binaries: [{path: /usr/bin/git}]\n";

static struct policy *
load(struct view text)
{
	struct policy_findings f = { 0 };
	struct policy *p = NULL;

	if (policy_parse(text, &p, &f) < 0)
		p = NULL;
	policy_findings_fini(&f);
	return p;
}

/* A call of that method and tool, whatever else it says. */
static bool
call_passes(const struct snapshot *s, const struct policy_seen *seen)
{
	const struct policy_who who = { .exe = seen->binary };
	const struct policy_request r = { seen->method, seen->path,
		{ NULL, 0 } };
	struct policy_param tool = { VIEW("name"), seen->tool };
	const struct policy_op op = { .kind = POLICY_OP_CALL,
		.method = seen->operation,
		.params = &tool,
		.n_params = seen->tool.n > 0 };
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_op(s, &who, seen->host, seen->port, &r, &op, &v, &why);
	return v.allow;
}

/* An operation of GraphQL, or (none) a text message as such. */
static bool
message_passes(const struct snapshot *s, const struct policy_seen *seen)
{
	const struct policy_who who = { .exe = seen->binary };
	const struct policy_request r = { seen->method, seen->path,
		{ NULL, 0 } };
	struct view fields[256], rest = seen->fields, name;
	struct policy_op op = { .kind = POLICY_OP_TEXT, .fields = fields };
	struct policy_verdict v;
	struct policy_reason why;

	if (seen->operation.n > 0) {
		op.kind = POLICY_OP_GRAPHQL;
		op.type = view_cut(seen->operation, ' ', &name);
		op.name = name;
	}
	while (rest.n > 0) {
		assert(op.n_fields < 256);
		fields[op.n_fields++] = view_trim(view_cut(rest, ',', &rest));
	}
	policy_decide_op(s, &who, seen->host, seen->port, &r, &op, &v, &why);
	return v.allow;
}

static void
must_allow(struct snapshot *s, const struct policy_seen *seen)
{
	const struct policy_who who = { .exe = seen->binary };
	const struct policy_request r = { seen->method, seen->path,
		{ NULL, 0 } };
	struct policy_conn c;
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_conn(s, &who, seen->host, seen->port, &c, &why);
	assert(c.allow);
	if (seen->method.n == 0 || c.protocol == POLICY_PROTO_NONE)
		return;
	if (seen->operation.n > 0 && !view_eq(seen->host, VIEW("graph.test")) &&
	    !view_eq(seen->host, VIEW("sub.test"))) {
		assert(call_passes(s, seen));
		return;
	}
	if (seen->operation.n > 0 ||
	    view_eq(seen->method, VIEW("WEBSOCKET_TEXT"))) {
		assert(message_passes(s, seen));
		return;
	}
	policy_decide_request(s, &who, seen->host, seen->port, &r, &v, &why);
	assert(v.allow);
}

static void
check(struct learner *l, const struct policy_seen *taken, size_t n)
{
	AUTO_BUF struct buf out = BUF_INIT(POLICY_TEXT_MAX);
	struct snapshot *s = NULL;
	struct policy *p;
	struct err e;

	if (learner_yaml(l, VIEW("x"), &out, &e) < 0)
		assert(!"it does not load");
	p = load(buf_view(&out));
	assert(p != NULL && memmem(out.p, out.n, "**/", 3) == NULL);
	if (snapshot_new(p, 1, &s, &e) < 0)
		assert(!"it does not compile");
	for (size_t i = 0; i < n; i++)
		must_allow(s, &taken[i]);
	snapshot_unref(s);
	policy_free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view rest = { (const char *)data, n };
	struct audit_record *kept[LINES_MAX] = { NULL };
	struct policy_seen taken[LINES_MAX];
	struct policy *p = load(view_of(base));
	struct learner *l = NULL;
	size_t n_taken = 0;
	struct err e;

	assert(p != NULL);
	if (learner_new(p, 2, n % 2 == 0, &l, &e) < 0)
		abort();
	for (unsigned i = 0; rest.n > 0 && i < LINES_MAX; i++) {
		struct view line = view_cut(rest, '\n', &rest);
		struct policy_seen *seen = &taken[n_taken];
		struct audit_event ev;

		if (audit_record_parse(line, &kept[i], &ev, &e) < 0)
			continue;
		*seen = (struct policy_seen) { ev.binary, ev.host, ev.method,
			ev.path, ev.port, ev.operation, ev.tool, ev.fields };
		if (learner_add(l, seen) == LEARN_TAKEN)
			n_taken++;
	}
	check(l, taken, n_taken);
	for (unsigned i = 0; i < LINES_MAX; i++)
		audit_record_free(kept[i]);
	learner_free(l);
	policy_free(p);
	return 0;
}
