/* Runs every TEST linked into this program; exit status 1 when one failed. */
#include "test.h"

#include <stdlib.h>

struct CMUnitTest test_table[TEST_MAX];
size_t test_count;

void
test_add(const char *name, CMUnitTestFunction fn)
{
	if (test_count == TEST_MAX)
		abort();
	test_table[test_count++] =
	    (struct CMUnitTest) { .name = name, .test_func = fn };
}

int
main(void)
{
	return _cmocka_run_group_tests(
		   "unit", test_table, test_count, NULL, NULL) == 0
		   ? 0
		   : 1;
}
