/*
 * cli_state: registrations of gateways.  What is read is written as something
 * that reads back the same; a name is never more than one path component.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/state.h"

static void
check_same(const char *a, const char *b)
{
	assert((a == NULL) == (b == NULL));
	assert(a == NULL || strcmp(a, b) == 0);
}

static void
check_name(struct view v)
{
	char *s = view_dup(v);

	if (state_is_name(s)) {
		assert(strchr(s, '/') == NULL && strlen(s) <= 253);
		assert(s[0] != '-' && strcmp(s, "..") != 0);
		assert(strcmp(s, ".") != 0 && s[0] != '\0');
	}
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view text = { (const char *)p, n };
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	struct state_gateway a, c;
	struct err e;

	check_name(text);
	if (state_gateway_parse(text, &a, &e) < 0)
		return 0;
	state_gateway_print(&a, &b);
	if (!b.full) {
		assert(state_gateway_parse(buf_view(&b), &c, &e) == 0);
		check_same(a.name, c.name);
		check_same(a.endpoint, c.endpoint);
		check_same(a.remote_host, c.remote_host);
		check_same(a.resolved_host, c.resolved_host);
		check_same(a.auth_mode, c.auth_mode);
		check_same(a.runtime_type, c.runtime_type);
		assert(a.port == c.port && a.is_remote == c.is_remote);
		state_gateway_fini(&c);
	}
	state_gateway_fini(&a);
	return 0;
}
