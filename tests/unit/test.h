/*
 * test: the small header every unit test uses, over cmocka.
 *
 * TEST(module, behaviour) defines and registers a test; CHECK* fail it with
 * the values and the place.  TEST_MAIN() runs them all.
 */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"

enum { TEST_MAX = 512 };

extern struct CMUnitTest test_table[TEST_MAX];
extern size_t test_count;
void test_add(const char *name, CMUnitTestFunction fn);

#define TEST(module, behaviour) \
	static void test_##module##_##behaviour(void **state); \
	__attribute__(( \
	    constructor)) static void register_##module##_##behaviour(void) \
	{ \
		test_add( \
		    #module ": " #behaviour, test_##module##_##behaviour); \
	} \
	static void test_##module##_##behaviour(void **state UNUSED)

#define CHECK(cond) \
	do { \
		if (!(cond)) \
			fail_msg("%s is false", #cond); \
	} while (0)

#define CHECK_INT(a, op, b) \
	do { \
		long long check_a_ = (long long)(a); \
		long long check_b_ = (long long)(b); \
		if (!(check_a_ op check_b_)) \
			fail_msg("%s %s %s: %lld, %lld", #a, #op, #b, \
			    check_a_, check_b_); \
	} while (0)

#define CHECK_STR(a, b) \
	do { \
		const char *check_a_ = (a); \
		const char *check_b_ = (b); \
		if (strcmp(check_a_, check_b_) != 0) \
			fail_msg("%s: got \"%s\", want \"%s\"", #a, check_a_, \
			    check_b_); \
	} while (0)

#define CHECK_VIEW(v, s) \
	do { \
		struct view check_v_ = (v); \
		if (!view_eq(check_v_, view_of(s))) \
			fail_msg("%s: got \"%.*s\", want \"%s\"", #v, \
			    (int)check_v_.n, check_v_.p, s); \
	} while (0)

/* `text` holds `part`. */
#define CHECK_HAS(text, part) \
	do { \
		const char *check_t_ = (text); \
		const char *check_p_ = (part); \
		if (strstr(check_t_, check_p_) == NULL) \
			fail_msg("\"%s\" lacks \"%s\"", check_t_, check_p_); \
	} while (0)

#endif
