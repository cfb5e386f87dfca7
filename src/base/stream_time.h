/*
 * stream_time.h
 *	  What time it is, times and numbers as texts, intervals as microseconds.
 */
#ifndef STREAM_TIME_H
#define STREAM_TIME_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

extern TimestampTz stream_time_now(void);

extern int64	 stream_time_interval_usec(const Interval *interval);
extern Interval *stream_time_usec_interval(int64 usec);
extern char		*stream_time_label(TimestampTz time);

extern char *sequence_number_text(int64 number);
extern void	 sequence_number_write(int64 number, char *out);
extern int64 sequence_number_parse(const char *text);

#endif /* STREAM_TIME_H */
