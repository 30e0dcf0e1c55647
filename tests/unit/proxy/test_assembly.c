#include "proxy/assembly.h"
#include "test.h"

TEST(assembly, more_must_come_in_time)
{
	struct assembly a = { 0 };

	CHECK_INT(assembly_deadline(&a, 1000, true), ==, 31000);
	CHECK_INT(assembly_deadline(&a, 30999, false), ==, 31000);
	CHECK_INT(assembly_deadline(&a, 30999, true), ==, 60999);
}

TEST(assembly, what_comes_byte_by_byte_is_late_all_the_same)
{
	struct assembly a = { 0 };
	uint64_t now = 1000, late = assembly_deadline(&a, now, true);

	while (now < late && now < 1000000) {
		now += 10000;
		late = assembly_deadline(&a, now, true);
	}
	CHECK_INT(now, ==, 121000);
	a = (struct assembly) { 0 };
	CHECK_INT(assembly_deadline(&a, now, false), ==, now + 30000);
}
