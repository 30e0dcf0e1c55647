/*
 * blob: lists of strings between owner and supervisor, in a sealed memfd.
 *
 * Layout: "OSB1", u32 number of items, then for each item u32 length of the
 * key, u32 length of the value, key NUL, value NUL.  Integers are the
 * machine's own: both ends are on one machine and of one build.
 *
 * The seals come first: without them the writer could change what was checked
 * or shrink the file under the mapping (SIGBUS).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/session.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

enum {
	SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
	KEY_MAX = 31,
	VALUE_MAX = 128 << 10, /* MAX_ARG_STRLEN of the kernel */
	HEAD = 8, /* magic and count */
	ITEM_HEAD = 8
};
static const char magic[4] = { 'O', 'S', 'B', '1' };

struct item {
	const char *key, *value;
};

/* Where the last search ended, so that 0, 1, 2 ... costs one pass. */
struct cursor {
	const char *key;
	size_t n, item;
};

struct blob {
	struct buf text; /* while it is written */
	uint32_t count;
	void *map; /* while it is read */
	size_t map_n;
	struct item *items;
	struct cursor *cursor;
};

struct blob *
blob_new(void)
{
	struct blob *b = NEW(struct blob);

	b->text = BUF_INIT(BLOB_MAX);
	buf_put(&b->text, (struct view) { magic, sizeof(magic) });
	buf_put(&b->text, (struct view) { "\0\0\0\0", 4 });
	return b;
}

void
blob_free(struct blob *b)
{
	if (b == NULL)
		return;
	if (b->map != NULL)
		(void)munmap(b->map, b->map_n);
	buf_fini(&b->text);
	free(b->items);
	free(b->cursor);
	free(b);
}

void
blob_add(struct blob *b, const char *key, const char *value)
{
	uint32_t head[2] = { (uint32_t)strlen(key), (uint32_t)strlen(value) };

	buf_put(&b->text, (struct view) { (const char *)head, sizeof(head) });
	buf_put(&b->text, (struct view) { key, head[0] + 1u });
	buf_put(&b->text, (struct view) { value, head[1] + 1u });
	b->count++;
}

int
memfd_new(int *fd, struct err *e)
{
	AUTO_CLOSE int m = memfd_create(
	    "openshell", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (m < 0 && errno == EINVAL) /* before 6.3 */
		m = memfd_create("openshell", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (m < 0)
		return err_sys(e, "memfd_create");
	*fd = take_fd(m);
	return 0;
}

int
memfd_finish(int fd, struct err *e)
{
	return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? err_sys(e, "seal memfd") : 0;
}

int
memfd_seal(struct view bytes, int *fd, struct err *e)
{
	AUTO_CLOSE int m = -1;

	if (memfd_new(&m, e) < 0)
		return -1;
	if (fd_write_all(m, bytes.p, bytes.n, e) < 0)
		return err_wrap(e, "fill memfd");
	if (memfd_finish(m, e) < 0)
		return -1;
	*fd = take_fd(m);
	return 0;
}

/* Size of a sealed memfd, or -1. */
static ssize_t
sealed_size(int fd, size_t max, struct err *e)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_set(e, ERR_PROTO, "descriptor is no sealed memory");
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat sealed memory");
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return err_set(
		    e, ERR_LIMIT, "larger than the limit of %zu bytes", max);
	return (ssize_t)st.st_size;
}

int
memfd_copy(int to, int fd, size_t max, size_t *n, struct err *e)
{
	if (sealed_size(fd, max, e) < 0)
		return -1;
	return fd_copy(to, fd, max, n, e);
}

int
memfd_read(int fd, size_t max, char **text, size_t *n, struct err *e)
{
	ssize_t size = sealed_size(fd, max, e);
	AUTO_FREE char *p = NULL;
	size_t done = 0;

	if (size < 0)
		return -1;
	p = mem_calloc(1, (size_t)size + 1);
	while (done < (size_t)size) {
		ssize_t got =
		    pread(fd, p + done, (size_t)size - done, (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, "read sealed memory");
		if (got == 0)
			return err_set(
			    e, ERR_PROTO, "sealed memory ends early");
		done += (size_t)got;
	}
	*n = done;
	*text = take_ptr(p);
	return 0;
}

int
blob_seal(const struct blob *b, int *fd, struct err *e)
{
	if (b->text.p == NULL || b->text.full || b->count > BLOB_ITEMS_MAX)
		return err_set(e, ERR_LIMIT,
		    "arguments and environment are larger than %d bytes",
		    (int)BLOB_MAX);
	memcpy(b->text.p + sizeof(magic), &b->count, sizeof(b->count));
	return memfd_seal(buf_view(&b->text), fd, e);
}

static bool
key_ok(struct view key)
{
	if (key.n == 0 || key.n > KEY_MAX)
		return false;
	for (size_t i = 0; i < key.n; i++)
		if (!((key.p[i] >= 'a' && key.p[i] <= 'z') ||
			(key.p[i] >= '0' && key.p[i] <= '9') ||
			key.p[i] == '_'))
			return false;
	return true;
}

static uint32_t
rd_u32(struct rd *r)
{
	struct view v = rd_view(r, 4);
	uint32_t n = 0;

	if (v.p != NULL)
		memcpy(&n, v.p, sizeof(n));
	return n;
}

/* A string of exactly n bytes and its NUL, none inside; or NULL. */
static const char *
rd_string(struct rd *r, uint32_t n, size_t max)
{
	struct view v = rd_view(r, (size_t)n + 1);

	return v.p != NULL && n <= max && view_find(v, '\0') == (ssize_t)n
		   ? v.p
		   : NULL;
}

/* Fills items from the bytes; all of them must be used. */
static int
parse(struct blob *b, struct view bytes, struct err *e)
{
	struct rd r = rd_of(bytes);
	struct view m = rd_view(&r, sizeof(magic));

	b->count = rd_u32(&r);
	if (r.bad || memcmp(m.p, magic, sizeof(magic)) != 0 ||
	    b->count > BLOB_ITEMS_MAX ||
	    b->count > (bytes.n - HEAD) / (ITEM_HEAD + 3))
		return err_set(e, ERR_PROTO, "malformed blob");
	b->items = mem_calloc(b->count + 1u, sizeof(*b->items));
	for (uint32_t i = 0; i < b->count; i++) {
		uint32_t kn = rd_u32(&r), vn = rd_u32(&r);
		const char *key = rd_string(&r, kn, KEY_MAX);
		const char *value = rd_string(&r, vn, VALUE_MAX);

		if (key == NULL || value == NULL ||
		    !key_ok((struct view) { key, kn }))
			return err_set(
			    e, ERR_PROTO, "malformed item %u of a blob", i);
		b->items[i] = (struct item) { key, value };
	}
	if (!rd_end(&r))
		return err_set(e, ERR_PROTO, "bytes after the end of a blob");
	return 0;
}

int
blob_open(int fd, struct blob **out, struct err *e)
{
	ssize_t size = sealed_size(fd, BLOB_MAX, e);
	struct blob *b;

	if (size < 0)
		return err_wrap(e, "open blob");
	if (size < HEAD)
		return err_set(e, ERR_PROTO, "malformed blob");
	b = NEW(struct blob);
	b->cursor = NEW(struct cursor);
	b->map_n = (size_t)size;
	b->map = mmap(NULL, b->map_n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (b->map == MAP_FAILED) {
		b->map = NULL;
		blob_free(b);
		return err_sys(e, "map blob");
	}
	if (parse(b, (struct view) { b->map, b->map_n }, e) < 0) {
		blob_free(b);
		return -1;
	}
	*out = b;
	return 0;
}

const char *
blob_get(const struct blob *b, const char *key, size_t n)
{
	struct cursor *c = b->cursor;
	size_t i = 0, seen = 0;

	if (b->items == NULL)
		return NULL; /* being written */
	if (c->key != NULL && n >= c->n && strcmp(c->key, key) == 0) {
		i = c->item;
		seen = c->n;
	}
	for (; i < b->count; i++) {
		if (strcmp(b->items[i].key, key) != 0)
			continue;
		if (seen++ == n) {
			*c = (struct cursor) { b->items[i].key, n, i };
			return b->items[i].value;
		}
	}
	return NULL;
}
