/*
 * Whatever a request holds, a credential comes out of it only whole and only
 * when everything in it was understood: of those that there are one may not be
 * sent, and its value never appears; and when anything is refused, nothing at
 * all is left in the output.  Where nothing is to be done no marker is left.
 * What stands around a credential is what it was: the same path to whoever
 * canonicalises it, the same pairs of a query, the same JSON but for strings.
 * The first byte chooses the place.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "codec/base64.h"
#include "http/target.h"
#include "secrets/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Wiped and searched each time: no more than is needed. */
enum { IN_MAX = 2048, OUT_MAX = 8 * IN_MAX };
#define OTHERS "<of-others>"

static int
resolve(void *ctx, const struct ph *p, struct view *value, struct err *e)
{
	static const struct {
		struct view key, value;
	} mine[] = { { VIEW("KEY"), VIEW("<mine:value/\"%&>") },
		{ VIEW("FITS"), VIEW("<mine%2F..>") },
		{ VIEW("PARAM"), VIEW(";<mine>") }, { VIEW("DOT"), VIEW(".") },
		{ VIEW("JSONY"), VIEW("\",\"<mine>\":\\") } };

	(void)ctx;
	assert(ph_key_ok(p->key));
	if (view_eq(p->key, VIEW("OTHER"))) {
		*value = VIEW(OTHERS);
		return err_set(e, ERR_DENIED, "not here");
	}
	for (size_t i = 0; i < ARRAY_LEN(mine); i++)
		if (view_eq(p->key, mine[i].key) && p->revision <= 3) {
			*value = mine[i].value;
			return 0;
		}
	return err_set(e, ERR_NOT_FOUND, "unknown");
}

static bool
has(const struct buf *b, const char *what)
{
	return b->p != NULL && memmem(b->p, b->cap, what, strlen(what)) != NULL;
}

static int
run(struct rw *rw, unsigned what, struct view v, struct buf *out, struct err *e)
{
	switch (what % 8) {
	case 0:
		return rw_field(rw, v, out, e);
	case 1:
		return rw_path(rw, v, out, e);
	case 2:
		return rw_query(rw, v, out, e);
	case 3:
		return rw_path_shown(v, out, e);
	case 4:
		return rw_body(rw, RW_BODY_JSON, v, out, e);
	case 5:
		return rw_body(rw, RW_BODY_FORM, v, out, e);
	case 6:
		return rw_body(rw, RW_BODY_TEXT, v, out, e);
	default:
		return rw_message(rw, v, out, e);
	}
}

/* The same, as the password of Basic. */
static void
check_basic(struct view v)
{
	struct rw rw = { .resolve = resolve };
	AUTO_BUF struct buf plain = BUF_INIT(OUT_MAX), field;
	AUTO_RW_OUT struct buf out = BUF_INIT(0);
	struct err e;

	field = BUF_INIT(OUT_MAX);
	buf_puts(&plain, "u:");
	buf_put(&plain, v);
	buf_puts(&field, "Basic ");
	base64_encode(buf_view(&plain), &field);
	rw_out_init(&out, OUT_MAX);
	if (rw_field(&rw, buf_view(&field), &out, &e) == 0)
		assert(!ph_marked(v));
	buf_fini(&field);
}

/*
 * A canonical path stays one, segment by segment.
 * Attack: a value that, beside the text around it, changes what is meant.
 */
static void
check_path(struct view path, struct view out)
{
	struct target again;
	struct err e;
	int rc = target_canonical(out, true, &again, &e);

	assert(rc == 0 && view_eq(buf_view(&again.path), out));
	assert(again.query.p == NULL);
	target_fini(&again);
	while (path.p != NULL) {
		struct view was = view_cut(path, '/', &path);
		struct view is;

		assert(out.p != NULL);
		is = view_cut(out, '/', &out);
		assert(rw_marked(was) || view_eq(was, is));
	}
	assert(out.p == NULL);
}

/* The same pairs, in the same order, with the same names. */
static void
check_pairs(struct view query, struct view out)
{
	while (query.p != NULL) {
		struct view was = view_cut(query, '&', &query), was_value;
		struct view is, is_value;

		assert(out.p != NULL);
		is = view_cut(out, '&', &out);
		if (view_eq(was, is))
			continue;
		assert(view_eq(view_cut(was, '=', &was_value),
		    view_cut(is, '=', &is_value)));
		assert(was_value.n > 0);
		for (size_t i = 0; i < is_value.n; i++)
			assert(
			    strchr("/+&=#?; \r\n\"<", is_value.p[i]) == NULL);
	}
	assert(out.p == NULL);
}

static void
check_same_json(const json_t *was, const json_t *is)
{
	const char *key;
	json_t *v;
	size_t i;

	assert(is != NULL && json_typeof(was) == json_typeof(is));
	if (json_is_object(was)) {
		assert(json_object_size(was) == json_object_size(is));
		json_object_foreach((json_t *)(uintptr_t)was, key, v)
		    check_same_json(v, json_object_get(is, key));
	} else if (json_is_array(was)) {
		assert(json_array_size(was) == json_array_size(is));
		json_array_foreach(was, i, v)
		    check_same_json(v, json_array_get(is, i));
	} else if (!json_is_string(was)) {
		assert(json_equal(was, is));
	}
}

/* What a reader takes as JSON is to it the same but for its strings. */
static void
check_json(struct view text, struct view out)
{
	const size_t flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES;
	json_t *was = json_loadb(text.p, text.n, flags, NULL);
	json_t *is;

	if (was == NULL)
		return;
	is = json_loadb(out.p, out.n, flags, NULL);
	check_same_json(was, is);
	json_decref(is);
	json_decref(was);
}

/* One field still, and of a scheme and its word the scheme is the same. */
static void
check_field(struct view value, struct view out)
{
	struct view token, scheme = view_cut(view_trim(value), ' ', &token);

	/* As the parser of heads lets through. */
	if (view_find(value, '\r') < 0 && view_find(value, '\n') < 0)
		assert(view_find(out, '\r') < 0 && view_find(out, '\n') < 0);
	if (token.p != NULL && view_find(scheme, '\t') < 0)
		assert(view_eq(view_cut(out, ' ', &token), scheme));
}

static void
check_around(unsigned what, struct view v, struct view out)
{
	switch (what % 8) {
	case 0:
		check_field(v, out);
		break;
	case 1:
		check_path(v, out);
		break;
	case 2:
	case 5:
		check_pairs(v, out);
		break;
	case 4:
		check_json(v, out);
		break;
	default:
		break;
	}
}

static void
check(unsigned what, struct view v)
{
	struct rw rw = { .resolve = resolve };
	AUTO_RW_OUT struct buf out = BUF_INIT(0);
	struct err e;
	int r;

	rw_out_init(&out, OUT_MAX);
	memset(out.p, 0, out.cap);
	r = run(&rw, what, v, &out, &e);
	assert(!has(&out, OTHERS));
	assert(r >= -1 && r <= 1 && !out.full);
	if (r < 0) {
		assert(out.n == 0 && e.text[0] != '\0');
		assert(!has(&out, "mine"));
		assert(strstr(e.text, "KEY") == NULL);
	} else if (r == 0) {
		assert(out.n == 0 && !ph_marked(v));
		assert(!has(&out, "mine"));
	} else {
		assert(out.n > 0);
		/* Nothing that it would do again. */
		assert(!ph_marked(buf_view(&out)));
		assert(what % 8 == 3 || rw.used > 0);
		check_around(what, v, buf_view(&out));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct target t = { .path = BUF_INIT(0) };
	struct err e;
	struct view v;
	unsigned what;

	if (n == 0 || n > IN_MAX)
		return 0;
	what = p[0];
	v = (struct view) { (const char *)p + 1, n - 1 };
	/* Its own text must not be taken for the value. */
	if (memmem(v.p, v.n, "<", 1) != NULL ||
	    memmem(v.p, v.n, "mine", 4) != NULL)
		return 0;
	if (what % 8 == 1) {
		/* Paths come in this form alone. */
		if (target_canonical(v, true, &t, &e) == 0)
			check(what, buf_view(&t.path));
		target_fini(&t);
	} else {
		check(what, v);
	}
	check_basic(v);
	return 0;
}
