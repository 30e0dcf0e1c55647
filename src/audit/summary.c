/*
 * summary: denials told apart and counted.
 *
 * Rows keep the order of their first event, and what the first event said;
 * a sandbox that makes up names all day fills AUDIT_SUMMARY_MAX rows and is
 * then only counted.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "audit/event.h"
#include "base/mem.h"
#include "base/table.h"

struct entry {
	UT_hash_handle hh;
	size_t row;
	size_t key_n;
	char text[]; /* the key, then reason, policy, suggestion */
};

struct audit_summary {
	struct entry *index;
	struct audit_summary_row rows[AUDIT_SUMMARY_MAX];
	size_t n;
	uint64_t others;
	uint64_t totals[AUDIT_INFO + 1];
	struct buf key; /* scratch */
};

enum { KEY_BOUND = 16384 };

struct audit_summary *
audit_summary_new(void)
{
	struct audit_summary *s = NEW(struct audit_summary);

	s->key = BUF_INIT(KEY_BOUND);
	return s;
}

void
audit_summary_free(struct audit_summary *s)
{
	struct entry *at, *next;

	if (s == NULL)
		return;
	HASH_ITER (hh, s->index, at, next) {
		HASH_DEL(s->index, at);
		free(at);
	}
	buf_fini(&s->key);
	free(s);
}

/* Each part with its length in front: no two tuples make one key. */
static void
put_part(struct buf *b, struct view v)
{
	uint32_t n = (uint32_t)v.n;

	buf_put(b, (struct view) { (const char *)&n, sizeof(n) });
	buf_put(b, v);
}

/* Copies to *at and moves it. */
static struct view
keep(char **at, struct view v)
{
	struct view kept = { *at, v.n };

	if (v.n > 0)
		memcpy(*at, v.p, v.n);
	*at += v.n;
	return kept;
}

static void
add_row(struct audit_summary *s, const struct audit_event *ev)
{
	struct audit_summary_row *r = &s->rows[s->n];
	size_t extra = ev->binary.n + ev->host.n + ev->method.n + ev->path.n +
		       ev->reason.n + ev->policy.n + ev->suggestion.n;
	struct entry *it = mem_calloc(1, sizeof(*it) + s->key.n + extra);
	char *at = it->text + s->key.n;

	memcpy(it->text, s->key.p, s->key.n);
	it->key_n = s->key.n;
	it->row = s->n++;
	*r = (struct audit_summary_row) {
		.binary = keep(&at, ev->binary),
		.host = keep(&at, ev->host),
		.method = keep(&at, ev->method),
		.path = keep(&at, ev->path),
		.reason = keep(&at, ev->reason),
		.policy = keep(&at, ev->policy),
		.suggestion = keep(&at, ev->suggestion),
		.port = ev->port,
		.event_id = ev->event_id,
		.count = 1,
		.first_ms = ev->time_ms,
		.last_ms = ev->time_ms,
	};
	HASH_ADD_KEYPTR(hh, s->index, it->text, it->key_n, it);
}

void
audit_summary_add(struct audit_summary *s, const struct audit_event *ev)
{
	struct audit_summary_row *r;
	struct entry *it = NULL;

	if ((unsigned)ev->action <= AUDIT_INFO)
		s->totals[ev->action]++;
	/* A policy that was refused is no request of the sandbox's. */
	if (ev->action != AUDIT_DENY || ev->kind == AUDIT_POLICY)
		return;
	buf_reset(&s->key);
	put_part(&s->key, ev->binary);
	put_part(&s->key, ev->host);
	put_part(&s->key, ev->method);
	put_part(&s->key, ev->path);
	put_part(&s->key, ev->operation);
	put_part(&s->key, ev->tool);
	buf_put(&s->key,
	    (struct view) { (const char *)&ev->port, sizeof(ev->port) });
	if (s->key.full) {
		s->others++;
		return;
	}
	HASH_FIND(hh, s->index, s->key.p, s->key.n, it);
	if (it == NULL) {
		if (s->n == AUDIT_SUMMARY_MAX)
			s->others++;
		else
			add_row(s, ev);
		return;
	}
	r = &s->rows[it->row];
	r->count++;
	r->first_ms = MIN(r->first_ms, ev->time_ms);
	r->last_ms = MAX(r->last_ms, ev->time_ms);
}

size_t
audit_summary_rows(
    const struct audit_summary *s, const struct audit_summary_row **rows)
{
	*rows = s->rows;
	return s->n;
}

uint64_t
audit_summary_others(const struct audit_summary *s)
{
	return s->others;
}

uint64_t
audit_summary_total(const struct audit_summary *s, enum audit_action a)
{
	return (unsigned)a <= AUDIT_INFO ? s->totals[a] : 0;
}
