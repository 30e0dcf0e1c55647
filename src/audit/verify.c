/*
 * verify: reads a chain from its first line to its last and keeps the first
 * thing that is wrong.
 *
 * A line is judged by itself first (its form, its own hash), then by what the
 * line before says (number, hash).  A gap is MISSING until the record turns up
 * further down.  What is left of an interrupted write is no fault where the
 * next CHAIN record tells of it (length and digest), or at the very end.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "audit/seal.h"
#include "base/mem.h"

struct audit_verify {
	struct audit_verified r;
	struct buf line; /* the one that has not ended */
	uint64_t at; /* its number */
	bool begun;
	uint64_t first; /* number of the last record before the first line */
	uint32_t first_file, file, kept;
	struct { /* a line that is none, until the next one explains it */
		bool there;
		uint64_t seq, line;
		size_t n;
		char hash[SHA256_HEX];
	} bad;
	bool known, met;
	uint64_t unlike; /* line with its number and another hash, or 0 */
	struct audit_head anchor;
};

const char *
audit_fault_name(enum audit_fault f)
{
	static const char *const names[] = {
		[AUDIT_INTACT] = "intact",
		[AUDIT_ALTERED] = "altered",
		[AUDIT_MISSING] = "missing",
		[AUDIT_REORDERED] = "reordered",
		[AUDIT_REWRITTEN] = "rewritten",
	};

	return (size_t)f < ARRAY_LEN(names) ? names[f] : "unknown";
}

struct audit_verify *
audit_verify_new(const struct audit_head *known)
{
	struct audit_verify *v = NEW(struct audit_verify);

	v->line = BUF_INIT(AUDIT_LINE_MAX + 1);
	audit_head_init(&v->r.head);
	if (known != NULL && known->seq > 0) {
		v->known = true;
		v->anchor = *known;
	}
	return v;
}

void
audit_verify_free(struct audit_verify *v)
{
	if (v == NULL)
		return;
	buf_fini(&v->line);
	free(v);
}

static void fault(struct audit_verify *v, enum audit_fault f, uint64_t seq,
    uint64_t line, const char *fmt, ...) PRINTF(5, 6);

static void
fault(struct audit_verify *v, enum audit_fault f, uint64_t seq, uint64_t line,
    const char *fmt, ...)
{
	va_list ap;

	if (v->r.fault != AUDIT_INTACT)
		return;
	v->r.fault = f;
	v->r.seq = seq;
	v->r.line = line;
	va_start(ap, fmt);
	(void)vsnprintf(v->r.text, sizeof(v->r.text), fmt, ap);
	va_end(ap);
}

#define N(x) ((unsigned long long)(x))

/* Nothing explained it; `next` is what follows, or NULL. */
static void
settle_bad(struct audit_verify *v, const struct seal *next)
{
	if (!v->bad.there)
		return;
	v->bad.there = false;
	/* The record is there: what is not was the line before it. */
	if (v->bad.line == 1 || (next != NULL && next->seq == v->bad.seq))
		fault(v, AUDIT_ALTERED, 0, v->bad.line,
		    "line %llu, which a file of records begins with, is not "
		    "as it was written: its hash does not match",
		    N(v->bad.line));
	else
		fault(v, AUDIT_ALTERED, v->bad.seq, v->bad.line,
		    "line %llu, where record %llu should stand, is not as it "
		    "was written: its hash does not match",
		    N(v->bad.line), N(v->bad.seq));
}

static void
take_bad(struct audit_verify *v, struct view line)
{
	settle_bad(v, NULL);
	v->bad.there = true;
	v->bad.seq = v->r.head.seq + 1;
	v->bad.line = v->at;
	v->bad.n = line.n;
	sha256_hex(line, v->bad.hash);
}

static void
take_head(struct audit_verify *v, const struct seal *s)
{
	v->r.head.seq = s->seq;
	memcpy(v->r.head.hash, s->hash.p, s->hash.n);
	v->begun = true;
}

static bool
follows(const struct audit_verify *v, const struct seal *s)
{
	return view_eq(s->prev, view_of(v->r.head.hash));
}

static void
begin_first(
    struct audit_verify *v, const struct seal *s, const struct audit_event *ev)
{
	struct audit_head none;

	audit_head_init(&none);
	v->first = s->seq;
	v->first_file = ev->file;
	if (s->seq == 0 && !view_eq(s->prev, view_of(none.hash)))
		fault(v, AUDIT_MISSING, 0, v->at,
		    "lines before the first one are missing");
}

static void
begin_next(
    struct audit_verify *v, const struct seal *s, const struct audit_event *ev)
{
	uint64_t last = v->r.head.seq;

	if (!follows(v, s))
		fault(v, AUDIT_ALTERED, last, v->at,
		    "record %llu is not the one that line %llu goes on from",
		    N(last), N(v->at));
	else if (s->seq != last && !(s->seq == 0 && ev->file == 0))
		fault(v, AUDIT_MISSING, last + 1, v->at,
		    "line %llu goes on from record %llu after record %llu",
		    N(v->at), N(s->seq), N(last));
	else if (ev->file > 0 && v->file > 0 && ev->file != v->file &&
		 ev->file != v->file + 1)
		fault(v, AUDIT_MISSING, last + 1, v->at,
		    "file %u of records comes after file %u", ev->file,
		    v->file);
}

/* The line that a file, or a run in it, begins with. */
static void
take_begin(struct audit_verify *v, struct view line, const struct seal *s)
{
	struct audit_record *store = NULL;
	struct audit_event ev;
	struct err why;

	if (audit_record_parse(line, &store, &ev, &why) < 0) {
		take_bad(v, line);
		return;
	}
	if (v->bad.there && ev.torn == v->bad.n &&
	    view_eq(ev.sha256, view_of(v->bad.hash))) {
		v->bad.there = false;
		v->r.interrupted++;
	} else if (ev.torn > 0)
		fault(v, AUDIT_MISSING, s->seq + 1, v->at,
		    "what an interrupted write left before line %llu is gone",
		    N(v->at));
	settle_bad(v, NULL);
	if (v->begun)
		begin_next(v, s, &ev);
	else
		begin_first(v, s, &ev);
	if (s->seq == 0)
		v->unlike = 0;
	v->file = ev.file;
	if (ev.kept > 0)
		v->kept = ev.kept;
	take_head(v, s);
	audit_record_free(store);
}

/* A later run in the same file may be the one that it is of. */
static void
compare_anchor(struct audit_verify *v, const struct seal *s)
{
	if (!v->known || s->seq != v->anchor.seq)
		return;
	if (view_eq(s->hash, view_of(v->anchor.hash)))
		v->met = true;
	else
		v->unlike = v->at;
}

static void
out_of_order(struct audit_verify *v, const struct seal *s)
{
	uint64_t last = v->r.head.seq;

	/* The one that seemed to be missing. */
	if (v->r.fault == AUDIT_MISSING && v->r.seq == s->seq)
		v->r.fault = AUDIT_INTACT;
	fault(v, AUDIT_REORDERED, s->seq, v->at,
	    "record %llu stands on line %llu, after record %llu", N(s->seq),
	    N(v->at), N(last));
}

static void
take_record(struct audit_verify *v, const struct seal *s)
{
	uint64_t last = v->r.head.seq;

	settle_bad(v, s);
	v->r.records++;
	compare_anchor(v, s);
	if (!v->begun) {
		fault(v, AUDIT_MISSING, s->seq > 0 ? s->seq - 1 : 0, v->at,
		    "what stood before record %llu is missing: a file of "
		    "records begins with a CHAIN record",
		    N(s->seq));
	} else if (s->seq == last + 1) {
		if (!follows(v, s))
			fault(v, AUDIT_ALTERED, last, v->at,
			    "record %llu is not the one that record %llu was "
			    "written after",
			    N(last), N(s->seq));
	} else if (s->seq > last) {
		fault(v, AUDIT_MISSING, last + 1, v->at,
		    "record %llu is followed by record %llu on line %llu",
		    N(last), N(s->seq), N(v->at));
	} else {
		out_of_order(v, s);
		return; /* the order goes on from the greatest */
	}
	take_head(v, s);
}

static void
take_line(struct audit_verify *v, struct view line)
{
	struct seal s;

	/* No quote of a value stands unescaped, so only a kind can match. */
	if (v->line.full || !audit_seal_open(line, &s))
		take_bad(v, line);
	else if (memmem(line.p, line.n, "\"kind\":\"CHAIN\"", 14) != NULL)
		take_begin(v, line, &s);
	else
		take_record(v, &s);
}

void
audit_verify_feed(struct audit_verify *v, struct view bytes)
{
	while (bytes.n > 0) {
		struct view rest, part = view_cut(bytes, '\n', &rest);

		buf_put(&v->line, part);
		if (rest.p == NULL)
			return;
		v->at++;
		take_line(v, buf_view(&v->line));
		buf_reset(&v->line);
		bytes = rest;
	}
}

/* What the head that is kept apart says of the end. */
static void
settle_anchor(struct audit_verify *v)
{
	uint64_t last = v->r.head.seq;

	if (!v->known || v->met)
		return;
	if (v->unlike > 0)
		fault(v, AUDIT_REWRITTEN, v->anchor.seq, v->unlike,
		    "record %llu has another hash than the one kept apart: "
		    "it, or what stands before it, was written anew",
		    N(v->anchor.seq));
	else if (last < v->anchor.seq)
		fault(v, AUDIT_MISSING, last + 1, v->at,
		    "records %llu to %llu, the last one known, are missing at "
		    "the end",
		    N(last + 1), N(v->anchor.seq));
	else if (v->anchor.seq > v->first)
		fault(v, AUDIT_MISSING, v->anchor.seq, v->at,
		    "record %llu is missing", N(v->anchor.seq));
}

void
audit_verify_end(struct audit_verify *v, struct audit_verified *out)
{
	settle_bad(v, NULL);
	if (v->line.full)
		fault(v, AUDIT_ALTERED, v->r.head.seq + 1, v->at + 1,
		    "line %llu is longer than a record", N(v->at + 1));
	else if (v->line.n > 0)
		v->r.interrupted++;
	/* Older files go only after a newer one tells so. */
	if (v->first_file > v->kept)
		fault(v, AUDIT_MISSING, v->first, 1,
		    "records up to %llu are missing: file %u of records is the "
		    "oldest that was kept, the first one there is %u",
		    N(v->first), v->kept, v->first_file);
	settle_anchor(v);
	if (!v->begun && v->line.n == 0)
		fault(v, AUDIT_MISSING, 0, 0,
		    "there is nothing, not even the line that a file of "
		    "records begins with");
	*out = v->r;
}
