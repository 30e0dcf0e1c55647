#include "cli/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "codec/json.h"

enum { NAME_BYTES = 253, FILE_MAX = 65536, REMOVE_DEPTH = 4 };

bool
state_is_name(const char *s)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(s);

	return n >= 1 && n <= NAME_BYTES && s[0] != '-' &&
	       strcmp(s, ".") != 0 && strcmp(s, "..") != 0 &&
	       strspn(s, good) == n;
}

static int
check_name(const char *name, struct err *e)
{
	return state_is_name(name)
		   ? 0
		   : err_set(e, ERR_INVALID,
			 "'%.100s' is no name of a gateway\nletters, digits, "
			 "'.', '_' and '-' make one",
			 name);
}

/* --- places -------------------------------------------------------------- */

int
state_dir(char **out, struct err *e)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg != NULL && xdg[0] == '/')
		*out = mem_printf("%s/openshell", xdg);
	else if (home != NULL && home[0] == '/')
		*out = mem_printf("%s/.config/openshell", home);
	else
		return err_set(e, ERR_INVALID,
		    "HOME is not set\nset it, or XDG_CONFIG_HOME");
	return 0;
}

int
state_gateway_dir(const char *name, char **out, struct err *e)
{
	AUTO_FREE char *dir = NULL;

	if (check_name(name, e) < 0 || state_dir(&dir, e) < 0)
		return -1;
	*out = mem_printf("%s/gateways/%s", dir, name);
	return 0;
}

int
state_runtime_dir(const char *name, char **out, struct err *e)
{
	const char *home = getenv("HOME");

	if (check_name(name, e) < 0)
		return -1;
	if (home == NULL || home[0] != '/')
		return err_set(e, ERR_INVALID, "HOME is not set");
	*out = mem_printf("%s/.openshell/gateways/%s", home, name);
	return 0;
}

int
state_make_dirs(const char *path, struct err *e)
{
	AUTO_FREE char *p = mem_strdup(path);

	for (char *s = strchr(p + 1, '/');; s = strchr(s + 1, '/')) {
		if (s != NULL)
			*s = '\0';
		if (mkdir(p, 0700) < 0 && errno != EEXIST)
			return err_sys(e, "make %s", p);
		if (s == NULL)
			return 0;
		*s = '/';
	}
}

/* --- files --------------------------------------------------------------- */

static char *
read_word(const char *path)
{
	AUTO_FREE char *text = NULL;
	struct err ignored;
	struct view v;
	size_t n;

	if (file_read_path(path, false, FILE_MAX, &text, &n, &ignored) < 0)
		return NULL;
	v = (struct view) { text, n };
	while (v.n > 0 && strchr(" \t\r\n", v.p[0]) != NULL)
		v = view_slice(v, 1, v.n);
	while (v.n > 0 && strchr(" \t\r\n", v.p[v.n - 1]) != NULL)
		v.n--;
	/* A NUL or a control byte was never written by us. */
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < ' ')
			return NULL;
	return v.n > 0 ? view_dup(v) : NULL;
}

static int
write_file(const char *path, struct view v, struct err *e)
{
	AUTO_FREE char *tmp = mem_printf("%s.XXXXXX", path);
	AUTO_CLOSE int fd = mkostemp(tmp, O_CLOEXEC); /* 0600 */

	if (fd < 0)
		return err_sys(e, "write %s", path);
	if (fd_write_all(fd, v.p, v.n, e) < 0) {
		(void)unlink(tmp);
		return err_wrap(e, "write %s", path);
	}
	if (rename(tmp, path) == 0)
		return 0;
	(void)err_sys(e, "write %s", path);
	(void)unlink(tmp);
	return -1;
}

/* --- metadata.json ------------------------------------------------------- */

void
state_gateway_fini(struct state_gateway *g)
{
	free(g->name);
	free(g->endpoint);
	free(g->remote_host);
	free(g->resolved_host);
	free(g->auth_mode);
	free(g->edge_team_domain);
	free(g->edge_auth_url);
	free(g->runtime_type);
	*g = (struct state_gateway) { 0 };
}

static char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL && s[0] != '\0' ? mem_strdup(s) : NULL;
}

/* By its name, or the one of earlier versions. */
static char *
text_of_either(const json_t *o, const char *key, const char *old)
{
	char *s = text_of(o, key);

	return s != NULL ? s : text_of(o, old);
}

static int
take(const json_t *o, struct state_gateway *g, struct err *e)
{
	const json_t *remote = json_object_get(o, "is_remote");
	const json_t *port = json_object_get(o, "gateway_port");
	json_int_t n = json_integer_value(port);

	g->name = text_of(o, "name");
	g->endpoint = text_of(o, "gateway_endpoint");
	if (g->name == NULL || g->endpoint == NULL ||
	    !json_is_boolean(remote) || !json_is_integer(port) || n < 0 ||
	    n > 65535)
		return err_set(e, ERR_INVALID,
		    "name, gateway_endpoint, is_remote and gateway_port must "
		    "be there");
	g->is_remote = json_is_true(remote);
	g->port = (uint16_t)n;
	g->remote_host = text_of(o, "remote_host");
	g->resolved_host = text_of(o, "resolved_host");
	g->auth_mode = text_of(o, "auth_mode");
	g->edge_team_domain =
	    text_of_either(o, "edge_team_domain", "cf_team_domain");
	g->edge_auth_url = text_of_either(o, "edge_auth_url", "cf_auth_url");
	g->runtime_type = text_of(o, "runtime_type");
	return 0;
}

int
state_gateway_parse(struct view json, struct state_gateway *out, struct err *e)
{
	json_error_t why;
	json_t *o = json_loadb(
	    json.p != NULL ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &why);
	int rc;

	*out = (struct state_gateway) { 0 };
	if (!json_is_object(o)) {
		json_decref(o);
		return err_set(e, ERR_INVALID, "not a JSON object");
	}
	rc = take(o, out, e);
	json_decref(o);
	if (rc < 0)
		state_gateway_fini(out);
	return rc;
}

static void
put(struct buf *out, const char *key, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(out, ",\n  \"%s\": ", key);
	json_quote(out, view_of(value));
}

void
state_gateway_print(const struct state_gateway *g, struct buf *out)
{
	buf_puts(out, "{\n  \"name\": ");
	json_quote(out, view_of(g->name));
	put(out, "gateway_endpoint", g->endpoint);
	buf_printf(out, ",\n  \"is_remote\": %s,\n  \"gateway_port\": %u",
	    g->is_remote ? "true" : "false", g->port);
	put(out, "remote_host", g->remote_host);
	put(out, "resolved_host", g->resolved_host);
	put(out, "auth_mode", g->auth_mode);
	put(out, "edge_team_domain", g->edge_team_domain);
	put(out, "edge_auth_url", g->edge_auth_url);
	put(out, "runtime_type", g->runtime_type);
	buf_puts(out, "\n}\n");
}

int
state_gateway_load(const char *name, struct state_gateway *out, struct err *e)
{
	AUTO_FREE char *dir = NULL, *path = NULL, *text = NULL;
	size_t n;

	if (state_gateway_dir(name, &dir, e) < 0)
		return -1;
	path = mem_printf("%s/metadata.json", dir);
	if (file_read_path(path, false, FILE_MAX, &text, &n, e) < 0) {
		if (e->sys != ENOENT && e->sys != ENOTDIR)
			return -1;
		return err_set(e, ERR_NOT_FOUND, "Unknown gateway '%s'.", name);
	}
	if (state_gateway_parse((struct view) { text, n }, out, e) < 0)
		return err_wrap(e, "%s is malformed", path);
	return 0;
}

int
state_gateway_save(const struct state_gateway *g, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
	AUTO_FREE char *dir = NULL, *path = NULL;

	if (state_gateway_dir(g->name, &dir, e) < 0 ||
	    state_make_dirs(dir, e) < 0)
		return -1;
	state_gateway_print(g, &text);
	path = mem_printf("%s/metadata.json", dir);
	if (text.full)
		return err_set(e, ERR_LIMIT,
		    "%s would be longer than %d bytes\nshorten the endpoint",
		    path, (int)FILE_MAX);
	return write_file(path, buf_view(&text), e);
}

int
state_gateway_keep(
    const char *name, const char *file, struct view v, struct err *e)
{
	AUTO_FREE char *dir = NULL, *path = NULL;

	if (state_gateway_dir(name, &dir, e) < 0 || state_make_dirs(dir, e) < 0)
		return -1;
	path = mem_printf("%s/%s", dir, file);
	return write_file(path, v, e);
}

/* Files and directories below; a link is removed, not followed. */
static int
remove_tree(int at, const char *name, unsigned depth, struct err *e)
{
	int fd =
	    openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	int rc = 0;

	if (dir == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return errno == ENOENT ? 0 : err_sys(e, "open %s", name);
	}
	while (rc == 0 && (d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, d->d_name, 0) == 0 || errno == ENOENT)
			continue;
		rc = depth == 0 ? err_sys(e, "remove %s", d->d_name)
				: remove_tree(fd, d->d_name, depth - 1, e);
	}
	(void)closedir(dir);
	if (rc == 0 && unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, "remove %s", name);
	return rc;
}

int
state_gateway_remove(const char *name, struct err *e)
{
	AUTO_FREE char *dir = NULL, *active = state_active(), *root = NULL;

	if (state_gateway_dir(name, &dir, e) < 0 || state_dir(&root, e) < 0 ||
	    remove_tree(AT_FDCWD, dir, REMOVE_DEPTH, e) < 0)
		return -1;
	if (active != NULL && strcmp(active, name) == 0) {
		AUTO_FREE char *mark = mem_printf("%s/active_gateway", root);

		(void)unlink(mark);
	}
	return 0;
}

/* --- lists and marks ----------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
state_gateways(char ***names, size_t *n, struct err *e)
{
	AUTO_FREE char *dir = NULL, *path = NULL;
	const struct dirent *d;
	DIR *open_dir;

	*names = mem_calloc(1, sizeof(**names));
	*n = 0;
	if (state_dir(&dir, e) < 0)
		return -1;
	path = mem_printf("%s/gateways", dir);
	open_dir = opendir(path);
	if (open_dir == NULL)
		return errno == ENOENT ? 0 : err_sys(e, "read %s", path);
	while ((d = readdir(open_dir)) != NULL) {
		AUTO_GATEWAY g = { 0 };
		struct err ignored;

		if (!state_is_name(d->d_name) ||
		    state_gateway_load(d->d_name, &g, &ignored) < 0)
			continue;
		*names = mem_realloc(*names, *n + 2, sizeof(**names));
		(*names)[(*n)++] = mem_strdup(d->d_name);
		(*names)[*n] = NULL;
	}
	(void)closedir(open_dir);
	qsort(*names, *n, sizeof(**names), by_name);
	return 0;
}

void
state_names_free(char **names)
{
	for (size_t i = 0; names != NULL && names[i] != NULL; i++)
		free(names[i]);
	free(names);
}

char *
state_active(void)
{
	AUTO_FREE char *dir = NULL, *path = NULL;
	struct err ignored;

	if (state_dir(&dir, &ignored) < 0)
		return NULL;
	path = mem_printf("%s/active_gateway", dir);
	return read_word(path);
}

int
state_set_active(const char *name, struct err *e)
{
	AUTO_FREE char *dir = NULL, *path = NULL;

	if (check_name(name, e) < 0 || state_dir(&dir, e) < 0 ||
	    state_make_dirs(dir, e) < 0)
		return -1;
	path = mem_printf("%s/active_gateway", dir);
	return write_file(path, view_of(name), e);
}

char *
state_last_sandbox(const char *gateway)
{
	AUTO_FREE char *dir = NULL, *path = NULL;
	struct err ignored;

	if (state_gateway_dir(gateway, &dir, &ignored) < 0)
		return NULL;
	path = mem_printf("%s/last_sandbox", dir);
	return read_word(path);
}

void
state_set_last_sandbox(const char *gateway, const char *sandbox)
{
	AUTO_FREE char *dir = NULL, *path = NULL;
	struct err ignored;

	if (state_gateway_dir(gateway, &dir, &ignored) < 0)
		return;
	path = mem_printf("%s/last_sandbox", dir);
	if (sandbox == NULL)
		(void)unlink(path);
	else if (access(dir, W_OK) == 0 &&
		 write_file(path, view_of(sandbox), &ignored) < 0)
		return;
}
