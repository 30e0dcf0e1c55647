/* The forms of a record for other tools, with the vectors of the spec. */
#include "audit/ocsf.h"

#include <jansson.h>

#include "base/mem.h"
#include "test.h"

static const struct audit_source source = { VIEW("id-1"), VIEW("demo") };

static struct audit_event
request(void)
{
	return (struct audit_event) { .time_ms = 1700000000123,
		.event_id = 17,
		.kind = AUDIT_L7_REQUEST,
		.action = AUDIT_DENY,
		.stage = VIEW("l7"),
		.binary = VIEW("/usr/bin/curl"),
		.pid = 42,
		.ancestors = VIEW("/usr/bin/bash -> /usr/bin/node"),
		.cmdline = VIEW("/opt/tool.js, /etc/tool.conf"),
		.host = VIEW("api.github.com"),
		.port = 443,
		.scheme = VIEW("https"),
		.method = VIEW("POST"),
		.path = VIEW("/zen"),
		.policy = VIEW("github"),
		.reason = VIEW("POST /zen not permitted by policy") };
}

static json_t *
ocsf(const struct audit_event *ev)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	json_t *j;

	audit_ocsf_json(ev, &source, &b);
	CHECK_INT(view_find(buf_view(&b), '\n'), ==, b.n - 1);
	j = json_loadb(b.p, b.n, JSON_REJECT_DUPLICATES, NULL);
	CHECK(j != NULL);
	return j;
}

static const char *
text(json_t *j, const char *a, const char *b, const char *c)
{
	if (a != NULL)
		j = json_object_get(j, a);
	if (b != NULL)
		j = json_object_get(j, b);
	if (c != NULL)
		j = json_object_get(j, c);
	return json_is_string(j) ? json_string_value(j) : "(none)";
}

static long long
number(json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

TEST(ocsf, a_denied_request_is_http_activity)
{
	struct audit_event ev = request();
	json_t *j = ocsf(&ev), *p;

	CHECK_INT(number(j, "class_uid"), ==, 4002);
	CHECK_INT(number(j, "category_uid"), ==, 4);
	CHECK_INT(number(j, "activity_id"), ==, 6);
	CHECK_INT(number(j, "type_uid"), ==, 400206);
	CHECK_STR(text(j, "type_name", NULL, NULL), "HTTP Activity: Post");
	CHECK_INT(number(j, "action_id"), ==, 2);
	CHECK_INT(number(j, "disposition_id"), ==, 2);
	CHECK_INT(number(j, "severity_id"), ==, 3);
	CHECK_INT(number(j, "time"), ==, 1700000000123);
	CHECK_STR(text(j, "metadata", "version", NULL), "1.7.0");
	CHECK_STR(text(j, "metadata", "uid", NULL), "id-1");
	CHECK_STR(text(j, "container", "name", NULL), "demo");
	CHECK_STR(text(j, "http_request", "url", "path"), "/zen");
	CHECK_STR(text(j, "firewall_rule", "name", NULL), "github");
	p = json_object_get(json_object_get(j, "actor"), "process");
	CHECK_STR(text(p, "name", NULL, NULL), "/usr/bin/curl");
	CHECK_STR(text(p, "parent_process", "name", NULL), "/usr/bin/bash");
	CHECK_STR(text(p, "parent_process", "parent_process", "name"),
	    "/usr/bin/node");
	CHECK_INT(number(json_object_get(j, "unmapped"), "event_id"), ==, 17);
	json_decref(j);
}

TEST(ocsf, a_refused_name_is_dns_activity)
{
	struct audit_event ev = { .kind = AUDIT_DNS,
		.action = AUDIT_DENY,
		.binary = VIEW("/usr/bin/curl"),
		.pid = 42,
		.host = VIEW("evil.example.com"),
		.port = 53,
		.reason = VIEW("no endpoint allows this name") };
	json_t *j = ocsf(&ev);

	CHECK_INT(number(j, "class_uid"), ==, 4003);
	CHECK_INT(number(j, "type_uid"), ==, 400301);
	CHECK_STR(text(j, "type_name", NULL, NULL), "DNS Activity: Query");
	CHECK_STR(text(j, "query", "hostname", NULL), "evil.example.com");
	CHECK_STR(text(j, "actor", "process", "name"), "/usr/bin/curl");
	CHECK_INT(number(j, "action_id"), ==, 2);
	json_decref(j);
}

static struct audit_event
command(enum audit_kind kind)
{
	return (struct audit_event) { .time_ms = 1742047200000,
		.kind = kind,
		.action = AUDIT_INFO,
		.binary = VIEW("python3"),
		.pid = 42,
		.detail = VIEW("python3 /app/main.py") };
}

TEST(ocsf, a_command_is_process_activity)
{
	struct audit_event ev = command(AUDIT_PROCESS_STARTED);
	json_t *j = ocsf(&ev), *launched;

	CHECK_INT(number(j, "type_uid"), ==, 100701);
	CHECK_STR(text(j, "process", "name", NULL), "python3");
	CHECK_STR(text(j, "process", "cmd_line", NULL), "python3 /app/main.py");
	CHECK_INT(number(json_object_get(j, "process"), "pid"), ==, 42);
	CHECK_STR(text(j, "actor", "process", "name"), "openshell-init");
	CHECK_STR(text(j, "launch_type", NULL, NULL), "Spawn");
	CHECK_STR(text(j, "status", NULL, NULL), "Success");
	launched = json_object_get(j, "exit_code");
	CHECK(launched == NULL);
	json_decref(j);
	ev = command(AUDIT_PROCESS_ENDED);
	ev.status = VIEW("0");
	j = ocsf(&ev);
	CHECK_INT(number(j, "type_uid"), ==, 100702);
	CHECK(json_is_integer(json_object_get(j, "exit_code")));
	json_decref(j);
	ev = command(AUDIT_PROCESS_FAILED);
	ev.reason = VIEW("python3: not found");
	j = ocsf(&ev);
	CHECK_INT(number(j, "type_uid"), ==, 100701);
	CHECK_STR(text(j, "status", NULL, NULL), "Failure");
	CHECK_STR(text(j, "status_detail", NULL, NULL), "python3: not found");
	json_decref(j);
}

TEST(ocsf, a_sandbox_has_a_lifecycle)
{
	struct audit_event ev = { .kind = AUDIT_SANDBOX_STARTED,
		.action = AUDIT_INFO,
		.detail = VIEW("box.example") };
	json_t *j = ocsf(&ev), *profiles;

	CHECK_INT(number(j, "type_uid"), ==, 600203);
	CHECK_INT(number(j, "category_uid"), ==, 6);
	CHECK_STR(text(j, "app", "name", NULL), "OpenShell Sandbox Supervisor");
	CHECK_STR(text(j, "device", "hostname", NULL), "box.example");
	CHECK_STR(text(j, "device", "os", "name"), "Linux");
	profiles = json_object_get(json_object_get(j, "metadata"), "profiles");
	CHECK_INT(json_array_size(profiles), ==, 2);
	CHECK_STR(json_string_value(json_array_get(profiles, 0)), "container");
	json_decref(j);
	ev = (struct audit_event) { .kind = AUDIT_SANDBOX_FAILED,
		.action = AUDIT_INFO,
		.reason = VIEW("the proxy died") };
	j = ocsf(&ev);
	CHECK_INT(number(j, "type_uid"), ==, 600204);
	CHECK_STR(text(j, "severity", NULL, NULL), "High");
	CHECK_STR(text(j, "status", NULL, NULL), "Failure");
	CHECK_STR(text(j, "status_detail", NULL, NULL), "the proxy died");
	json_decref(j);
}

TEST(ocsf, a_policy_has_its_digest_and_protections_their_level)
{
	struct audit_event ev = { .kind = AUDIT_POLICY,
		.action = AUDIT_INFO,
		.generation = 3,
		.detail = VIEW("sha256:abc123def456") };
	json_t *j = ocsf(&ev);

	CHECK_INT(number(j, "type_uid"), ==, 501901);
	CHECK_INT(number(j, "state_id"), ==, 2);
	CHECK_STR(
	    text(j, "unmapped", "policy_hash", NULL), "sha256:abc123def456");
	CHECK_INT(
	    number(json_object_get(j, "unmapped"), "policy_version"), ==, 3);
	CHECK(json_object_get(j, "security_level") == NULL);
	json_decref(j);
	ev.kind = AUDIT_PROTECTIONS;
	j = ocsf(&ev);
	CHECK_INT(number(j, "class_uid"), ==, 5019);
	CHECK_STR(text(j, "security_level", NULL, NULL), "Secure");
	json_decref(j);
	ev.kind = AUDIT_PROTECTIONS_MISSING;
	j = ocsf(&ev);
	CHECK_INT(number(j, "type_uid"), ==, 200401);
	CHECK_STR(text(j, "severity", NULL, NULL), "High");
	CHECK(json_is_true(json_object_get(j, "is_alert")));
	CHECK(json_object_get(j, "evidences") == NULL);
	json_decref(j);
}

TEST(ocsf, a_program_that_changed_is_a_finding_with_evidence)
{
	const struct audit_event ev = { .kind = AUDIT_PROGRAM_CHANGED,
		.action = AUDIT_INFO,
		.binary = VIEW("/tmp/x"),
		.pid = 7,
		.sha256 = VIEW("abc"),
		.reason = VIEW("Binary integrity violation") };
	json_t *j = ocsf(&ev), *data;

	CHECK_INT(number(j, "type_uid"), ==, 200401);
	CHECK_STR(text(j, "severity", NULL, NULL), "High");
	CHECK_STR(text(j, "disposition", NULL, NULL), "Blocked");
	CHECK_STR(text(j, "confidence", NULL, NULL), "High");
	CHECK_STR(text(j, "finding_info", "title", NULL),
	    "Binary integrity violation");
	data = json_object_get(
	    json_array_get(json_object_get(j, "evidences"), 0), "data");
	CHECK_STR(text(data, "binary", NULL, NULL), "/tmp/x");
	CHECK_STR(text(data, "sha256", NULL, NULL), "abc");
	json_decref(j);
}

TEST(ocsf, methods_are_written_as_they_are_known)
{
	static const struct {
		struct view said;
		const char *shown;
	} rows[] = { { VIEW("get"), "GET" }, { VIEW("PROPFIND"), "PROPFIND" },
		{ VIEW("propfind"), "propfind" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct audit_event ev = request();
		json_t *j;

		ev.method = rows[i].said;
		j = ocsf(&ev);
		CHECK_STR(text(j, "http_request", "http_method", NULL),
		    rows[i].shown);
		json_decref(j);
	}
}

TEST(ocsf, a_datagram_names_its_protocol)
{
	struct audit_event ev = request();
	json_t *j;

	ev.kind = AUDIT_BYPASS;
	ev.detail = VIEW("udp");
	j = ocsf(&ev);
	CHECK_STR(text(j, "connection_info", "protocol_name", NULL), "udp");
	json_decref(j);
}

TEST(ocsf, every_kind_has_a_class_with_numbers_that_agree)
{
	for (unsigned k = 0; k < AUDIT_NKINDS; k++)
		for (unsigned a = 0; a <= AUDIT_INFO; a++) {
			struct audit_event ev = request();
			json_t *j;

			ev.kind = (enum audit_kind)k;
			ev.action = (enum audit_action)a;
			j = ocsf(&ev);
			CHECK_INT(number(j, "type_uid"), ==,
			    number(j, "class_uid") * 100 +
				number(j, "activity_id"));
			CHECK(strcmp(text(j, "class_name", NULL, NULL),
				  "(none)") != 0);
			CHECK(strcmp(text(j, "activity_name", NULL, NULL),
				  "(none)") != 0);
			CHECK((k == AUDIT_CHAIN) ==
			      (number(j, "class_uid") == 0));
			CHECK(strcmp(text(j, "category_name", NULL, NULL),
				  "(none)") != 0);
			json_decref(j);
		}
}

TEST(ocsf, names_both_ends_and_the_proxy_between_them)
{
	struct audit_event ev = request();
	json_t *j = ocsf(&ev);

	CHECK(json_object_get(j, "src_endpoint") == NULL);
	CHECK(json_object_get(j, "proxy_endpoint") == NULL);
	json_decref(j);
	ev.kind = AUDIT_CONNECT;
	ev.src_addr = VIEW("10.200.0.2");
	ev.src_port = 40000;
	ev.proxy_addr = VIEW("10.200.0.1:3128");
	j = ocsf(&ev);
	CHECK_STR(text(j, "src_endpoint", "ip", NULL), "10.200.0.2");
	CHECK_INT(
	    number(json_object_get(j, "src_endpoint"), "port"), ==, 40000);
	CHECK_STR(text(j, "proxy_endpoint", "ip", NULL), "10.200.0.1");
	CHECK_INT(
	    number(json_object_get(j, "proxy_endpoint"), "port"), ==, 3128);
	json_decref(j);
}

TEST(ocsf, a_credential_where_it_does_not_belong_is_a_finding)
{
	struct audit_event ev = request();
	json_t *j, *seen;

	ev.kind = AUDIT_CREDENTIAL;
	ev.stage = VIEW("credentials");
	j = ocsf(&ev);
	CHECK_INT(number(j, "class_uid"), ==, 2004);
	CHECK_STR(text(j, "finding_info", "title", NULL),
	    "POST /zen not permitted by policy");
	seen = json_array_get(json_object_get(j, "evidences"), 0);
	CHECK_STR(text(seen, "dst_endpoint", "domain", NULL), "api.github.com");
	CHECK_STR(text(seen, "http_request", "http_method", NULL), "POST");
	json_decref(j);
	/* One that was filled in is a request as any. */
	ev.action = AUDIT_ALLOW;
	j = ocsf(&ev);
	CHECK_INT(number(j, "class_uid"), ==, 4002);
	json_decref(j);
}

TEST(ocsf, shorthand_lines_are_those_of_the_spec)
{
	static const struct {
		enum audit_kind kind;
		enum audit_action action;
		const char *line;
	} rows[] = {
		{ AUDIT_CONNECT, AUDIT_ALLOW,
		    "22:13:20.123 I NET:OPEN ALLOWED /usr/bin/curl(42) -> "
		    "api.github.com:443/tcp [policy:github engine:policy] "
		    "[event:17]\n" },
		{ AUDIT_L7_REQUEST, AUDIT_DENY,
		    "22:13:20.123 M HTTP:POST DENIED /usr/bin/curl(42) -> "
		    "POST https://api.github.com/zen [policy:github] "
		    "[event:17]\n" },
		{ AUDIT_L7_REQUEST, AUDIT_AUDIT,
		    "22:13:20.123 L HTTP:POST OBSERVED /usr/bin/curl(42) -> "
		    "POST https://api.github.com/zen [policy:github] "
		    "[event:17]\n" },
		{ AUDIT_DNS, AUDIT_DENY,
		    "22:13:20.123 M DNS:QUERY DENIED /usr/bin/curl(42) -> "
		    "api.github.com [event:17]\n" },
		{ AUDIT_CREDENTIAL, AUDIT_DENY,
		    "22:13:20.123 M FINDING:BLOCKED \"POST /zen not permitted "
		    "by policy\" [confidence:high] [event:17]\n" },
		{ AUDIT_MIDDLEWARE, AUDIT_AUDIT,
		    "22:13:20.123 L FINDING:LOGGED \"POST /zen not permitted "
		    "by policy\" [confidence:high] [event:17]\n" },
		{ AUDIT_BYPASS, AUDIT_DENY,
		    "22:13:20.123 M NET:REFUSE DENIED /usr/bin/curl(42) -> "
		    "api.github.com:443/tcp [policy:bypass-detect "
		    "engine:nftables] [event:17]\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		struct audit_event ev = request();

		ev.kind = rows[i].kind;
		ev.action = rows[i].action;
		audit_shorthand(&ev, &b);
		CHECK_STR(buf_str(&b), rows[i].line);
	}
}

/* Section 17: 1742047200000 is 14:00:00.000. */
TEST(ocsf, shorthand_vectors_of_the_spec)
{
	const struct audit_event rows[] = {
		command(AUDIT_PROCESS_STARTED),
		{ .kind = AUDIT_PROCESS_ENDED,
		    .action = AUDIT_INFO,
		    .binary = VIEW("sh"),
		    .pid = 7,
		    .status = VIEW("137"),
		    .detail = VIEW("sh\n-c") },
		{ .kind = AUDIT_POLICY,
		    .action = AUDIT_INFO,
		    .reason = VIEW("policy reloaded"),
		    .generation = 3,
		    .detail = VIEW("sha256:abc123def456") },
		{ .kind = AUDIT_PROPOSED,
		    .action = AUDIT_INFO,
		    .reason = VIEW("zen: to read\x1b[31m it"),
		    .generation = 3 },
		{ .kind = AUDIT_PROTECTIONS_MISSING,
		    .action = AUDIT_INFO,
		    .reason = VIEW("not in force: Landlock") },
		{ .kind = AUDIT_SANDBOX_STARTED, .action = AUDIT_INFO },
		{ .kind = AUDIT_SANDBOX_FAILED,
		    .action = AUDIT_INFO,
		    .reason = VIEW("the proxy died") },
		{ .kind = AUDIT_BYPASS,
		    .action = AUDIT_DENY,
		    .binary = VIEW("node"),
		    .pid = 1234,
		    .host = VIEW("93.184.216.34"),
		    .port = 443 },
	};
	static const char *const lines[] = {
		"I PROC:LAUNCH python3(42) [cmd:python3 /app/main.py]\n",
		"I PROC:TERMINATE sh(7) [exit:137] [cmd:sh\\x0a-c]\n",
		"I CONFIG:LOADED policy reloaded [version:v3 "
		"hash:sha256:abc123def456]\n",
		"I CONFIG:PROPOSED zen: to read\\x1b[31m it [version:v3]\n",
		"H FINDING:ALERT \"not in force: Landlock\" "
		"[confidence:high]\n",
		"I LIFECYCLE:START OpenShell Sandbox Supervisor SUCCESS\n",
		"H LIFECYCLE:STOP OpenShell Sandbox Supervisor FAILURE "
		"[reason:the proxy died]\n",
		"M NET:REFUSE DENIED node(1234) -> 93.184.216.34:443/tcp "
		"[policy:bypass-detect engine:nftables]\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		struct audit_event ev = rows[i];

		ev.time_ms = 1742047200000;
		audit_shorthand(&ev, &b);
		CHECK_HAS(buf_str(&b), "14:00:00.000 ");
		CHECK_STR(buf_str(&b) + 13, lines[i]);
	}
}

TEST(ocsf, times_out_of_range_are_marked)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	struct audit_event ev = request();

	ev.time_ms = INT64_MAX;
	audit_shorthand(&ev, &b);
	CHECK_HAS(buf_str(&b), "\?\?:\?\?:\?\?.\?\?\? M HTTP:POST");
}

/* A80, in every value that comes from outside. */
TEST(ocsf, hostile_values_are_escaped_and_bounded)
{
	static char big[5000];
	AUTO_BUF struct buf b = BUF_INIT(1 << 16), o = BUF_INIT(1 << 16);
	struct audit_event ev = request();
	struct view evil =
	    VIEW("x\n12:00:00.000 I NET:OPEN ALLOWED\x1b[2J\xc2\x9b\xe2\x80"
		 "\xae\",\"action\":\"Allowed\xff");

	ev.binary = ev.host = ev.method = ev.path = ev.policy = ev.reason =
	    ev.ancestors = ev.scheme = evil;
	audit_shorthand(&ev, &b);
	audit_ocsf_json(&ev, &source, &o);
	for (size_t i = 0; i + 1 < b.n; i++)
		CHECK((unsigned char)b.p[i] >= 0x20 && b.p[i] != 0x7f);
	for (size_t i = 0; i + 1 < o.n; i++)
		CHECK((unsigned char)o.p[i] >= 0x20 && o.p[i] != 0x7f);
	CHECK(strstr(buf_str(&b), "\xc2\x9b") == NULL);
	CHECK(strstr(buf_str(&b), "\xe2\x80\xae") == NULL);
	CHECK(strstr(buf_str(&o), "\xe2\x80\xae") == NULL);
	CHECK_HAS(buf_str(&b), "x\\x0a12:00:00.000");
	memset(big, 'p', sizeof(big));
	ev = request();
	ev.path = (struct view) { big, sizeof(big) };
	buf_reset(&b);
	audit_shorthand(&ev, &b);
	CHECK_INT(b.n, <, 1500);
	CHECK_HAS(buf_str(&b), "ppp... [policy:github]");
}

TEST(ocsf, a_line_that_is_no_record_is_a_base_event)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	const struct audit_remark r = { 1700000000123, "WARN", "gateway",
		"keeper", VIEW("hello\n") };
	json_t *j;

	audit_ocsf_remark(&r, &source, &b);
	j = json_loadb(b.p, b.n, JSON_REJECT_DUPLICATES, NULL);
	CHECK(j != NULL);
	CHECK_INT(number(j, "class_uid"), ==, 0);
	CHECK_STR(text(j, "message", NULL, NULL), "hello\\x0a");
	json_decref(j);
	buf_reset(&b);
	audit_shorthand_remark(&r, &b);
	CHECK_STR(buf_str(&b), "22:13:20.123 M EVENT hello\\x0a "
			       "[source:gateway target:keeper]\n");
}

struct back {
	struct audit_event ev;
	struct buf kept; /* values do not last */
};

static void
put(void *ctx, const char *key, struct view value)
{
	struct back *back = ctx;
	size_t at = back->kept.n;

	buf_put(&back->kept, value);
	CHECK(audit_log_take(&back->ev, view_of(key),
	    (struct view) { back->kept.p + at, value.n }));
}

TEST(ocsf, a_log_line_of_any_kind_gives_the_record_back)
{
	struct audit_event ev = request();

	ev.query_names = VIEW("a, b");
	for (unsigned kind = 0; kind < AUDIT_NKINDS; kind++) {
		struct back back = { { .time_ms = ev.time_ms },
			BUF_INIT(1 << 16) };
		AUTO_BUF struct buf a = BUF_INIT(1 << 16),
				    b = BUF_INIT(1 << 16);

		ev.kind = back.ev.kind = (enum audit_kind)kind;
		CHECK(buf_reserve(&back.kept, 1 << 15)); /* so that it stays */
		audit_log_fields(&ev, put, &back);
		audit_event_json(&ev, &a);
		audit_event_json(&back.ev, &b);
		CHECK_STR(buf_str(&a), buf_str(&b));
		CHECK(!audit_log_take(&back.ev, VIEW("nope"), VIEW("x")));
		CHECK(
		    !audit_log_take(&back.ev, VIEW("dst_port"), VIEW("65536")));
		CHECK(!audit_log_take(&back.ev, VIEW("action"), VIEW("maybe")));
		buf_fini(&back.kept);
	}
}

static void
put_line(void *ctx, const char *key, struct view value)
{
	buf_printf(ctx, " %s=%.*s", key, (int)value.n, value.p);
}

/* 3.12: the names that readers of the reference's lines know. */
TEST(ocsf, log_lines_have_the_names_that_readers_know)
{
	static const struct {
		enum audit_kind kind;
		const char *has, *lacks;
	} v[] = {
		{ AUDIT_L7_REQUEST, " l7_action=POST", " method=" },
		{ AUDIT_L7_REQUEST, " l7_target=/zen", " path=" },
		{ AUDIT_L7_REQUEST, " l7_query_params=a, b", " query=" },
		{ AUDIT_L7_REQUEST, " l7_decision=deny", "opa" },
		{ AUDIT_L7_REQUEST, " action=deny", " binary_pid=" },
		{ AUDIT_L7_REQUEST, " l7_protocol=rest", NULL },
		{ AUDIT_L7_REQUEST, " l7_deny_reason=POST /zen not",
		    " reason=" },
		{ AUDIT_L7_REQUEST, " dst_host=api.github.com dst_port=443",
		    NULL },
		{ AUDIT_FORWARD_L7, " method=POST path=/zen", "l7_action" },
		{ AUDIT_FORWARD_L7, " l7_decision=deny", " reason=" },
		{ AUDIT_FORWARD_L7, " l7_deny_reason=POST /zen not", NULL },
		{ AUDIT_CONNECT, " binary_pid=42", " pid=" },
		{ AUDIT_CONNECT, " engine=opa", "l7_" },
		{ AUDIT_CONNECT, " reason=POST /zen not permitted", NULL },
		{ AUDIT_FORWARD, " binary_pid=42", "l7_" },
		{ AUDIT_HTTP_REQUEST, " host=api.github.com port=443",
		    "dst_host" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		struct audit_event ev = request();

		ev.kind = v[i].kind;
		ev.query_names = VIEW("a, b");
		audit_log_fields(&ev, put_line, &b);
		CHECK_HAS(buf_str(&b), v[i].has);
		if (v[i].lacks != NULL &&
		    strstr(buf_str(&b), v[i].lacks) != NULL)
			fail_msg("%s: %s", v[i].lacks, buf_str(&b));
	}
}

/* What an operation is of, its name tells; "rest" would be wrong. */
TEST(ocsf, log_lines_of_operations_name_no_protocol)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	struct audit_event ev = request();

	ev.operation = VIEW("tools/call");
	audit_log_fields(&ev, put_line, &b);
	CHECK_HAS(buf_str(&b), " operation=tools/call");
	CHECK(strstr(buf_str(&b), "l7_protocol") == NULL);
}
