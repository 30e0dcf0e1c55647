/* Credentials on their way through a keeper: on to ctl, and not kept. */
#include "gate.h"

#include <stdlib.h>
#include <unistd.h>

#include "test.h"

#include "base/fd.h"
#include "base/mem.h"
#include "secrets/creds.h"

typedef Openshell__Supervisor__V1__Credentials credentials_msg;
typedef Openshell__Supervisor__V1__Credential credential_msg;

static credentials_msg m;
static credential_msg item[2];
static credential_msg *items[2] = { &item[0], &item[1] };
static char value[2][32], provider[] = "gh", type[] = "github";

static credentials_msg *
message(const char *key, const char *text)
{
	openshell__supervisor__v1__credentials__init(&m);
	openshell__supervisor__v1__credential__init(&item[0]);
	(void)snprintf(value[0], sizeof(value[0]), "%s", text);
	item[0].provider = provider;
	item[0].type = type;
	item[0].key = (char *)(uintptr_t)key;
	item[0].value.data = (uint8_t *)value[0];
	item[0].value.len = strlen(text);
	m.items = items;
	m.n_items = 1;
	return &m;
}

/* The bytes that ctl was sent, parsed. */
static struct creds *
received(uint32_t revision)
{
	struct locked mem;
	struct creds *c = NULL;
	char *text;
	size_t n;
	struct err e;

	CHECK_INT(gate_next(), ==, SESSION_CREDENTIALS);
	CHECK_INT(gate.nfds, ==, 1);
	CHECK_INT(gate.got.credentials.revision, ==, revision);
	CHECK_INT(
	    memfd_read(gate.fds[0], CREDS_BYTES_MAX, &text, &n, &e), ==, 0);
	CHECK_INT(n, ==, gate.got.credentials.n);
	CHECK_INT(locked_new(n, &mem, &e), ==, 0);
	memcpy(mem.p, text, n);
	free(text);
	CHECK_INT(creds_read(&mem, revision, NULL, &c, &e), ==, 0);
	return c;
}

TEST(credentials, go_on_sealed_and_are_wiped)
{
	struct creds *c;

	gate_open();
	keeper_credentials_wanted(&gate.k, message("A", "secret-one"));
	CHECK_STR(value[0], "");
	c = received(1);
	CHECK_INT(c->n, ==, 1);
	CHECK_VIEW(c->v[0].value, "secret-one");
	CHECK_VIEW(c->v[0].type, "github");
	creds_free(c);
	CHECK_INT(gate.k.n_keys, ==, 1);
	CHECK_STR(gate.k.keys[0], "A");
	gate_close();
}

TEST(credentials, the_same_again_changes_nothing)
{
	gate_open();
	keeper_credentials_wanted(&gate.k, message("A", "one"));
	creds_free(received(1));
	keeper_credentials_wanted(&gate.k, message("A", "one"));
	CHECK_INT(gate_next(), ==, 0);
	CHECK_STR(value[0], "");
	keeper_credentials_wanted(&gate.k, message("A", "two"));
	creds_free(received(2));
	gate_close();
}

TEST(credentials, none_revokes_what_there_was)
{
	struct creds *c;

	gate_open();
	/* A sandbox that never had any is not told so. */
	keeper_credentials_wanted(&gate.k, NULL);
	CHECK_INT(gate_next(), ==, 0);
	keeper_credentials_wanted(&gate.k, message("A", "one"));
	creds_free(received(1));
	keeper_credentials_wanted(&gate.k, NULL);
	c = received(2);
	CHECK_INT(c->n, ==, 0);
	creds_free(c);
	CHECK_INT(gate.k.n_keys, ==, 0);
	gate_close();
}

TEST(credentials, one_that_cannot_be_takes_all_away)
{
	struct creds *c;

	gate_open();
	keeper_credentials_wanted(&gate.k, message("A", "one"));
	creds_free(received(1));
	keeper_credentials_wanted(&gate.k, message("A", "two\nlines"));
	c = received(2);
	CHECK_INT(c->n, ==, 0);
	creds_free(c);
	CHECK_STR(value[0], "");
	CHECK_INT(gate.k.n_keys, ==, 0);
	gate_close();
}
