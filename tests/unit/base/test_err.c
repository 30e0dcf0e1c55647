#include "test.h"

#include <errno.h>

TEST(err, wrap_keeps_code_and_puts_cause_last)
{
	struct err e = { 0 };

	CHECK_INT(err_set(&e, ERR_DENIED, "no"), ==, -1);
	CHECK_INT(err_wrap(&e, "open %s", "x"), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	CHECK_STR(e.text, "open x\nno");
}

TEST(err, sys_names_errno)
{
	struct err e = { 0 };

	errno = ENOENT;
	(void)err_sys(&e, "open %s", "x");
	CHECK_INT(e.sys, ==, ENOENT);
	CHECK_STR(e.text, "open x: No such file or directory");
}

TEST(err, long_text_is_cut_not_overrun)
{
	struct err e = { 0 };
	char big[2000];

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	(void)err_set(&e, ERR_INVALID, "%s", big);
	(void)err_wrap(&e, "%s", big);
	CHECK_INT(strlen(e.text), ==, sizeof(e.text) - 1);
}
