#include "sandbox/plan.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "test.h"
#include "tree.h"

#define FS(ro, rw) \
	"version: 1\nfilesystem_policy:\n  include_workdir: true\n" \
	"  read_only: [" ro "]\n  read_write: [" rw "]\n"
#define DEFAULT_POLICY \
	FS("/usr, /lib, /proc, /dev/urandom, /app, /etc, /var/log", \
	    "/sandbox, /tmp, /dev/null")

/* A plan for `text` and key, value, ... NULL. */
static int
make(const char *text, struct plan **out, struct err *e, const char *const *kv)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *policy = NULL;
	struct session_spec limits = { .pids_max = 0 };
	struct blob *w = blob_new(), *r = NULL;
	int fd = -1, rc;

	for (; kv != NULL && kv[0] != NULL; kv += 2)
		blob_add(w, kv[0], kv[1]);
	CHECK_INT(blob_seal(w, &fd, e), ==, 0);
	CHECK_INT(blob_open(fd, &r, e), ==, 0);
	if (policy_parse(view_of(text), &policy, &f) < 0)
		fail_msg("%s", f.v[0].text);
	rc = plan_new(policy, &limits, r, out, e);
	blob_free(w);
	blob_free(r);
	(void)close(fd);
	return rc;
}

static struct plan *
made(const char *text, const char *const *kv)
{
	struct plan *p = NULL;
	struct err e;

	if (make(text, &p, &e, kv) < 0)
		fail_msg("%s", e.text);
	return p;
}

static const struct sbx_mount *
mount_at(const struct plan *p, const char *dst)
{
	const struct sbx_plan *s = plan_sbx(p);

	for (size_t i = 0; i < s->n_mounts; i++)
		if (strcmp(s->mounts[i].dst, dst) == 0)
			return &s->mounts[i];
	return NULL;
}

static int
kind_at(const struct plan *p, const char *dst)
{
	const struct sbx_mount *m = mount_at(p, dst);

	return m != NULL ? (int)m->kind : -1;
}

/* 1 write, 0 read, -1 no rule reaches it. */
static int
rule_for(const struct plan *p, const char *path)
{
	const struct sbx_plan *s = plan_sbx(p);
	int best = -1;

	for (size_t i = 0; i < s->n_rules; i++) {
		size_t n = strlen(s->rules[i].path);

		if (s->rules[i].names)
			continue;

		if (strncmp(path, s->rules[i].path, n) == 0 &&
		    (path[n] == '\0' || path[n] == '/'))
			best = MAX(best, (int)s->rules[i].write);
	}
	return best;
}

TEST(plan, default_policy_gives_the_system_and_nothing_of_the_host)
{
	struct tree t = tree_new();
	struct plan *p = made(
	    DEFAULT_POLICY, (const char *const[]) { "workdir", t.top, NULL });

	CHECK_INT(kind_at(p, "/usr"), ==, SBX_BIND_RO);
	CHECK_INT(kind_at(p, "/tmp"), ==, SBX_TMPFS);
	CHECK_INT(kind_at(p, "/var/tmp"), ==, SBX_TMPFS);
	CHECK_INT(kind_at(p, "/run"), ==, SBX_TMPFS);
	CHECK_INT(kind_at(p, "/sandbox"), ==, SBX_TMPFS);
	CHECK_INT(kind_at(p, "/var/log"), ==, SBX_DIR);
	CHECK_INT(kind_at(p, "/etc"), ==, SBX_DIR);
	CHECK_INT(kind_at(p, "/etc/passwd"), ==, SBX_FILE);
	CHECK_INT(kind_at(p, "/etc/resolv.conf"), ==, SBX_FILE);
	CHECK_INT(kind_at(p, "/etc/ssl/certs"), ==, SBX_BIND_RO);
	CHECK_INT(kind_at(p, "/etc/openshell-tls/ca-bundle.pem"), ==, SBX_FILE);
	CHECK_INT(kind_at(p, t.top), ==, SBX_BIND_RW);
	CHECK_HAS(mount_at(p, "/etc/passwd")->src, "sandbox:x:");
	CHECK_INT(rule_for(p, "/usr/bin/sh"), ==, 0);
	CHECK_INT(rule_for(p, "/etc/passwd"), ==, 0);
	CHECK_INT(rule_for(p, "/sandbox/x"), ==, 1);
	CHECK_INT(rule_for(p, "/dev/null"), ==, 1);
	CHECK_INT(rule_for(p, t.top), ==, 1);
	/* A53, A50: homes, shadow, keys, journal, sockets. */
	CHECK_INT(kind_at(p, "/etc/shadow"), ==, -1);
	CHECK_INT(kind_at(p, "/etc/ssl/private"), ==, -1);
	CHECK_INT(kind_at(p, "/etc/ssh"), ==, -1);
	CHECK_INT(kind_at(p, "/home"), ==, -1);
	CHECK_INT(kind_at(p, "/root"), ==, -1);
	CHECK_INT(rule_for(p, "/root/.ssh"), ==, -1);
	CHECK_INT(rule_for(p, "/"), ==, -1);
	plan_free(p);
	tree_free(&t);
}

TEST(plan, mounts_come_after_what_they_lie_in)
{
	struct tree t = tree_new();
	struct plan *p = made(
	    DEFAULT_POLICY, (const char *const[]) { "workdir", t.top, NULL });
	const struct sbx_plan *s = plan_sbx(p);

	for (size_t i = 0; i < s->n_mounts; i++)
		for (size_t j = i + 1; j < s->n_mounts; j++) {
			size_t n = strlen(s->mounts[j].dst);

			CHECK(strcmp(s->mounts[i].dst, s->mounts[j].dst) != 0);
			CHECK(strncmp(s->mounts[i].dst, s->mounts[j].dst, n) !=
				  0 ||
			      s->mounts[i].dst[n] != '/');
		}
	plan_free(p);
	tree_free(&t);
}

TEST(plan, workdir_is_read_only_when_the_policy_leaves_it_out)
{
	struct tree t = tree_new();
	struct plan *p = made("version: 1\nfilesystem_policy:\n"
			      "  include_workdir: false\n"
			      "  read_only: [/usr]\n",
	    (const char *const[]) { "workdir", t.top, NULL });

	CHECK_INT(kind_at(p, t.top), ==, SBX_BIND_RO);
	CHECK(!plan_sbx(p)->workdir_writable);
	CHECK(plan_sbx(p)->protect[0] == NULL);
	plan_free(p);
	tree_free(&t);
}

/* Attack: the sandbox writes the policy that judges it. */
TEST(plan, the_owners_files_are_read_only_where_the_sandbox_writes)
{
	struct tree t = tree_new();
	AUTO_FREE char *in = mem_printf("%s/policy.yaml", t.top);
	AUTO_FREE char *out = mem_printf("%s-beside", t.top);
	const char *const wish[] = { "workdir", t.top, "own", in, "own", out,
		NULL };
	struct plan *p;

	tree_file(&t, "policy.yaml", 0644, "version: 1\n");
	p = made(DEFAULT_POLICY, wish);
	CHECK_INT(kind_at(p, in), ==, SBX_BIND_RO);
	CHECK_INT(kind_at(p, out), ==, -1);
	plan_free(p);
	/* Not shown for its own sake. */
	p = made(
	    "version: 1\nfilesystem_policy:\n  include_workdir: false\n", wish);
	CHECK_INT(kind_at(p, in), ==, -1);
	plan_free(p);
	tree_free(&t);
}

TEST(plan, policy_never_writes_to_the_host)
{
	struct plan *p =
	    made(FS("/usr, /srv", "/tmp, /mnt, /no-such-place"), NULL);

	CHECK_INT(kind_at(p, "/srv"), ==, SBX_BIND_RO);
	CHECK_INT(kind_at(p, "/mnt"), ==, SBX_OVERLAY);
	CHECK_INT(kind_at(p, "/no-such-place"), ==, SBX_TMPFS);
	CHECK_INT(rule_for(p, "/srv/x"), ==, 0);
	CHECK_INT(rule_for(p, "/mnt/x"), ==, 1);
	plan_free(p);
}

TEST(plan, options_reach_the_host_and_win)
{
	struct tree t = tree_new();
	AUTO_FREE char *data = mem_printf("%s/data", t.top);
	AUTO_FREE char *out = mem_printf("%s/out", t.top);
	AUTO_FREE char *link = mem_printf("%s/link", t.top);
	struct plan *p;

	tree_dir(&t, "data");
	tree_dir(&t, "out");
	tree_link(&t, "link", "data");
	p = made(DEFAULT_POLICY,
	    (const char *const[]) { "ro", data, "rw", out, NULL });
	CHECK_INT(kind_at(p, data), ==, SBX_BIND_RO);
	CHECK_INT(kind_at(p, out), ==, SBX_BIND_RW);
	CHECK_INT(rule_for(p, data), ==, 1); /* in /var/tmp, which is private */
	plan_free(p);
	p = made(DEFAULT_POLICY, (const char *const[]) { "ro", link, NULL });
	CHECK_INT(kind_at(p, data), ==, SBX_BIND_RO);
	plan_free(p);
	tree_free(&t);
}

/* Every refusal names the thing and the way out. */
TEST(plan, refuses_what_would_show_too_much)
{
	struct tree t = tree_new();
	AUTO_FREE char *home = mem_printf("%s/home", t.top);
	AUTO_FREE char *in =
	    mem_printf("%s/home/.local/state/openshell", t.top);
	AUTO_FREE char *file = mem_printf("%s/file", t.top);
	AUTO_FREE char *absent = mem_printf("%s/absent", t.top);
	const struct {
		const char *key, *value, *says;
	} rows[] = {
		{ "workdir", home, "is the home directory; run from" },
		{ "workdir", t.top, "contains the home directory; run from" },
		{ "workdir", "/", "name it with --workdir" },
		{ "workdir", "/etc", "machine's secrets" },
		{ "workdir", "/proc/self", "is the sandbox's own" },
		{ "workdir", "/dev", "is the sandbox's own" },
		{ "workdir", in, "OpenShell's own state" },
		{ "workdir", absent, "does not exist" },
		{ "workdir", file, "is not a directory" },
		{ "workdir", "relative", "is not an absolute path" },
		{ "ro", "/", "is the whole machine" },
		{ "ro", in, "OpenShell's own state" },
		{ "ro", absent, "--ro" },
		{ "rw", absent, "does not exist" },
		{ "ro", "/dev/null", "neither a directory nor a file" },
		{ "rw", "/tmp", "name a directory below it" },
	};

	tree_dir(&t, "home/.local/state/openshell");
	tree_file(&t, "file", 0644, "x");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct plan *p = NULL;
		struct err e;

		if (make(DEFAULT_POLICY, &p, &e,
			(const char *const[]) { rows[i].key, rows[i].value,
			    "home", home, "state", in, NULL }) == 0)
			fail_msg("row %zu accepted: %s %s", i, rows[i].key,
			    rows[i].value);
		CHECK_HAS(e.text, rows[i].says);
	}
	tree_free(&t);
}

TEST(plan, a_home_named_on_purpose_still_hides_our_state)
{
	struct tree t = tree_new();
	AUTO_FREE char *own = mem_printf("%s/.local/state/openshell", t.top);
	struct plan *p;

	tree_dir(&t, ".local/state/openshell");
	p = made(DEFAULT_POLICY,
	    (const char *const[]) { "workdir", t.top, "workdir_explicit", "1",
		"home", t.top, "state", own, NULL });
	CHECK_INT(kind_at(p, t.top), ==, SBX_BIND_RW);
	CHECK_INT(kind_at(p, own), ==, SBX_TMPFS);
	plan_free(p);
	tree_free(&t);
}

TEST(plan, hard_requirement_refuses_a_missing_path)
{
	struct plan *p = NULL;
	struct err e;

	CHECK_INT(make(FS("/usr, /no-such-place",
			   "/tmp") "landlock:\n"
				   "  compatibility: hard_requirement\n",
		      &p, &e, NULL),
	    ==, -1);
	CHECK_HAS(e.text, "hard_requirement");
	CHECK_HAS(e.text, "does not exist");
	p = made(FS("/usr", "/tmp") "landlock:\n"
				    "  compatibility: hard_requirement\n",
	    NULL);
	CHECK(plan_sbx(p)->landlock_hard);
	plan_free(p);
}

static bool
is_protected(const struct plan *p, const char *name)
{
	for (const char *const *at = plan_sbx(p)->protect; *at != NULL; at++)
		if (strcmp(*at, name) == 0)
			return true;
	return false;
}

/* A61 */
TEST(plan, what_the_user_would_execute_is_protected)
{
	struct tree t = tree_new();
	struct plan *p = made(
	    DEFAULT_POLICY, (const char *const[]) { "workdir", t.top, NULL });
	static const char *const names[] = { ".git/hooks/", ".git/config",
		".claude/settings.json", ".vscode/", ".envrc", ".bashrc" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		CHECK(is_protected(p, names[i]));
	plan_free(p);
	/* A62: the ".git" file of a worktree says where git looks. */
	tree_file(&t, ".git", 0644, "gitdir: /elsewhere\n");
	p = made(
	    DEFAULT_POLICY, (const char *const[]) { "workdir", t.top, NULL });
	CHECK(is_protected(p, ".git"));
	CHECK(!is_protected(p, ".git/config"));
	plan_free(p);
	tree_free(&t);
}

TEST(plan, the_agent_is_found_and_its_directory_is_on_path)
{
	struct tree t = tree_new();
	AUTO_FREE char *bin = mem_printf("%s/bin", t.top);
	AUTO_FREE char *tool = mem_printf("%s/bin/tool", t.top);
	struct plan *p;

	tree_file(&t, "bin/tool", 0755, "\177ELF");
	p = made(DEFAULT_POLICY,
	    (const char *const[]) { "command0", "tool", "path", bin, NULL });
	CHECK_INT(kind_at(p, tool), ==, SBX_BIND_RO);
	CHECK(strncmp(plan_path(p), bin, strlen(bin)) == 0);
	CHECK_HAS(plan_path(p), ":/usr/bin");
	CHECK_STR(plan_cwd(p), "/sandbox");
	plan_free(p);
	tree_free(&t);
}

TEST(plan, limits_have_defaults)
{
	struct plan *p = made(DEFAULT_POLICY, NULL);
	const struct sbx_plan *s = plan_sbx(p);

	CHECK_INT(s->pids_max, ==, 4096);
	CHECK_INT(s->nofile_max, ==, 65536);
	CHECK(s->memory_max > 0);
	CHECK(s->disk_max > 0);
	CHECK_INT(strlen(s->id), ==, 12);
	plan_free(p);
}
