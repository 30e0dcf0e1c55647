/*
 * fuzz_policy_extent: two small policies and a set of requests, made from the
 * input.  What prove and diff say of all requests agrees with what the engine
 * says of each request of a small world, and every example passes.
 */
#include "extent_points.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	extent_points_check(p, n);
	return 0;
}
