/* health: what plain HTTP/1.1 answers (gateway-api 5). */
#ifndef GATEWAY_HEALTH_H
#define GATEWAY_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "store/store.h"

struct health {
	struct store *store;
	uint64_t asked_ms; /* monotonic; 0: never */
	bool ready;
};

/* As the http hook of rpc.h. */
void health_answer(struct health *h, struct view method, struct view target,
    unsigned *status, const char **type, struct buf *body);

#endif
