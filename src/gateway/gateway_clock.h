/*
 * gateway_clock.h
 *	  Time that only goes forward.
 */
#ifndef DDBSTREAMS_GATEWAY_CLOCK_H
#define DDBSTREAMS_GATEWAY_CLOCK_H

#include <time.h>

/* Returns milliseconds since some moment. */
static inline long
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

/* Returns seconds since the same moment, with a fraction. */
static inline double
clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

#endif /* DDBSTREAMS_GATEWAY_CLOCK_H */
