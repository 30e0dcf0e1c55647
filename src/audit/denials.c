/* denials: see denials.h. */
#include "audit/denials.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"

enum { KEY_BOUND = 4096 };

struct entry {
	UT_hash_handle hh; /* in the order of their last denial */
	struct denial d;
	size_t bytes, key_n;
	char text[]; /* the key, then what the views are of */
};

struct denials {
	struct entry *index;
	size_t bytes;
	uint64_t evicted;
	struct buf key; /* scratch */
};

struct denials *
denials_new(void)
{
	struct denials *d = NEW(struct denials);

	d->key = BUF_INIT(KEY_BOUND);
	return d;
}

static void
drop(struct denials *d, struct entry *e)
{
	HASH_DEL(d->index, e);
	d->bytes -= e->bytes;
	for (size_t i = 0; i < e->d.n_samples; i++) {
		free(e->d.samples[i].method);
		free(e->d.samples[i].path);
	}
	free(e);
}

void
denials_free(struct denials *d)
{
	if (d == NULL)
		return;
	while (d->index != NULL)
		drop(d, d->index);
	buf_fini(&d->key);
	free(d);
}

size_t
denials_count(const struct denials *d)
{
	return HASH_COUNT(d->index);
}

uint64_t
denials_evicted(const struct denials *d)
{
	return d->evicted;
}

void
denials_each(const struct denials *d,
    void (*each)(void *ctx, const struct denial *one), void *ctx)
{
	for (const struct entry *e = d->index; e != NULL; e = e->hh.next)
		each(ctx, &e->d);
}

/* --- keys ------------------------------------------------------------------
 */

/* The newest stays, however large. */
static void
make_room(struct denials *d)
{
	while (HASH_COUNT(d->index) > DENIALS_MAX ||
	       (d->bytes > DENIALS_BYTES_MAX && HASH_COUNT(d->index) > 1)) {
		d->evicted += d->index->d.count;
		drop(d, d->index);
	}
}

/* Each part with its length in front: no two keys are one. */
static bool
make_key(struct denials *d, struct view host, uint16_t port, struct view binary)
{
	buf_reset(&d->key);
	buf_printf(&d->key, "%u:%zu:", port, host.n);
	buf_put(&d->key, host);
	buf_put(&d->key, binary);
	return !d->key.full;
}

static struct view
keep(char **at, struct view v)
{
	struct view kept = { *at, v.n };

	if (v.n > 0)
		memcpy(*at, v.p, v.n);
	*at += v.n;
	return kept;
}

/* What d->key names, made of `from` when it is not there; now the newest. */
static struct entry *
entry_of(struct denials *d, const struct denial *from)
{
	struct entry *e = NULL;
	size_t n = d->key.n + from->host.n + from->binary.n +
		   from->ancestors.n + from->reason.n + from->stage.n +
		   from->sha256.n;
	char *at;

	HASH_FIND(hh, d->index, d->key.p, d->key.n, e);
	if (e != NULL) {
		HASH_DEL(d->index, e);
		HASH_ADD(hh, d->index, text, e->key_n, e);
		return e;
	}
	e = mem_calloc(1, sizeof(*e) + n);
	e->bytes = sizeof(*e) + n;
	e->key_n = d->key.n;
	at = e->text;
	(void)keep(&at, buf_view(&d->key));
	e->d.host = keep(&at, from->host);
	e->d.binary = keep(&at, from->binary);
	e->d.ancestors = keep(&at, from->ancestors);
	e->d.reason = keep(&at, from->reason);
	e->d.stage = keep(&at, from->stage);
	e->d.sha256 = keep(&at, from->sha256);
	e->d.port = from->port;
	e->d.first_ms = from->first_ms;
	HASH_ADD(hh, d->index, text, e->key_n, e);
	d->bytes += e->bytes;
	return e;
}

/* --- samples ---------------------------------------------------------------
 */

static uint32_t
add_up(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static void
add_sample(struct denials *d, struct entry *e, const struct denial_sample *s)
{
	struct denial_sample *at = e->d.samples;
	size_t n = strlen(s->method) + strlen(s->path) + 2;

	for (size_t i = 0; i < e->d.n_samples; i++)
		if (at[i].audited == s->audited &&
		    at[i].no_rule == s->no_rule &&
		    strcmp(at[i].method, s->method) == 0 &&
		    strcmp(at[i].path, s->path) == 0) {
			at[i].count = add_up(at[i].count, s->count);
			return;
		}
	if (e->d.n_samples == DENIAL_SAMPLES) {
		e->d.unlisted += s->count;
		return;
	}
	at = &at[e->d.n_samples++];
	*at = *s;
	at->method = mem_strdup(s->method);
	at->path = mem_strdup(s->path);
	e->bytes += n;
	d->bytes += n;
}

/* Operations, messages, and what an entry of deny_rules refuses. */
static bool
is_beyond_rules(const struct audit_event *ev)
{
	static const struct view deny = VIEW(".deny_rules");

	return ev->operation.n > 0 ||
	       view_eq(ev->method, VIEW("WEBSOCKET_TEXT")) ||
	       (ev->nearest.n > 0 && memmem(ev->nearest.p, ev->nearest.n,
					 deny.p, deny.n) != NULL);
}

static void
sample(struct denials *d, struct entry *e, const struct audit_event *ev)
{
	AUTO_FREE char *method = view_dup(ev->method);
	AUTO_FREE char *path = view_dup(ev->path);
	const struct denial_sample s = { method, path,
		ev->action == AUDIT_AUDIT, is_beyond_rules(ev), 1 };

	/* One that was cut is not what was asked for; a NUL is in none. */
	if (ev->truncated || ev->path.n == 0 || ev->path.n > DENIAL_PATH_MAX ||
	    strlen(path) != ev->path.n || strlen(method) != ev->method.n)
		e->d.unlisted++;
	else
		add_sample(d, e, &s);
}

/* --- records ---------------------------------------------------------------
 */

/* 0: not one of those that are counted. */
static unsigned
kind_of(const struct audit_event *ev)
{
	static const struct {
		struct view stage;
		unsigned kind;
	} rows[] = {
		{ VIEW("connect"), DENIAL_CONNECTION },
		{ VIEW("forward"), DENIAL_CONNECTION },
		{ VIEW("l7"), DENIAL_REQUEST },
		{ VIEW("forward-l7-deny"), DENIAL_REQUEST },
		{ VIEW("l7_audit"), DENIAL_REQUEST },
		{ VIEW("ssrf"), DENIAL_ADDRESS },
		{ VIEW("bypass"), DENIAL_DATAGRAM },
	};

	if ((ev->action != AUDIT_DENY && ev->action != AUDIT_AUDIT) ||
	    ev->kind == AUDIT_L7_RESPONSE || ev->host.n == 0 || ev->port == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (view_eq(ev->stage, rows[i].stage))
			/* The request of plain HTTP is known with its host. */
			return rows[i].kind == DENIAL_CONNECTION &&
				       ev->method.n > 0
				   ? DENIAL_REQUEST
				   : rows[i].kind;
	return 0;
}

bool
denials_add(struct denials *d, const struct audit_event *ev)
{
	const struct denial from = { .host = ev->host,
		.binary = ev->binary.n > 0 ? ev->binary : VIEW("-"),
		.port = ev->port,
		.ancestors = ev->ancestors,
		.reason = ev->reason,
		.stage = ev->stage,
		.sha256 = ev->sha256,
		.first_ms = ev->time_ms };
	unsigned kind = kind_of(ev);
	struct entry *e;

	if (kind == 0 || !make_key(d, from.host, from.port, from.binary))
		return false;
	e = entry_of(d, &from);
	e->d.last_ms = MAX(e->d.last_ms, ev->time_ms);
	e->d.count++;
	e->d.kinds |= kind;
	e->d.cut |= ev->truncated;
	if (kind == DENIAL_REQUEST)
		sample(d, e, ev);
	make_room(d);
	return true;
}

/* --- merging ---------------------------------------------------------------
 */

static void
merge_one(struct denials *to, const struct denial *from)
{
	struct entry *e;

	if (!make_key(to, from->host, from->port, from->binary))
		return;
	e = entry_of(to, from);
	e->d.first_ms = MIN(e->d.first_ms, from->first_ms);
	e->d.last_ms = MAX(e->d.last_ms, from->last_ms);
	e->d.count += from->count;
	e->d.kinds |= from->kinds;
	e->d.cut |= from->cut;
	e->d.unlisted += from->unlisted;
	for (size_t i = 0; i < from->n_samples; i++)
		add_sample(to, e, &from->samples[i]);
	make_room(to);
}

/* The newer go into the older, so that the first of all is the first. */
void
denials_merge(struct denials *d, struct denials *older)
{
	struct denials now = *older;

	for (const struct entry *e = d->index; e != NULL; e = e->hh.next)
		merge_one(&now, &e->d);
	now.evicted += d->evicted;
	*older = *d;
	*d = now;
	denials_free(older);
}
