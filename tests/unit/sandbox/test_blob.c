#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/session.h"
#include "test.h"

static int
sealed(const struct blob *b)
{
	struct err e;
	int fd = -1;

	CHECK_INT(blob_seal(b, &fd, &e), ==, 0);
	return fd;
}

TEST(blob, gives_back_lists_by_key)
{
	struct blob *w = blob_new(), *r = NULL;
	struct err e;
	int fd;

	blob_add(w, "arg", "sh");
	blob_add(w, "cwd", "/tmp");
	blob_add(w, "arg", "-c");
	blob_add(w, "arg", "");
	fd = sealed(w);
	CHECK_INT(blob_open(fd, &r, &e), ==, 0);
	CHECK_STR(blob_get(r, "arg", 0), "sh");
	CHECK_STR(blob_get(r, "arg", 1), "-c");
	CHECK_STR(blob_get(r, "arg", 2), "");
	CHECK(blob_get(r, "arg", 3) == NULL);
	CHECK_STR(blob_get(r, "arg", 1), "-c");
	CHECK_STR(blob_get(r, "cwd", 0), "/tmp");
	CHECK_STR(blob_get(r, "arg", 0), "sh");
	CHECK(blob_get(r, "cwd", 1) == NULL);
	CHECK(blob_get(r, "nope", 0) == NULL);
	blob_free(w);
	blob_free(r);
	(void)close(fd);
}

TEST(blob, sealed_memory_cannot_change)
{
	struct blob *w = blob_new();
	int fd;

	blob_add(w, "arg", "true");
	fd = sealed(w);
	CHECK_INT(pwrite(fd, "x", 1, 0), ==, -1);
	CHECK_INT(ftruncate(fd, 0), ==, -1);
	CHECK_INT(ftruncate(fd, 4096), ==, -1);
	blob_free(w);
	(void)close(fd);
}

TEST(blob, refuses_what_is_not_sealed)
{
	struct blob *r = NULL;
	char *text = NULL;
	struct err e;
	size_t n;
	int fd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	CHECK_INT(pwrite(fd, "OSB1\0\0\0\0", 8, 0), ==, 8);
	CHECK_INT(blob_open(fd, &r, &e), ==, -1);
	CHECK_INT(memfd_read(fd, 100, &text, &n, &e), ==, -1);
	CHECK_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK), ==, 0);
	CHECK_INT(blob_open(fd, &r, &e), ==, -1);
	CHECK_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL), ==, 0);
	CHECK_INT(blob_open(fd, &r, &e), ==, 0);
	CHECK_INT(memfd_read(file, 1 << 20, &text, &n, &e), ==, -1);
	blob_free(r);
	(void)close(fd);
	(void)close(file);
}

TEST(blob, refuses_malformed_bytes)
{
	static const struct view rows[] = {
		VIEW(""),
		VIEW("OSB1"),
		VIEW("OSB2\0\0\0\0"),
		VIEW("OSB1\1\0\0\0"),
		VIEW("OSB1\377\377\377\377"),
		VIEW("OSB1\0\0\0\0x"),
		/* key not ended, value not ended, NUL inside, bad key */
		VIEW("OSB1\1\0\0\0\1\0\0\0\1\0\0\0kk\0v\0"),
		VIEW("OSB1\1\0\0\0\1\0\0\0\1\0\0\0k\0vv"),
		VIEW("OSB1\1\0\0\0\1\0\0\0\2\0\0\0k\0\0v\0"),
		VIEW("OSB1\1\0\0\0\0\0\0\0\1\0\0\0\0v\0"),
		VIEW("OSB1\1\0\0\0\1\0\0\0\1\0\0\0K\0v\0"),
		VIEW("OSB1\1\0\0\0\1\0\0\0\377\377\377\377k\0v\0"),
		VIEW("OSB1\1\0\0\0\377\377\377\377\1\0\0\0k\0v\0"),
	};
	static const struct view good =
	    VIEW("OSB1\1\0\0\0\1\0\0\0\1\0\0\0k\0v\0");
	struct blob *r = NULL;
	struct err e;
	int fd = -1;

	CHECK_INT(memfd_seal(good, &fd, &e), ==, 0);
	CHECK_INT(blob_open(fd, &r, &e), ==, 0);
	CHECK_STR(blob_get(r, "k", 0), "v");
	blob_free(r);
	(void)close(fd);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(memfd_seal(rows[i], &fd, &e), ==, 0);
		if (blob_open(fd, &r, &e) == 0)
			fail_msg("row %zu accepted", i);
		(void)close(fd);
	}
}

TEST(blob, too_much_is_an_error_not_a_part)
{
	struct blob *w = blob_new();
	char *big = mem_calloc(1, (64 << 10) + 1);
	struct err e;
	int fd = -1;

	memset(big, 'a', 64 << 10);
	for (int i = 0; i < 65; i++)
		blob_add(w, "arg", big);
	CHECK_INT(blob_seal(w, &fd, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_INT(fd, ==, -1);
	free(big);
	blob_free(w);
}

TEST(blob, memfd_text_is_read_whole_within_its_bound)
{
	char *text = NULL;
	struct err e;
	size_t n = 0;
	int fd = -1;

	CHECK_INT(memfd_seal(VIEW("version: 1\n"), &fd, &e), ==, 0);
	CHECK_INT(memfd_read(fd, 10, &text, &n, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_INT(memfd_read(fd, 11, &text, &n, &e), ==, 0);
	CHECK_INT(n, ==, 11);
	CHECK_STR(text, "version: 1\n");
	free(text);
	(void)close(fd);
}
