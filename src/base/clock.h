/*
 * clock.h
 *	  What time it is, times and numbers as texts, intervals as microseconds.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

extern TimestampTz clock_now(void);

extern int64	 clock_interval_usec(const Interval *interval);
extern Interval *clock_usec_interval(int64 usec);
extern char		*clock_label(TimestampTz time);

extern char *sequence_number_text(int64 number);
extern void	 sequence_number_write(int64 number, char *out);
extern int64 sequence_number_parse(const char *text);

#endif /* CLOCK_H */
