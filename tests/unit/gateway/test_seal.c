#include "test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/seal.h"
#include "secrets/rewrite.h"

static char dir[64], file[96];
static struct err e;

static struct seal *
open_seal(void)
{
	struct seal *s = NULL;

	CHECK_INT(seal_open(dir, &s, &e), ==, 0);
	return s;
}

static void
place_make(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/openshell-test-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(file, sizeof(file), "%s/credentials.key", dir);
}

static void
place_end(void)
{
	CHECK_INT(unlink(file), ==, 0);
	CHECK_INT(rmdir(dir), ==, 0);
}

static int
open_it(struct seal *s, const char *bound, struct view sealed, char *text)
{
	AUTO_RW_OUT struct buf out = BUF_INIT(0);
	int rc;

	rw_out_init(&out, 256);
	rc = seal_unlock(s, view_of(bound), sealed, &out, &e);
	(void)snprintf(text, 64, "%.*s", (int)out.n, out.p);
	return rc;
}

TEST(seal, opens_what_it_locked_and_nothing_else)
{
	AUTO_BUF struct buf one = BUF_INIT(256), two = BUF_INIT(256);
	struct seal *s;
	char text[64];

	place_make();
	s = open_seal();
	CHECK_INT(seal_lock(s, VIEW("id"), VIEW("secret"), &one, &e), ==, 0);
	CHECK_INT(seal_lock(s, VIEW("id"), VIEW("secret"), &two, &e), ==, 0);
	CHECK(!view_eq(buf_view(&one), buf_view(&two)));
	CHECK(memmem(one.p, one.n, "secret", 6) == NULL);
	seal_free(s);
	s = open_seal(); /* the key was kept */
	CHECK_INT(open_it(s, "id", buf_view(&one), text), ==, 0);
	CHECK_STR(text, "secret");
	/* Another row's. */
	CHECK_INT(open_it(s, "di", buf_view(&one), text), ==, -1);
	CHECK_STR(text, "");
	for (size_t i = 0; i < one.n; i++) {
		one.p[i] ^= 1;
		CHECK_INT(open_it(s, "id", buf_view(&one), text), ==, -1);
		CHECK_STR(text, "");
		one.p[i] ^= 1;
		CHECK_INT(
		    open_it(s, "id", view_slice(buf_view(&one), 0, i), text),
		    ==, -1);
	}
	seal_free(s);
	place_end();
}

TEST(seal, its_key_is_ours_alone)
{
	struct seal *s = NULL;
	struct stat st;

	place_make();
	seal_free(open_seal());
	CHECK_INT(stat(file, &st), ==, 0);
	CHECK_INT(st.st_mode & 0777, ==, 0600);
	CHECK_INT(st.st_size, ==, 32);
	CHECK_INT(chmod(file, 0644), ==, 0);
	CHECK_INT(seal_open(dir, &s, &e), ==, -1);
	CHECK_HAS(e.text, "key of the stored credentials");
	CHECK_INT(chmod(file, 0600), ==, 0);
	CHECK_INT(truncate(file, 31), ==, 0);
	CHECK_INT(seal_open(dir, &s, &e), ==, -1);
	CHECK_HAS(e.text, "not a key of 32 bytes");
	place_end();
}
