/* drivers: the rows of drivers.def. */
#include "drivers/driver.h"

#include <string.h>

#define DRIVER(name) extern const struct driver_ops driver_##name;
#include "drivers/drivers.def"
#undef DRIVER

const struct driver_ops *const drivers[] = {
#define DRIVER(name) &driver_##name,
#include "drivers/drivers.def"
#undef DRIVER
	NULL
};

const struct driver_ops *
driver_find(const char *name)
{
	for (const struct driver_ops *const *d = drivers; *d != NULL; d++)
		if (strcmp((*d)->name, name) == 0)
			return *d;
	return NULL;
}
