/*
 * identity: questions, digests and trust on first use, on the loop's thread.
 *
 *   ask -> inode (netlink) -> processes and executables: at once when there
 *          are few, as always, or else by a worker: the loop must not be held
 *          up by a sandbox with thousands of them
 *       -> digests: known by file, or one worker each, shared by all who wait
 *       -> trust: the digest of a path must stay what it was -> answers
 *
 * Workers touch only their own job, so nothing here needs a lock.
 */
#include "sandbox/identity.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "codec/sha256.h"
#include "sandbox/identity_proc.h"

enum {
	DIGESTS_MAX = 512, /* files; beyond it the oldest unused goes */
	TRUST_MAX = 4096, /* paths; beyond it new ones are refused */
	CHUNK = 256 << 10
};
static const uint64_t file_max = (uint64_t)2 << 30; /* bytes worth hashing */

struct job;

struct digest {
	struct identity *id;
	uv_work_t work;
	struct id_file file;
	enum { DIGEST_FREE, DIGEST_RUNNING, DIGEST_READY, DIGEST_BAD } state;
	bool hashed; /* the worker's result; with hex its own while RUNNING */
	int fd;
	char hex[65];
	uint64_t used; /* for eviction */
	struct job **waiting;
	size_t n_waiting;
};

struct trust {
	char *path;
	char hex[65];
};

struct job {
	struct identity *id;
	uv_work_t work;
	struct net_who who;
	uint64_t inode;
	struct id_found found;
	unsigned missing; /* digests still being made */
};

struct identity {
	uv_loop_t *loop;
	int diag, proc;
	identity_answer_fn *answer;
	void *ctx;
	unsigned pending, hashed;
	uint64_t tick;
	struct digest *digests[DIGESTS_MAX];
	size_t n_digests;
	struct trust *trust; /* sorted by path */
	size_t n_trust;
};

struct identity *
identity_new(
    uv_loop_t *loop, int diag, int proc, identity_answer_fn *answer, void *ctx)
{
	struct identity *id = NEW(struct identity);

	id->loop = loop;
	id->diag = diag;
	id->proc = proc;
	id->answer = answer;
	id->ctx = ctx;
	return id;
}

unsigned
identity_pending(const struct identity *id)
{
	return id->pending;
}

unsigned
identity_hashed(const struct identity *id)
{
	return id->hashed;
}

void
identity_free(struct identity *id)
{
	if (id == NULL)
		return;
	for (size_t i = 0; i < id->n_digests; i++)
		free(id->digests[i]);
	for (size_t i = 0; i < id->n_trust; i++)
		free(id->trust[i].path);
	free(id->trust);
	free(id);
}

/* --- digests ------------------------------------------------------------ */

static bool
same_file(const struct id_file *a, const struct id_file *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns &&
	       a->ctime_s == b->ctime_s && a->ctime_ns == b->ctime_ns;
}

static struct digest *
digest_of(struct identity *id, const struct id_file *file)
{
	for (size_t i = 0; i < id->n_digests; i++)
		if (same_file(&id->digests[i]->file, file)) {
			id->digests[i]->used = ++id->tick;
			return id->digests[i];
		}
	return NULL;
}

/* SHA-256 of the file as it is; false when it cannot be read or changed. */
static bool
hash_file(int fd, const struct id_file *file, char hex[65])
{
	AUTO_FREE unsigned char *chunk = mem_calloc(1, CHUNK);
	unsigned char out[SHA256_SIZE];
	struct id_file now;
	struct sha256 sum;
	uint64_t at = 0;

	sha256_begin(&sum);
	while (at < file->size) {
		ssize_t n = pread(fd, chunk, CHUNK, (off_t)at);

		if (n <= 0)
			return false;
		sha256_add(&sum, (struct view) { (char *)chunk, (size_t)n });
		at += (uint64_t)n;
	}
	if (at != file->size || !id_file_of(fd, &now) || !same_file(&now, file))
		return false;
	sha256_end(&sum, out);
	sha256_text(out, hex);
	return true;
}

static void
work_hash(uv_work_t *w)
{
	struct digest *g = CONTAINER_OF(w, struct digest, work);

	g->hashed = hash_file(g->fd, &g->file, g->hex);
}

static void settle(struct job *j);

static void
done_hash(uv_work_t *w, int status)
{
	struct digest *g = CONTAINER_OF(w, struct digest, work);
	struct job **waiting = take_ptr(g->waiting);
	size_t n = g->n_waiting;

	g->n_waiting = 0;
	fd_close(&g->fd);
	g->state = status == 0 && g->hashed ? DIGEST_READY : DIGEST_BAD;
	g->id->hashed++;
	for (size_t i = 0; i < n; i++)
		if (--waiting[i]->missing == 0)
			settle(waiting[i]);
	free(waiting);
}

/* A place for one more; NULL when all are being made. */
static struct digest *
digest_place(struct identity *id)
{
	struct digest *oldest = NULL;

	if (id->n_digests < DIGESTS_MAX)
		return id->digests[id->n_digests++] = NEW(struct digest);
	for (size_t i = 0; i < id->n_digests; i++) {
		struct digest *g = id->digests[i];

		if (g->state != DIGEST_RUNNING &&
		    (oldest == NULL || g->used < oldest->used))
			oldest = g;
	}
	return oldest;
}

/*
 * The digest of a file, known or being made; NULL when it cannot be.  Takes
 * *fd.
 */
static struct digest *
digest_start(struct identity *id, const struct id_file *file, int *fd)
{
	AUTO_CLOSE int mine = fd_take(fd);
	struct digest *g = digest_of(id, file);

	if (g != NULL && g->state != DIGEST_BAD)
		return g;
	if (file->size > file_max)
		return NULL;
	if (g == NULL)
		g = digest_place(id);
	if (g == NULL)
		return NULL;
	*g = (struct digest) { .id = id,
		.file = *file,
		.state = DIGEST_RUNNING,
		.fd = take_fd(mine),
		.used = ++id->tick };
	if (uv_queue_work(id->loop, &g->work, work_hash, done_hash) < 0) {
		fd_close(&g->fd);
		g->state = DIGEST_BAD;
		return NULL;
	}
	return g;
}

void
identity_warm(struct identity *id, int fd)
{
	struct id_file file;

	if (id_file_of(fd, &file))
		(void)digest_start(id, &file, &fd);
	fd_close(&fd);
}

/* Makes sure that the digest of `p` is known, or waits for it. */
static void
want_digest(struct job *j, struct id_prog *p)
{
	struct digest *g;

	if (p->fd < 0)
		return;
	g = digest_start(j->id, &p->file, &p->fd);
	if (g == NULL || g->state != DIGEST_RUNNING)
		return;
	g->waiting =
	    mem_realloc(g->waiting, g->n_waiting + 1, sizeof(struct job *));
	g->waiting[g->n_waiting++] = j;
	j->missing++;
}

/* --- trust on first use ------------------------------------------------- */

static int
trust_compare(const void *key, const void *at)
{
	return strcmp(key, ((const struct trust *)at)->path);
}

static bool
trust_add(struct identity *id, const char *path, const char *hex)
{
	size_t at = 0;

	if (id->n_trust == TRUST_MAX)
		return false;
	id->trust = mem_realloc(id->trust, id->n_trust + 1, sizeof(*id->trust));
	while (at < id->n_trust && strcmp(id->trust[at].path, path) < 0)
		at++;
	memmove(&id->trust[at + 1], &id->trust[at],
	    (id->n_trust - at) * sizeof(*id->trust));
	id->trust[at].path = mem_strdup(path);
	memcpy(id->trust[at].hex, hex, sizeof(id->trust[at].hex));
	id->n_trust++;
	return true;
}

/*
 * NULL when `p` is what its path has been so far; else why not.  *changed: it
 * has been something else.
 */
static const char *
check_prog(struct identity *id, const struct id_prog *p, const char **hex,
    uint8_t *changed, char why[256])
{
	const struct digest *g = digest_of(id, &p->file);
	const struct trust *t = id->n_trust > 0
				    ? bsearch(p->path, id->trust, id->n_trust,
					  sizeof(*t), trust_compare)
				    : NULL;

	if (g == NULL || g->state != DIGEST_READY) {
		(void)snprintf(why, 256, "%.120s could not be hashed (%s)",
		    p->path,
		    p->file.size > file_max ? "too large"
					    : "it changed or is unreadable");
		return why;
	}
	*hex = g->hex;
	if (t == NULL && !trust_add(id, p->path, g->hex)) {
		(void)snprintf(why, 256,
		    "more than %d different programs have connected",
		    (int)TRUST_MAX);
		return why;
	}
	if (t != NULL && strcmp(t->hex, g->hex) != 0) {
		*changed = 1;
		(void)snprintf(why, 256,
		    "Binary integrity violation: %.100s hash changed "
		    "(cached: %.16s, current: %.16s)",
		    p->path, t->hex, g->hex);
		return why;
	}
	return NULL;
}

/* --- answers ------------------------------------------------------------ */

/* The nearest, as many as fit: one that is left out gives no right. */
static void
fill_ancestors(const struct id_owner *o, struct net_identity *m)
{
	size_t at = 0;

	for (unsigned i = 0; i < o->n_ancestors; i++) {
		size_t n = strlen(o->ancestors[i].path) + 1;

		if (m->n_ancestors == NET_ANCESTORS ||
		    n > sizeof(m->ancestors) - at) {
			m->cut = 1;
			return;
		}
		memcpy(m->ancestors + at, o->ancestors[i].path, n);
		at += n;
		m->n_ancestors++;
	}
	m->cut = o->cut;
}

static void
fill_owner(
    struct identity *id, const struct id_owner *o, struct net_identity *m)
{
	const char *hex = "", *ignored, *why;
	char text[256];

	m->pid = o->pid;
	m->starttime = o->starttime;
	(void)snprintf(m->exe, sizeof(m->exe), "%s", o->self.path);
	(void)snprintf(m->cmdline, sizeof(m->cmdline), "%s", o->cmdline);
	fill_ancestors(o, m);
	if (o->reason[0] != '\0') {
		(void)snprintf(m->reason, sizeof(m->reason), "%s", o->reason);
		return;
	}
	why = check_prog(id, &o->self, &hex, &m->changed, text);
	(void)snprintf(m->sha256, sizeof(m->sha256), "%s", hex);
	if (why != NULL) {
		(void)snprintf(m->reason, sizeof(m->reason),
		    "binary integrity check failed: %.220s", why);
		return;
	}
	for (unsigned i = 0; i < o->n_ancestors; i++) {
		why = check_prog(
		    id, &o->ancestors[i], &ignored, &m->changed, text);
		if (why == NULL)
			continue;
		(void)snprintf(m->reason, sizeof(m->reason),
		    "ancestor integrity check failed for %.60s: %.150s",
		    o->ancestors[i].path, why);
		return;
	}
	m->ok = 1;
}

static void
answer_none(struct job *j, const char *reason)
{
	struct net_identity *m = NEW(struct net_identity);

	m->id = j->who.id;
	(void)snprintf(m->reason, sizeof(m->reason), "%s", reason);
	j->id->answer(j->id->ctx, m);
	free(m);
}

/* Everything is known: answer and forget. */
static void
settle(struct job *j)
{
	struct identity *id = j->id;

	id->pending--;
	if (j->found.reason[0] != '\0')
		answer_none(j, j->found.reason);
	for (unsigned i = 0; j->found.reason[0] == '\0' && i < j->found.n;
	     i++) {
		struct net_identity *m = NEW(struct net_identity);

		m->id = j->who.id;
		m->owners = (uint8_t)j->found.n;
		m->more = i + 1 < j->found.n;
		fill_owner(id, &j->found.owners[i], m);
		id->answer(id->ctx, m);
		free(m);
	}
	id_found_fini(&j->found);
	free(j);
}

static void
work_find(uv_work_t *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);

	if (j->inode == 0)
		j->inode = id_inode_proc(j->id->proc, &j->who);
	if (j->inode != 0)
		id_find(j->id->proc, j->inode, &j->found);
	else
		(void)snprintf(j->found.reason, sizeof(j->found.reason),
		    "the connection is not in the sandbox's socket table");
}

/* The owners are known: now what they run. */
static void
found(struct job *j)
{
	j->missing = 1; /* ours, until all are asked for */
	for (unsigned i = 0; j->found.reason[0] == '\0' && i < j->found.n;
	     i++) {
		struct id_owner *o = &j->found.owners[i];

		if (o->reason[0] != '\0')
			continue;
		want_digest(j, &o->self);
		for (unsigned k = 0; k < o->n_ancestors; k++)
			want_digest(j, &o->ancestors[k]);
	}
	if (--j->missing == 0)
		settle(j);
}

static void
done_find(uv_work_t *w, int status)
{
	struct job *j = CONTAINER_OF(w, struct job, work);

	if (status != 0 && j->found.reason[0] == '\0')
		(void)snprintf(j->found.reason, sizeof(j->found.reason),
		    "the look-up was cancelled");
	found(j);
}

void
identity_ask(struct identity *id, const struct net_who *who)
{
	struct job *j = NEW(struct job);

	j->id = id;
	j->who = *who;
	j->inode = id_inode_diag(id->diag, who);
	id->pending++;
	if (j->inode != 0 && id_find_quick(id->proc, j->inode, &j->found)) {
		found(j);
		return;
	}
	if (uv_queue_work(id->loop, &j->work, work_find, done_find) < 0) {
		(void)snprintf(j->found.reason, sizeof(j->found.reason),
		    "no worker to look it up");
		settle(j);
	}
}
