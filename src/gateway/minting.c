/* minting: see minting.h.  When it is done, and what comes of it. */
#include "gateway/minting.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "gateway/minting_impl.h"

/* Also when the clock jumps it is looked at soon. */
enum { LOOK_MAX_MS = 60000, PROVIDERS_MAX = 1000 };

/* --- when ------------------------------------------------------------------
 */

static int64_t
random_below(int64_t n)
{
	uint32_t r;

	random_bytes(&r, sizeof(r));
	return n > 0 ? (int64_t)(r % (uint64_t)n) : 0;
}

/* Many that fail, or were minted, at one time do not come at one time. */
static int64_t
backoff_ms(unsigned failures)
{
	unsigned doublings = MIN(failures > 0 ? failures - 1 : 0, 8U);
	int64_t most = MIN((int64_t)MINTING_BACKOFF_MS << doublings,
	    (int64_t)MINTING_BACKOFF_MAX_MS);

	return most / 2 + random_below(most / 2 + 1);
}

static void
set_times(minted_msg *k, int64_t asked_ms, uint32_t lifetime_s)
{
	int64_t life = (int64_t)lifetime_s * 1000;
	int64_t good = life - MIN((int64_t)MINTING_MARGIN_MS, life / 2);

	k->minted_at_ms = asked_ms;
	k->ends_at_ms = asked_ms + good;
	k->next_at_ms = asked_ms + good * 3 / 4 - random_below(good / 16 + 1);
}

/* Also when the clock went back: nothing is planned so far ahead. */
static bool
is_due(const struct minted *m, int64_t now)
{
	int64_t ahead = m->kept->next_at_ms - now;

	return ahead <= 0 || ahead > (int64_t)MINTER_LIFETIME_MAX_S * 1000;
}

static bool
is_over(const struct minted *m, int64_t now)
{
	return minted_has_values(m) && now >= m->kept->ends_at_ms;
}

static void on_timer(uv_timer_t *t);

void
minting_arm(struct gateway *g)
{
	struct minting *t = g->minting;
	int64_t now = clock_wall_ms(), next = now + LOOK_MAX_MS;

	for (struct minted *m = t->all; m != NULL; m = m->next) {
		if (m->run == NULL && t->runs < MINTING_RUNS_MAX)
			next = MIN(next, m->kept->next_at_ms);
		if (minted_has_values(m))
			next = MIN(next, m->kept->ends_at_ms);
	}
	(void)uv_timer_start(
	    &t->timer, on_timer, next > now ? (uint64_t)(next - now) : 0, 0);
}

/* --- what came of it -------------------------------------------------------
 */

void
minting_answer(struct minted *m, const char *why)
{
	while (m->waits != NULL) {
		struct minting_wait *w = m->waits;

		m->waits = w->next;
		w->done(w, why);
	}
}

static void
put_value(minted_msg *k, const char *key, const char *value)
{
	typedef Openshell__Datamodel__V1__Minted__ValuesEntry value_msg;
	value_msg *en = NEW(value_msg);

	openshell__datamodel__v1__minted__values_entry__init(en);
	en->key = mem_strdup(key);
	en->value = mem_strdup(value);
	k->values = mem_realloc(k->values, k->n_values + 1, sizeof(*k->values));
	k->values[k->n_values++] = en;
}

/* Keys are the way's own, or the one that the provider names. */
static bool
put_values(struct minted *m, const struct minter_answer *a)
{
	AUTO_PROVIDER provider_msg *p = NULL;
	const char *key;
	struct err e;

	if (provider_read(m->g, m->name, &p, NULL, &e) < 0 ||
	    p->minting == NULL)
		return false;
	minted_wipe(m);
	for (size_t i = 0;
	     i < WAY_VALUES_MAX && (key = minting_key(p->minting, i)) != NULL;
	     i++)
		put_value(m->kept, key, a->values[i]);
	return true;
}

/* One line that acts on no terminal: what a name server said may be in it. */
static void
put_line(struct buf *out, struct view said)
{
	for (bool first = true; said.p != NULL; first = false) {
		struct view line = view_cut(said, '\n', &said);

		buf_puts(out, first ? "" : ": ");
		buf_put_escaped(out, line);
	}
}

static void
failed(struct minted *m, const char *said)
{
	AUTO_BUF struct buf text =
	    BUF_INIT(sizeof(((struct err *)0)->text) * 4);
	minted_msg *k = m->kept;
	const char *why;
	bool news;

	put_line(&text, view_of(said));
	why = buf_str(&text);
	news = strcmp(k->error, why) != 0;
	k->failures++;
	k->next_at_ms = clock_wall_ms() + backoff_ms(k->failures);
	minted_set_text(&k->error, why);
	LOG_WARN("MINT_FAILED", KV_STR("provider", m->name),
	    KV_UINT("failures", k->failures), KV_STR("reason", why));
	if (news) {
		minted_save(m);
		provider_log(m->g, m->name, "WARN",
		    "the credentials of provider '%s' could not be renewed%s: "
		    "%s",
		    m->name,
		    minted_has_values(m) ? "; those of before go on" : "", why);
	}
	/* The reason that sandboxes give. */
	if (news && !minted_has_values(m))
		provider_changed(m->g, m->name);
	minting_answer(m, why);
}

static void
succeeded(struct minted *m, const struct minter_answer *a)
{
	minted_msg *k = m->kept;

	if (!put_values(m, a)) {
		failed(m, "its provider cannot be read");
		return;
	}
	set_times(k, m->asked_ms, a->lifetime_s);
	if (k->failures > 0)
		provider_log(m->g, m->name, "INFO",
		    "the credentials of provider '%s' are renewed again",
		    m->name);
	k->failures = 0;
	minted_set_text(&k->error, "");
	LOG_INFO("MINTED", KV_STR("provider", m->name),
	    KV_UINT("lifetime_s", a->lifetime_s));
	minted_save(m);
	provider_changed(m->g, m->name);
	minting_answer(m, NULL);
}

static void
on_minted(void *ctx, const void *answer, const struct err *why)
{
	const struct minter_answer *a = answer;
	struct minted *m = ctx;
	struct gateway *g = m->g;
	struct err e = { 0 };

	m->run = NULL;
	g->minting->runs--;
	if (why != NULL)
		failed(m, why->text);
	else if (minter_answer_check(a, sizeof(*a), m->way, &e) < 0)
		failed(m, e.text);
	else if (!a->minted)
		failed(m, a->reason);
	else
		succeeded(m, a);
	minting_arm(g);
}

/* --- doing it --------------------------------------------------------------
 */

static const struct job_kind minter = { .word = "mint",
	.name = "minter",
	.ask_size = sizeof(struct minter_ask),
	.answer_size = sizeof(struct minter_answer),
	.late_ms = MINTER_JOB_MS + 3000 };

static void
start(struct minted *m)
{
	AUTO_PROVIDER provider_msg *p = NULL;
	struct minter_ask *ask = NULL;
	struct err e;
	int rc = provider_read(m->g, m->name, &p, NULL, &e);

	if (rc == 0 && p->minting == NULL)
		rc = err_set(&e, ERR_NOT_FOUND, "nothing says how");
	if (rc == 0) {
		ask = minting_ask(p);
		(void)snprintf(ask->egress, sizeof(ask->egress), "%s",
		    m->g->config.egress);
		m->asked_ms = clock_wall_ms();
		rc = job_run_start(
		    m->g->loop, &minter, ask, on_minted, m, &m->run, &e);
		mem_wipe(ask, sizeof(*ask));
		free(ask);
	}
	if (rc == 0)
		m->g->minting->runs++;
	else
		failed(m, e.text);
}

/* Its end has come, and nothing newer has. */
static void
take_away(struct minted *m)
{
	const char *why = m->kept->error[0] != '\0'
			      ? m->kept->error
			      : "it could not be renewed in time";

	minted_wipe(m);
	LOG_WARN(
	    "MINTED_ENDED", KV_STR("provider", m->name), KV_STR("reason", why));
	provider_log(m->g, m->name, "ERROR",
	    "the credentials of provider '%s' have ended and are taken away: "
	    "%s",
	    m->name, why);
	minted_save(m);
	provider_changed(m->g, m->name);
}

static void
on_timer(uv_timer_t *t)
{
	struct gateway *g = t->data;
	int64_t now = clock_wall_ms();

	for (struct minted *m = g->minting->all; m != NULL; m = m->next) {
		if (is_over(m, now))
			take_away(m);
		if (m->run == NULL && is_due(m, now) &&
		    g->minting->runs < MINTING_RUNS_MAX)
			start(m);
	}
	minting_arm(g);
}

void
minting_changed(struct gateway *g, const char *name)
{
	struct err e;

	if (minted_load(g, name, &e) < 0)
		LOG_ERROR("MINTING_NOT_READ", KV_STR("provider", name),
		    KV_STR("reason", e.text));
	minting_arm(g);
}

bool
minting_now(struct gateway *g, const char *name, struct minting_wait *w)
{
	struct minted *m = minted_find(g, name);

	if (m == NULL)
		return false;
	w->next = m->waits;
	m->waits = w;
	if (m->run == NULL)
		m->kept->next_at_ms = 0;
	minting_arm(g);
	return true;
}

void
minting_forget(struct gateway *g, const char *name, struct minting_wait *w)
{
	struct minted *m = minted_find(g, name);
	struct minting_wait **at = m != NULL ? &m->waits : NULL;

	while (at != NULL && *at != NULL && *at != w)
		at = &(*at)->next;
	if (at != NULL && *at == w)
		*at = w->next;
}

/* --- from start to end -----------------------------------------------------
 */

struct names {
	char *v[PROVIDERS_MAX];
	size_t n;
};

static void
take_name(void *ctx, const char *name)
{
	struct names *names = ctx;

	if (names->n < PROVIDERS_MAX)
		names->v[names->n++] = mem_strdup(name);
}

int
minting_open(struct gateway *g, struct err *e)
{
	AUTO_FREE struct names *names = NEW(struct names);
	int rc;

	g->minting = NEW(struct minting);
	(void)uv_timer_init(g->loop, &g->minting->timer);
	g->minting->timer.data = g;
	rc = provider_names(g, PROVIDERS_MAX, take_name, names, e);
	/* One that cannot be read is said, and keeps nothing else from
	 * starting. */
	for (size_t i = 0; i < names->n; i++) {
		minting_changed(g, names->v[i]);
		free(names->v[i]);
	}
	if (rc == 0)
		minted_sweep(g);
	return rc;
}

static void
on_closed(uv_handle_t *h)
{
	free(CONTAINER_OF((uv_timer_t *)h, struct minting, timer));
}

void
minting_close(struct gateway *g)
{
	if (g->minting == NULL)
		return;
	while (g->minting->all != NULL)
		minted_drop(g->minting->all);
	uv_close((uv_handle_t *)&g->minting->timer, on_closed);
	g->minting = NULL;
}
