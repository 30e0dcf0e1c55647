#include "cli/reach.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "test.h"

static void
put_state(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	CHECK(f != NULL);
	CHECK(fputs(text, f) >= 0);
	(void)fclose(f);
}

TEST(reach, offers_no_sandbox_when_no_gateway_answers)
{
	static const char *const words[] = { "openshell", "sandbox", "connect",
		"" };
	char dir[] = "/tmp/complete-XXXXXX", sub[128];
	AUTO_BUF struct buf b = BUF_INIT(4096);

	CHECK(mkdtemp(dir) != NULL);
	(void)setenv("XDG_CONFIG_HOME", dir, 1);
	(void)unsetenv("OPENSHELL_GATEWAY");
	cli_complete(3, words, 4, &b);
	CHECK_INT(b.n, ==, 0);
	/* Registered, but nobody listens there. */
	(void)snprintf(sub, sizeof(sub), "%s/openshell/gateways/alpha", dir);
	{
		char cmd[3][128];

		(void)snprintf(cmd[0], 128, "%s/openshell", dir);
		(void)snprintf(cmd[1], 128, "%s/openshell/gateways", dir);
		(void)snprintf(cmd[2], 128, "%s", sub);
		for (size_t i = 0; i < 3; i++)
			CHECK(mkdir(cmd[i], 0700) == 0);
		put_state(cmd[0], "active_gateway", "alpha");
	}
	put_state(sub, "metadata.json",
	    "{\"name\": \"alpha\", \"gateway_endpoint\": "
	    "\"http://127.0.0.1:1\", \"is_remote\": false, "
	    "\"gateway_port\": 1}");
	cli_complete(3, words, 4, &b);
	CHECK_INT(b.n, ==, 0);
	(void)unsetenv("XDG_CONFIG_HOME");
}
