/*
 * extent_points: two small policies and a set of requests made from bytes, and
 * every request over a small alphabet put to the engine.  What extent says of
 * the sets must agree with what is seen of the points.
 */
#ifndef TESTS_UNIT_POLICY_EXTENT_POINTS_H
#define TESTS_UNIT_POLICY_EXTENT_POINTS_H

#include <stddef.h>
#include <stdint.h>

/* Aborts, after saying what was asked, when they do not agree. */
void extent_points_check(const uint8_t *bytes, size_t n);

#endif
