/* deploy_options: what a gateway was last started with, kept for a restart. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/state.h"

enum { KEPT_MAX = EGRESS_TEXT_MAX };

/* A line each, as --NAME without its dashes: "NAME", or "NAME=TEXT". */
static const struct row {
	struct view name;
	bool flag;
	size_t at;
} rows[] = {
#define AT(field) offsetof(struct deploy_options, field)
	{ VIEW("plaintext"), true, AT(plaintext) },
	{ VIEW("disable-gateway-auth"), true, AT(no_auth) },
	{ VIEW("log-level"), false, AT(log_level) },
	{ VIEW("upstream-proxy"), false, AT(egress.proxy) },
	{ VIEW("upstream-no-proxy"), false, AT(egress.no_proxy) },
	{ VIEW("upstream-proxy-auth-file"), false, AT(egress.auth_file) },
	{ VIEW("upstream-proxy-auth-allow-insecure"), true,
	    AT(egress.auth_insecure) },
	{ VIEW("upstream-proxy-connect-by-hostname"), true,
	    AT(egress.by_hostname) },
	{ VIEW("ignore-binaries"), true, AT(egress.any_binary) },
	{ VIEW("middleware"), false, AT(middlewares) },
#undef AT
};

static const bool *
flag_of(const struct deploy_options *o, const struct row *r)
{
	return (const bool *)((const char *)o + r->at);
}

static const char *
text_of(const struct deploy_options *o, const struct row *r)
{
	return *(const char *const *)(const void *)((const char *)o + r->at);
}

int
deploy_keep(const char *state, const struct deploy_options *o, struct err *e)
{
	AUTO_CLOSE int dir =
	    open(state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_BUF struct buf b = BUF_INIT(KEPT_MAX);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		const char *text = r->flag ? NULL : text_of(o, r);

		if (r->flag && *flag_of(o, r))
			buf_printf(&b, "%s\n", r->name.p);
		else if (text != NULL)
			buf_printf(&b, "%s=%s\n", r->name.p, text);
	}
	if (b.full)
		return err_set(e, ERR_LIMIT, "options: too long to be kept");
	if (dir < 0)
		return err_sys(e, "open %s", state);
	return file_keep(dir, "options", buf_view(&b), e);
}

/* The line ends with a NUL. */
static void
take(struct deploy_options *o, char *line)
{
	struct view value, name = view_cut(view_of(line), '=', &value);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		void *at = (char *)o + rows[i].at;

		if (!view_eq(rows[i].name, name))
			continue;
		if (rows[i].flag)
			*(bool *)at = true;
		else if (value.p != NULL)
			*(const char **)at = value.p;
	}
}

int
deploy_had(
    const char *name, struct deploy_options *o, char **text, struct err *e)
{
	AUTO_FREE char *dir = NULL, *path = NULL;
	char *line, *end;
	size_t n;

	*text = NULL;
	if (state_runtime_dir(name, &dir, e) < 0)
		return -1;
	path = mem_printf("%s/options", dir);
	if (file_read_path(path, true, KEPT_MAX, text, &n, e) < 0)
		/* What was asked for must not be forgotten in silence. */
		return e->sys == ENOENT
			   ? 0
			   : err_wrap(e, "what the gateway was started with");
	for (line = *text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		take(o, line);
	}
	return 0;
}

/* Both NULL, or the same. */
static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
deploy_same_egress(
    const struct egress_options *a, const struct egress_options *b)
{
	return same(a->proxy, b->proxy) && same(a->no_proxy, b->no_proxy) &&
	       same(a->auth_file, b->auth_file) &&
	       a->by_hostname == b->by_hostname &&
	       a->any_binary == b->any_binary;
}
