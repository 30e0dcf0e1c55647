/*
 * doctor: what this machine offers a sandbox, found by trying it.
 */
#ifndef SANDBOX_DOCTOR_H
#define SANDBOX_DOCTOR_H

#include <stddef.h>

enum doctor_verdict {
	DOCTOR_OK,
	DOCTOR_DEGRADED, /* works, with less protection; remedy says how */
	DOCTOR_MISSING, /* mandatory: no sandbox can be made safely */
	DOCTOR_INFO
};

struct doctor_row {
	const char *name; /* stable, for JSON: "user-namespaces" ... */
	const char *title; /* for people */
	enum doctor_verdict verdict;
	char found[160]; /* what was seen */
	char gives[160]; /* what it gives */
	char remedy[256]; /* exact command, empty when nothing to do */
};

enum { DOCTOR_MAX = 32 };
struct doctor {
	struct doctor_row rows[DOCTOR_MAX];
	size_t n;
	int usable; /* a sandbox can be made safely */
};

/* Takes some tens of milliseconds; makes and ends child processes. */
void doctor_run(struct doctor *d);

#endif
