/* Over a directory that stands for the root of a sandbox. */
#include "sandbox/links.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "test.h"

struct rig {
	char dir[32];
	int root;
	struct links *l;
};

static void
put_file(struct rig *r, const char *path)
{
	int fd = openat(r->root, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);

	CHECK(fd >= 0);
	fd_close(&fd);
}

static void
rig_new(struct rig *r)
{
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/links.XXXXXX");
	CHECK(mkdtemp(r->dir) != NULL);
	r->root = open(r->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(r->root >= 0);
	CHECK_INT(mkdirat(r->root, "usr", 0755), ==, 0);
	CHECK_INT(symlinkat("usr", r->root, "bin"), ==, 0);
	put_file(r, "usr/py3.11");
	put_file(r, "usr/other");
	put_file(r, "usr/a*b");
	CHECK_INT(symlinkat("py3.11", r->root, "usr/py3"), ==, 0);
	CHECK_INT(symlinkat("/usr/py3", r->root, "usr/py"), ==, 0);
	CHECK_INT(symlinkat("/usr/a*b", r->root, "usr/star"), ==, 0);
	CHECK_INT(symlinkat("../../../usr/other", r->root, "usr/up"), ==, 0);
	CHECK_INT(symlinkat("loop", r->root, "usr/loop"), ==, 0);
	r->l = links_new(r->root);
}

static void
rig_free(struct rig *r)
{
	static const char *const made[] = { "usr/py3.11", "usr/other",
		"usr/a*b", "usr/py3", "usr/py", "usr/star", "usr/up",
		"usr/loop", "usr/late", "bin" };

	links_free(r->l);
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		(void)unlinkat(r->root, made[i], 0);
	(void)unlinkat(r->root, "usr", AT_REMOVEDIR);
	fd_close(&r->root);
	(void)rmdir(r->dir);
}

/* Follows the one binary; what is known then, "path>target " of each. */
static bool
follow(struct rig *r, const char *binary, char out[512])
{
	AUTO_BUF struct buf text = BUF_INIT(4096), links = BUF_INIT(4096);
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	size_t dir = strlen(r->dir);
	struct view rest;
	bool new;

	buf_printf(&text,
	    "version: 1\nnetwork_policies: {p: {endpoints: [{host: a.com, "
	    "port: 443}], binaries: [{path: '%s'}]}}\n",
	    binary);
	CHECK_INT(policy_parse(buf_view(&text), &p, &f), ==, 0);
	new = links_follow(r->l, p);
	links_put(r->l, &links);
	out[0] = '\0';
	for (rest = buf_view(&links); rest.n > 0;) {
		struct view path = view_cut(rest, '\0', &rest);
		struct view target = view_cut(rest, '\0', &rest);

		/* Seen from our root, not from that of a sandbox. */
		CHECK(view_starts(target, view_of(r->dir)));
		target = view_slice(target, dir, target.n);
		(void)snprintf(out + strlen(out), 512 - strlen(out),
		    "%.*s>%.*s ", (int)path.n, path.p, (int)target.n, target.p);
	}
	return new;
}

TEST(links, lead_to_the_file_that_runs)
{
	static const char *const rows[][2] = {
		{ "/usr/py3", "/usr/py3>/usr/py3.11 " },
		{ "/usr/py", "/usr/py>/usr/py3.11 " },
		{ "/bin/py3.11", "/bin/py3.11>/usr/py3.11 " },
		{ "/bin/py", "/bin/py>/usr/py3.11 " },
		/* never above the root */
		{ "/usr/up", "/usr/up>/usr/other " },
		{ "/usr/loop", "" },
		{ "/usr/nowhere", "" },
		{ "/usr", "" },
		/* its target would be read as a pattern */
		{ "/usr/star", "" },
		/* a pattern is no path */
		{ "/bin/*", "" },
		{ "/bin/**", "" },
	};
	char text[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;
		bool new;

		rig_new(&r);
		new = follow(&r, rows[i][0], text);
		CHECK_STR(text, rows[i][1]);
		CHECK(new == (rows[i][1][0] != '\0'));
		rig_free(&r);
	}
}

static void
point(struct rig *r, const char *name, const char *at)
{
	(void)unlinkat(r->root, name, 0);
	CHECK_INT(symlinkat(at, r->root, name), ==, 0);
}

/* follow() of a path as our own root has it. */
static bool
follow_real(struct rig *r, const char *path, char out[512])
{
	char full[128];

	(void)snprintf(full, sizeof(full), "%s%s", r->dir, path);
	return follow(r, full, out);
}

/* Attack: the sandbox changes the link once the policy stands. */
TEST(links, stay_what_they_were)
{
	struct rig r;
	char text[512], want[512];
	int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	rig_new(&r);
	links_free(r.l);
	r.l = links_new(top); /* a file here is named as it is */
	(void)snprintf(want, sizeof(want), "%s/usr/py3>/usr/py3.11 ", r.dir);
	CHECK(follow_real(&r, "/usr/py3", text));
	point(&r, "usr/py3", "other");
	CHECK(!follow_real(&r, "/usr/py3", text));
	CHECK_STR(text, want);
	/* Nor does a file that was one become a link. */
	CHECK(!follow_real(&r, "/usr/other", text));
	point(&r, "usr/other", "py3.11");
	CHECK(!follow_real(&r, "/usr/other", text));
	CHECK_STR(text, want);
	/* What was not there is looked for again. */
	CHECK(!follow_real(&r, "/usr/late", text));
	point(&r, "usr/late", "py3.11");
	CHECK(follow_real(&r, "/usr/late", text));
	CHECK_HAS(text, "/usr/late>/usr/py3.11 ");
	rig_free(&r);
	fd_close(&top);
}
