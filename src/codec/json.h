/*
 * json: writes JSON (RFC 8259) into a buf.  Commas and quotes are its work:
 *
 *	struct json j = JSON_INIT(&b);
 *	json_open(&j, '{');
 *	json_key(&j, "port");
 *	json_uint(&j, 443);
 *	json_close(&j, '}');
 *
 * Bytes that are not UTF-8 are written as U+FFFD, so that the result is always
 * valid; control characters, '<', '>' and U+2028/9 are escaped, so that it can
 * be shown on a terminal or put into a page.
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct json {
	struct buf *out;
	bool comma; /* the next value needs one in front */
};

#define JSON_INIT(b) ((struct json) { .out = (b) })

void json_open(struct json *j, char bracket); /* '{' or '[' */
void json_close(struct json *j, char bracket); /* '}' or ']' */
void json_key(struct json *j, const char *key);
void json_key_view(struct json *j, struct view key);
void json_view(struct json *j, struct view v); /* a string */
void json_str(struct json *j, const char *s); /* a string; NULL is null */
void json_uint(struct json *j, uint64_t n);
void json_int(struct json *j, int64_t n);
void json_bool(struct json *j, bool b);
void json_none(struct json *j); /* null; json_null is jansson's */
/* One string with its quotes, no comma kept. */
void json_quote(struct buf *out, struct view v);

#endif
