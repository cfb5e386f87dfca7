/*
 * guarded_call.h
 *	  Calls that may fail without failing the statement.
 */
#ifndef GUARDED_CALL_H
#define GUARDED_CALL_H

#include "base/ddbstreams.h"

typedef void (*GuardedFunction)(void *argument);

extern bool guarded_call(GuardedFunction function, void *argument, int *sqlstate);

#endif /* GUARDED_CALL_H */
