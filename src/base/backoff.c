/*
 * backoff.c
 *	  When to try again what has failed.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/backoff.h"

TimestampTz
backoff_until(int failures, int first_ms, int max_ms)
{
	int64 ms = first_ms;

	for (int i = 1; i < failures && ms < max_ms; i++)
		ms *= 2;
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Min(ms, max_ms));
}
