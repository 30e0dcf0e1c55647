#include "cli/state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "test.h"

/* --- a configuration directory of our own -------------------------------- */

struct place {
	char root[32];
	char *home, *xdg;
	mode_t mask;
};

static char *
kept(const char *name)
{
	const char *v = getenv(name);

	return v != NULL ? mem_strdup(v) : NULL;
}

static void
give_back(const char *name, char *v)
{
	if (v != NULL)
		CHECK_INT(setenv(name, v, 1), ==, 0);
	else
		CHECK_INT(unsetenv(name), ==, 0);
	free(v);
}

/* With no umask: what modes come out are those that were asked for. */
static void
place_init(struct place *p)
{
	(void)snprintf(p->root, sizeof(p->root), "/tmp/state-XXXXXX");
	CHECK(mkdtemp(p->root) != NULL);
	p->home = kept("HOME");
	p->xdg = kept("XDG_CONFIG_HOME");
	p->mask = umask(0);
	CHECK_INT(setenv("HOME", "/nonexistent", 1), ==, 0);
	CHECK_INT(setenv("XDG_CONFIG_HOME", p->root, 1), ==, 0);
}

static void
remove_all(const char *dir)
{
	static const char *const below[] = { "openshell/gateways/a/mtls/ca.crt",
		"openshell/gateways/a/mtls",
		"openshell/gateways/a/last_sandbox",
		"openshell/gateways/a/metadata.json", "openshell/gateways/a",
		"openshell/gateways/b/metadata.json", "openshell/gateways/b",
		"openshell/gateways/c/metadata.json", "openshell/gateways/c",
		"openshell/gateways/b c/metadata.json",
		"openshell/gateways/b c", "openshell/gateways",
		"openshell/active_gateway", "openshell", "outside/kept",
		"outside" };

	for (size_t i = 0; i < ARRAY_LEN(below); i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, below[i]);

		if (remove(path) < 0)
			CHECK(errno == ENOENT || errno == ENOTDIR);
	}
	/* Fails when a test left what it should not have made. */
	CHECK_INT(rmdir(dir), ==, 0);
}

static void
place_fini(struct place *p)
{
	(void)umask(p->mask);
	give_back("HOME", p->home);
	give_back("XDG_CONFIG_HOME", p->xdg);
	remove_all(p->root);
}

static char *
at(const struct place *p, const char *name)
{
	return mem_printf("%s/%s", p->root, name);
}

static void
write_raw(const struct place *p, const char *name, const char *text)
{
	AUTO_FREE char *path = at(p, name), *dir = mem_strdup(path);
	struct err e;
	FILE *f;

	*strrchr(dir, '/') = '\0';
	CHECK_INT(state_make_dirs(dir, &e), ==, 0);
	f = fopen(path, "w");
	CHECK(f != NULL);
	CHECK(fputs(text, f) >= 0);
	CHECK_INT(fclose(f), ==, 0);
}

static char *
read_raw(const struct place *p, const char *name)
{
	AUTO_FREE char *path = at(p, name);
	struct err e;
	char *text;
	size_t n;

	CHECK_INT(file_read_path(path, true, 1 << 20, &text, &n, &e), ==, 0);
	return text;
}

static bool
is_there(const struct place *p, const char *name)
{
	AUTO_FREE char *path = at(p, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static unsigned
mode_of(const struct place *p, const char *name)
{
	AUTO_FREE char *path = at(p, name);
	struct stat st;

	CHECK_INT(lstat(path, &st), ==, 0);
	return st.st_mode & 07777;
}

static void
save(const char *name, const char *endpoint)
{
	struct state_gateway g = { .name = mem_strdup(name),
		.endpoint = mem_strdup(endpoint),
		.port = 8080 };
	struct err e;

	CHECK_INT(state_gateway_save(&g, &e), ==, 0);
	state_gateway_fini(&g);
}

/* --- names --------------------------------------------------------------- */

static const char *const bad_names[] = { "", "gw;rm -rf /", "gw name", ".",
	"..", "../x", "a/b", "/etc", "-rf", "a\nb", "caf\xc3\xa9",
	"https://gw.example.com" };

TEST(state, takes_names_that_are_one_harmless_path_component)
{
	static const char *const good[] = { "openshell", "my-gateway",
		"gateway_v2", "gw.prod", "..a", "9" };
	char longest[255];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK(state_is_name(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++)
		CHECK(!state_is_name(bad_names[i]));
	memset(longest, 'a', sizeof(longest));
	longest[254] = '\0';
	CHECK(!state_is_name(longest));
	longest[253] = '\0';
	CHECK(state_is_name(longest));
}

/* Whatever is asked for by such a name; place_fini sees what was made. */
TEST(state, refuses_a_bad_name_wherever_one_is_read_or_written)
{
	struct place p;
	struct err e;

	place_init(&p);
	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
		struct state_gateway g = { .name = mem_strdup(bad_names[i]),
			.endpoint = mem_strdup("https://127.0.0.1:1") };
		struct state_gateway in = { 0 };
		char *out = NULL;

		CHECK_INT(state_gateway_dir(g.name, &out, &e), ==, -1);
		CHECK_INT(e.code, ==, ERR_INVALID);
		CHECK_INT(state_runtime_dir(g.name, &out, &e), ==, -1);
		CHECK(out == NULL);
		CHECK_INT(state_gateway_save(&g, &e), ==, -1);
		CHECK_INT(e.code, ==, ERR_INVALID);
		CHECK_INT(state_gateway_load(g.name, &in, &e), ==, -1);
		CHECK_INT(state_gateway_remove(g.name, &e), ==, -1);
		CHECK_INT(state_set_active(g.name, &e), ==, -1);
		CHECK(state_last_sandbox(g.name) == NULL);
		state_set_last_sandbox(g.name, "box");
		CHECK(!is_there(&p, "openshell"));
		state_gateway_fini(&g);
	}
	place_fini(&p);
}

/* --- metadata ------------------------------------------------------------ */

TEST(state, reads_metadata_of_the_four_fields_that_must_be_there)
{
	AUTO_GATEWAY g = { 0 };
	struct err e;

	CHECK_INT(state_gateway_parse(
		      view_of("{\"name\": \"t\", \"gateway_endpoint\": "
			      "\"https://127.0.0.1:8080\", \"is_remote\": "
			      "true, \"gateway_port\": 8080, \"later\": [1]}"),
		      &g, &e),
	    ==, 0);
	CHECK_STR(g.name, "t");
	CHECK_STR(g.endpoint, "https://127.0.0.1:8080");
	CHECK(g.is_remote);
	CHECK_INT(g.port, ==, 8080);
	CHECK(g.remote_host == NULL && g.resolved_host == NULL);
	CHECK(g.auth_mode == NULL && g.runtime_type == NULL);
}

TEST(state, refuses_metadata_that_lacks_a_field_or_has_it_of_another_type)
{
	static const char *const bad[] = { "", "[]", "{",
		"{\"gateway_endpoint\":\"e\",\"is_remote\":false,"
		"\"gateway_port\":1}",
		"{\"name\":\"n\",\"is_remote\":false,\"gateway_port\":1}",
		"{\"name\":\"n\",\"gateway_endpoint\":\"e\","
		"\"gateway_port\":1}",
		"{\"name\":\"n\",\"gateway_endpoint\":\"e\","
		"\"is_remote\":false}",
		"{\"name\":1,\"gateway_endpoint\":\"e\",\"is_remote\":false,"
		"\"gateway_port\":1}",
		"{\"name\":\"n\",\"gateway_endpoint\":\"e\",\"is_remote\":0,"
		"\"gateway_port\":1}",
		"{\"name\":\"n\",\"gateway_endpoint\":\"e\","
		"\"is_remote\":false,\"gateway_port\":\"1\"}",
		"{\"name\":\"n\",\"gateway_endpoint\":\"e\","
		"\"is_remote\":false,\"gateway_port\":-1}",
		"{\"name\":\"n\",\"gateway_endpoint\":\"e\","
		"\"is_remote\":false,\"gateway_port\":65536}",
		"{\"name\":\"n\",\"name\":\"m\",\"gateway_endpoint\":\"e\","
		"\"is_remote\":false,\"gateway_port\":1}" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct state_gateway g;
		struct err e;

		CHECK_INT(state_gateway_parse(view_of(bad[i]), &g, &e), ==, -1);
		CHECK_INT(e.code, ==, ERR_INVALID);
	}
}

TEST(state, writes_the_fields_in_order_and_leaves_out_what_is_not_set)
{
	struct state_gateway g = { .name = mem_strdup("a"),
		.endpoint = mem_strdup("https://h\"\n"),
		.is_remote = true,
		.port = 9,
		.remote_host = mem_strdup("ada@h"),
		.auth_mode = mem_strdup("mtls") };
	AUTO_BUF struct buf b = BUF_INIT(4096);

	state_gateway_print(&g, &b);
	CHECK_VIEW(buf_view(&b),
	    "{\n  \"name\": \"a\",\n"
	    "  \"gateway_endpoint\": \"https://h\\\"\\n\",\n"
	    "  \"is_remote\": true,\n  \"gateway_port\": 9,\n"
	    "  \"remote_host\": \"ada@h\",\n  \"auth_mode\": \"mtls\"\n}\n");
	state_gateway_fini(&g);
}

TEST(state, keeps_what_an_edge_was_registered_with_by_either_name)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct state_gateway g;
	struct err e;

	CHECK_INT(state_gateway_parse(
		      VIEW("{\"name\":\"a\",\"gateway_endpoint\":\"e\","
			   "\"is_remote\":true,\"gateway_port\":0,"
			   "\"cf_team_domain\":\"t\",\"edge_auth_url\":\"u\","
			   "\"cf_auth_url\":\"old\"}"),
		      &g, &e),
	    ==, 0);
	CHECK_STR(g.edge_team_domain, "t");
	CHECK_STR(g.edge_auth_url, "u");
	state_gateway_print(&g, &b);
	CHECK_HAS(buf_str(&b), "\"edge_team_domain\": \"t\"");
	state_gateway_fini(&g);
}

TEST(state, tells_an_unknown_gateway_from_a_malformed_one)
{
	struct state_gateway g;
	struct place p;
	struct err e;

	place_init(&p);
	CHECK_INT(state_gateway_load("a", &g, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	CHECK_HAS(e.text, "Unknown gateway 'a'");
	write_raw(&p, "openshell/gateways/a/metadata.json", "{}");
	CHECK_INT(state_gateway_load("a", &g, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_INVALID);
	CHECK_HAS(e.text, "openshell/gateways/a/metadata.json is malformed");
	place_fini(&p);
}

/* --- files --------------------------------------------------------------- */

TEST(state, keeps_directories_0700_and_files_0600_whatever_the_umask)
{
	struct place p;
	struct err e;

	place_init(&p);
	save("a", "https://127.0.0.1:1");
	CHECK_INT(state_set_active("a", &e), ==, 0);
	state_set_last_sandbox("a", "box");
	CHECK_INT(mode_of(&p, "openshell"), ==, 0700);
	CHECK_INT(mode_of(&p, "openshell/gateways"), ==, 0700);
	CHECK_INT(mode_of(&p, "openshell/gateways/a"), ==, 0700);
	CHECK_INT(mode_of(&p, "openshell/gateways/a/metadata.json"), ==, 0600);
	CHECK_INT(mode_of(&p, "openshell/gateways/a/last_sandbox"), ==, 0600);
	CHECK_INT(mode_of(&p, "openshell/active_gateway"), ==, 0600);
	place_fini(&p);
}

TEST(state, replaces_what_was_stored_with_its_own_mode)
{
	AUTO_GATEWAY g = { 0 };
	AUTO_FREE char *path = NULL;
	struct place p;
	struct err e;

	place_init(&p);
	save("a", "https://127.0.0.1:1");
	path = at(&p, "openshell/gateways/a/metadata.json");
	CHECK_INT(chmod(path, 0644), ==, 0);
	save("a", "https://127.0.0.1:2");
	CHECK_INT(mode_of(&p, "openshell/gateways/a/metadata.json"), ==, 0600);
	CHECK_INT(state_gateway_load("a", &g, &e), ==, 0);
	CHECK_STR(g.endpoint, "https://127.0.0.1:2");
	place_fini(&p);
}

TEST(state, keeps_the_old_file_when_the_new_one_would_be_too_long)
{
	struct state_gateway g = { .name = mem_strdup("a"),
		.endpoint = mem_calloc(1, 70001) };
	AUTO_GATEWAY old = { 0 };
	struct place p;
	struct err e;

	place_init(&p);
	save("a", "https://127.0.0.1:1");
	memset(g.endpoint, 'x', 70000);
	CHECK_INT(state_gateway_save(&g, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_HAS(e.text, "openshell/gateways/a/metadata.json");
	CHECK_INT(state_gateway_load("a", &old, &e), ==, 0);
	CHECK_STR(old.endpoint, "https://127.0.0.1:1");
	state_gateway_fini(&g);
	place_fini(&p);
}

TEST(state, removes_a_gateway_and_its_mark_and_nothing_a_link_points_to)
{
	AUTO_FREE char *outside = NULL, *link = NULL, *text = NULL;
	struct place p;
	struct err e;
	char *active;

	place_init(&p);
	save("a", "https://127.0.0.1:1");
	save("b", "https://127.0.0.1:2");
	write_raw(&p, "openshell/gateways/a/mtls/ca.crt", "x");
	write_raw(&p, "outside/kept", "mine");
	outside = at(&p, "outside");
	link = at(&p, "openshell/gateways/a/link");
	CHECK_INT(symlink(outside, link), ==, 0);
	CHECK_INT(state_set_active("b", &e), ==, 0);
	CHECK_INT(state_gateway_remove("a", &e), ==, 0);
	CHECK(!is_there(&p, "openshell/gateways/a"));
	text = read_raw(&p, "outside/kept");
	CHECK_STR(text, "mine");
	active = state_active();
	CHECK(active != NULL);
	CHECK_STR(active, "b");
	free(active);
	CHECK_INT(state_gateway_remove("b", &e), ==, 0);
	CHECK(state_active() == NULL);
	/* What is not there is removed already. */
	CHECK_INT(state_gateway_remove("b", &e), ==, 0);
	place_fini(&p);
}

/* --- lists and marks ----------------------------------------------------- */

TEST(state, lists_gateways_by_name_and_passes_over_what_is_none)
{
	static const char good[] = "{\"name\":\"x\",\"gateway_endpoint\":"
				   "\"e\",\"is_remote\":false,"
				   "\"gateway_port\":1}";
	struct place p;
	struct err e;
	char **names;
	size_t n;

	place_init(&p);
	CHECK_INT(state_gateways(&names, &n, &e), ==, 0);
	CHECK(n == 0 && names[0] == NULL);
	state_names_free(names);
	write_raw(&p, "openshell/gateways/c/metadata.json", good);
	write_raw(&p, "openshell/gateways/a/metadata.json", good);
	write_raw(&p, "openshell/gateways/b/metadata.json", "{");
	write_raw(&p, "openshell/gateways/b c/metadata.json", good);
	CHECK_INT(state_gateways(&names, &n, &e), ==, 0);
	CHECK_INT(n, ==, 2);
	CHECK_STR(names[0], "a");
	CHECK_STR(names[1], "c");
	CHECK(names[2] == NULL);
	state_names_free(names);
	place_fini(&p);
}

TEST(state, trims_the_marks_and_takes_an_empty_one_for_none)
{
	static const struct {
		const char *text, *want;
	} rows[] = { { "  my-sb \n", "my-sb" }, { "my-sb", "my-sb" },
		{ "   \n", NULL }, { "", NULL }, { "a\033[2Jb", NULL } };
	struct place p;

	place_init(&p);
	CHECK(state_last_sandbox("a") == NULL);
	CHECK(state_active() == NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *sandbox = NULL, *active = NULL;

		write_raw(
		    &p, "openshell/gateways/a/last_sandbox", rows[i].text);
		write_raw(&p, "openshell/active_gateway", rows[i].text);
		sandbox = state_last_sandbox("a");
		active = state_active();
		CHECK((sandbox != NULL) == (rows[i].want != NULL));
		CHECK((active != NULL) == (rows[i].want != NULL));
		if (rows[i].want != NULL) {
			CHECK_STR(sandbox, rows[i].want);
			CHECK_STR(active, rows[i].want);
		}
	}
	place_fini(&p);
}

TEST(state, remembers_a_sandbox_of_a_known_gateway_until_it_is_forgotten)
{
	struct place p;
	char *name;

	place_init(&p);
	/* Nobody registered it: nothing is made for its sake. */
	state_set_last_sandbox("a", "box");
	CHECK(!is_there(&p, "openshell"));
	save("a", "https://127.0.0.1:1");
	state_set_last_sandbox("a", "box");
	name = state_last_sandbox("a");
	CHECK(name != NULL);
	CHECK_STR(name, "box");
	free(name);
	state_set_last_sandbox("a", NULL);
	CHECK(state_last_sandbox("a") == NULL);
	CHECK(!is_there(&p, "openshell/gateways/a/last_sandbox"));
	place_fini(&p);
}

TEST(state, stores_the_active_name_without_a_newline)
{
	AUTO_FREE char *text = NULL;
	struct place p;
	struct err e;

	place_init(&p);
	CHECK_INT(state_set_active("gw.prod", &e), ==, 0);
	text = read_raw(&p, "openshell/active_gateway");
	CHECK_STR(text, "gw.prod");
	place_fini(&p);
}

TEST(state, passes_over_a_relative_configuration_directory)
{
	static const char *const relative[] = { "", "x", "./x" };
	struct place p;
	struct err e;
	char *dir;

	place_init(&p);
	for (size_t i = 0; i < ARRAY_LEN(relative); i++) {
		CHECK_INT(setenv("XDG_CONFIG_HOME", relative[i], 1), ==, 0);
		CHECK_INT(setenv("HOME", "/home/ada", 1), ==, 0);
		CHECK_INT(state_dir(&dir, &e), ==, 0);
		CHECK_STR(dir, "/home/ada/.config/openshell");
		free(dir);
		CHECK_INT(unsetenv("HOME"), ==, 0);
		CHECK_INT(state_dir(&dir, &e), ==, -1);
		CHECK_HAS(e.text, "HOME is not set");
	}
	place_fini(&p);
}
