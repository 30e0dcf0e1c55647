#include "rpc/services.h"

#include <stdlib.h>

#include "base/macros.h"
#include "base/mem.h"
#include "policy/middleware.h"

static int
refuse(struct view entry, const char *why, struct err *e)
{
	AUTO_BUF struct buf shown = BUF_INIT(256);

	buf_put_escaped(&shown, view_slice(entry, 0, MIN(entry.n, 100)));
	return err_set(
	    e, ERR_INVALID, "middleware '%s': %s", buf_str(&shown), why);
}

static void
service_fini(struct service *v)
{
	free(v->name);
	free(v->url);
	free(v->ca);
	free(v->cert);
	free(v->key);
}

static int
set_timeout(struct service *v, struct view text)
{
	uint64_t ms;

	if (!view_u64(text, SERVICE_TIMEOUT_MAX_MS, &ms) ||
	    ms < SERVICE_TIMEOUT_MIN_MS)
		return -1;
	v->timeout_ms = (unsigned)ms;
	return 0;
}

/* "ca=FILE" and the like. */
static int
set_part(struct service *v, struct view part, struct view entry, struct err *e)
{
	const struct {
		struct view key;
		char **at;
	} files[] = { { VIEW("ca"), &v->ca }, { VIEW("cert"), &v->cert },
		{ VIEW("key"), &v->key } };
	struct view value, key = view_cut(part, '=', &value);

	if (view_eq(key, VIEW("timeout")))
		return set_timeout(v, value) == 0
			   ? 0
			   : refuse(entry,
				 "timeout is milliseconds, 10 to 30000", e);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (!view_eq(key, files[i].key))
			continue;
		if (value.n == 0 || value.p[0] != '/' || *files[i].at != NULL)
			return refuse(entry,
			    "ca, cert and key name a file each, from / on", e);
		*files[i].at = view_dup(value);
		return 0;
	}
	return refuse(entry, "behind the address: ca, cert, key or timeout", e);
}

static bool
is_this_machine(struct view url)
{
	static const char *const hosts[] = { "http://127.0.0.1:",
		"http://[::1]:" };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (view_starts(url, view_of(hosts[i])))
			return true;
	return false;
}

/* Attack: what a sandbox sends, read on the way to who is to look at it. */
static int
check(const struct service *v, struct view entry, struct err *e)
{
	struct view url = view_of(v->url);

	if ((v->cert == NULL) != (v->key == NULL))
		return refuse(entry, "cert needs key, and key needs cert", e);
	if (view_starts(url, VIEW("https://")))
		return v->ca != NULL ? 0
				     : refuse(entry,
					   "https needs ca=FILE, by which the "
					   "service is known",
					   e);
	if (v->ca != NULL || v->cert != NULL)
		return refuse(entry, "ca, cert and key are of https", e);
	if (view_starts(url, VIEW("unix:/")) || is_this_machine(url))
		return 0;
	return refuse(entry,
	    "the address is unix:/path, https://HOST:PORT, or "
	    "http://127.0.0.1:PORT on this machine alone",
	    e);
}

static int
fill(struct service *v, struct view entry, struct err *e)
{
	struct view rest, name = view_cut(entry, '=', &rest), part;

	v->timeout_ms = SERVICE_TIMEOUT_MS;
	if (!policy_service_name(name))
		return refuse(entry,
		    "NAME=ADDRESS, and NAME is 1 to 64 of a-z, 0-9, '.', "
		    "'_', '-' and one '/', not openshell/...",
		    e);
	if (memchr(entry.p, '\0', entry.n) != NULL ||
	    memchr(entry.p, '\n', entry.n) != NULL)
		return refuse(entry, "not in one line", e);
	v->name = view_dup(name);
	part = view_cut(rest, ',', &rest);
	v->url = view_dup(part);
	while (rest.p != NULL) {
		part = view_cut(rest, ',', &rest);
		if (set_part(v, part, entry, e) < 0)
			return -1;
	}
	return check(v, entry, e);
}

static int
add_one(struct services *s, struct view entry, struct err *e)
{
	struct service v = { 0 };

	if (s->n == SERVICES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d middlewares",
		    (int)SERVICES_MAX);
	if (fill(&v, entry, e) < 0) {
		service_fini(&v);
		return -1;
	}
	if (services_find(s, view_of(v.name)) != NULL) {
		service_fini(&v);
		return refuse(entry, "registered twice", e);
	}
	s->v[s->n] = v;
	s->names[s->n++] = v.name;
	return 0;
}

int
services_add(struct services *s, struct view text, struct err *e)
{
	while (text.n > 0) {
		struct view entry = view_trim(view_cut(text, ';', &text));

		if (entry.n > 0 && add_one(s, entry, e) < 0)
			return -1;
	}
	return 0;
}

const struct service *
services_find(const struct services *s, struct view name)
{
	for (size_t i = 0; i < s->n; i++)
		if (view_eq(view_of(s->v[i].name), name))
			return &s->v[i];
	return NULL;
}

void
services_fini(struct services *s)
{
	while (s->n > 0)
		service_fini(&s->v[--s->n]);
}
