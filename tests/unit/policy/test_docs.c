/* docs/policy.md: its examples parse, and it speaks of every key and word. */
#include "fixture.h"

#include "base/fd.h"
#include "base/mem.h"

static void
read_docs(struct buf *out)
{
	AUTO_FREE char *text = NULL;
	struct err e;
	size_t n;

	if (file_read_path(DOCS, false, 1 << 20, &text, &n, &e) < 0)
		fail_msg("%s", e.text);
	buf_put(out, (struct view) { text, n });
}

TEST(docs, examples_parse)
{
	AUTO_BUF struct buf text = BUF_INIT(1 << 20);
	static const char fence[] = "```yaml\n";
	const char *at;
	size_t count = 0;

	read_docs(&text);
	for (at = strstr(buf_str(&text), fence); at != NULL;
	     at = strstr(at, fence)) {
		AUTO_BUF struct buf yaml = BUF_INIT(1 << 20);
		AUTO_PARSED struct parsed r = { 0 };
		const char *end;

		at += strlen(fence);
		end = strstr(at, "```\n");
		CHECK(end != NULL);
		buf_put(&yaml, (struct view) { at, (size_t)(end - at) });
		r = parse_ahead(buf_str(&yaml));
		if (r.p == NULL || r.f.warnings > 0)
			fail_msg("%s", buf_str(&r.text));
		count++;
		at = end + 4;
	}
	CHECK_INT(count, >=, 2);
}

static void
must_say(struct buf *text, const char *word)
{
	static const char *const forms[] = { "`%s`", "`%s:", "{%s}", "`%s " };
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		AUTO_BUF struct buf want = BUF_INIT(256);

		buf_put(&want, view_slice(view_of(forms[i]), 0, 1));
		buf_puts(&want, word);
		buf_put(&want, view_slice(view_of(forms[i]), 3, 4));
		found |= strstr(buf_str(text), buf_str(&want)) != NULL;
	}
	if (!found)
		fail_msg("docs/policy.md does not speak of %s", word);
}

TEST(docs, speak_of_every_key_and_protocol)
{
	static const enum p_owner owners[] = { P_top, P_filesystem, P_landlock,
		P_process, P_policy, P_endpoint, P_json_rpc, P_mcp, P_binding,
		P_operation, P_rule, P_allow, P_middleware, P_selection,
		P_binary };
	AUTO_BUF struct buf text = BUF_INIT(1 << 20);

	read_docs(&text);
	for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
		struct p_rows rows = p_rows_of(owners[i]);

		for (size_t k = 0; k < rows.n; k++)
			must_say(&text, rows.v[k].key.p);
	}
	for (int i = POLICY_PROTO_NONE + 1; i < POLICY_PROTOCOLS; i++)
		must_say(&text, policy_protocol_word((enum policy_protocol)i));
}
