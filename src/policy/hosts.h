/*
 * hosts: sets of hosts, as selectors name them, and how two of them lie to each
 * other.  Private to the folder.
 */
#ifndef POLICY_HOSTS_H
#define POLICY_HOSTS_H

#include "policy/model.h"

struct hosts {
	enum p_hostkind kind;
	struct p_host name;
};

/* As endpoints name them, or ** for every host.  -1: no host is meant. */
int hosts_of(struct view v, struct hosts *out) MUST_USE;
/* Every host of `s` is one of `in`. */
bool hosts_contain(const struct hosts *in, const struct hosts *s) MUST_USE;
/* Some host is of both. */
bool hosts_meet(const struct hosts *a, const struct hosts *b) MUST_USE;

#endif
