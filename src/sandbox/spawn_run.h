/*
 * spawn_run: the spawner process: makes init, waits, cleans up.
 */
#ifndef SANDBOX_SPAWN_RUN_H
#define SANDBOX_SPAWN_RUN_H

#include "sandbox/init.h"

/* Life of the spawner; `owner` is a pidfd of ctl.  Its exit status. */
int spawn_run(struct box *b, int owner);
/*
 * What is left of a sandbox whose processes have ended, removed by ctl: the
 * spawner was killed, so b holds no more than the plan.
 */
void spawn_clean_after(struct box *b);

#endif
