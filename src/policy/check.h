/*
 * check: what the checks of network policies share.  Private to the folder.
 */
#ifndef POLICY_CHECK_H
#define POLICY_CHECK_H

#include "policy/model.h"

struct p_place {
	struct policy_findings *f;
	char text[512]; /* "github.endpoints[0]" */
};

#define P_ERROR(pl, where, fmt, ...) \
	p_error((pl)->f, (where), "network", "%s: " fmt, (pl)->text, \
	    ##__VA_ARGS__)
#define P_WARN(pl, where, fmt, ...) \
	p_warn((pl)->f, (where), "network", "%s: " fmt, (pl)->text, \
	    ##__VA_ARGS__)

/* Adds to the place; what is returned takes it back (p_place_leave). */
size_t p_place_enter(struct p_place *pl, const char *fmt, ...) PRINTF(2, 3);
void p_place_leave(struct p_place *pl, size_t before);

bool p_contains(struct view v, const char *part) MUST_USE;
bool p_is_word(struct view v, const char *const *words, bool nocase) MUST_USE;
bool p_word_is(const struct p_str *s, const char *word) MUST_USE;
void p_check_glob(struct p_place *pl, const struct p_str *s, char delim);

/*
 * check_path.c: a pattern over request paths, or nothing.  One that never
 * matches is an error when it must; `outcome` says what comes of it.
 */
void p_check_path(struct p_place *pl, const struct p_str *path, bool must,
    const char *outcome);
/* check_destination.c */
void p_check_host(struct p_place *pl, const struct p_endpoint *e);
void p_check_nets(struct p_place *pl, const struct p_strs *list);
/* check_endpoint.c */
void p_check_endpoint(struct p_place *pl, const struct p_endpoint *e);
/* check_rules.c */
void p_check_rules(struct p_place *pl, const struct p_endpoint *e);

/* Protocols as a set. */
static inline unsigned
p_bit(enum policy_protocol p)
{
	return 1u << p;
}

#endif
