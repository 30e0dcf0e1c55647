#include "test.h"

#include "codec/xml.h"

static struct err e;

/* Events in a line: "<a" opens, ">a" closes, "'text". */
static const char *
events(struct view text)
{
	static char line[512];
	AUTO_BUF struct buf b = BUF_INIT(sizeof(line) - 1);
	enum xml_kind kind = XML_OPEN;
	struct xml x;
	struct view v;

	if (xml_init(&x, text, &e) < 0)
		return "bad";
	while (kind != XML_END) {
		if (xml_next(&x, &kind, &v, &e) < 0)
			return "bad";
		if (kind == XML_END)
			break;
		buf_putc(&b, kind == XML_OPEN    ? '<'
			     : kind == XML_CLOSE ? '>'
						 : '\'');
		buf_put(&b, v);
	}
	(void)snprintf(line, sizeof(line), "%s", buf_str(&b));
	return line;
}

TEST(xml, reads_elements_and_text)
{
	CHECK_STR(
	    events(VIEW("<a>x<b c=\"d>\" e='f'/>y</a >")), "<a'x<b>b'y>a");
	CHECK_STR(events(VIEW("<?xml version='1.0'?>\n<!-- c -->\n<a:b/>\n")),
	    "<a:b>a:b");
	CHECK_STR(events(VIEW("<a><!-- <x> -->t</a>")), "<a't>a");
	CHECK_STR(events(VIEW("<a>\xc3\xa4</a>")), "<a'\xc3\xa4>a");
}

TEST(xml, refuses_what_is_not_well_formed_or_brings_more)
{
	static const struct {
		struct view text;
	} bad[] = { { VIEW("") }, { VIEW("x") }, { VIEW("<a>") },
		{ VIEW("</a>") }, { VIEW("<a></b>") }, { VIEW("<a/><b/>") },
		{ VIEW("<a/>x") }, { VIEW("x<a/>") }, { VIEW("<a") },
		{ VIEW("<a b>") }, { VIEW("<a b=c/>") }, { VIEW("<a b='c/>") },
		{ VIEW("<a b='c'd='e'/>") }, { VIEW("<a b='<'/>") },
		{ VIEW("< a/>") }, { VIEW("<a/ >") }, { VIEW("<1/>") },
		{ VIEW("<!DOCTYPE a><a/>") }, { VIEW("<a><![CDATA[x]]></a>") },
		{ VIEW("<?php x?><a/>") }, { VIEW("<a><?p?></a>") },
		{ VIEW("<?xml version='1.0'") }, { VIEW("<!-- <a/>") },
		{ VIEW("<a>\xff</a>") }, { VIEW("<a>\0</a>") },
		{ VIEW("<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"
		       "</a></a></a></a></a></a></a></a></a></a></a></a></a>"
		       "</a></a></a></a>") } };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_STR(events(bad[i].text), "bad");
}

TEST(xml, decodes_the_five_entities_and_ascii)
{
	AUTO_BUF struct buf b = BUF_INIT(64);
	static const char *const bad[] = { "&", "&lt", "&nbsp;", "&#;", "&#x;",
		"&#0;", "&#10;", "&#256;", "&#xd800;", "&#99999999999;",
		"&#6a;" };

	CHECK_INT(
	    xml_text(VIEW("&lt;&gt;&amp;&apos;&quot;&#65;&#x42;c"), &b, &e), ==,
	    0);
	CHECK_STR(buf_str(&b), "<>&'\"ABc");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(xml_text(view_of(bad[i]), &b, &e), ==, -1);
}

TEST(xml, knows_where_it_stands)
{
	const struct xml x = { .open = { VIEW("a"), VIEW("b") }, .depth = 2 };

	CHECK(xml_at(&x, "a/b"));
	CHECK(!xml_at(&x, "a"));
	CHECK(!xml_at(&x, "a/b/c"));
	CHECK(!xml_at(&x, "b/a"));
}
