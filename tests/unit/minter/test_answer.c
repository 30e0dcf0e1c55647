#include "test.h"

#include <stdlib.h>

#include "base/mem.h"
#include "minter/minter.h"

static struct err e;

static struct minter_answer *
good(const char *one, const char *two, const char *three)
{
	struct minter_answer *a = NEW(struct minter_answer);

	a->version = MINTER_VERSION;
	a->minted = 1;
	a->lifetime_s = 300;
	(void)snprintf(a->values[0], sizeof(a->values[0]), "%s", one);
	(void)snprintf(a->values[1], sizeof(a->values[1]), "%s", two);
	(void)snprintf(a->values[2], sizeof(a->values[2]), "%s", three);
	return a;
}

#define OAUTH2 WAY_oauth2_client_assertion
#define STS WAY_aws_sts_assume_role

/* Attack: a minter that was taken over by what it read. */
TEST(minter_answer, a_minter_can_say_nothing_else)
{
	AUTO_FREE struct minter_answer *a = good("token", "", "");
	AUTO_FREE struct minter_answer *keys = good("a", "b", "c");
	const size_t n = sizeof(*a);

	CHECK_INT(minter_answer_check(a, n, OAUTH2, &e), ==, 0);
	CHECK_INT(minter_answer_check(keys, n, STS, &e), ==, 0);
	CHECK_INT(minter_answer_check(a, n, STS, &e), ==, -1);
	CHECK_INT(minter_answer_check(keys, n, OAUTH2, &e), ==, -1);
	CHECK_INT(minter_answer_check(a, n - 1, OAUTH2, &e), ==, -1);
	a->lifetime_s = MINTER_LIFETIME_MAX_S + 1;
	CHECK_INT(minter_answer_check(a, n, OAUTH2, &e), ==, -1);
	a->lifetime_s = 0;
	CHECK_INT(minter_answer_check(a, n, OAUTH2, &e), ==, -1);
	a->lifetime_s = 1;
	a->minted = 2;
	CHECK_INT(minter_answer_check(a, n, OAUTH2, &e), ==, -1);
	a->minted = 1;
	a->values[0][1] = '\n';
	CHECK_INT(minter_answer_check(a, n, OAUTH2, &e), ==, -1);
	memset(a->values[0], 'x', sizeof(a->values[0]));
	CHECK_INT(minter_answer_check(a, n, OAUTH2, &e), ==, -1);
	a->minted = 0;
	CHECK_INT(minter_answer_check(a, n, OAUTH2, &e), ==, -1);
	a->reason[0] = 'r';
	CHECK_INT(minter_answer_check(a, n, OAUTH2, &e), ==, 0);
	memset(a->reason, 'r', sizeof(a->reason));
	CHECK_INT(minter_answer_check(a, n, OAUTH2, &e), ==, -1);
	a->version = 0;
	CHECK_INT(minter_answer_check(a, n, OAUTH2, &e), ==, -1);
}
