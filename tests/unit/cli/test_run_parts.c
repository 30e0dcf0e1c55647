/* What a run is made of, without a sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/run.h"
#include "cli/watch.h"
#include "test.h"

static void
put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

TEST(watch, tells_of_finished_writes_and_replacements_only)
{
	char dir[] = "/tmp/openshell-test-XXXXXX", path[64], other[64];
	AUTO_CLOSE int dirfd = -1, fd = -1, half = -1;
	struct err e;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/p", dir);
	(void)snprintf(other, sizeof(other), "%s/q", dir);
	dirfd = open(dir, O_PATH | O_DIRECTORY);
	CHECK_INT(watch_open(dirfd, &fd, &e), ==, 0);
	CHECK(!watch_changed(fd, dirfd, "p"));
	half = open(path, O_WRONLY | O_CREAT, 0600);
	CHECK_INT(write(half, "x", 1), ==, 1);
	CHECK(!watch_changed(fd, dirfd, "p"));
	fd_close(&half);
	CHECK(watch_changed(fd, dirfd, "p"));
	put_file(other, "y");
	CHECK(!watch_changed(fd, dirfd, "p"));
	CHECK_INT(rename(other, path), ==, 0);
	CHECK(watch_changed(fd, dirfd, "p"));
	CHECK_INT(unlink(path), ==, 0);
	CHECK_INT(symlink("/etc/passwd", path), ==, 0);
	CHECK(watch_changed(fd, dirfd, "p"));
	CHECK_INT(unlink(path), ==, 0);
	CHECK_INT(mkdir(path, 0700), ==, 0);
	CHECK(watch_changed(fd, dirfd, "p"));
	CHECK_INT(rmdir(path), ==, 0);
	put_file(other, "y");
	CHECK(!watch_changed(fd, dirfd, "p"));
	CHECK_INT(link(other, path), ==, 0);
	CHECK(watch_changed(fd, dirfd, "p"));
	CHECK_INT(unlink(path) | unlink(other) | rmdir(dir), ==, 0);
}

TEST(stream, terminals_sockets_and_directories_are_not_given)
{
	AUTO_CLOSE int dir = open("/", O_RDONLY);
	AUTO_CLOSE int path = open("/etc/passwd", O_PATH);
	AUTO_CLOSE int file = open("/etc/passwd", O_RDONLY);
	AUTO_CLOSE int null = open("/dev/null", O_RDWR);
	AUTO_CLOSE int fifo = -1;
	AUTO_CLOSE int pty = posix_openpt(O_RDWR | O_NOCTTY);
	int pipes[2], sockets[2];
	char name[] = "/var/tmp/fifo-XXXXXX";
	enum stream_kind kind;
	struct err e;

	CHECK(mkdtemp(name) != NULL);
	CHECK_INT(rmdir(name) | mkfifo(name, 0600), ==, 0);
	fifo = open(name, O_RDWR);
	CHECK_INT(unlink(name), ==, 0);
	CHECK_INT(
	    pipe(pipes) | socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), ==, 0);
	CHECK_INT(stream_kind(dir, "in", true, &kind, &e), ==, -1);
	CHECK_INT(stream_kind(path, "in", true, &kind, &e), ==, -1);
	/* Its mode could be changed through any descriptor. */
	CHECK_INT(stream_kind(file, "in", true, &kind, &e), ==, 0);
	CHECK_INT(kind, ==, STREAM_RELAY);
	CHECK_INT(stream_kind(file, "out", false, &kind, &e), ==, 0);
	CHECK_INT(kind, ==, STREAM_GIVE);
	CHECK_INT(stream_kind(fifo, "in", true, &kind, &e), ==, 0);
	CHECK_INT(kind, ==, STREAM_RELAY);
	CHECK_INT(stream_kind(null, "in", true, &kind, &e), ==, 0);
	CHECK_INT(kind, ==, STREAM_GIVE);
	CHECK_INT(stream_kind(pipes[0], "in", true, &kind, &e), ==, 0);
	CHECK_INT(kind, ==, STREAM_GIVE);
	CHECK_INT(stream_kind(pty, "in", true, &kind, &e), ==, 0);
	CHECK_INT(kind, ==, STREAM_RELAY);
	CHECK_INT(stream_kind(sockets[0], "in", true, &kind, &e), ==, 0);
	CHECK_INT(kind, ==, STREAM_RELAY);
	CHECK_INT(stream_kind(9999, "in", true, &kind, &e), ==, 0);
	CHECK_INT(kind, ==, STREAM_CLOSED);
	CHECK_INT(close(pipes[0]) | close(pipes[1]) | close(sockets[0]) |
		      close(sockets[1]),
	    ==, 0);
}

static void
count_done(struct relay *r)
{
	++*(int *)r->owner;
}

/* A child feeds `total` bytes through a relay to another child's count. */
TEST(relay, passes_everything_and_ends_with_its_input)
{
	enum { TOTAL = 3 << 20 };
	static struct relay r;
	int from[2], to[2], done = 0, status;
	uv_loop_t loop;
	pid_t writer, reader;
	struct err e;

	CHECK_INT(pipe(from) | pipe(to), ==, 0);
	writer = fork();
	if (writer == 0) {
		static char block[4096];

		for (size_t i = 0; i < TOTAL / sizeof(block); i++) {
			memset(block, (int)i, sizeof(block));
			if (write(from[1], block, sizeof(block)) !=
			    (ssize_t)sizeof(block))
				_exit(1);
		}
		_exit(0);
	}
	reader = fork();
	if (reader == 0) {
		static char block[4096];
		size_t n = 0;
		ssize_t got;

		(void)close(to[1]);
		(void)close(from[1]);
		while ((got = read(to[0], block, sizeof(block))) > 0)
			for (ssize_t i = 0; i < got; i++, n++)
				if (block[i] != (char)(n / 4096))
					_exit(2);
		_exit(n == TOTAL ? 0 : 1);
	}
	(void)close(from[1]);
	(void)close(to[0]);
	r = (struct relay) { .in_flags = -1,
		.out_flags = -1,
		.owner = &done,
		.done = count_done };
	CHECK_INT(uv_loop_init(&loop), ==, 0);
	CHECK_INT(relay_start(&loop, &r, from[0], to[1], &e), ==, 0);
	CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(done, ==, 1);
	CHECK_INT(uv_loop_close(&loop), ==, 0);
	CHECK_INT(waitpid(writer, &status, 0), ==, writer);
	CHECK_INT(status, ==, 0);
	CHECK_INT(waitpid(reader, &status, 0), ==, reader);
	CHECK_INT(status, ==, 0);
}

TEST(relay, ends_when_its_reader_is_gone_and_restores_shared_flags)
{
	static struct relay r;
	int from[2], to[2], done = 0;
	AUTO_CLOSE int shared = -1;
	uv_loop_t loop;
	struct err e;

	(void)signal(SIGPIPE, SIG_IGN);
	CHECK_INT(pipe(from), ==, 0);
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, to), ==, 0);
	shared = dup(to[1]);
	r = (struct relay) { .in_flags = -1,
		.out_flags = fcntl(shared, F_GETFL),
		.owner = &done,
		.done = count_done };
	CHECK_INT(close(to[0]), ==, 0);
	CHECK_INT(write(from[1], "x", 1), ==, 1);
	CHECK_INT(uv_loop_init(&loop), ==, 0);
	CHECK_INT(relay_start(&loop, &r, from[0], to[1], &e), ==, 0);
	CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(done, ==, 1);
	CHECK_INT(uv_loop_close(&loop), ==, 0);
	CHECK_INT(fcntl(shared, F_GETFL) & O_NONBLOCK, ==, 0);
	CHECK_INT(close(from[1]), ==, 0);
}

static void
check_chain(const char *file, uint64_t n, const struct audit_head *head)
{
	struct audit_verify *v = audit_verify_new(head);
	struct audit_verified r;
	AUTO_FREE char *text = NULL;
	size_t size;
	struct err e;

	CHECK_INT(file_read_path(file, true, 1 << 20, &text, &size, &e), ==, 0);
	audit_verify_feed(v, (struct view) { text, size });
	audit_verify_end(v, &r);
	audit_verify_free(v);
	CHECK_STR(r.text, "");
	CHECK_INT(r.records, ==, n);
	CHECK(audit_head_eq(&r.head, head));
}

TEST(record, sums_up_denials_and_writes_the_report)
{
	char dir[] = "/tmp/openshell-test-XXXXXX", events[64], report[64];
	struct run_options o = { .events = events, .report = report };
	struct run_result result = { .status = 7, .kind = "exit", .detail = 7 };
	struct policy *p = policy_default();
	AUTO_BUF struct buf b = BUF_INIT(65536);
	AUTO_FREE char *text = NULL;
	struct audit_event ev = { .kind = AUDIT_L7_REQUEST,
		.action = AUDIT_DENY,
		.binary = VIEW("/usr/bin/curl"),
		.host = VIEW("api.github.com"),
		.port = 443,
		.method = VIEW("POST"),
		.path = VIEW("/x\033"),
		.policy = VIEW("gh"),
		.reason = VIEW("not permitted") };
	AUTO_BUF struct buf line = BUF_INIT(AUDIT_JSON_MAX);
	struct run_record r;
	struct stat st;
	struct err e;
	size_t n;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(events, sizeof(events), "%s/e", dir);
	(void)snprintf(report, sizeof(report), "%s/r", dir);
	audit_event_json(&ev, &line);
	CHECK_INT(run_record_open(&o, &r, &e), ==, 0);
	for (int i = 0; i < 3; i++)
		CHECK_INT(run_record_events(&r, buf_view(&line), &e), ==, 0);
	run_record_denials(&r, &b);
	CHECK_STR(buf_str(&b),
	    "denied 3x /usr/bin/curl -> POST "
	    "api.github.com:443/x\\x1b (policy gh: not permitted)\n");
	CHECK_INT(run_record_report(&r, &o, p, &result, &e), ==, 0);
	run_record_fini(&r);
	CHECK_INT(stat(events, &st), ==, 0);
	CHECK_INT(st.st_mode & 0777, ==, 0600);
	check_chain(events, 3, &r.head);
	CHECK_INT(file_read_path(report, true, 65536, &text, &n, &e), ==, 0);
	CHECK_HAS(text, "\"exit\":{\"status\":7,\"kind\":\"exit\"}");
	CHECK_HAS(text, "\"deny\":3");
	CHECK_HAS(text, "\"denials\":[{\"count\":3,");
	policy_free(p);
	CHECK_INT(unlink(events) | unlink(report), ==, 0);
	/* A link left in their place is not followed. */
	CHECK_INT(symlink("/etc/passwd", events), ==, 0);
	CHECK_INT(run_record_open(&o, &r, &e), ==, -1);
	CHECK_HAS(e.text, "symbolic link");
	run_record_fini(&r);
	CHECK_INT(unlink(events) | rmdir(dir), ==, 0);
}

TEST(record, a_line_that_is_no_record_is_told)
{
	struct run_options o = { 0 };
	struct run_record r;
	AUTO_BUF struct buf b = BUF_INIT(1024);
	struct err e;

	CHECK_INT(run_record_open(&o, &r, &e), ==, 0);
	CHECK_INT(
	    run_record_events(&r, VIEW("garbage\n{}\n\n[1]\n"), &e), ==, 0);
	run_record_denials(&r, &b);
	CHECK_HAS(buf_str(&b), "denied 3x - (a record could not be read");
	run_record_fini(&r);
}

TEST(spec, says_where_programs_inside_can_write)
{
	struct run_paths p = { .workdir = (char[]) { "/srv/here" } };
	const char *rw[] = { "/usr", NULL };
	struct run_options o = { .rw = { rw, 1 } };
	struct policy_findings f = { 0 };
	struct policy *open = NULL, *closed = NULL;

	CHECK_INT(policy_parse(VIEW("version: 1\nfilesystem_policy:\n"
				    "  include_workdir: true\n"),
		      &open, &f),
	    ==, 0);
	CHECK_INT(policy_parse(VIEW("version: 1\nfilesystem_policy:\n"
				    "  include_workdir: false\n"
				    "  read_only: [/usr]\n"),
		      &closed, &f),
	    ==, 0);
	CHECK(run_paths_writable(&o, &p, open, "/srv/here/policy.yaml"));
	CHECK(run_paths_writable(&o, &p, open, "/srv/here"));
	CHECK(!run_paths_writable(&o, &p, open, "/srv/hereafter/x"));
	CHECK(!run_paths_writable(&o, &p, open, "/srv/x"));
	CHECK(!run_paths_writable(&o, &p, closed, "/srv/here/policy.yaml"));
	CHECK(run_paths_writable(&o, &p, closed, "/usr/x"));
	policy_free(open);
	policy_free(closed);
	policy_findings_fini(&f);
}

TEST(spec, passes_only_how_to_show_text_of_the_environment)
{
	struct run_paths p = { .cwd = (char[]) { "/w" } };
	const char *env[] = { "A=1", "FROM_HERE", NULL };
	const char *words[] = { "sh", "-c", "x", NULL };
	struct run_options o = { .env = { env, 2 }, .command = { words, 3 } };
	AUTO_CLOSE int fd = -1;
	struct blob *b = NULL;
	const char *v;
	bool tz = false, here = false;
	struct err e;

	CHECK_INT(setenv("SECRET_TOKEN", "s3cret", 1) |
		      setenv("FROM_HERE", "yes", 1) | setenv("TZ", "UTC", 1),
	    ==, 0);
	CHECK_INT(run_command_blob(&o, &p, false, &fd, &e), ==, 0);
	CHECK_INT(blob_open(fd, &b, &e), ==, 0);
	CHECK_STR(blob_get(b, "arg", 2), "x");
	CHECK_STR(blob_get(b, "cwd", 0), "/w");
	for (size_t i = 0; (v = blob_get(b, "env", i)) != NULL; i++) {
		CHECK(strstr(v, "s3cret") == NULL);
		CHECK(strncmp(v, "TERM=", 5) != 0);
		tz |= strcmp(v, "TZ=UTC") == 0;
		here |= strcmp(v, "FROM_HERE=yes") == 0;
	}
	CHECK(tz && here);
	blob_free(b);
	CHECK_INT(unsetenv("FROM_HERE"), ==, 0);
	fd_close(&fd);
	CHECK_INT(run_command_blob(&o, &p, false, &fd, &e), ==, -1);
	CHECK_HAS(e.text, "FROM_HERE");
}
