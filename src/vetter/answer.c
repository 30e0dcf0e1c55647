/* answer: what passes between the gateway and a vetter. */
#include <string.h>

#include "codec/utf8.h"
#include "vetter/vetter.h"

static bool
put(char *to, size_t size, struct view v)
{
	if (v.n >= size || memchr(v.p != NULL ? v.p : "", '\0', v.n) != NULL)
		return false;
	if (v.n > 0)
		memcpy(to, v.p, v.n);
	to[v.n] = '\0';
	return true;
}

static struct view
text_of(const char *s)
{
	return view_of(s != NULL ? s : "");
}

bool
vetter_ask_fill(
    struct vetter_ask *ask, const struct service *s, struct view config)
{
	*ask = (struct vetter_ask) { .version = VETTER_VERSION,
		.timeout_ms = s->timeout_ms };
	return put(ask->name, sizeof(ask->name), view_of(s->name)) &&
	       put(ask->url, sizeof(ask->url), view_of(s->url)) &&
	       put(ask->ca, sizeof(ask->ca), text_of(s->ca)) &&
	       put(ask->cert, sizeof(ask->cert), text_of(s->cert)) &&
	       put(ask->key, sizeof(ask->key), text_of(s->key)) &&
	       put(ask->config, sizeof(ask->config), config);
}

/* What escaping would change is not printable. */
static bool
is_printable(struct view v)
{
	AUTO_BUF struct buf b = BUF_INIT(8 * VETTER_TEXT_MAX);

	buf_put_escaped(&b, v);
	return utf8_valid(v) && view_eq(buf_view(&b), v);
}

int
vetter_answer_check(const struct vetter_answer *a, struct err *e)
{
	if (a->version != VETTER_VERSION || a->verdict >= VETTER_VERDICTS ||
	    memchr(a->text, '\0', sizeof(a->text)) == NULL ||
	    !is_printable(view_of(a->text)))
		return err_set(
		    e, ERR_PROTO, "the vetter's answer is malformed");
	if (a->verdict == VETTER_UNASKED && a->text[0] == '\0')
		return err_set(e, ERR_PROTO, "the vetter does not say why");
	return 0;
}
