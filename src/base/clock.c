/*
 * clock.c
 *	  What time it is, times and numbers as texts, intervals as microseconds.
 */
#include "postgres.h"

#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"

/*
 * Returns the time by which records are numbered and expire, streams and shards
 * are made and closed: the clock, which tests may set by a setting.  It may go
 * back at any time; numbers do not.  Waits and iterators' lifetimes go by the
 * clock itself.
 */
TimestampTz
clock_now(void)
{
	return GetCurrentTimestamp() + setting_clock_offset * USECS_PER_SEC;
}

/*
 * Returns what the server's clock shows when clock_now returns time: for waits,
 * which go by the server's clock.
 */
TimestampTz
clock_server_time(TimestampTz time)
{
	return time - setting_clock_offset * USECS_PER_SEC;
}

/*
 * Returns the length of an interval in microseconds, the same in every time
 * zone: a day has 24 hours, a month 30 days, a year 365.25 days.
 */
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

/* Returns an interval of that length, in hours and below, palloc'd. */
Interval *
clock_usec_interval(int64 usec)
{
	Interval *interval = palloc0(sizeof(Interval));

	interval->time = usec;
	return interval;
}

/* A time as in a stream's label: UTC, ISO 8601 with milliseconds, no zone. */
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
