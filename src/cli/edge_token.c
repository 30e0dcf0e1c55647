#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/edge.h"
#include "cli/state.h"

void
edge_token_free(char **token)
{
	if (*token != NULL)
		mem_wipe(*token, strlen(*token));
	free(*token);
	*token = NULL;
}

bool
edge_token_valid(struct view token)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz0123456789"
				   "-_.~+/=";

	if (token.n == 0 || token.n > EDGE_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < token.n; i++)
		if (token.p[i] == '\0' || strchr(good, token.p[i]) == NULL)
			return false;
	return true;
}

/* --- the claims ---------------------------------------------------------- */

/* Base64url without padding, RFC 7515 section 2. */
static bool
decode(struct view v, struct buf *out)
{
	AUTO_FREE char *text = mem_calloc(1, v.n + 4);
	size_t n = 0;
	int got;

	if (v.n == 0 || v.n % 4 == 1)
		return false;
	for (; n < v.n; n++) {
		char c = v.p[n];

		if (c == '+' || c == '/' || c == '=')
			return false;
		text[n] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
	}
	while (n % 4 != 0)
		text[n++] = '=';
	if (!buf_reserve(out, n))
		return false;
	got = EVP_DecodeBlock(
	    (unsigned char *)out->p, (const unsigned char *)text, (int)n);
	if (got < 0)
		return false;
	out->n = (size_t)got - (n - v.n);
	return true;
}

bool
edge_token_expiry(struct view token, int64_t *at)
{
	AUTO_BUF struct buf claims = BUF_INIT(EDGE_TOKEN_MAX);
	struct view rest, body;
	json_error_t why;
	const json_t *exp;
	json_t *o;
	bool found;

	if (!edge_token_valid(token))
		return false;
	(void)view_cut(token, '.', &rest);
	body = view_cut(rest, '.', &rest);
	if (rest.p == NULL || !decode(body, &claims))
		return false;
	o = json_loadb(claims.p, claims.n, JSON_REJECT_DUPLICATES, &why);
	exp = json_object_get(o, "exp");
	found = json_is_number(exp);
	if (found)
		found = json_number_value(exp) >= 0 &&
			json_number_value(exp) < 1e15;
	if (found)
		*at = (int64_t)json_number_value(exp);
	json_decref(o);
	return found;
}

/* --- the file ------------------------------------------------------------ */

static int
read_token(const char *path, char **out, struct err *e)
{
	AUTO_TOKEN char *text = NULL;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	struct view v;
	size_t n;

	*out = NULL;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %.300s", path);
	if (st.st_mode & 077)
		return err_set(e, ERR_DENIED,
		    "%.300s can be read by others\nchmod 600 it", path);
	if (file_read(fd, EDGE_TOKEN_MAX, &text, &n, e) < 0)
		return -1;
	v = (struct view) { text, n };
	while (v.n > 0 && strchr(" \t\r\n", v.p[v.n - 1]) != NULL)
		v.n--;
	while (v.n > 0 && strchr(" \t\r\n", v.p[0]) != NULL)
		v = view_slice(v, 1, v.n);
	if (v.n == 0)
		return 0;
	if (!edge_token_valid(v))
		return err_set(
		    e, ERR_INVALID, "invalid edge token value in %.300s", path);
	*out = view_dup(v);
	return 0;
}

static int
login_needed(const char *gateway, const char *why, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND,
	    "%s for gateway '%.100s'.\nLog in: openshell gateway login %.100s",
	    why, gateway, gateway);
}

/* The name of earlier versions: read once, written under the new one. */
static int
adopt_legacy(const char *gateway, const char *dir, char **out, struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/cf_token", dir);

	if (read_token(path, out, e) < 0)
		return -1;
	if (*out == NULL)
		return login_needed(gateway, "There is no edge token", e);
	if (edge_token_save(gateway, *out, e) == 0)
		(void)unlink(path);
	return 0;
}

int
edge_token_load(const char *gateway, char **out, unsigned *soon, struct err *e)
{
	AUTO_FREE char *dir = NULL, *path = NULL;
	AUTO_TOKEN char *token = NULL;
	int64_t exp, now = clock_wall_ms() / 1000;

	if (state_gateway_dir(gateway, &dir, e) < 0)
		return -1;
	path = mem_printf("%s/edge_token", dir);
	if (read_token(path, &token, e) < 0 ||
	    (token == NULL && adopt_legacy(gateway, dir, &token, e) < 0))
		return -1;
	*soon = 0;
	/* What is no JWT, or has no end, the edge judges. */
	if (edge_token_expiry(view_of(token), &exp)) {
		if (exp <= now)
			return login_needed(
			    gateway, "The edge token has expired", e);
		if (exp - now < EDGE_SOON_S)
			*soon = (unsigned)(exp - now);
	}
	*out = take_ptr(token);
	return 0;
}

int
edge_token_save(const char *gateway, const char *token, struct err *e)
{
	if (!edge_token_valid(view_of(token)))
		return err_set(e, ERR_INVALID, "invalid edge token value");
	return state_gateway_keep(gateway, "edge_token", view_of(token), e);
}
