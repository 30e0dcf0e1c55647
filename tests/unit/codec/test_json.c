#include "test.h"

#include "codec/json.h"

TEST(json, writes_nested_values)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);
	struct json j = JSON_INIT(&b);

	json_open(&j, '{');
	json_key(&j, "a");
	json_uint(&j, 18446744073709551615u);
	json_key(&j, "b");
	json_open(&j, '[');
	json_int(&j, -1);
	json_bool(&j, true);
	json_none(&j);
	json_str(&j, NULL);
	json_open(&j, '{');
	json_close(&j, '}');
	json_close(&j, ']');
	json_key(&j, "c");
	json_str(&j, "x");
	json_close(&j, '}');
	CHECK_STR(buf_str(&b), "{\"a\":18446744073709551615,\"b\":[-1,true,"
			       "null,null,{}],\"c\":\"x\"}");
}

TEST(json, escapes_what_could_be_misread)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	json_quote(
	    &b, VIEW("a\"\\\n\r\t\x01\x1b[31m<\x7f\xc2\x85\xe2\x80\xa8"));
	CHECK_STR(buf_str(&b), "\"a\\\"\\\\\\n\\r\\t\\u0001\\u001b[31m\\u003c"
			       "\\u007f\\u0085\\u2028\"");
	buf_reset(&b);
	json_quote(&b, VIEW("\xff\xc3\xa9\xed\xa0\x80"));
	CHECK_STR(buf_str(&b), "\"\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd"
			       "\xef\xbf\xbd\"");
}
