/* form: bodies as HTML forms have them (application/x-www-form-urlencoded). */
#ifndef MINTER_FORM_H
#define MINTER_FORM_H

#include "base/bytes.h"

/* "name=value" appended, with a '&' before all but the first; an empty value
 * is left out. */
void form_put(struct buf *form, const char *name, struct view value);

#endif
