#include "sandbox/environ.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

enum { NAME_MAX_BYTES = 256 };

/* Length of the name in "NAME=value", 0 when it is none. */
static size_t
name_len(const char *item)
{
	size_t n = strcspn(item, "=");

	if (n == 0 || n > NAME_MAX_BYTES || item[n] != '=')
		return 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)item[i];
		bool letter = (c >= 'a' && c <= 'z') ||
			      (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && !(i > 0 && c >= '0' && c <= '9'))
			return 0;
	}
	return n;
}

/* Adds `item` (ours from here on), in place of one of the same name. */
static void
put(struct environ_list *l, char *item)
{
	size_t n = strcspn(item, "=") + 1;

	for (size_t i = 0; i < l->n; i++)
		if (strncmp(l->v[i], item, n) == 0) {
			free(l->v[i]);
			l->v[i] = item;
			return;
		}
	l->v[l->n++] = item;
	l->v[l->n] = NULL;
}

static void
put_base(struct environ_list *l, const struct environ_base *b)
{
	put(l, mem_printf("HOME=%s", b->home));
	put(l, mem_printf("USER=%s", b->user));
	put(l, mem_printf("LOGNAME=%s", b->user));
	put(l, mem_printf("SHELL=%s", b->shell));
	put(l, mem_printf("PATH=%s", b->path));
	put(l, mem_strdup("TMPDIR=/tmp"));
	put(l, mem_strdup("LANG=C.UTF-8"));
	put(l, mem_printf("TERM=%s", b->tty ? "xterm-256color" : "dumb"));
}

static void
put_proxy(struct environ_list *l, const char *url)
{
#define URL url
#define NONE "127.0.0.1,localhost,::1"
#define CA SBX_CA_FILE
#define BUNDLE SBX_BUNDLE_FILE
#define PROXY_ENV(name, value) put(l, mem_printf("%s=%s", name, value));
#include "sandbox/proxyenv.def"
#undef PROXY_ENV
#undef URL
#undef NONE
#undef CA
#undef BUNDLE
}

enum {
	OURS = 8
#define PROXY_ENV(name, value) +1
#include "sandbox/proxyenv.def"
#undef PROXY_ENV
};

int
environ_build(const struct environ_base *base, const char *const *wanted,
    size_t n, struct environ_list *out, struct err *e)
{
	struct environ_list l = { mem_calloc(n + OURS + 1, sizeof(*l.v)), 0 };

	put_base(&l, base);
	for (size_t i = 0; i < n; i++) {
		if (name_len(wanted[i]) == 0) {
			environ_fini(&l);
			return err_set(e, ERR_INVALID,
			    "environment item %zu is no NAME=VALUE", i);
		}
		put(&l, mem_strdup(wanted[i]));
	}
	put_proxy(&l, base->proxy_url);
	*out = l;
	return 0;
}

void
environ_fini(struct environ_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct environ_list) { NULL, 0 };
}
