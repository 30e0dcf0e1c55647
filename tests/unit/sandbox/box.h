/*
 * box: sandboxes for tests: a plan like the one a user gets, a program run to
 * its end with its output.
 */
#ifndef TESTS_UNIT_SANDBOX_BOX_H
#define TESTS_UNIT_SANDBOX_BOX_H

#include "sandbox/spawn.h"

enum { BOX_OUT_MAX = 16384 };

struct test_box {
	struct sbx_plan plan;
	struct sbx_mount mounts[24];
	struct sbx_rule rules[24];
	char dir[64]; /* the work directory, on the host and inside */
	struct spawn *s;
	struct spawn_event ready;
	bool up; /* READY has come: its descriptors are to be closed */
	char out[BOX_OUT_MAX]; /* of the last program, both streams */
	struct spawn_event end;
};

/* A plan with the host's /usr, a work directory in /var/tmp, /tmp. */
void box_plan(struct test_box *b);
/* Root that can give files away; not so in a user namespace with one id. */
bool box_is_root(void);
/* Starts it and waits for READY; false with b->end.text when FAILED. */
bool box_start(struct test_box *b);
/* Next event within ten seconds; fails the test otherwise. */
void box_event(struct test_box *b, struct spawn_event *ev);
/* Runs sh -c `script`; returns its exit status, -1 when it did not exit. */
int box_sh(struct test_box *b, const char *script);
/* Ends the sandbox and removes the work directory. */
void box_end(struct test_box *b);
/* A file of the work directory, from the host. */
bool box_host_has(const struct test_box *b, const char *rel);
void box_host_put(const struct test_box *b, const char *rel, const char *text);

#endif
