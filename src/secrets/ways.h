/*
 * ways: what is known of the ways by which a gateway gets credentials itself
 * (ways.def): words, settings, and what these must look like.  The doing is in
 * minter/.
 */
#ifndef SECRETS_WAYS_H
#define SECRETS_WAYS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "secrets/creds.h"

enum way_id {
#define WAY(id, word, put, summary) WAY_##id,
#include "secrets/ways.def"
	WAYS
};

/* Over all ways: an index into one array of texts. */
enum way_setting_id {
#define WAY_SETTING(way, id, option, kind, need, preset, value, help) \
	WAY_SET_##id,
#include "secrets/ways.def"
	WAY_SETTINGS
};

enum way_secret_id {
#define WAY_SECRET(way, id, name, need, help) WAY_SECRET_##id,
#include "secrets/ways.def"
	WAY_SECRETS
};

enum {
	WAY_TEXT_MAX = 2048, /* bytes of a setting */
	WAY_SECRET_MAX = 4096,
	WAY_VALUES_MAX = 3
};

enum way_kind {
	WAY_TEXT,
	WAY_URL, /* https */
	WAY_PATH, /* absolute */
	WAY_SOCKET, /* a path, also as unix:///path */
	WAY_SPIFFE, /* spiffe://domain/... */
	WAY_ROLE, /* arn:aws:iam::N:role/... */
	WAY_SESSION,
	WAY_SECONDS,
	WAY_REGION,
	WAY_KINDS
};

struct way {
	const char *word, *summary;
	enum cred_put put;
};

struct way_setting {
	enum way_id way;
	const char *option, *preset, *value, *help;
	enum way_kind kind;
	bool needed;
};

struct way_secret {
	enum way_id way;
	const char *name, *help;
	bool needed;
};

extern const struct way ways[WAYS];
extern const struct way_setting way_settings[WAY_SETTINGS];
extern const struct way_secret way_secrets[WAY_SECRETS];

/* By its word; -1 and *e names those there are. */
int way_find(struct view word, enum way_id *out, struct err *e) MUST_USE;
/* Index of a way's setting or secret; -1: it has none of that name. */
int way_setting_find(enum way_id way, struct view option);
int way_secret_find(enum way_id way, struct view name);
/* The n-th credential that it makes; NULL behind the last. */
const char *way_value(enum way_id way, size_t n);
/* -1: what is wrong with it, with the option. */
int way_setting_check(
    enum way_setting_id id, struct view text, struct err *e) MUST_USE;
int way_secret_check(
    enum way_secret_id id, struct view text, struct err *e) MUST_USE;
/* The path in a WAY_SOCKET. */
struct view way_socket_path(struct view text);

#endif
