#include "sandbox/links.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/strmap.h"
#include "sandbox/linux_new.h"
#include "sandbox/netmsg.h"

struct link {
	struct view path, target; /* target empty: it is what it says */
};

struct links {
	int root;
	struct arena arena;
	struct strmap seen; /* path to place in v */
	struct link *v; /* a sandbox that idles has few */
	uint32_t n;
	bool full;
	bool changed; /* by what is followed now */ /* said so */
};

_Static_assert((int)NET_LINKS_MAX >= (int)LINKS_MAX * (1024 + NET_PATH_MAX + 2),
    "every link fits the message");

struct links *
links_new(int root)
{
	struct links *l = NEW(struct links);

	l->root = root;
	l->seen = STRMAP_INIT(&l->arena);
	return l;
}

void
links_free(struct links *l)
{
	if (l == NULL)
		return;
	arena_fini(&l->arena);
	free(l->v);
	free(l);
}

/*
 * The file behind `path`, as the kernel will name it when it runs; NULL when
 * none is there.
 */
static const char *
follow(const struct links *l, const char *path, char out[NET_PATH_MAX])
{
	AUTO_CLOSE int fd = sys_openat2(
	    l->root, path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	char name[32];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, out, NET_PATH_MAX);
	/* One with a '*' would be read as a pattern. */
	if (n <= 0 || n >= NET_PATH_MAX || out[0] != '/' ||
	    memchr(out, '*', (size_t)n) != NULL)
		return NULL;
	out[n] = '\0';
	return out;
}

static bool
add(struct links *l, struct view path)
{
	char name[1025], real[NET_PATH_MAX];
	struct link *k;

	if (path.n == 0 || path.n >= sizeof(name) || path.p[0] != '/' ||
	    view_find(path, '*') >= 0 ||
	    strmap_get(&l->seen, path) != STRMAP_NONE)
		return false;
	memcpy(name, path.p, path.n);
	name[path.n] = '\0';
	if (follow(l, name, real) == NULL)
		return false; /* perhaps the next time */
	if (l->n == LINKS_MAX) {
		if (!l->full)
			LOG_WARN("LINKS", KV_STR("reason", "too many binaries"),
			    KV_UINT("max", LINKS_MAX));
		l->full = true;
		return false;
	}
	if (l->n % 16 == 0)
		l->v = mem_realloc(l->v, l->n + 16, sizeof(*l->v));
	k = &l->v[l->n];
	*k = (struct link) { .path = arena_view(&l->arena, path) };
	(void)strmap_add(&l->seen, k->path, l->n++);
	if (view_eq(path, view_of(real)))
		return false;
	k->target = arena_view(&l->arena, view_of(real));
	LOG_DEBUG("LINK", KV_VIEW("binary", path), KV_STR("is", real));
	return true;
}

static void
on_binary(void *ctx, struct view path)
{
	struct links *l = ctx;

	l->changed |= add(l, path);
}

bool
links_follow(struct links *l, const struct policy *p)
{
	l->changed = false;
	policy_each_binary(p, on_binary, l);
	return l->changed;
}

void
links_put(const struct links *l, struct buf *out)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct link *k = &l->v[i];

		if (k->target.n == 0)
			continue;
		buf_put(out, (struct view) { k->path.p, k->path.n + 1 });
		buf_put(out, (struct view) { k->target.p, k->target.n + 1 });
	}
}
