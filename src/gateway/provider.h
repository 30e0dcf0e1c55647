/*
 * provider: the providers of a gateway, whole with their secrets; what leaves
 * the gateway is a redacted copy, or goes to the supervisor of a sandbox that
 * may use it.
 */
#ifndef GATEWAY_PROVIDER_H
#define GATEWAY_PROVIDER_H

#include "datamodel.pb-c.h"
#include "gateway/gw.h"

typedef Openshell__Datamodel__V1__Provider provider_msg;
typedef Openshell__Supervisor__V1__Credentials credentials_msg;

#define PROVIDER_REDACTED "REDACTED"

/* --- one provider --------------------------------------------------------- */

/* Wiped before it is freed. */
void provider_free(provider_msg *p);
void provider_free_at(provider_msg **p);
#define AUTO_PROVIDER CLEANUP(provider_free_at)
/* Entries of `in` replace those of their keys; empty ones take them away. */
void provider_merge(provider_msg *p, const provider_msg *in);
/* Every value is PROVIDER_REDACTED. */
void provider_redact(provider_msg *p);
/* What is wrong with it, as a whole, before it is stored. */
int provider_check(const provider_msg *p, struct err *e) MUST_USE;

/* --- stored --------------------------------------------------------------- */

int provider_insert(
    struct gateway *g, const provider_msg *p, struct err *e) MUST_USE;
/* ERR_AGAIN: it changed since `version` was read. */
int provider_update(struct gateway *g, const provider_msg *p, uint64_t version,
    struct err *e) MUST_USE;
/* *version may be NULL. */
int provider_read(struct gateway *g, const char *name, provider_msg **out,
    uint64_t *version, struct err *e) MUST_USE;
bool provider_exists(struct gateway *g, const char *name);
/* Redacted ones; `each` borrows. */
int provider_list(struct gateway *g, uint32_t limit, uint32_t offset,
    void (*each)(void *ctx, provider_msg *taken), void *ctx,
    struct err *e) MUST_USE;
/* Of all, also of those that cannot be read; `each` borrows. */
int provider_names(struct gateway *g, uint32_t limit,
    void (*each)(void *ctx, const char *name), void *ctx,
    struct err *e) MUST_USE;
int provider_delete(
    struct gateway *g, const char *name, bool *existed, struct err *e) MUST_USE;

/* --- to sandboxes --------------------------------------------------------- */

/* All that a sandbox may use, in the order of its providers; the first of two
 * that have the same key wins, and what is missing is told in its log. */
credentials_msg *provider_credentials(struct sbx *s) MUST_USE;
void provider_credentials_free(credentials_msg *m);
/* Sandboxes that have it get it anew. */
void provider_changed(struct gateway *g, const char *name);
/* A line in the log of each of them. */
void provider_log(struct gateway *g, const char *name, const char *level,
    const char *fmt, ...) PRINTF(4, 5);
/* Names of the sandboxes that have it, ", " between; false: none. */
bool provider_users(struct gateway *g, const char *name, struct buf *out);

#endif
