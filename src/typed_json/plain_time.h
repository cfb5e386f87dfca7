/*
 * plain_time.h
 *	  Dates and timestamps with years of four digits.
 */
#ifndef DDBSTREAMS_PLAIN_TIME_H
#define DDBSTREAMS_PLAIN_TIME_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

/* Room that a timestamp takes: YYYY-MM-DDTHH:MM:SS.ssssss+00:00 */
#define PLAIN_TIME_ROOM 32

/*
 * Writes a day, counted from 2000-01-01, as YYYY-MM-DD.  Returns its end, or
 * NULL if the year has not four digits.
 */
extern char *plain_time_put_day(char *out, int day);

/*
 * Writes a finite timestamp, or a timestamptz in UTC, as EncodeDateTime does.
 * Returns its end, or NULL if the year has not four digits.
 */
extern char *plain_time_put(char *out, Timestamp timestamp, bool with_tz);

#endif /* DDBSTREAMS_PLAIN_TIME_H */
