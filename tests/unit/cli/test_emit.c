#include <jansson.h>

#include "cli/emit.h"
#include "codec/ydoc.h"
#include "test.h"

static const struct emit_col cols[] = { { .title = "NAME", .field = "name" },
	{ .title = "IMAGE", .field = "spec.image", .max = 8 },
	{ .title = "CREATED", .field = "created_at", .min = 19 },
	{ .title = "PHASE", .field = "phase", .style = EMIT_PHASE }, { 0 } };
static const struct emit_table table = { .cols = cols, .empty = "None." };

static void
row(struct emit *m, struct view name, const char *image, int64_t at)
{
	struct emit_val *o = emit_object(emit_root(m), NULL);

	emit_str(o, "name", name);
	emit_text(emit_object(o, "spec"), "image", image);
	emit_time(o, "created_at", at);
	emit_text(o, "phase", "Ready");
}

TEST(emit, table_is_aligned_by_what_is_seen)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);
	AUTO_BUF struct buf b = BUF_INIT(4096);

	row(m, VIEW("a"), NULL, 1767323045000);
	row(m, VIEW("日本"), "größer-als-acht", 0);
	emit_put(m, EMIT_TABLE, &table, false, &b);
	CHECK_STR(buf_str(&b),
	    "NAME  IMAGE        CREATED              PHASE\n"
	    "a     -            2026-01-02 03:04:05  Ready\n"
	    "日本  größer-a...  -                    Ready\n");
}

TEST(emit, colours_do_not_count_as_width)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);
	AUTO_BUF struct buf plain = BUF_INIT(4096);
	AUTO_BUF struct buf color = BUF_INIT(4096);
	AUTO_BUF struct buf bare = BUF_INIT(4096);

	row(m, VIEW("a"), "x", 0);
	emit_put(m, EMIT_TABLE, &table, false, &plain);
	emit_put(m, EMIT_TABLE, &table, true, &color);
	CHECK_HAS(buf_str(&color), "\033[1;32mReady\033[0m");
	for (size_t i = 0; i < color.n; i++) {
		if (color.p[i] == '\033')
			while (color.p[i] != 'm')
				i++;
		else
			buf_putc(&bare, color.p[i]);
	}
	CHECK_STR(buf_str(&bare), buf_str(&plain));
}

TEST(emit, empty_list_says_so)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);
	AUTO_BUF struct buf b = BUF_INIT(4096);

	emit_put(m, EMIT_TABLE, &table, false, &b);
	emit_put(m, EMIT_JSON, &table, false, &b);
	emit_put(m, EMIT_YAML, &table, false, &b);
	CHECK_STR(buf_str(&b), "None.\n[]\n[]\n");
}

TEST(emit, object_is_labelled_and_leaves_out_null)
{
	static const struct emit_col one[] = { { .title = "Version",
						   .field = "version" },
		{ .title = "Error", .field = "error" },
		{ .title = "Tags", .field = "tags" }, { 0 } };
	static const struct emit_table t = { .cols = one, .label = 14 };
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct emit_val *tags;

	emit_uint(emit_root(m), "version", 3);
	emit_null(emit_root(m), "error");
	tags = emit_list(emit_root(m), "tags");
	emit_text(tags, NULL, "a");
	emit_text(tags, NULL, "b");
	emit_put(m, EMIT_TABLE, &t, false, &b);
	CHECK_STR(buf_str(&b), "Version:       3\n"
			       "Tags:          a, b\n");
}

TEST(emit, json_is_indented_by_two)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct emit_val *l;

	emit_int(emit_root(m), "n", -1);
	emit_bool(emit_root(m), "ok", true);
	emit_time(emit_root(m), "at", 1767323045678);
	l = emit_list(emit_root(m), "l");
	emit_text(emit_object(l, NULL), "k", "v");
	emit_put(m, EMIT_JSON, &table, false, &b);
	CHECK_STR(buf_str(&b),
	    "{\n  \"n\": -1,\n  \"ok\": true,\n"
	    "  \"at\": \"2026-01-02T03:04:05.678Z\",\n"
	    "  \"l\": [\n    {\n      \"k\": \"v\"\n    }\n  ]\n}\n");
}

TEST(emit, yaml_nests_lists_and_objects)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct emit_val *o = emit_object(emit_root(m), NULL);

	emit_text(o, "name", "true");
	emit_text(emit_object(o, "spec"), "image", NULL);
	emit_uint(emit_list(o, "ports"), NULL, 80);
	(void)emit_object(o, "none");
	emit_put(m, EMIT_YAML, &table, false, &b);
	CHECK_STR(buf_str(&b), "- name: 'true'\n  spec:\n    image: null\n"
			       "  ports:\n    - 80\n  none: {}\n");
}

static void
no_fault(void *ctx, unsigned line, unsigned column, const char *text)
{
	(void)ctx;
	fail_msg("%u:%u: %s", line, column, text);
}

/* Attack: a sandbox names things so that the reader sees something else. */
TEST(emit, hostile_text_stays_text_in_every_form)
{
	static const struct view hostile[] = {
		VIEW("\033]0;pwn\007\033[2J"),
		VIEW("a\nfake  row"),
		VIEW("\xff\xfe"),
		VIEW("- x: y #"),
		VIEW("\xc2\x9b"
		     "31m"),
		VIEW("{\"a\": 1}"),
		VIEW("---\nname: other"),
		VIEW("null"),
		VIEW("0x1f"),
		VIEW(""),
	};

	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);
		AUTO_BUF struct buf t = BUF_INIT(4096), j = BUF_INIT(4096);
		AUTO_BUF struct buf y = BUF_INIT(4096);
		struct arena a = { 0 };
		struct ydoc_node *root;
		json_error_t why;
		json_t *doc;
		const char *got;
		size_t lines = 0;

		row(m, hostile[i], "x", 0);
		emit_put(m, EMIT_TABLE, &table, false, &t);
		emit_put(m, EMIT_JSON, &table, false, &j);
		emit_put(m, EMIT_YAML, &table, false, &y);
		for (size_t k = 0; k < t.n; k++) {
			lines += t.p[k] == '\n';
			CHECK((unsigned char)t.p[k] >= 0x20 || t.p[k] == '\n');
			CHECK((unsigned char)t.p[k] != 0xff);
		}
		CHECK_INT(lines, ==, 2);

		doc = json_loadb(j.p, j.n, 0, &why);
		CHECK(doc != NULL);
		got = json_string_value(
		    json_object_get(json_array_get(doc, 0), "name"));
		CHECK(got != NULL);
		CHECK(ydoc_parse(buf_view(&y), &a, &root, no_fault, NULL));
		CHECK_VIEW(root->first->first->value->text, got);
		CHECK(root->first->first->value->type == YDOC_STR);
		if (i != 2)
			CHECK_VIEW(hostile[i], got);
		json_decref(doc);
		arena_fini(&a);
	}
}

TEST(emit, takes_over_a_yaml_document)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_BUF struct buf b = BUF_INIT(4096);

	emit_yaml(emit_root(m), "policy",
	    VIEW("version: 1\nports: [443, 010]\non: true\ns: '1'\n"));
	emit_yaml(emit_root(m), "bad", VIEW("a: [\n"));
	emit_put(m, EMIT_JSON, &table, false, &b);
	CHECK_HAS(buf_str(&b), "\"version\": 1,");
	CHECK_HAS(buf_str(&b), "443,\n");
	CHECK_HAS(buf_str(&b), "\"s\": \"1\"");
	CHECK_HAS(buf_str(&b), "\"on\": true");
	CHECK_HAS(buf_str(&b), "\"bad\": null");
}
