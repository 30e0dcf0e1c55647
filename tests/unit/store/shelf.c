#include "shelf.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

void
shelf_make(struct shelf *t)
{
	*t = (struct shelf) { .dir = "/tmp/openshell-test-XXXXXX" };
	CHECK(mkdtemp(t->dir) != NULL);
	(void)snprintf(t->path, sizeof(t->path), "%s/openshell.db", t->dir);
}

void
shelf_open(struct shelf *t)
{
	struct err e = { 0 };

	if (store_open(t->path, &t->s, &e) < 0)
		fail_msg("%s", e.text);
}

void
shelf_again(struct shelf *t)
{
	store_close(t->s);
	t->s = NULL;
	shelf_open(t);
}

void
shelf_end(struct shelf *t)
{
	DIR *d = opendir(t->dir);
	const struct dirent *en;

	store_close(t->s);
	t->s = NULL;
	while (d != NULL && (en = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), en->d_name, 0);
	(void)closedir(d);
	CHECK_INT(rmdir(t->dir), ==, 0);
}
