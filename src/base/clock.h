/*
 * clock.h
 *	  The time of records, and lengths of time.
 */
#ifndef DDBSTREAMS_CLOCK_H
#define DDBSTREAMS_CLOCK_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

/*
 * Returns the time by which records are numbered and expire, and streams and
 * shards are made and closed.
 */
extern TimestampTz clock_now(void);

/*
 * Returns what the server's clock shows when clock_now returns time: when a
 * wait for that time ends.
 */
extern TimestampTz clock_server_time(TimestampTz time);

/*
 * Returns the length of an interval in microseconds, the same in every time
 * zone: a day has 24 hours, a month 30 days, a year 365.25 days.
 */
extern int64 clock_interval_usec(const Interval *interval);

/* Returns an interval of so many microseconds, without days, palloc'd. */
extern Interval *clock_usec_interval(int64 usec);

/*
 * Returns a time as it stands in a stream's label, palloc'd: UTC, ISO 8601
 * with milliseconds, without a zone.
 */
extern char *clock_label(TimestampTz time);

#endif /* DDBSTREAMS_CLOCK_H */
