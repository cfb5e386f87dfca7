/*
 * attempt.h
 *	  Calls that may fail without failing the statement.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "base/ddbstreams.h"

typedef void (*AttemptFunction)(void *argument);

extern bool attempt(AttemptFunction function, void *argument, int *sqlstate);

#endif /* ATTEMPT_H */
