#include "sandbox/environ.h"

#include "test.h"

static const struct environ_base base = { "/sandbox", "sandbox", "/bin/bash",
	"/usr/bin:/bin", "http://10.200.0.1:3128", false };

static const char *
value(const struct environ_list *l, const char *name)
{
	const char *found = NULL;
	size_t n = strlen(name);

	for (size_t i = 0; i < l->n; i++)
		if (strncmp(l->v[i], name, n) == 0 && l->v[i][n] == '=') {
			CHECK(found == NULL); /* once only */
			found = l->v[i] + n + 1;
		}
	return found != NULL ? found : "(absent)";
}

TEST(environ, has_what_programs_and_proxies_need)
{
	struct environ_list l;
	struct err e;

	CHECK_INT(environ_build(&base, NULL, 0, &l, &e), ==, 0);
	CHECK(l.v[l.n] == NULL);
	CHECK_STR(value(&l, "HOME"), "/sandbox");
	CHECK_STR(value(&l, "USER"), "sandbox");
	CHECK_STR(value(&l, "LOGNAME"), "sandbox");
	CHECK_STR(value(&l, "SHELL"), "/bin/bash");
	CHECK_STR(value(&l, "PATH"), "/usr/bin:/bin");
	CHECK_STR(value(&l, "TERM"), "dumb");
	CHECK_STR(value(&l, "OPENSHELL_SANDBOX"), "1");
	CHECK_STR(value(&l, "HTTP_PROXY"), "http://10.200.0.1:3128");
	CHECK_STR(value(&l, "https_proxy"), "http://10.200.0.1:3128");
	CHECK_STR(value(&l, "all_proxy"), "http://10.200.0.1:3128");
	CHECK_STR(value(&l, "NO_PROXY"), "127.0.0.1,localhost,::1");
	CHECK_STR(value(&l, "no_proxy"), "127.0.0.1,localhost,::1");
	CHECK_STR(value(&l, "NODE_USE_ENV_PROXY"), "1");
	CHECK_STR(value(&l, "NODE_EXTRA_CA_CERTS"),
	    "/etc/openshell-tls/openshell-ca.pem");
	CHECK_STR(
	    value(&l, "SSL_CERT_FILE"), "/etc/openshell-tls/ca-bundle.pem");
	CHECK_STR(
	    value(&l, "GIT_SSL_CAINFO"), "/etc/openshell-tls/ca-bundle.pem");
	environ_fini(&l);
}

TEST(environ, the_owner_sets_its_own_but_not_the_way_out)
{
	static const char *const wanted[] = { "ANTHROPIC_API_KEY=x=y",
		"PATH=/opt/bin", "EMPTY=", "TERM=vt100", "A=1", "A=2",
		"HTTPS_PROXY=http://evil:1", "no_proxy=*",
		"SSL_CERT_FILE=/tmp/mine.pem", "OPENSHELL_SANDBOX=0" };
	struct environ_list l;
	struct err e;

	CHECK_INT(
	    environ_build(&base, wanted, ARRAY_LEN(wanted), &l, &e), ==, 0);
	CHECK_STR(value(&l, "ANTHROPIC_API_KEY"), "x=y");
	CHECK_STR(value(&l, "PATH"), "/opt/bin");
	CHECK_STR(value(&l, "EMPTY"), "");
	CHECK_STR(value(&l, "TERM"), "vt100");
	CHECK_STR(value(&l, "A"), "2");
	CHECK_STR(value(&l, "HTTPS_PROXY"), "http://10.200.0.1:3128");
	CHECK_STR(value(&l, "no_proxy"), "127.0.0.1,localhost,::1");
	CHECK_STR(
	    value(&l, "SSL_CERT_FILE"), "/etc/openshell-tls/ca-bundle.pem");
	CHECK_STR(value(&l, "OPENSHELL_SANDBOX"), "1");
	environ_fini(&l);
}

TEST(environ, refuses_what_is_no_variable)
{
	static const char *const bad[] = { "", "=x", "NOVALUE", "1A=x", "A B=x",
		"A-B=x", "BASH_FUNC_f%%=() { :; }" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct environ_list l;
		struct err e;

		if (environ_build(&base, &bad[i], 1, &l, &e) == 0)
			fail_msg("accepted: %s", bad[i]);
	}
}
