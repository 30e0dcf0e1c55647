#include "rpc/services.h"

#include "test.h"

TEST(services, are_read_from_one_text)
{
	AUTO_SERVICES struct services s = { .n = 0 };
	const struct service *v;
	struct err e;

	CHECK_INT(services_add(&s,
		      VIEW("acme/guard=unix:/run/guard.sock,timeout=10; "
			   "b=http://127.0.0.1:50051 ;;"),
		      &e),
	    ==, 0);
	CHECK_INT(services_add(&s,
		      VIEW("c.d=https://guard.example:8443,ca=/a,key=/k,"
			   "timeout=30000,cert=/c"),
		      &e),
	    ==, 0);
	CHECK_INT(s.n, ==, 3);
	v = services_find(&s, VIEW("acme/guard"));
	CHECK(v != NULL);
	CHECK_STR(v->url, "unix:/run/guard.sock");
	CHECK_INT(v->timeout_ms, ==, 10);
	CHECK_INT(services_find(&s, VIEW("b"))->timeout_ms, ==, 500);
	v = services_find(&s, VIEW("c.d"));
	CHECK_STR(v->ca, "/a");
	CHECK_STR(v->cert, "/c");
	CHECK_STR(v->key, "/k");
	CHECK(services_find(&s, VIEW("acme")) == NULL);
}

TEST(services, refuse_what_nobody_could_use_or_trust)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", NULL },
		{ "a", "the address is" },
		{ "=unix:/x", "NAME=ADDRESS" },
		{ "A=unix:/x", "NAME=ADDRESS" },
		{ "-a=unix:/x", "NAME=ADDRESS" },
		{ "a/b/c=unix:/x", "NAME=ADDRESS" },
		{ "openshell/regex=unix:/x", "NAME=ADDRESS" },
		{ "a=unix:x", "the address is" },
		{ "a=http://10.0.0.1:80", "the address is" },
		{ "a=http://127.0.0.1.example:80", "the address is" },
		{ "a=http://localhost:80", "the address is" },
		{ "a=https://h:1", "https needs ca=FILE" },
		{ "a=https://h:1,ca=rel", "from / on" },
		{ "a=https://h:1,ca=/a,ca=/b", "a file each" },
		{ "a=https://h:1,ca=/a,cert=/c", "cert needs key" },
		{ "a=unix:/x,ca=/a", "are of https" },
		{ "a=unix:/x,timeout=9", "10 to 30000" },
		{ "a=unix:/x,timeout=30001", "10 to 30000" },
		{ "a=unix:/x,timeout=", "10 to 30000" },
		{ "a=unix:/x,fast=1", "behind the address" },
		{ "a=unix:/x;a=unix:/y", "registered twice" },
		{ "a=unix:/x\nb", "not in one line" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_SERVICES struct services s = { .n = 0 };
		struct err e = { .text = "" };
		int rc = services_add(&s, view_of(rows[i].text), &e);

		CHECK_INT(rc, ==, rows[i].why == NULL ? 0 : -1);
		if (rows[i].why != NULL && strstr(e.text, rows[i].why) == NULL)
			fail_msg("%s: %s", rows[i].text, e.text);
	}
}

TEST(services, are_bounded)
{
	AUTO_SERVICES struct services s = { .n = 0 };
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct err e;

	for (int i = 0; i < SERVICES_MAX; i++)
		buf_printf(&b, "s%d=unix:/x;", i);
	CHECK_INT(services_add(&s, buf_view(&b), &e), ==, 0);
	CHECK_INT(services_add(&s, VIEW("more=unix:/x"), &e), ==, -1);
}
