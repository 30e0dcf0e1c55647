/* fixture: policies for tests, from text, and questions to ask them. */
#ifndef TESTS_UNIT_POLICY_FIXTURE_H
#define TESTS_UNIT_POLICY_FIXTURE_H

#include "test.h"

#include "policy/decide.h"
#include "policy/model.h"

/* A parse and all that came of it. */
struct parsed {
	struct policy *p; /* NULL when refused */
	struct policy_findings f;
	struct buf text; /* the findings, printed as for file "p" */
};

struct parsed parse(const char *yaml) MUST_USE;
struct parsed parse_view(struct view yaml) MUST_USE;
/* The language ahead of the proxy: also what is not enforced yet. */
struct parsed parse_ahead(const char *yaml) MUST_USE;
/* One endpoint, in flow style, of a whole policy. */
struct parsed parse_endpoint(const char *endpoint) MUST_USE;
void parsed_fini(struct parsed *p);
#define AUTO_PARSED CLEANUP(parsed_fini)
/* Fails the test, naming `id`, unless the text was accepted. */
struct policy *must_parse(const char *id, const char *yaml) MUST_USE;
struct snapshot *must_compile(const char *id, const char *yaml) MUST_USE;
struct snapshot *must_compile_ahead(const char *id, const char *yaml) MUST_USE;
/*
 * Fails the test unless its canonical text reads back as the same policy, as
 * is seen to of all that is parsed here; `yaml` is shown then.
 */
void check_round_trip(
    const struct policy *p, struct view yaml, unsigned lenient);
/* The canonical text, in static storage until the next call. */
const char *canonical(const struct policy *p);

/* `text` with `to` where it first has `from`, which it must; the caller's. */
char *edited(const char *text, const char *from, const char *to) MUST_USE;

/* "exe", or "exe < parent < grandparent"; borrowed. */
struct policy_who who_is(const char *chain) MUST_USE;

#endif
