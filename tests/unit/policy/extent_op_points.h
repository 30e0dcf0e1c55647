/*
 * extent_op_points: prove and diff against the engine, on every request of a
 * small world in which requests carry operations.  Shared by a unit test and
 * fuzz_extent_ops.
 */
#ifndef EXTENT_OP_POINTS_H
#define EXTENT_OP_POINTS_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Two policies and a question, made from the bytes; aborts, having said why,
 * when an answer is wrong.  Whether some point tells the two apart.
 */
bool extent_op_points_check(const uint8_t *p, size_t n);

#endif
