/*
 * xml: reads the elements of a small XML document, strictly.
 *
 * A subset, since what is read here are answers of machines: elements,
 * attributes (checked, then left), text, the five named entities and character
 * references, an XML declaration, comments.  What brings other files, names or
 * sizes into it is refused: DOCTYPE, entities of one's own, processing
 * instructions, CDATA.  Attack: a document that grows when it is read, or reads
 * a file.
 *
 * The whole must be UTF-8, of one root element, whose tags match.  Nothing is
 * allocated: text is given as it stands, and xml_text decodes it.
 */
#ifndef CODEC_XML_H
#define CODEC_XML_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

enum { XML_DEPTH_MAX = 16, XML_NAME_MAX = 128 };

enum xml_kind { XML_END, XML_OPEN, XML_TEXT, XML_CLOSE };

struct xml {
	struct view rest;
	struct view open[XML_DEPTH_MAX]; /* names, outermost first */
	unsigned depth;
	bool empty; /* the element that was just opened closes itself */
	bool rooted; /* the root element was there */
};

/* `text` is borrowed. */
int xml_init(struct xml *x, struct view text, struct err *e) MUST_USE;
/*
 * The next event: *v is the name of an XML_OPEN or XML_CLOSE, with its prefix,
 * and the undecoded bytes of an XML_TEXT.  x->open[0..depth) is where it
 * stands; of XML_OPEN the new element is the last, of XML_CLOSE it is gone.
 * XML_END once, when all was well formed.
 */
int xml_next(
    struct xml *x, enum xml_kind *kind, struct view *v, struct err *e) MUST_USE;
/* Where it stands is exactly the elements of `path`: "A/B/C". */
bool xml_at(const struct xml *x, const char *path);
/* Appends text with its references decoded. */
int xml_text(struct view raw, struct buf *out, struct err *e) MUST_USE;

#endif
