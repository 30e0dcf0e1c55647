/*
 * rewrite: placeholders of a request replaced by what they stand for, where
 * policy-and-proxy 4.2 allows it, and nothing sent where it does not.
 *
 * Input is tokenised and written anew; nothing is replaced inside what was
 * written.  Every function fails closed: -1 when a marker is left that is not
 * a placeholder, that cannot be resolved, or that stands where none is
 * understood; `out` is then wiped and empty.  Errors name neither key nor
 * value.
 *
 * Output holds secrets: it goes into a rw_out, which never moves and is wiped.
 */
#ifndef SECRETS_REWRITE_H
#define SECRETS_REWRITE_H

#include "base/bytes.h"
#include "base/err.h"
#include "secrets/placeholder.h"

enum {
	RW_VALUE_MAX = 8192, /* of one credential */
	RW_BODY_MAX = 256 << 10 /* bodies that are held to be rewritten */
};

/* Storage of `max` bytes, whole from the start, so that no copy stays behind
 * where it grew. */
void rw_out_init(struct buf *b, size_t max);
void rw_out_wipe(struct buf *b); /* empty, and nothing to be found */
void rw_out_fini(struct buf *b);
#define AUTO_RW_OUT CLEANUP(rw_out_fini)

enum rw_place { RW_HEADER, RW_QUERY, RW_PATH, RW_BODY, RW_MESSAGE };

struct rw {
	/*
	 * What the placeholder stands for, here.  -1: ERR_NOT_FOUND (nothing),
	 * ERR_DENIED (not to be sent here), ERR_AGAIN (nothing at present),
	 * with the reason.
	 */
	int (*resolve)(
	    void *ctx, const struct ph *p, struct view *value, struct err *e);
	void *ctx;
	unsigned used; /* values that were put */
};

/* ph_marked, also when it is percent-encoded. */
bool rw_marked(struct view v);

/* 1: written anew, appended to `out`; 0: nothing to do, `out` as it was; -1. */
int rw_field(
    struct rw *rw, struct view value, struct buf *out, struct err *e) MUST_USE;
/* A canonical path (http/target.h). */
int rw_path(
    struct rw *rw, struct view path, struct buf *out, struct err *e) MUST_USE;
/* A query without its '?'. */
int rw_query(
    struct rw *rw, struct view query, struct buf *out, struct err *e) MUST_USE;
/* The path as policy and records see it: PH_SHOWN for each placeholder. */
int rw_path_shown(struct view path, struct buf *out, struct err *e) MUST_USE;

enum rw_body { RW_BODY_OPAQUE, RW_BODY_JSON, RW_BODY_FORM, RW_BODY_TEXT };
/* By the Content-Type field; OPAQUE: placeholders are not replaced in it. */
enum rw_body rw_body_kind(struct view content_type);
int rw_body(struct rw *rw, enum rw_body kind, struct view body, struct buf *out,
    struct err *e) MUST_USE;
/* A text message of a WebSocket: JSON when it is, else text. */
int rw_message(
    struct rw *rw, struct view text, struct buf *out, struct err *e) MUST_USE;

#endif
