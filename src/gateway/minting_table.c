/*
 * minting_table: providers that are minted, and what was minted for them.
 *
 * It is stored too, sealed, so that a gateway that starts again gives its
 * sandboxes what they have; what was minted by other settings is not taken up.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/minting_impl.h"
#include "gateway/sealed.h"

#define OBJECT "minted"
enum { PACKED_MAX = 1 << 18, STALE_MAX = 64, ROWS_MAX = 1000 };

/* Of the row, and what its seal is bound to: not those of the provider, so
 * that neither opens in the place of the other. */
static char *
row_of(const char *id)
{
	return mem_printf("minted-%s", id);
}

/* --- values ----------------------------------------------------------------
 */

void
minted_set_text(char **at, const char *text)
{
	char *copy = mem_strdup(text);

	if (*at != (char *)&protobuf_c_empty_string)
		free(*at);
	*at = copy;
}

bool
minted_has_values(const struct minted *m)
{
	return m->kept->n_values > 0;
}

static void
wipe(minted_msg *k)
{
	while (k->n_values > 0) {
		Openshell__Datamodel__V1__Minted__ValuesEntry *en =
		    k->values[--k->n_values];

		mem_wipe(en->value, strlen(en->value));
		protobuf_c_message_free_unpacked(&en->base, NULL);
	}
}

void
minted_wipe(struct minted *m)
{
	wipe(m->kept);
}

static void
free_kept(minted_msg *k)
{
	if (k == NULL)
		return;
	wipe(k);
	openshell__datamodel__v1__minted__free_unpacked(k, NULL);
}

/* --- stored ----------------------------------------------------------------
 */

static int
save(const struct minted *m, struct err *e)
{
	AUTO_FREE char *row = row_of(m->id);
	AUTO_BUF struct buf sealed = BUF_INIT(PACKED_MAX);
	int64_t now = clock_wall_ms();

	if (sealed_pack(m->g, view_of(row), &m->kept->base, &sealed, e) < 0)
		return -1;
	if (store_object_update(m->g->store, OBJECT, row, buf_view(&sealed), 0,
		now, NULL, e) == 0)
		return 0;
	return e->code != ERR_NOT_FOUND
		   ? -1
		   : store_object_insert(m->g->store, OBJECT, row, m->name,
			 buf_view(&sealed), now, e);
}

void
minted_save(const struct minted *m)
{
	struct err e;

	/* What is in memory holds; the next start mints anew. */
	if (save(m, &e) < 0)
		LOG_ERROR("MINTED_NOT_STORED", KV_STR("provider", m->name),
		    KV_STR("reason", e.text));
}

static minted_msg *
fresh(const struct minted *m)
{
	minted_msg *k = NEW(minted_msg);

	openshell__datamodel__v1__minted__init(k);
	minted_set_text(&k->name, m->name);
	k->settings_digest.data = mem_calloc(1, SHA256_SIZE);
	k->settings_digest.len = SHA256_SIZE;
	memcpy(k->settings_digest.data, m->digest, SHA256_SIZE);
	return k;
}

/* What the store has of the same settings; else nothing yet. */
static void
read_kept(struct minted *m)
{
	AUTO_FREE char *row = row_of(m->id);
	struct store_object o = { 0 };
	ProtobufCMessage *got = NULL;
	struct err e = { 0 };
	minted_msg *k;

	if (store_object_by_id(m->g->store, OBJECT, row, &o, &e) == 0 &&
	    sealed_unpack(m->g, view_of(row), (struct view) { o.payload, o.n },
		&openshell__datamodel__v1__minted__descriptor, &got, &e) < 0)
		LOG_WARN("MINTED_NOT_READ", KV_STR("provider", m->name),
		    KV_STR("reason", e.text));
	store_object_fini(&o);
	k = (minted_msg *)(void *)got;
	if (k != NULL &&
	    (k->settings_digest.len != SHA256_SIZE ||
		memcmp(k->settings_digest.data, m->digest, SHA256_SIZE) != 0)) {
		free_kept(k);
		k = NULL;
	}
	m->kept = k != NULL ? k : fresh(m);
}

static void
forget_stored(struct gateway *g, const char *id)
{
	AUTO_FREE char *row = row_of(id);
	bool existed;
	struct err e;

	if (store_object_delete(g->store, OBJECT, row, &existed, &e) < 0)
		LOG_WARN("MINTED_NOT_DELETED", KV_STR("id", id),
		    KV_STR("reason", e.text));
}

struct stale {
	struct gateway *g;
	char *ids[STALE_MAX];
	size_t n;
};

static int
take_stale(void *ctx, const struct store_object *o)
{
	struct stale *s = ctx;

	for (const struct minted *m = s->g->minting->all; m != NULL;
	     m = m->next) {
		AUTO_FREE char *row = row_of(m->id);

		if (strcmp(row, o->id) == 0)
			return 0;
	}
	if (s->n < STALE_MAX)
		s->ids[s->n++] = mem_strdup(o->id);
	return 0;
}

void
minted_sweep(struct gateway *g)
{
	struct stale s = { .g = g };
	struct err e;

	if (store_object_list(
		g->store, OBJECT, ROWS_MAX, 0, take_stale, &s, &e) < 0)
		LOG_WARN("MINTED_NOT_READ", KV_STR("reason", e.text));
	while (s.n > 0) {
		bool existed;

		if (store_object_delete(
			g->store, OBJECT, s.ids[--s.n], &existed, &e) < 0)
			LOG_WARN("MINTED_NOT_DELETED",
			    KV_STR("row", s.ids[s.n]),
			    KV_STR("reason", e.text));
		free(s.ids[s.n]);
	}
}

/* --- the table -------------------------------------------------------------
 */

struct minted *
minted_find(const struct gateway *g, const char *name)
{
	struct minted *m = g->minting->all;

	while (m != NULL && strcmp(m->name, name) != 0)
		m = m->next;
	return m;
}

void
minted_drop(struct minted *m)
{
	struct minted **at = &m->g->minting->all;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	if (m->run != NULL)
		m->g->minting->runs--;
	job_run_cancel(m->run);
	m->run = NULL;
	minting_answer(m, "its provider was changed or deleted meanwhile");
	free_kept(m->kept);
	free(m->name);
	free(m);
}

static void
digest_of(const minting_msg *msg, unsigned char out[SHA256_SIZE])
{
	AUTO_RW_OUT struct buf b = BUF_INIT(0);
	size_t n = openshell__datamodel__v1__minting__get_packed_size(msg);

	rw_out_init(&b, n + 1);
	b.n = openshell__datamodel__v1__minting__pack(msg, (uint8_t *)b.p);
	sha256(buf_view(&b), out);
}

static int
add(struct gateway *g, const provider_msg *p, struct err *e)
{
	struct minted *m;
	enum way_id way;

	if (way_find(view_of(p->minting->way), &way, e) < 0)
		return -1;
	m = NEW(struct minted);
	m->g = g;
	m->way = way;
	m->name = mem_strdup(p->name);
	(void)snprintf(m->id, sizeof(m->id), "%s", p->id);
	digest_of(p->minting, m->digest);
	read_kept(m);
	m->next = g->minting->all;
	g->minting->all = m;
	return 0;
}

int
minted_load(struct gateway *g, const char *name, struct err *e)
{
	struct minted *old = minted_find(g, name);
	AUTO_PROVIDER provider_msg *p = NULL;
	unsigned char digest[SHA256_SIZE];
	int rc = provider_read(g, name, &p, NULL, e);
	bool minted = rc == 0 && p->minting != NULL;

	if (rc < 0 && e->code != ERR_NOT_FOUND)
		return -1;
	if (minted)
		digest_of(p->minting, digest);
	if (old != NULL && minted && strcmp(old->id, p->id) == 0 &&
	    memcmp(old->digest, digest, sizeof(digest)) == 0)
		return 0;
	if (old != NULL) {
		if (!minted || strcmp(old->id, p->id) != 0)
			forget_stored(g, old->id);
		minted_drop(old);
	}
	return minted ? add(g, p, e) : 0;
}
