#include "proxy/proposal.h"

#include "policy/policy.h"
#include "test.h"

#define RULE \
	"{\"endpoints\":[{\"host\":\"api.github.com\",\"port\":443," \
	"\"protocol\":\"rest\",\"rules\":[{\"allow\":{\"method\":\"GET\"," \
	"\"path\":\"/repos/**\"}}]}],\"binaries\":[{\"path\":" \
	"\"/usr/bin/curl\"}]}"
#define OP(name, rule) \
	"{\"addRule\":{\"ruleName\":\"" name "\",\"rule\":" rule "}}"
#define BODY(ops) \
	"{\"intent_summary\":\"read issues\",\"operations\":[" ops "]}"

static int
parse(const char *body, struct proposal *p, struct err *e)
{
	return proposal_parse(view_of(body), p, e);
}

TEST(proposal, becomes_a_policy_that_says_who_wrote_it)
{
	AUTO_PROPOSAL struct proposal p = { 0 };
	struct err e;

	CHECK_INT(parse(BODY(OP("github", RULE)), &p, &e), ==, 0);
	CHECK_INT(p.n_rules, ==, 1);
	CHECK_STR(buf_str(&p.names), "github");
	CHECK_STR(buf_str(&p.intent), "read issues");
	CHECK_STR(buf_str(&p.yaml), "version: 1\n"
				    "network_policies:\n"
				    "  github:\n"
				    "    name: github\n"
				    "    endpoints:\n"
				    "    - host: api.github.com\n"
				    "      port: 443\n"
				    "      protocol: rest\n"
				    "      rules:\n"
				    "      - allow:\n"
				    "          method: GET\n"
				    "          path: /repos/**\n"
				    "      advisor_proposed: true\n"
				    "    binaries:\n"
				    "    - path: /usr/bin/curl\n");
}

TEST(proposal, takes_several_rules)
{
	AUTO_PROPOSAL struct proposal p = { 0 };
	struct err e;

	CHECK_INT(parse(BODY(OP("b", RULE) "," OP("a", RULE)), &p, &e), ==, 0);
	CHECK_INT(p.n_rules, ==, 2);
	CHECK_STR(buf_str(&p.names), "b, a");
}

/* What a text may hold stays a text: no key, no type, no second document. */
TEST(proposal, keeps_strings_strings)
{
	AUTO_PROPOSAL struct proposal p = { 0 };
	struct err e;

	CHECK_INT(parse(BODY(OP("443", "{\"endpoints\":[{\"host\":\"a.b\","
				       "\"port\":443}],\"binaries\":[{\"path\":"
				       "\"/a: \\u00e9#'\\\"\\\\b\"}]}")),
		      &p, &e),
	    ==, 0);
	CHECK_HAS(buf_str(&p.yaml), "  '443':\n");
	CHECK_HAS(buf_str(&p.yaml), "- path: \"/a: \xc3\xa9#'\\\"\\\\b\"\n");
}

TEST(proposal, refuses_what_is_none)
{
	static const struct {
		const char *body, *why;
	} rows[] = {
		{ "", "" },
		{ "[]", "the proposal is not an object" },
		{ "{}", "lacks intent_summary" },
		{ "{\"intent_summary\":\"x\"}", "lacks operations" },
		{ "{\"intent_summary\":\"\",\"operations\":[]}",
		    "intent_summary is not a text" },
		{ "{\"intent_summary\":\"a\\u0000b\",\"operations\":[]}",
		    "no NUL" },
		{ BODY(""), "1 to 16" },
		{ "{\"intent_summary\":\"x\",\"operations\":[" OP(
		      "a", RULE) "],\"approve\":true}",
		    "not known here" },
		{ BODY("{\"removeRule\":{\"ruleName\":\"a\"}}"),
		    "lacks addRule" },
		{ BODY("{\"addRule\":{\"ruleName\":\"a\"}}"), "lacks rule" },
		{ BODY("{\"addRule\":{\"ruleName\":7,\"rule\":" RULE "}}"),
		    "ruleName is not a text" },
		{ BODY(OP("_provider_github", RULE)), "reserved" },
		{ BODY(OP("a", "[]")), "rule is not an object" },
		{ BODY(OP("a", "{\"endpoints\":[{\"host\":\"a.b\",\"port\":1}]"
			       "}")),
		    "names no program" },
		{ BODY(OP("a", "{\"endpoints\":{},\"binaries\":[{\"path\":"
			       "\"/a\"}]}")),
		    "endpoints is not a list" },
		{ BODY(OP("a", "{\"endpoints\":[{\"host\":\"a.b\",\"port\":1,"
			       "\"advisor_proposed\":false}],\"binaries\":[{"
			       "\"path\":\"/a\"}]}")),
		    "not for you to say" },
		{ BODY(OP("a", "{\"endpoints\":[{\"host\":\"a.b\",\"port\":"
			       "4.43e2}],\"binaries\":[{\"path\":\"/a\"}]}")),
		    "port" },
		{ BODY(OP("a", "{\"endpoints\":[{\"host\":\"a.b\",\"port\":1,"
			       "\"nonsense\":1}],\"binaries\":[{\"path\":"
			       "\"/a\"}]}")),
		    "nonsense" },
		{ BODY(OP("a", RULE) "," OP("a", RULE)), "a" },
	};
	struct proposal p;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(parse(rows[i].body, &p, &e), ==, -1);
		CHECK_INT(e.code, ==, ERR_INVALID);
		CHECK_HAS(e.text, rows[i].why);
		CHECK_INT(p.n_rules + p.yaml.n + p.intent.n, ==, 0);
		proposal_fini(&p);
	}
}

TEST(proposal, has_bounds)
{
	AUTO_BUF struct buf body = BUF_INIT(1 << 20);
	struct proposal p;
	struct err e;

	buf_puts(&body, "{\"intent_summary\":\"x\",\"operations\":[");
	for (unsigned i = 0; i < PROPOSAL_RULES_MAX + 1; i++)
		buf_printf(&body,
		    "%s{\"addRule\":{\"ruleName\":\"r%u\","
		    "\"rule\":" RULE "}}",
		    i > 0 ? "," : "", i);
	buf_puts(&body, "]}");
	CHECK_INT(parse(buf_str(&body), &p, &e), ==, -1);
	CHECK_HAS(e.text, "1 to 16");
	proposal_fini(&p);

	buf_reset(&body);
	for (unsigned i = 0; i <= PROPOSAL_BODY_MAX; i++)
		buf_putc(&body, ' ');
	CHECK_INT(parse(buf_str(&body), &p, &e), ==, -1);
	CHECK_HAS(e.text, "more than 65536 bytes");
	proposal_fini(&p);
}
