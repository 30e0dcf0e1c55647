#include "proxy/deny.h"

#include <jansson.h>

#include "test.h"

static struct deny
sample(void)
{
	return (struct deny) { .status = 403,
		.error = "policy_denied",
		.layer = "l7",
		.protocol = "rest",
		.policy = VIEW("github"),
		.detail = VIEW("POST /a not permitted by policy"),
		.method = VIEW("POST"),
		.path = VIEW("/a"),
		.host = VIEW("api.github.com"),
		.port = 443,
		.binary = VIEW("/usr/bin/curl"),
		.suggestion = VIEW("github:\n  x: 1\n"),
		.nearest = VIEW("github endpoints[0].access"),
		.miss = VIEW("access read-only allows GET, and not POST"),
		.event_id = 17 };
}

static json_t *
parse(const struct deny *d)
{
	struct buf b = BUF_INIT(DENY_MAX);
	json_error_t err;
	json_t *o;

	deny_body(d, &b);
	o = json_loadb(b.p, b.n, 0, &err);
	buf_fini(&b);
	if (o == NULL)
		fail_msg("not JSON: %s", err.text);
	return o;
}

static const char *
text(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "(none)";
}

TEST(deny, l7_body_has_every_field)
{
	struct deny d = sample();
	json_t *o = parse(&d), *missing = json_object_get(o, "rule_missing");

	CHECK_STR(text(o, "error"), "policy_denied");
	CHECK_STR(text(o, "policy"), "github");
	CHECK_STR(text(o, "rule"), "POST /a");
	CHECK_STR(text(o, "detail"), "POST /a not permitted by policy");
	CHECK_STR(text(o, "layer"), "l7");
	CHECK_STR(text(o, "protocol"), "rest");
	CHECK_STR(text(o, "method"), "POST");
	CHECK_STR(text(o, "path"), "/a");
	CHECK_STR(text(o, "host"), "api.github.com");
	CHECK_STR(text(o, "binary"), "/usr/bin/curl");
	CHECK_STR(text(o, "suggestion"), "github:\n  x: 1\n");
	CHECK_STR(text(missing, "type"), "rest_allow");
	CHECK_INT(json_integer_value(json_object_get(o, "port")), ==, 443);
	CHECK_INT(json_integer_value(json_object_get(o, "event_id")), ==, 17);
	CHECK_STR(text(o, "nearest"), "github endpoints[0].access");
	CHECK_STR(text(o, "miss"), "access read-only allows GET, and not POST");
	json_decref(o);
}

/* A model reads it: it must say what does not help, and whom to ask. */
TEST(deny, guidance_fits_what_can_be_done)
{
	struct deny d = sample();
	json_t *o = parse(&d),
	       *step = json_array_get(json_object_get(o, "next_steps"), 0);

	CHECK_HAS(text(o, "agent_guidance"), "Do not retry it");
	CHECK_HAS(text(o, "agent_guidance"), "a change of the policy");
	CHECK_STR(text(step, "action"), "ask_owner");
	CHECK_STR(
	    text(step, "owner_command"), "openshell policy why SANDBOX 17");
	CHECK_HAS(text(step, "policy_change"), "suggestion");
	json_decref(o);
	/* Nothing is promised that no rule can give. */
	d.suggestion = VIEW("");
	o = parse(&d);
	step = json_array_get(json_object_get(o, "next_steps"), 0);
	CHECK_HAS(text(o, "agent_guidance"), "no rule that could be added");
	CHECK_STR(text(step, "policy_change"), "(none)");
	json_decref(o);
	d.error = "ssrf_denied";
	o = parse(&d);
	CHECK_HAS(text(o, "agent_guidance"), "address behind this name");
	CHECK(json_object_get(o, "rule_missing") == NULL);
	json_decref(o);
	d.error = "upstream_failed";
	o = parse(&d);
	CHECK(json_object_get(o, "agent_guidance") == NULL);
	CHECK(json_object_get(o, "next_steps") == NULL);
	json_decref(o);
}

TEST(deny, head_has_fixed_fields_and_the_length)
{
	struct deny d = sample();
	struct buf all = BUF_INIT(DENY_MAX), body = BUF_INIT(DENY_MAX);
	char want[512];

	deny_response(&d, &all);
	deny_body(&d, &body);
	(void)snprintf(want, sizeof(want),
	    "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\nX-OpenShell-Policy: github\r\n"
	    "Connection: close\r\n\r\n",
	    body.n);
	CHECK(view_starts(buf_view(&all), view_of(want)));
	CHECK_INT(all.n, ==, strlen(want) + body.n);
	buf_fini(&all);
	buf_fini(&body);
}

TEST(deny, head_request_gets_no_body)
{
	struct deny d = sample();
	struct buf all = BUF_INIT(DENY_MAX);

	d.method = VIEW("HEAD");
	deny_response(&d, &all);
	CHECK(view_ends(buf_view(&all), VIEW("\r\n\r\n")));
	buf_fini(&all);
}

TEST(deny, hostile_bytes_stay_inside_their_string)
{
	struct deny d = sample();
	struct buf all = BUF_INIT(DENY_MAX);
	json_t *o;

	d.path = VIEW("/\"},\"error\":\"x\r\n\x1b[31m");
	d.binary = VIEW("/bin/\xff\xfe");
	d.policy = VIEW("a\r\nSet-Cookie: x=1");
	o = parse(&d);
	CHECK_STR(text(o, "error"), "policy_denied");
	CHECK_STR(text(o, "path"), "/\"},\"error\":\"x\r\n\x1b[31m");
	json_decref(o);
	deny_response(&d, &all);
	CHECK(strstr(buf_str(&all), "\r\nSet-Cookie") == NULL);
	buf_fini(&all);
}

TEST(deny, refusals_without_policy_name_none)
{
	struct deny d = { .status = 431,
		.error = "bad_request",
		.detail = VIEW("too long") };
	struct buf all = BUF_INIT(DENY_MAX);
	json_t *o = parse(&d);

	CHECK(json_object_get(o, "policy") == NULL);
	CHECK(json_object_get(o, "layer") == NULL);
	json_decref(o);
	deny_response(&d, &all);
	CHECK_HAS(
	    buf_str(&all), "HTTP/1.1 431 Request Header Fields Too Large\r\n");
	CHECK(strstr(buf_str(&all), "X-OpenShell-Policy") == NULL);
	buf_fini(&all);
}

/* Of the error for the call with this id: its data, or NULL. */
static json_t *
error_of(json_t *answer, int id)
{
	json_t *e = json_object_get(answer, "error");

	CHECK_STR(text(answer, "jsonrpc"), "2.0");
	CHECK_INT(json_integer_value(json_object_get(answer, "id")), ==, id);
	CHECK_INT(json_integer_value(json_object_get(e, "code")), ==, -32003);
	return json_object_get(e, "data");
}

TEST(deny, answers_calls_of_json_rpc_that_wait)
{
	static const struct view ids[] = { VIEW("7"), VIEW("8") };
	struct deny d = sample();
	json_t *o;

	d.operation = VIEW("tools/call");
	d.tool = VIEW("rm");
	o = parse(&d);
	CHECK_STR(text(o, "tool"), "rm");
	CHECK_STR(text(o, "operation"), "tools/call");
	json_decref(o);
	d.rpc_ids = ids;
	d.n_rpc_ids = 1;
	o = parse(&d);
	CHECK_STR(text(error_of(o, 7), "tool"), "rm");
	CHECK_HAS(text(json_object_get(o, "error"), "message"),
	    "POST /a not permitted by policy");
	json_decref(o);
	d.n_rpc_ids = 2;
	d.rpc_batch = true;
	o = parse(&d);
	CHECK_INT(json_array_size(o), ==, 2);
	CHECK(error_of(json_array_get(o, 0), 7) != NULL);
	CHECK(error_of(json_array_get(o, 1), 8) == NULL);
	json_decref(o);
}

TEST(deny, names_the_middleware_that_denied)
{
	struct deny d = sample();
	json_t *o;

	d.error = "middleware_denied";
	d.layer = NULL;
	d.suggestion = VIEW("");
	d.detail = VIEW("Request rejected by configured middleware");
	d.middleware = VIEW("keys");
	d.reason_code = VIEW("pii.found");
	o = parse(&d);
	CHECK_STR(json_string_value(json_object_get(o, "policy")), "github");
	CHECK_STR(json_string_value(json_object_get(o, "middleware")), "keys");
	CHECK_STR(
	    json_string_value(json_object_get(o, "reason_code")), "pii.found");
	CHECK(json_object_get(o, "agent_guidance") != NULL);
	json_decref(o);
	d.reason_code = VIEW("");
	o = parse(&d);
	CHECK(json_object_get(o, "reason_code") == NULL);
	json_decref(o);
}
