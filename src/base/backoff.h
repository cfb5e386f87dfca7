/*
 * backoff.h
 *	  When to try again what has failed.
 */
#ifndef DDBSTREAMS_BACKOFF_H
#define DDBSTREAMS_BACKOFF_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

/*
 * Returns when to try again: first_ms milliseconds from now after one failure
 * (or none), and twice as long after each further one, up to max_ms.
 */
extern TimestampTz backoff_until(int failures, int first_ms, int max_ms);

#endif /* DDBSTREAMS_BACKOFF_H */
