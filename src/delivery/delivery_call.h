/*
 * delivery_call.h
 *	  Calling a mapping's functions, with a time limit.
 */
#ifndef DDBSTREAMS_DELIVERY_CALL_H
#define DDBSTREAMS_DELIVERY_CALL_H

#include "base/ddbstreams.h"

#include "nodes/nodes.h"
#include "utils/jsonb.h"

#include "mapping/mapping_function.h"

/* Called once in each process that will call functions. */
extern void delivery_call_init(void);

/*
 * Returns the function of that name.  Raises an error unless the current user
 * may call it and it can be what it is used for: since the mapping was made it
 * may have been dropped or replaced.
 */
extern Oid delivery_call_find(const char *name, MappingFunctionUse use);

/*
 * Calls a function and returns its answer, or NULL if that is null or the
 * function returns void.  The caller has an active snapshot.  The call is
 * cancelled after ddbstreams.handler_timeout.  After an error
 * delivery_call_end must be called.
 */
extern Jsonb *delivery_call(Oid function, Jsonb *argument);

/*
 * Is this SET CONSTRAINTS … DEFERRED, in a trigger that was deferred and is
 * fired at the end of a call?  Then the command must not be run: what it
 * defers would be left for the commit.  Called before each utility command.
 */
extern bool delivery_call_has_done(Node *command);

/*
 * Ends the time limit of a call, also of one that has failed, and puts back
 * what it has changed in its process.
 */
extern void delivery_call_end(void);

/*
 * Returns what is kept of the error of a call: one line of at most 1,000
 * bytes, palloc'd.
 */
extern char *delivery_call_error_text(const ErrorData *error);

/*
 * Reads JSON text that is in the server's encoding.  The result is palloc'd.
 */
extern Jsonb *delivery_call_json(const char *text);

#endif /* DDBSTREAMS_DELIVERY_CALL_H */
