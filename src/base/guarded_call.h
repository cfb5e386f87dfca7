/*
 * guarded_call.h
 *	  Calls that may fail without failing the statement.
 */
#ifndef DDBSTREAMS_GUARDED_CALL_H
#define DDBSTREAMS_GUARDED_CALL_H

#include "base/ddbstreams.h"

typedef void (*GuardedFunction)(void *argument);

extern bool guarded_call(GuardedFunction function, void *argument, int *sqlstate);

#endif /* DDBSTREAMS_GUARDED_CALL_H */
