/*
 * clock.c
 *	  The time of records, and lengths of time.
 *
 * There are two clocks.  Records are numbered, and expire, by clock_now; tests
 * move it by ddbstreams.clock_offset.  Waits and the lifetimes of iterators go
 * by the server's own clock, GetCurrentTimestamp.  Both may go back at any
 * time; numbers do not.
 */
#include "postgres.h"

#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"

TimestampTz
clock_now(void)
{
	return GetCurrentTimestamp() + setting_clock_offset * USECS_PER_SEC;
}

TimestampTz
clock_server_time(TimestampTz time)
{
	return time - setting_clock_offset * USECS_PER_SEC;
}

int64
clock_interval_usec(const Interval *interval)
{
	int64  years = interval->month / MONTHS_PER_YEAR;
	int64  months = interval->month % MONTHS_PER_YEAR;
	double days = years * DAYS_PER_YEAR + months * (double) DAYS_PER_MONTH +
				  interval->day;
	double usec = days * USECS_PER_DAY + (double) interval->time;

	if (usec > (double) PG_INT64_MAX / 2)
		return PG_INT64_MAX / 2;
	if (usec < (double) PG_INT64_MIN / 2)
		return PG_INT64_MIN / 2;
	return (int64) usec;
}

Interval *
clock_usec_interval(int64 usec)
{
	Interval *interval = palloc0(sizeof(Interval));

	interval->time = usec;
	return interval;
}

char *
clock_label(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		 fsec;

	if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "time of a stream is out of range");
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03d", tm.tm_year, tm.tm_mon,
					tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
					(int) (fsec / 1000));
}
