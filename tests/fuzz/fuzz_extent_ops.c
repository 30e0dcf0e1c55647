/*
 * fuzz_extent_ops: as fuzz_policy_extent, where requests carry operations:
 * calls of tools, GraphQL, gRPC.
 */
#include "extent_op_points.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	(void)extent_op_points_check(p, n);
	return 0;
}
