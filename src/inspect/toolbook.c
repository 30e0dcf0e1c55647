#include "inspect/toolbook.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"

struct entry {
	unsigned char key[SHA256_SIZE]; /* of server and tool */
	unsigned char digest[SHA256_SIZE]; /* of the definition first seen */
	uint64_t held_at; /* the generation under which it changed */
	bool held;
	UT_hash_handle hh;
};

struct toolbook {
	struct entry *entries;
};

struct toolbook *
toolbook_new(void)
{
	return NEW(struct toolbook);
}

void
toolbook_free(struct toolbook *b)
{
	struct entry *en, *next;

	if (b == NULL)
		return;
	HASH_ITER (hh, b->entries, en, next) {
		HASH_DEL(b->entries, en);
		free(en);
	}
	free(b);
}

/* The length goes in front, so that no two pairs are one text. */
static void
make_key(struct view server, struct view tool, unsigned char key[SHA256_SIZE])
{
	uint64_t n = server.n;
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, (struct view) { (const char *)&n, sizeof(n) });
	sha256_add(&s, server);
	sha256_add(&s, tool);
	sha256_end(&s, key);
}

static struct entry *
find(const struct toolbook *b, struct view server, struct view tool)
{
	unsigned char key[SHA256_SIZE];
	struct entry *en = NULL;

	make_key(server, tool, key);
	HASH_FIND(hh, b->entries, key, sizeof(key), en);
	return en;
}

static enum toolbook_answer
add(struct toolbook *b, struct view server, struct view tool,
    const unsigned char digest[SHA256_SIZE])
{
	struct entry *en;

	if (HASH_COUNT(b->entries) >= TOOLBOOK_MAX)
		return TOOL_NO_ROOM;
	en = NEW(struct entry);
	make_key(server, tool, en->key);
	memcpy(en->digest, digest, sizeof(en->digest));
	HASH_ADD(hh, b->entries, key, sizeof(en->key), en);
	return TOOL_FIRST;
}

enum toolbook_answer
toolbook_see(struct toolbook *b, struct view server, struct view tool,
    const unsigned char digest[SHA256_SIZE], uint64_t generation)
{
	struct entry *en = find(b, server, tool);

	if (en == NULL)
		return add(b, server, tool, digest);
	if (memcmp(en->digest, digest, sizeof(en->digest)) == 0) {
		en->held = false;
		return TOOL_SAME;
	}
	if (en->held && generation > en->held_at) {
		memcpy(en->digest, digest, sizeof(en->digest));
		en->held = false;
		return TOOL_ACCEPTED;
	}
	if (!en->held) {
		en->held = true;
		en->held_at = generation;
	}
	return TOOL_CHANGED;
}

bool
toolbook_held(const struct toolbook *b, struct view server, struct view tool,
    uint64_t generation)
{
	const struct entry *en = find(b, server, tool);

	return en != NULL && en->held && generation <= en->held_at;
}
