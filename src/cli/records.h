/*
 * records: the stored records of a sandbox, or a file of them that
 * `openshell run --events` made.
 */
#ifndef CLI_RECORDS_H
#define CLI_RECORDS_H

#include "audit/chain.h"
#include "cli/cli.h"

struct reach;

/* Whole, in memory. */
struct records {
	struct buf text;
	bool has_head;
	struct audit_head head; /* as the gateway knows it */
	char *name; /* of the sandbox or file, for messages */
};
void records_fini(struct records *r);
#define AUTO_RECORDS CLEANUP(records_fini) struct records

int records_read_file(
    const char *file, struct records *out, struct err *e) MUST_USE;
/* `sandbox` by name, as reach_sandbox gave it. */
int records_fetch(struct reach *r, const char *sandbox, struct records *out,
    struct err *e) MUST_USE;
/* From the file, or without one from the sandbox (NULL: the last used). */
int records_load(struct cli *c, const char *file, const char *sandbox,
    struct records *out, struct err *e) MUST_USE;

/*
 * Each record in order, CHAIN ones left out; lines that cannot be read are
 * passed over and counted.
 */
size_t records_each(const struct records *r,
    void (*each)(void *ctx, const struct audit_event *ev, struct view line),
    void *ctx);

enum records_form { RECORDS_SHORT, RECORDS_JSON, RECORDS_OCSF };
/*
 * The records of a file on standard output, a line each: the last `lines` of
 * those asked for (0: all).
 */
int records_print(struct cli *c, const char *file, enum records_form form,
    bool denied, size_t lines, struct err *e) MUST_USE;

/* The option row that names a file in place of a sandbox. */
#define RECORDS_FILE_OPT(field) \
	{ \
		.name = "file", .kind = OPT_STR, OPT(field), .value = "FILE", \
		.hint = HINT_FILE, \
		.help = "Records that 'run --events' wrote, in place of a " \
			"sandbox's" \
	}

#endif
