#include "cli/remote.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/state.h"

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789./_-";

void
remote_quote(struct buf *out, const char *word)
{
	if (*word != '\0' && word[strspn(word, plain)] == '\0') {
		buf_puts(out, word);
		return;
	}
	buf_putc(out, '\'');
	for (; *word != '\0'; word++)
		if (*word == '\'')
			buf_puts(out, "'\"'\"'");
		else
			buf_putc(out, *word);
	buf_putc(out, '\'');
}

/*
 * Letters, digits and ".:@[]_-", not starting with '-' (Attack: an option in
 * the place of a host).
 */
static bool
remote_is_host(const char *s)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz0123456789"
				   ".:@[]_-";

	return *s != '\0' && *s != '-' && s[strspn(s, good)] == '\0';
}

int
remote_become(const char *host, const char *key, bool tty, const char *command,
    struct err *e)
{
	const char *argv[8];
	size_t n = 0;

	if (!remote_is_host(host))
		return err_set(e, ERR_INVALID,
		    "'%.100s' is no destination for ssh\nwrite it as "
		    "[USER@]HOST",
		    host);
	argv[n++] = "ssh";
	if (key != NULL) {
		argv[n++] = "-i";
		argv[n++] = key;
	}
	if (tty)
		argv[n++] = "-t";
	argv[n++] = host;
	argv[n++] = command;
	argv[n] = NULL;
	(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
	return err_sys(e, "start ssh");
}

int
remote_host_of(
    const char *gateway, const char *given, char **host, struct err *e)
{
	AUTO_GATEWAY g = { 0 };
	struct err ignored;

	*host = given != NULL ? mem_strdup(given) : NULL;
	if (given != NULL || state_gateway_load(gateway, &g, &ignored) < 0 ||
	    !g.is_remote)
		return 0;
	if (g.remote_host == NULL)
		return err_set(e, ERR_INVALID,
		    "Gateway '%.100s' is an external registration: nobody "
		    "knows its machine here\nname it with --remote",
		    gateway);
	*host = mem_strdup(g.remote_host);
	return 0;
}
