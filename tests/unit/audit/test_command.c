/* What a record says of a command line, and what it does not. */
#include "audit/command.h"

#include "test.h"

enum { ARGS_MAX = 8 };

static const struct row {
	const char *argv[ARGS_MAX];
	const char *shown;
} rows[] = {
	{ { "python3", "/app/main.py" }, "python3 /app/main.py" },
	{ { "claude", "-p", "fix the \"monkey\" test" },
	    "claude -p 'fix the \"monkey\" test'" },
	{ { "git", "commit", "--author=me <a@b>", "" },
	    "git commit '--author=me <a@b>' ''" },
	/* Options and assignments. */
	{ { "x", "--token", "abc", "y" }, "x --token *** y" },
	{ { "x", "--token", "--verbose" }, "x --token --verbose" },
	{ { "x", "--token=abc" }, "x --token=***" },
	{ { "x", "--Api-Key=abc", "--key", "k" }, "x --Api-Key=*** --key ***" },
	{ { "env", "DB_PASSWORD=abc", "PATH=/bin", "sh" },
	    "env DB_PASSWORD=*** PATH=/bin sh" },
	{ { "curl", "-u", "me:abc", "--user", "me" },
	    "curl -u me:*** --user me" },
	/* Fields of requests. */
	{ { "curl", "-H", "Authorization: Bearer abc" },
	    "curl -H 'Authorization: *** ***'" },
	{ { "curl", "-HCookie:a=b; c=d", "x" }, "curl '-HCookie:*** ***' x" },
	{ { "curl", "--header=X-Api-Key: abc" },
	    "curl '--header=X-Api-Key: ***'" },
	{ { "curl", "-H", "Accept: text/html" },
	    "curl -H 'Accept: text/html'" },
	/* URLs. */
	{ { "curl", "https://u:p@a.test:8443/x?q=1&r=2" },
	    "curl https://***@a.test:8443/x?***" },
	{ { "curl", "https://a.test/x@y" }, "curl https://a.test/x@y" },
	{ { "x", "--proxy=http://u:p@a.test" }, "x --proxy=http://***@a.test" },
	{ { "x", "PROXY_AUTH=http://u:p@a.test" }, "x PROXY_AUTH=***" },
	/* Tokens by their shape. */
	{ { "x", "ghp_0123", "v=sk-abc", "task-1" }, "x *** v=*** task-1" },
	/* Inside a script. */
	{ { "sh", "-c", "TOKEN=\"a b\" curl -H \"Authorization: t k\" u; ls" },
	    "sh -c 'TOKEN=\"*** ***\" curl -H \"Authorization: *** ***\" u; "
	    "ls'" },
};

TEST(command, hides_what_speaks_of_secrets)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf b = BUF_INIT(4096);
		size_t n = 0;

		while (n < ARGS_MAX && rows[i].argv[n] != NULL)
			n++;
		audit_command(rows[i].argv, n, &b);
		CHECK_STR(buf_str(&b), rows[i].shown);
	}
}

TEST(command, is_bounded)
{
	static char big[10000];
	AUTO_BUF struct buf b = BUF_INIT(64);
	const char *argv[] = { "echo", big, "--token", "abc" };

	memset(big, 'x', sizeof(big) - 1);
	audit_command(argv, ARRAY_LEN(argv), &b);
	CHECK(b.n <= 64);
	CHECK(strstr(buf_str(&b), "abc") == NULL);
}
