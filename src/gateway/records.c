/*
 * records: the head of each sandbox's records (audit/chain.h), kept where its
 * keeper cannot write.  It only grows; what a verification finds is compared
 * with it.  Stored within GW_SWEEP_MS and when a session ends, not with every
 * batch: an older head tells less, and nothing wrong.
 */
#include <string.h>

#include "base/log.h"
#include "gateway/gw.h"

static void
load(struct sbx *s)
{
	struct err e;

	if (s->head_known)
		return;
	if (store_head_get(s->g->store, s->id, &s->head, &e) < 0) {
		LOG_ERROR("HEAD_READ", KV_STR("sandbox", s->name),
		    KV_STR("reason", e.text));
		return;
	}
	s->head_known = true;
}

const struct store_head *
records_known(struct sbx *s)
{
	load(s);
	return &s->head;
}

/* Told once in the life of a gateway: it will not get better. */
static void
doubt(struct sbx *s, const Openshell__V1__RecordHead *h)
{
	if (s->head_doubted)
		return;
	s->head_doubted = true;
	sbx_log(s, "ERROR",
	    "its stored records end with number %llu and are not those that "
	    "were told before, up to %llu: openshell logs verify %s",
	    (unsigned long long)h->seq, (unsigned long long)s->head.seq,
	    s->name);
}

void
records_head(struct sbx *s, const Openshell__V1__RecordHead *h)
{
	if (h == NULL || h->seq == 0 || strlen(h->hash) != STORE_HASH_HEX)
		return;
	load(s);
	if (!s->head_known)
		return;
	if (h->seq < s->head.seq ||
	    (h->seq == s->head.seq && strcmp(h->hash, s->head.hash) != 0))
		doubt(s, h);
	if (h->seq <= s->head.seq)
		return;
	s->head.seq = h->seq;
	memcpy(s->head.hash, h->hash, sizeof(s->head.hash));
	s->head_unsaved = true;
}

void
records_save(struct sbx *s)
{
	struct err e;

	if (!s->head_unsaved)
		return;
	if (store_head_set(s->g->store, s->id, &s->head, &e) < 0) {
		LOG_WARN("HEAD_SAVE", KV_STR("sandbox", s->name),
		    KV_STR("reason", e.text));
		return;
	}
	s->head_unsaved = false;
}

/* One wait for the disk for all of them. */
void
records_save_all(struct gateway *g)
{
	struct sbx *s, *next;
	bool any = false;
	struct err e;

	HASH_ITER (by_id, g->ids, s, next)
		any |= s->head_unsaved;
	if (!any || store_begin(g->store, &e) < 0)
		return;
	HASH_ITER (by_id, g->ids, s, next)
		records_save(s);
	if (store_commit(g->store, &e) == 0)
		return;
	LOG_WARN("HEAD_SAVE", KV_STR("reason", e.text));
	HASH_ITER (by_id, g->ids, s, next)
		s->head_unsaved |= s->head.seq > 0;
}
