#include "fixture.h"

/* 1.4: parse(serialise(m)) is m, for every text that any test parses. */
void
check_round_trip(const struct policy *p, struct view yaml, unsigned lenient)
{
	AUTO_BUF struct buf first = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_BUF struct buf second = BUF_INIT(POLICY_TEXT_MAX);
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *again = NULL;
	char a[65], b[65];

	policy_canonical(p, &first);
	if (p_parse_lenient(buf_view(&first), lenient, &again, &f) < 0)
		fail_msg("%.*s\ndoes not read back: %s\n%s", (int)yaml.n,
		    yaml.p, buf_str(&first), f.v[0].text);
	policy_canonical(again, &second);
	CHECK_VIEW(buf_view(&second), buf_str(&first));
	policy_hash(p, a);
	policy_hash(again, b);
	CHECK_STR(a, b);
}

static struct parsed
parse_as(struct view yaml, unsigned lenient)
{
	struct parsed out = { .text = BUF_INIT(1 << 20) };

	if (p_parse_lenient(yaml, lenient, &out.p, &out.f) < 0)
		out.p = NULL;
	policy_findings_print(&out.f, "p", &out.text);
	if (out.p != NULL)
		check_round_trip(out.p, yaml, lenient);
	CHECK_INT(out.p == NULL, ==, out.f.errors > 0);
	return out;
}

struct parsed
parse_view(struct view yaml)
{
	return parse_as(yaml, 0);
}

struct parsed
parse_ahead(const char *yaml)
{
	return parse_as(view_of(yaml), P_UNENFORCED);
}

struct parsed
parse(const char *yaml)
{
	return parse_view(view_of(yaml));
}

struct parsed
parse_endpoint(const char *endpoint)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);

	buf_puts(&b, "version: 1\nnetwork_policies:\n  t:\n    endpoints:\n");
	buf_printf(&b, "    - %s\n", endpoint);
	buf_puts(&b, "    binaries: [{path: /usr/bin/curl}]\n");
	return parse_view(buf_view(&b));
}

void
parsed_fini(struct parsed *p)
{
	policy_free(p->p);
	policy_findings_fini(&p->f);
	buf_fini(&p->text);
}

struct policy *
must_parse(const char *id, const char *yaml)
{
	AUTO_PARSED struct parsed r = parse(yaml);

	if (r.p == NULL)
		fail_msg("%s: refused: %s", id, buf_str(&r.text));
	return take_ptr(r.p);
}

struct snapshot *
must_compile(const char *id, const char *yaml)
{
	AUTO_POLICY struct policy *p = must_parse(id, yaml);
	struct snapshot *s = NULL;
	struct err e;

	if (snapshot_new(p, 1, &s, &e) < 0)
		fail_msg("%s: %s", id, e.text);
	return s;
}

struct snapshot *
must_compile_ahead(const char *id, const char *yaml)
{
	AUTO_PARSED struct parsed r = parse_ahead(yaml);
	struct snapshot *s = NULL;
	struct err e;

	if (r.p == NULL)
		fail_msg("%s: refused: %s", id, buf_str(&r.text));
	if (snapshot_new(r.p, 1, &s, &e) < 0)
		fail_msg("%s: %s", id, e.text);
	return s;
}

const char *
canonical(const struct policy *p)
{
	static struct buf b = BUF_INIT(POLICY_TEXT_MAX);

	buf_reset(&b);
	policy_canonical(p, &b);
	return buf_str(&b);
}

struct policy_who
who_is(const char *chain)
{
	struct policy_who who = { 0 };
	struct view rest = view_of(chain);

	who.exe = view_trim(view_cut(rest, '<', &rest));
	while (rest.p != NULL)
		who.ancestors[who.n_ancestors++] =
		    view_trim(view_cut(rest, '<', &rest));
	return who;
}

char *
edited(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	struct buf b = BUF_INIT(1 << 16);

	CHECK(at != NULL);
	buf_put(&b, (struct view) { text, (size_t)(at - text) });
	buf_puts(&b, to);
	buf_puts(&b, at + strlen(from));
	(void)buf_str(&b);
	return b.p;
}
