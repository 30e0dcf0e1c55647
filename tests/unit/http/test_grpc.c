#include "test.h"

#include "http/grpc.h"

static bool
is(const char *type)
{
	struct h1_head h = { .n_fields = 1 };

	h.fields[0] = (struct h1_field) { VIEW("Content-Type"), view_of(type) };
	return grpc_is(&h);
}

TEST(grpc, knows_its_content_type)
{
	CHECK(is("application/grpc") && is("Application/gRPC+proto") &&
	      is("application/grpc;charset=utf-8"));
	CHECK(!is("application/grpc-web") && !is("application/json") &&
	      !is("application/grp") && !is(""));
}

TEST(grpc, splits_a_path)
{
	struct view s, m;

	CHECK(grpc_path(VIEW("/a.B/C"), &s, &m));
	CHECK_VIEW(s, "a.B");
	CHECK_VIEW(m, "C");
	CHECK(!grpc_path(VIEW("/a.B"), &s, &m) &&
	      !grpc_path(VIEW("/a.B/"), &s, &m) &&
	      !grpc_path(VIEW("//C/"), &s, &m) &&
	      !grpc_path(VIEW("/a/b/c"), &s, &m) &&
	      !grpc_path(VIEW("a.B/C"), &s, &m));
}

TEST(grpc, escapes_a_message)
{
	AUTO_BUF struct buf b = BUF_INIT(100);

	grpc_message_put(&b, VIEW("a%b\r\n\xc3\xa9"));
	CHECK_VIEW(buf_view(&b), "a%25b%0D%0A%C3%A9");
}
