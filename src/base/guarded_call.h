/*
 * guarded_call.h
 *	  Calls that may fail without failing the statement.
 */
#ifndef DDBSTREAMS_GUARDED_CALL_H
#define DDBSTREAMS_GUARDED_CALL_H

#include "base/ddbstreams.h"

typedef void (*GuardedFunction)(void *argument);

/*
 * Calls a function in CurrentMemoryContext, in a subtransaction.  Returns
 * NULL; or, if it has failed with any error, that error, palloc'd, and what it
 * did is undone.
 */
extern ErrorData *guarded_call_error(GuardedFunction function, void *argument);

/*
 * Does the same, but returns whether the call has succeeded; if not, *sqlstate
 * says why, unless sqlstate is NULL.  An error that has nothing to do with
 * what was called is raised again: cancellation, shutdown, lack of memory or
 * disk.
 */
extern bool guarded_call(GuardedFunction function, void *argument, int *sqlstate);

#endif /* DDBSTREAMS_GUARDED_CALL_H */
