#include "sandbox/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "test.h"
#include "tree.h"

/* In these tests /usr and the like are there inside. */
static bool
system_is_visible(const void *ctx UNUSED, const char *path)
{
	return strncmp(path, "/usr/", 5) == 0 || strncmp(path, "/bin/", 5) == 0;
}

static struct agent
find(const char *top, const char *command, const char *path)
{
	struct agent_ask ask = { command, path, top, "/nobody",
		system_is_visible, NULL };
	struct agent a;
	struct err e;

	if (agent_find(&ask, &a, &e) < 0)
		fail_msg("%s", e.text);
	return a;
}

static bool
has_bind(
    const struct agent *a, const char *top, const char *rel, const char *target)
{
	char path[PATH_MAX], to[PATH_MAX] = "";

	(void)snprintf(path, sizeof(path), "%s/%s", top, rel);
	if (target != NULL)
		(void)snprintf(to, sizeof(to), "%s/%s", top, target);
	for (size_t i = 0; i < a->n_binds; i++)
		if (strcmp(a->binds[i].path, path) == 0 &&
		    (target == NULL) == (a->binds[i].target == NULL) &&
		    (target == NULL || strcmp(a->binds[i].target, to) == 0))
			return true;
	return false;
}

TEST(agent, system_programs_need_nothing)
{
	struct agent a = find("/", "sh", "/usr/bin:/bin");

	CHECK_INT(a.n_binds, ==, 0);
	CHECK_INT(a.n_dirs, >=, 1);
	agent_fini(&a);
}

TEST(agent, what_is_not_there_is_left_to_the_exec)
{
	struct agent a = find("/", "no-such-program", "/usr/bin:/bin");

	CHECK_INT(a.n_binds, ==, 0);
	agent_fini(&a);
	a = find("/", "", "/usr/bin");
	CHECK_INT(a.n_binds, ==, 0);
	agent_fini(&a);
}

TEST(agent, a_single_file_brings_itself_and_its_link)
{
	struct tree t = tree_new();
	AUTO_FREE char *path = mem_printf("/usr/bin:%s/.local/bin", t.top);
	struct agent a;

	tree_file(&t, ".local/share/claude/1.0/claude", 0755, "\177ELF");
	tree_file(&t, ".ssh/id_rsa", 0600, "secret");
	tree_link(&t, ".local/bin/claude", "../share/claude/1.0/claude");
	a = find(t.top, "claude", path);
	CHECK_INT(a.n_binds, ==, 2);
	CHECK(has_bind(&a, t.top, ".local/share/claude/1.0/claude", NULL));
	CHECK(has_bind(
	    &a, t.top, ".local/bin/claude", ".local/share/claude/1.0/claude"));
	CHECK_INT(a.n_dirs, ==, 1);
	CHECK_HAS(a.dirs[0], "/.local/bin");
	agent_fini(&a);
	tree_free(&t);
}

TEST(agent, an_npm_program_brings_the_topmost_node_modules_and_node)
{
	struct tree t = tree_new();
	AUTO_FREE char *path =
	    mem_printf("%s/npm/bin:%s/node/bin", t.top, t.top);
	struct agent a;

	tree_file(&t, "npm/lib/node_modules/@x/codex/bin/codex.js", 0755,
	    "#!/usr/bin/env node\n");
	tree_file(&t, "npm/lib/node_modules/@x/codex/node_modules/dep/native",
	    0755, "");
	tree_link(
	    &t, "npm/bin/codex", "../lib/node_modules/@x/codex/bin/codex.js");
	tree_file(&t, "node/bin/node", 0755, "\177ELF");
	a = find(t.top, "codex", path);
	CHECK_INT(a.n_binds, ==, 3);
	CHECK(has_bind(&a, t.top, "npm/lib/node_modules", NULL));
	CHECK(has_bind(&a, t.top, "npm/bin/codex",
	    "npm/lib/node_modules/@x/codex/bin/codex.js"));
	CHECK(has_bind(&a, t.top, "node/bin/node", NULL));
	CHECK_INT(a.n_dirs, ==, 2);
	agent_fini(&a);
	tree_free(&t);
}

TEST(agent, a_local_npm_install_finds_its_own_node)
{
	struct tree t = tree_new();
	AUTO_FREE char *path =
	    mem_printf("%s/node_modules/.bin:/usr/bin", t.top);
	struct agent a;

	tree_file(&t, "node_modules/codex/bin/codex.js", 0755,
	    "#!/usr/bin/env -S FOO=1 node --flag\n");
	tree_file(&t, "node_modules/node/bin/node", 0755, "\177ELF");
	tree_link(&t, "node_modules/.bin/codex", "../codex/bin/codex.js");
	tree_link(&t, "node_modules/.bin/node", "../node/bin/node");
	a = find(t.top, "codex", path);
	CHECK_INT(a.n_binds, ==, 1);
	CHECK(has_bind(&a, t.top, "node_modules", NULL));
	CHECK_INT(a.n_dirs, ==, 1);
	agent_fini(&a);
	tree_free(&t);
}

TEST(agent, a_python_environment_comes_whole)
{
	struct tree t = tree_new();
	AUTO_FREE char *path = mem_printf("%s/bin", t.top);
	AUTO_FREE char *line = mem_printf("#!%s/venv/bin/python\n", t.top);
	struct agent a;

	tree_file(&t, "venv/pyvenv.cfg", 0644, "home = /usr/bin\n");
	tree_file(&t, "venv/bin/tool", 0755, line);
	tree_link(&t, "venv/bin/python", "/usr/bin/env");
	tree_link(&t, "bin/tool", "../venv/bin/tool");
	a = find(t.top, "tool", path);
	CHECK(has_bind(&a, t.top, "venv", NULL));
	CHECK(has_bind(&a, t.top, "bin/tool", "venv/bin/tool"));
	CHECK_INT(a.n_binds, ==, 2);
	agent_fini(&a);
	tree_free(&t);
}

TEST(agent, a_shim_brings_its_version_manager)
{
	struct tree t = tree_new();
	AUTO_FREE char *path = mem_printf("%s/.pyenv/shims:/usr/bin", t.top);
	struct agent a;

	tree_file(&t, ".pyenv/shims/tool", 0755, "#!/usr/bin/env bash\n");
	tree_file(&t, ".pyenv/versions/1/bin/tool", 0755, "\177ELF");
	a = find(t.top, "tool", path);
	CHECK_INT(a.n_binds, ==, 1);
	CHECK(has_bind(&a, t.top, ".pyenv", NULL));
	agent_fini(&a);
	tree_free(&t);
}

TEST(agent, relative_path_entries_are_not_searched)
{
	struct tree t = tree_new();
	struct agent a;

	tree_file(&t, "bin/tool", 0755, "\177ELF");
	a = find(t.top, "tool", "bin:.:");
	CHECK_INT(a.n_binds, ==, 0);
	agent_fini(&a);
	a = find(t.top, "bin/tool", "/usr/bin");
	CHECK(has_bind(&a, t.top, "bin/tool", NULL));
	agent_fini(&a);
	tree_free(&t);
}

TEST(agent, a_home_full_of_packages_is_refused)
{
	struct tree t = tree_new();
	AUTO_FREE char *home = mem_printf("%s/node_modules/me", t.top);
	AUTO_FREE char *path = mem_printf("%s/node_modules/me/bin", t.top);
	struct agent_ask ask = { "tool", path, t.top, home, system_is_visible,
		NULL };
	struct agent a;
	struct err e;

	tree_file(&t, "node_modules/me/bin/tool", 0755, "\177ELF");
	CHECK_INT(agent_find(&ask, &a, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	CHECK_HAS(e.text, "home directory");
	tree_free(&t);
}
