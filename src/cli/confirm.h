/* confirm: questions before something that reaches far. */
#ifndef CLI_CONFIRM_H
#define CLI_CONFIRM_H

#include "cli/cli.h"

/*
 * Asks "QUESTION Go on? [y/N]" on the terminal.  -1: the answer is no, or
 * nobody is there to give one, which `nobody` says with the way out.
 */
int confirm(struct cli *c, const char *question, const char *nobody,
    struct err *e) MUST_USE;
/* Of what holds for every sandbox: "updates" or "deletes" of "the policy". */
int confirm_global(struct cli *c, const char *what, const char *changed,
    struct err *e) MUST_USE;

#endif
