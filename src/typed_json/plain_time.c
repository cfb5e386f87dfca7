/*
 * plain_time.c
 *	  Dates and timestamps with years of four digits.
 */
#include "postgres.h"

#include "utils/datetime.h"

#include "typed_json/plain_time.h"

/* Writes a number below 100 with two digits; returns their end. */
static inline char *
put_two_digits(char *out, int value)
{
	out[0] = '0' + value / 10;
	out[1] = '0' + value % 10;
	return out + 2;
}

/*
 * The day is kept for the next call: records that come together are often of
 * one day.
 */
char *
plain_time_put_day(char *out, int day)
{
	static int	kept_day = PG_INT32_MIN;
	static char kept[10];
	int			year;
	int			month;
	int			month_day;

	if (day != kept_day)
	{
		j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &month_day);
		if (year < 1 || year > 9999)
			return NULL;
		put_two_digits(put_two_digits(kept, year / 100), year % 100);
		kept[4] = kept[7] = '-';
		put_two_digits(kept + 5, month);
		put_two_digits(kept + 8, month_day);
		kept_day = day;
	}
	memcpy(out, kept, sizeof(kept));
	return out + sizeof(kept);
}

/* Writes a fraction of a second in microseconds without trailing zeros. */
static char *
put_fraction(char *out, int fraction)
{
	*out++ = '.';
	put_two_digits(out, fraction / 10000);
	put_two_digits(out + 2, fraction / 100 % 100);
	put_two_digits(out + 4, fraction % 100);
	out += 6;
	while (out[-1] == '0')
		out--;
	return out;
}

char *
plain_time_put(char *out, Timestamp timestamp, bool with_tz)
{
	int64 day = timestamp / USECS_PER_DAY;
	int64 usec = timestamp % USECS_PER_DAY;
	int	  seconds;
	int	  fraction;

	if (usec < 0)
	{
		usec += USECS_PER_DAY;
		day--;
	}
	out = plain_time_put_day(out, (int) day);
	if (out == NULL)
		return NULL;
	seconds = (int) (usec / USECS_PER_SEC);
	fraction = (int) (usec % USECS_PER_SEC);
	*out++ = 'T';
	out = put_two_digits(out, seconds / SECS_PER_HOUR);
	*out++ = ':';
	out = put_two_digits(out, seconds / SECS_PER_MINUTE % MINS_PER_HOUR);
	*out++ = ':';
	out = put_two_digits(out, seconds % SECS_PER_MINUTE);
	if (fraction != 0)
		out = put_fraction(out, fraction);
	if (with_tz)
	{
		memcpy(out, "+00:00", 6);
		out += 6;
	}
	return out;
}
