/*
 * spawn_answer: init's end of spawn_msg.h.
 */
#ifndef SANDBOX_SPAWN_ANSWER_H
#define SANDBOX_SPAWN_ANSWER_H

#include "sandbox/init.h"

/*
 * Serves until ctl or the spawner (`life`) is gone; returns PID 1's exit
 * status.  Everything else in the sandbox is killed by its return.
 */
int spawn_answer(
    int sock, int life, const struct init_rules *rules, struct root *root);

#endif
