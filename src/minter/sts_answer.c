/*
 * sts_answer: see sts.h.  STS speaks XML; what is read of it is four
 * texts at fixed places, with the small reader of codec/xml.h: a whole XML
 * library knows entities, files and namespaces, which nobody needs here and an
 * attacker would.
 */
#include "minter/sts.h"

#include <stdio.h>
#include <time.h>

#include "base/macros.h"
#include "codec/xml.h"
#include "secrets/rewrite.h"

#define CREDENTIALS "AssumeRoleResponse/AssumeRoleResult/Credentials/"
#define ENDS STS_VALUES

static const char *const places[STS_VALUES + 1] = {
	[STS_ID] = CREDENTIALS "AccessKeyId",
	[STS_SECRET] = CREDENTIALS "SecretAccessKey",
	[STS_TOKEN] = CREDENTIALS "SessionToken",
	[ENDS] = CREDENTIALS "Expiration",
};

/* "2026-01-02T03:04:05Z", also with a fraction, which is left. */
static bool
read_time(struct view v, int64_t *out)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	struct tm tm = { 0 };
	struct {
		int *to;
		unsigned from, n;
	} parts[] = { { &tm.tm_year, 0, 4 }, { &tm.tm_mon, 5, 2 },
		{ &tm.tm_mday, 8, 2 }, { &tm.tm_hour, 11, 2 },
		{ &tm.tm_min, 14, 2 }, { &tm.tm_sec, 17, 2 } };
	struct view tail = view_slice(v, sizeof(form) - 1, v.n);
	uint64_t n;

	if (v.n < sizeof(form))
		return false;
	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == 'd' ? v.p[i] < '0' || v.p[i] > '9'
				   : v.p[i] != form[i])
			return false;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		(void)view_u64(
		    view_slice(v, parts[i].from, parts[i].from + parts[i].n),
		    9999, &n);
		*parts[i].to = (int)n;
	}
	if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 ||
	    tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (view_starts(tail, VIEW("."))) {
		tail = view_slice(tail, 1, tail.n);
		if (!view_ends(tail, VIEW("Z")) ||
		    !view_u64(view_slice(tail, 0, tail.n - 1), 999999999, &n))
			return false;
	} else if (!view_eq(tail, VIEW("Z"))) {
		return false;
	}
	*out = (int64_t)timegm(&tm);
	return true;
}

/* As they go into fields and signatures. */
static bool
is_value(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= 0x20 || v.p[i] > 0x7e)
			return false;
	return v.n > 0 && v.n <= RW_VALUE_MAX;
}

static int
place_of(const struct xml *x)
{
	for (int i = 0; i < (int)ARRAY_LEN(places); i++)
		if (xml_at(x, places[i]))
			return i;
	return -1;
}

struct reading {
	struct xml x;
	bool inside; /* one of the places, which hold text alone */
	unsigned seen[STS_VALUES + 1];
	struct buf *out[STS_VALUES + 1];
};

static int
read_all(struct reading *r, struct err *e)
{
	enum xml_kind kind = XML_OPEN;
	struct view v;

	while (kind != XML_END) {
		int at;

		if (xml_next(&r->x, &kind, &v, e) < 0)
			return -1;
		at =
		    kind == XML_OPEN || kind == XML_TEXT ? place_of(&r->x) : -1;
		if (kind == XML_OPEN && r->inside)
			return err_set(e, ERR_PROTO,
			    "the answer has an element inside a credential");
		if (kind == XML_OPEN)
			r->inside = at >= 0;
		else if (kind == XML_CLOSE)
			r->inside = false;
		if (at < 0)
			continue;
		if (kind == XML_OPEN && ++r->seen[at] > 1)
			return err_set(
			    e, ERR_PROTO, "the answer has a credential twice");
		if (kind == XML_TEXT && xml_text(v, r->out[at], e) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (r->seen[i] != 1)
			return err_set(e, ERR_PROTO,
			    "the answer has no %s at its place",
			    strrchr(places[i], '/') + 1);
	return 0;
}

int
sts_answer(struct view body, struct buf out[STS_VALUES], int64_t *ends_s,
    struct err *e)
{
	AUTO_BUF struct buf ends = BUF_INIT(64);
	struct reading r = { .out = { &out[STS_ID], &out[STS_SECRET],
				 &out[STS_TOKEN], &ends } };

	if (xml_init(&r.x, body, e) < 0 || read_all(&r, e) < 0)
		return -1;
	for (size_t i = 0; i < STS_VALUES; i++)
		if (!is_value(buf_view(&out[i])))
			return err_set(e, ERR_PROTO,
			    "a credential of the answer is empty, too long, "
			    "or not printable");
	if (!read_time(buf_view(&ends), ends_s))
		return err_set(
		    e, ERR_PROTO, "the Expiration of the answer is no time");
	return 0;
}

void
sts_error(struct view body, char out[STS_CODE_MAX])
{
	enum xml_kind kind = XML_OPEN;
	struct err ignored;
	struct xml x;
	struct view v;

	out[0] = '\0';
	if (xml_init(&x, body, &ignored) < 0)
		return;
	while (kind != XML_END && xml_next(&x, &kind, &v, &ignored) == 0) {
		if (kind != XML_TEXT || !xml_at(&x, "ErrorResponse/Error/Code"))
			continue;
		for (size_t i = 0; i < v.n; i++)
			if (!(v.p[i] >= 'a' && v.p[i] <= 'z') &&
			    !(v.p[i] >= 'A' && v.p[i] <= 'Z') && v.p[i] != '.')
				return;
		if (v.n < STS_CODE_MAX)
			(void)snprintf(
			    out, STS_CODE_MAX, "%.*s", (int)v.n, v.p);
		return;
	}
}
