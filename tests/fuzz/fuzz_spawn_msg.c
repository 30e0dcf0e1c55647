/*
 * Whatever ctl might send, init's check either refuses it or leaves a message
 * of the exact size of its type, in its turn, with every string ended.  The
 * rest of the input is read as a program's strings: accepted ones add up to
 * the whole of it.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "sandbox/spawn_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
check_message(const uint8_t *p, size_t n, enum spawn_state state, unsigned nfds)
{
	union spawn_msg m;
	struct err e = { 0 };
	size_t got = MIN(n, sizeof(m));

	memset(&m, 0xff, sizeof(m));
	memcpy(&m, p, got);
	if (spawn_msg_check(SPAWN_INIT, state, &m, got, nfds, &e) < 0) {
		assert(e.text[0] != '\0');
		return;
	}
	assert(m.hdr.size == got && m.hdr.version == SPAWN_VERSION);
	assert(m.hdr.type <= SPAWN_M_FILE);
	if (m.hdr.type == SPAWN_M_EXEC)
		assert(m.exec.argc > 0 && nfds == (m.exec.tty ? 1 : 4));
	if (m.hdr.type == SPAWN_M_FILE) {
		assert(state == SPAWN_SETUP && m.file.path[0] == '/');
		assert(memchr(m.file.path, '\0', sizeof(m.file.path)));
	}
	if (m.hdr.type == SPAWN_M_SIGNAL)
		assert(state == SPAWN_RUNNING && m.signal.signo > 0);
}

static void
check_strings(const uint8_t *p, size_t n, size_t argc, size_t envc)
{
	struct view v = { (const char *)p, n };
	struct spawn_args a;
	struct err e = { 0 };
	size_t sum = 0;

	if (spawn_args_open(&a, view_dup(v), n, argc, envc, &e) < 0)
		return;
	for (size_t i = 0; i < a.argc; i++)
		sum += strlen(a.argv[i]) + 1;
	for (size_t i = 0; i < a.envc; i++)
		sum += strlen(a.env[i]) + 1;
	assert(sum + strlen(a.cwd) + 1 == n && a.cwd[0] == '/');
	assert(a.argv[a.argc] == NULL && a.env[a.envc] == NULL);
	spawn_args_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 2)
		return 0;
	check_message(p + 2, n - 2, p[0] & 1 ? SPAWN_SETUP : SPAWN_RUNNING,
	    p[0] >> 1 & 7);
	check_strings(p + 2, n - 2, p[1] & 15, p[1] >> 4);
	return 0;
}
