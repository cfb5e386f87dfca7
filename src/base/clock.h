/*
 * clock.h
 *	  What time it is, times and numbers as texts, intervals as microseconds.
 */
#ifndef DDBSTREAMS_CLOCK_H
#define DDBSTREAMS_CLOCK_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

extern TimestampTz clock_now(void);
extern TimestampTz clock_server_time(TimestampTz time);

extern int64	 clock_interval_usec(const Interval *interval);
extern Interval *clock_usec_interval(int64 usec);
extern char		*clock_label(TimestampTz time);

#endif /* DDBSTREAMS_CLOCK_H */
