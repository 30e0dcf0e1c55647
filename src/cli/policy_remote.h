/*
 * policy_remote: the policy of a sandbox that a gateway keeps, or of all of
 * them (global): set and waited for, shown, listed.
 */
#ifndef CLI_POLICY_REMOTE_H
#define CLI_POLICY_REMOTE_H

#include "cli/cli.h"
#include "openshell.pb-c.h"
#include "policy/policy.h"
#include "rpc/edit_wire.h"
#include "rpc/policy_wire.h"

/* A policy file as it goes to a gateway. */
struct policy_upload {
	policy_wire_msg *m;
	/* Static sections the file says nothing about: */
	bool no_filesystem, no_landlock, no_process;
};

/*
 * Reads and checks FILE ("-": standard input); every finding goes to stderr.
 * 0; 1 when it has errors (all printed); -1 when it cannot be read.
 */
int policy_upload_read(struct cli *c, const char *file, struct policy_upload *u,
    struct err *e) MUST_USE;
void policy_upload_fini(struct policy_upload *u);
#define AUTO_UPLOAD CLEANUP(policy_upload_fini)

/* An answer of the gateway, of any type. */
void policy_answer_free_at(void *pp);
#define AUTO_MSG CLEANUP(policy_answer_free_at)

/* Where the policy is set. */
struct reach;
struct policy_place {
	struct reach *reach;
	const char *sandbox; /* its name; NULL: global */
};
/*
 * On the gateway of r: all of it when `global`, else the sandbox given or last
 * used.  Lives as long as r.
 */
int policy_place_find(struct cli *c, struct reach *r, bool global,
    const char *given, struct policy_place *out, struct err *e) MUST_USE;

/*
 * Sets the policy of a sandbox; with `wait` until the sandbox acknowledged or
 * refused it.  CLI_OK, CLI_FAILED (refused, told), CLI_TIMEOUT (told); -1.
 */
int policy_push(struct cli *c, struct policy_place *p, struct policy_upload *u,
    bool wait, unsigned timeout_s, struct err *e) MUST_USE;
/* The same by operations on the policy that is there. */
int policy_push_edits(struct cli *c, struct policy_place *p, edit_msg **ops,
    size_t n, bool wait, unsigned timeout_s, struct err *e) MUST_USE;
int policy_push_global(struct cli *c, struct policy_place *p,
    struct policy_upload *u, struct err *e) MUST_USE;
int policy_delete_global(
    struct cli *c, struct policy_place *p, struct err *e) MUST_USE;

/* The policy that a sandbox should have now, the caller's. */
int policy_fetch(
    struct policy_place *p, struct policy **out, struct err *e) MUST_USE;

enum policy_show { POLICY_AUTO, POLICY_TABLE, POLICY_JSON, POLICY_YAML };
extern const char *const policy_shows[];
int policy_show_revision(struct cli *c, struct policy_place *p, unsigned rev,
    bool full, enum policy_show how, struct err *e) MUST_USE;
int policy_show_list(struct cli *c, struct policy_place *p, unsigned limit,
    unsigned format, struct err *e) MUST_USE;

#endif
