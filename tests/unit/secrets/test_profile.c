#include "test.h"

#include "secrets/profile.h"

TEST(profile, types_have_spellings)
{
	CHECK_STR(profile_type(VIEW("CLAUDE")), "claude");
	CHECK_STR(profile_type(VIEW(" glab ")), "gitlab");
	CHECK_STR(profile_type(VIEW("gh")), "github");
	CHECK_STR(profile_type(VIEW("claude_code")), "claude");
	CHECK(profile_type(VIEW("unknown")) == NULL);
	CHECK(profile_type(VIEW("")) == NULL);
	for (size_t i = 1; profile_nth(i) != NULL; i++)
		CHECK_INT(strcmp(profile_nth(i - 1), profile_nth(i)), <, 0);
}

TEST(profile, variables_come_in_their_order)
{
	CHECK_VIEW(profile_var("copilot", 0), "COPILOT_GITHUB_TOKEN");
	CHECK_VIEW(profile_var("copilot", 2), "GITHUB_TOKEN");
	CHECK_INT(profile_var("copilot", 3).n, ==, 0);
	CHECK_INT(profile_var("generic", 0).n, ==, 0);
}

TEST(profile, commands_need_types)
{
	CHECK_STR(profile_of_command(VIEW("/usr/local/bin/claude")), "claude");
	CHECK_STR(profile_of_command(VIEW("gh")), "github");
	CHECK_STR(profile_of_command(VIEW("/usr/bin/glab")), "gitlab");
	CHECK(profile_of_command(VIEW("bash")) == NULL);
	CHECK(profile_of_command(VIEW("")) == NULL);
	CHECK(profile_of_command(VIEW("generic")) == NULL);
	CHECK(profile_of_command(VIEW("outlook")) == NULL);
}

static bool
bound(const char *type, const char *key, const char *host, uint16_t port)
{
	return profile_bound(
	    view_of(type), view_of(key), view_of(host), port, VIEW("/x"));
}

TEST(profile, credentials_go_to_their_hosts_only)
{
	CHECK(bound("github", "GITHUB_TOKEN", "api.github.com", 443));
	CHECK(bound("github", "GITHUB_TOKEN", "github.com", 443));
	CHECK(!bound("github", "GITHUB_TOKEN", "github.com", 80));
	CHECK(!bound("github", "GITHUB_TOKEN", "gist.github.com", 443));
	CHECK(
	    !bound("github", "GITHUB_TOKEN", "api.github.com.evil.test", 443));
	CHECK(!bound("github", "GITHUB_TOKEN", "xapi.github.com", 443));
	CHECK(!bound("generic", "X", "api.github.com", 443));
	CHECK(bound("opencode", "OPENROUTER_API_KEY", "openrouter.ai", 443));
	CHECK(!bound("opencode", "OPENAI_API_KEY", "openrouter.ai", 443));
	CHECK(bound(
	    "aws", "AWS_ACCESS_KEY_ID", "b.s3.us-east-1.amazonaws.com", 443));
	CHECK(!bound("aws", "AWS_ACCESS_KEY_ID", "amazonaws.com", 443));
	CHECK(!bound("aws", "AWS_ACCESS_KEY_ID", "xamazonaws.com", 443));
}

TEST(profile, names_that_programs_read_otherwise_are_reserved)
{
	static const char *const ours[] = {
#define URL ""
#define NONE ""
#define CA ""
#define BUNDLE ""
#define PROXY_ENV(name, value) name,
#include "sandbox/proxyenv.def"
#undef PROXY_ENV
		"PATH", "LD_PRELOAD", "HOME", "NODE_OPTIONS", "OPENSHELL_X",
		"ftp_proxy", "BASH_ENV"
	};
	static const char *const free_names[] = { "GITHUB_TOKEN", "API_KEY",
		"PATHS", "PROXY", "LDX", "DATABASE_URL" };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (!profile_reserved(view_of(ours[i])))
			fail_msg("%s is not reserved", ours[i]);
	for (size_t i = 0; i < ARRAY_LEN(free_names); i++)
		CHECK(!profile_reserved(view_of(free_names[i])));
}
