/* What a start is told, and what it listens on. */
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "gateway/health.h"
#include "gateway/options.h"
#include "gateway/port.h"

static const char *const variables[] = { "HOME", "XDG_CONFIG_HOME",
	"OPENSHELL_SERVER_PORT", "OPENSHELL_LOG_LEVEL", "OPENSHELL_DISABLE_TLS",
	"OPENSHELL_DISABLE_GATEWAY_AUTH", "OPENSHELL_SANDBOX_IMAGE",
	"OPENSHELL_ALLOW_INSECURE" };

static void
clean(void)
{
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		CHECK_INT(unsetenv(variables[i]), ==, 0);
	CHECK_INT(setenv("HOME", "/home/ada", 1), ==, 0);
}

static int
parse(struct options *o, const char *a, const char *b, struct err *e)
{
	char *argv[4] = { mem_strdup("openshell-gateway"), NULL, NULL, NULL };
	int argc = 1, rc;

	if (a != NULL)
		argv[argc++] = mem_strdup(a);
	if (b != NULL)
		argv[argc++] = mem_strdup(b);
	rc = options_parse(o, argc, argv, e);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return rc;
}

TEST(options, places_follow_home_name_and_xdg)
{
	struct options o;
	struct err e = { 0 };

	clean();
	CHECK_INT(parse(&o, "--name", "blue", &e), ==, 0);
	CHECK_STR(o.state_dir, "/home/ada/.openshell/gateways/blue");
	CHECK_STR(o.bundle, "/home/ada/.config/openshell/gateways/blue/mtls");
	CHECK_INT(o.port, ==, 8080);
	options_fini(&o);
	CHECK_INT(setenv("XDG_CONFIG_HOME", "/etc/x", 1), ==, 0);
	CHECK_INT(parse(&o, NULL, NULL, &e), ==, 0);
	CHECK_STR(o.bundle, "/etc/x/openshell/gateways/openshell/mtls");
	options_fini(&o);
	/* Empty or relative is as if it were not set. */
	CHECK_INT(setenv("XDG_CONFIG_HOME", "x", 1), ==, 0);
	CHECK_INT(parse(&o, NULL, NULL, &e), ==, 0);
	CHECK_HAS(o.bundle, "/home/ada/.config/");
	options_fini(&o);
	CHECK_INT(unsetenv("HOME"), ==, 0);
	CHECK_INT(parse(&o, NULL, NULL, &e), ==, -1);
	CHECK_HAS(e.text, "HOME is not set");
	options_fini(&o);
}

TEST(options, a_flag_wins_over_the_environment)
{
	struct options o;
	struct err e = { 0 };

	clean();
	CHECK_INT(setenv("OPENSHELL_SERVER_PORT", "9000", 1), ==, 0);
	CHECK_INT(setenv("OPENSHELL_LOG_LEVEL", "debug", 1), ==, 0);
	CHECK_INT(parse(&o, NULL, NULL, &e), ==, 0);
	CHECK_INT(o.port, ==, 9000);
	CHECK_INT(o.log_level, ==, LOG_L_DEBUG);
	options_fini(&o);
	CHECK_INT(parse(&o, "--port=0", NULL, &e), ==, 0);
	CHECK_INT(o.port, ==, 0);
	options_fini(&o);
	CHECK_INT(setenv("OPENSHELL_SERVER_PORT", "none", 1), ==, 0);
	CHECK_INT(parse(&o, NULL, NULL, &e), ==, -1);
	CHECK_HAS(e.text, "OPENSHELL_SERVER_PORT");
	options_fini(&o);
}

TEST(options, what_is_wrong_is_named)
{
	static const char *const bad[][3] = {
		{ "--port", "65536", "--port" },
		{ "--port", "-1", "--port" },
		{ "--port", NULL, "needs a value" },
		{ "--nothing", NULL, "--nothing" },
		{ "port", "1", "unknown option" },
		{ "--log-level", "loud", "--log-level" },
		{ "--disable-tls=yes", NULL, "unknown option" },
		{ "--name", "../x", "--name" },
		{ "--name", "..", "--name" },
		{ "--name", "", "--name" },
		{ "--state-dir", "relative", "absolute" },
	};

	clean();
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct options o;
		struct err e = { 0 };

		CHECK_INT(parse(&o, bad[i][0], bad[i][1], &e), ==, -1);
		CHECK_INT(e.code, ==, ERR_INVALID);
		CHECK_HAS(e.text, bad[i][2]);
		options_fini(&o);
	}
}

/* gateway-api 6.5: exactly "1" confirms. */
TEST(options, insecure_modes_need_a_confirmation)
{
	static const char *const no[] = { "", "0", "true", "01", " 1" };
	static const char *const flags[] = { "--disable-tls",
		"--disable-gateway-auth" };

	for (size_t f = 0; f < ARRAY_LEN(flags); f++) {
		AUTO_BUF struct buf say = BUF_INIT(1024);
		struct options o;
		struct err e = { 0 };

		clean();
		CHECK_INT(parse(&o, flags[f], NULL, &e), ==, 0);
		CHECK(!options_confirm(&o, &say));
		CHECK_HAS(buf_str(&say), flags[f]);
		CHECK_HAS(buf_str(&say),
		    "\nSet OPENSHELL_ALLOW_INSECURE=1 to confirm.\n");
		for (size_t i = 0; i < ARRAY_LEN(no); i++) {
			CHECK_INT(setenv("OPENSHELL_ALLOW_INSECURE", no[i], 1),
			    ==, 0);
			CHECK(!options_confirm(&o, &say));
		}
		CHECK_INT(setenv("OPENSHELL_ALLOW_INSECURE", "1", 1), ==, 0);
		buf_reset(&say);
		CHECK(options_confirm(&o, &say));
		CHECK_HAS(buf_str(&say), "WARNING: ");
		options_fini(&o);
	}
}

TEST(port, in_use_names_the_port_and_who_holds_it)
{
	AUTO_CLOSE int first = -1, second = -1;
	char want[32];
	uint16_t port = 0, same;
	struct err e = { 0 };

	CHECK_INT(port_listen(&port, &first, &e), ==, 0);
	CHECK_INT(port, >, 0);
	same = port;
	CHECK_INT(port_listen(&same, &second, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_EXISTS);
	(void)snprintf(want, sizeof(want), "port %u ", (unsigned)port);
	CHECK_HAS(e.text, want);
	(void)snprintf(want, sizeof(want), "(process %d)", (int)getpid());
	CHECK_HAS(e.text, want);
	CHECK_HAS(e.text, "\"test_gateway\"");
}

static unsigned
get(struct health *h, const char *method, const char *target, struct buf *body)
{
	const char *type = NULL;
	unsigned status = 0;

	buf_reset(body);
	health_answer(
	    h, view_of(method), view_of(target), &status, &type, body);
	CHECK(type != NULL);
	return status;
}

TEST(health, ready_only_while_the_store_can_be_written)
{
	char dir[] = "/tmp/openshell-test-XXXXXX", path[64];
	AUTO_BUF struct buf body = BUF_INIT(1024);
	struct health h = { 0 };
	struct err e = { 0 };

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/db", dir);
	CHECK_INT(store_open(path, &h.store, &e), ==, 0);
	CHECK_INT(get(&h, "GET", "/healthz", &body), ==, 200);
	CHECK_INT(body.n, ==, 0);
	CHECK_INT(get(&h, "GET", "/health?x", &body), ==, 200);
	CHECK_INT(get(&h, "POST", "/health", &body), ==, 405);
	CHECK_INT(get(&h, "GET", "/healthz/", &body), ==, 404);
	CHECK_INT(get(&h, "GET", "/readyz", &body), ==, 200);
	CHECK_HAS(buf_str(&body), "\"status\":\"healthy\"");
	CHECK_INT(unlink(path), ==, 0);
	h.asked_ms = 0; /* not the answer of a moment ago */
	CHECK_INT(get(&h, "GET", "/readyz", &body), ==, 503);
	CHECK_HAS(buf_str(&body), "\"failing\":[\"store\"]");
	CHECK_INT(get(&h, "GET", "/healthz", &body), ==, 200);
	store_close(h.store);
	(void)snprintf(path, sizeof(path), "%s/db-wal", dir);
	(void)unlink(path);
	CHECK_INT(rmdir(dir), ==, 0);
}
