/* The files of records: one chain, bounded, and whole after any crash. */
#include "keeper/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "test.h"

struct place {
	char dir[64];
	int fd;
};

static struct place
place_new(void)
{
	struct place p = { .dir = "/tmp/journal-test-XXXXXX" };

	CHECK(mkdtemp(p.dir) != NULL);
	p.fd = open(p.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(p.fd, >=, 0);
	return p;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_file(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* Each file in order, and the number of them. */
static int
each_file(
    const struct place *p, void (*each)(void *ctx, const char *path), void *ctx)
{
	AUTO_FREE char *dir = mem_printf("%s/records", p->dir);
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_file, by_name);

	CHECK_INT(n, >=, 0);
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *path =
		    mem_printf("%s/%s", dir, names[i]->d_name);

		if (each != NULL)
			each(ctx, path);
		free(names[i]);
	}
	free(names);
	return n;
}

static void
remove_file(void *ctx UNUSED, const char *path)
{
	CHECK_INT(unlink(path), ==, 0);
}

static void
place_end(struct place *p)
{
	AUTO_FREE char *dir = mem_printf("%s/records", p->dir);

	(void)each_file(p, remove_file, NULL);
	CHECK_INT(rmdir(dir), ==, 0);
	(void)close(p->fd);
	CHECK_INT(rmdir(p->dir), ==, 0);
}

static void
feed_file(void *ctx, const char *path)
{
	AUTO_FREE char *text = NULL;
	size_t n;
	struct err e;

	CHECK_INT(file_read_path(path, true, 64 << 20, &text, &n, &e), ==, 0);
	audit_verify_feed(ctx, (struct view) { text, n });
}

static struct audit_verified
verify(const struct place *p, const struct audit_head *known)
{
	struct audit_verify *v = audit_verify_new(known);
	struct audit_verified r;

	(void)each_file(p, feed_file, v);
	audit_verify_end(v, &r);
	audit_verify_free(v);
	return r;
}

static void
open_it(struct journal *j, const struct place *p)
{
	struct err e;

	if (journal_open(j, p->fd, VIEW("box-1"), &e) < 0)
		fail_msg("%s", e.text);
}

static void
add(struct journal *j, unsigned n)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	struct err e;

	for (unsigned i = 0; i < n; i++) {
		const struct audit_event ev = { .kind = AUDIT_L7_REQUEST,
			.action = AUDIT_DENY,
			.host = VIEW("a.test\n\x1b[2J"),
			.path = VIEW("/\",\"seq\":9") };

		audit_event_json(&ev, &b);
	}
	if (journal_add(j, buf_view(&b), NULL, NULL, &e) < 0)
		fail_msg("%s", e.text);
}

TEST(journal, keeps_a_chain)
{
	struct place p = place_new();
	struct journal j;
	struct audit_verified r;

	open_it(&j, &p);
	for (unsigned i = 0; i < 5; i++)
		add(&j, 3);
	r = verify(&p, &j.head);
	CHECK_STR(r.text, "");
	CHECK_INT(r.records, ==, 15);
	CHECK(audit_head_eq(&r.head, &j.head));
	journal_close(&j);
	place_end(&p);
}

TEST(journal, is_bounded_and_the_chain_goes_over_files)
{
	struct place p = place_new();
	struct journal j;
	struct audit_verified r;

	open_it(&j, &p);
	j.max = 2000;
	for (unsigned i = 0; i < 60; i++) {
		add(&j, 2);
		r = verify(&p, &j.head);
		CHECK_STR(r.text, "");
		CHECK_INT(each_file(&p, NULL, NULL), <=, JOURNAL_FILES);
	}
	CHECK_INT(each_file(&p, NULL, NULL), ==, JOURNAL_FILES);
	CHECK_INT(j.head.seq, ==, 120);
	journal_close(&j);
	/* The oldest that was kept may not go. */
	{
		AUTO_FREE char *oldest =
		    mem_printf("%s/records/%06u.jsonl", p.dir, j.first);

		CHECK_INT(unlink(oldest), ==, 0);
	}
	r = verify(&p, NULL);
	CHECK_INT(r.fault, ==, AUDIT_MISSING);
	place_end(&p);
}

TEST(journal, goes_on_after_it_was_closed)
{
	struct place p = place_new();
	struct journal j;

	open_it(&j, &p);
	j.max = 1500;
	add(&j, 4);
	add(&j, 1);
	journal_close(&j);
	for (unsigned i = 0; i < 3; i++) {
		open_it(&j, &p);
		add(&j, 1);
		CHECK_STR(verify(&p, &j.head).text, "");
		journal_close(&j);
	}
	CHECK_INT(j.head.seq, ==, 8);
	place_end(&p);
}

TEST(journal, goes_on_behind_a_write_that_did_not_end)
{
	for (int cut = 1; cut < 600; cut += 37) {
		struct place p = place_new();
		AUTO_FREE char *file =
		    mem_printf("%s/records/000001.jsonl", p.dir);
		struct journal j;
		struct audit_verified r;

		open_it(&j, &p);
		add(&j, 4);
		CHECK_INT(ftruncate(j.fd, (off_t)j.size - cut), ==, 0);
		journal_close(&j);
		CHECK_INT(verify(&p, NULL).fault, ==, AUDIT_INTACT);
		open_it(&j, &p);
		add(&j, 2);
		journal_close(&j);
		r = verify(&p, &j.head);
		CHECK_STR(r.text, "");
		CHECK_INT(truncate(file, 0), ==, 0);
		place_end(&p);
	}
}

TEST(journal, goes_on_with_a_file_that_was_made_and_not_begun)
{
	struct place p = place_new();
	struct journal j;
	int fd;

	open_it(&j, &p);
	add(&j, 4);
	fd = openat(j.dir, "000002.jsonl", O_CREAT | O_WRONLY, 0600);
	CHECK_INT(fd, >=, 0);
	(void)close(fd);
	journal_close(&j);
	open_it(&j, &p);
	add(&j, 1);
	CHECK_STR(verify(&p, &j.head).text, "");
	CHECK_INT(j.head.seq, ==, 5);
	journal_close(&j);
	place_end(&p);
}

/* Writes until it is killed; a byte in `up` says that it began. */
static void
write_for_ever(const struct place *p, int up, unsigned n)
{
	struct journal j;

	open_it(&j, p);
	j.max = 20000;
	if (write(up, "x", 1) != 1)
		_exit(1);
	for (;;)
		add(&j, n);
}

/* Real kills, at any moment, of a process that does nothing but write. */
TEST(journal, killed_at_any_moment_leaves_a_chain)
{
	struct place p = place_new();

	for (unsigned i = 0; i < 20; i++) {
		struct audit_verified r;
		int up[2];
		pid_t pid;
		char x;

		CHECK_INT(pipe(up), ==, 0);
		pid = fork();
		if (pid == 0)
			write_for_ever(&p, up[1], 1 + i % 7);
		CHECK_INT(pid, >, 0);
		(void)close(up[1]);
		CHECK_INT(read(up[0], &x, 1), ==, 1);
		(void)close(up[0]);
		(void)usleep(700 * i); /* another moment each time */
		(void)kill(pid, SIGKILL);
		CHECK_INT(waitpid(pid, NULL, 0), ==, pid);
		r = verify(&p, NULL);
		CHECK_STR(r.text, "");
	}
	place_end(&p);
}

TEST(journal, refuses_links_and_damage)
{
	struct place p = place_new();
	AUTO_FREE char *dir = mem_printf("%s/records", p.dir);
	struct journal j;
	struct err e;

	CHECK_INT(symlink("/tmp", dir), ==, 0);
	CHECK_INT(journal_open(&j, p.fd, VIEW("b"), &e), ==, -1);
	journal_close(&j);
	CHECK_INT(unlink(dir), ==, 0);
	open_it(&j, &p);
	journal_close(&j);
	place_end(&p);
}
