/* bounds: what a request may ask for, and names it may use (gateway-api 3). */
#ifndef GATEWAY_BOUNDS_H
#define GATEWAY_BOUNDS_H

#include "base/bytes.h"
#include "base/err.h"
#include "gateway/gw.h"

/* ERR_INVALID "FIELD exceeds maximum length (n > max)". */
int gw_check_length(
    const char *field, size_t n, size_t max, struct err *e) MUST_USE;
/* Every map<string, string> of the contract has entries of this shape. */
typedef Openshell__Datamodel__V1__SandboxSpec__EnvironmentEntry gw_entry;
int gw_check_map(const char *field, size_t n, gw_entry *const *v, size_t max,
    struct err *e) MUST_USE;
/* The name of an environment variable. */
int gw_check_variable(const char *key, struct err *e) MUST_USE;
void gw_new_uuid(char out[GW_ID]);

#endif
