/*
 * keeper: "openshell-sandbox keep DIR", the owner of a sandbox that outlives
 * terminals and gateways.
 *
 * It starts the supervisor proper (ctl) through sandbox/session.h, exactly as
 * `openshell run` does, and dials the gateway: one Attend stream for desired
 * state, records and what is, one Relay a command.  While no gateway answers
 * it goes on with the last good policy.  The lock on DIR/keeper.pid, held for
 * life, is how a gateway tells what really runs.
 *
 * DIR (0700) holds spec.pb (datamodel.v1.Sandbox), token (0600), endpoint,
 * egress, services;
 * made by drivers/drv_native.c.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

/* The whole life of the process; returns its exit status. */
int keeper_main(const char *dir);

#endif
