/*
 * plain_number.c
 *	  Numbers as decimal digits, and their sizes.
 *
 * By the item-size rules a number takes one byte, one more if it is negative,
 * and one for each two digits, leading and trailing zeros not counted.
 */
#include "postgres.h"

#include "typed_json/plain_number.h"

/*
 * How a numeric lies on disk, which numeric.c keeps to itself and pg_upgrade
 * relies on: a word with the sign and the scale, and in its short form the
 * weight; else a word with the weight; then digits of NUMERIC_BASE.
 */
#define NUMERIC_FORM		0xC000
#define NUMERIC_SPECIAL		0xC000
#define NUMERIC_NEGATIVE	0x4000
#define NUMERIC_IS_SHORT	0x8000
#define NUMERIC_LONG_SCALE	0x3FFF
#define SHORT_NEGATIVE		0x2000
#define SHORT_SCALE(word)	(((word) & 0x1F80) >> 7)
#define SHORT_WEIGHT(word)	((int) ((word) & 0x003F) - (int) ((word) & 0x0040))
#define NUMERIC_BASE_DIGITS 4
#define NUMERIC_BASE_LIMIT	10000

/* A numeric that is not larger goes straight from disk to text. */
#define PLAIN_WEIGHT 7
#define PLAIN_SCALE	 32

StaticAssertDecl(1 + (PLAIN_WEIGHT + 1) * NUMERIC_BASE_DIGITS + 1 + PLAIN_SCALE +
						 NUMERIC_BASE_DIGITS <=
					 PLAIN_NUMERIC_ROOM,
				 "a numeric has no room");

/* The numbers below 100 with two digits each */
static const char two_digits[] = "00010203040506070809"
								 "10111213141516171819"
								 "20212223242526272829"
								 "30313233343536373839"
								 "40414243444546474849"
								 "50515253545556575859"
								 "60616263646566676869"
								 "70717273747576777879"
								 "80818283848586878889"
								 "90919293949596979899";

static inline char *
put_two_digits(char *out, uint32 value)
{
	memcpy(out, two_digits + 2 * value, 2);
	return out + 2;
}

/* Writes a number below NUMERIC_BASE_LIMIT with four digits. */
static inline char *
put_four_digits(char *out, uint32 value)
{
	return put_two_digits(put_two_digits(out, value / 100), value % 100);
}

/* Writes a number below 100 with as few digits as it needs. */
static inline char *
put_below_100(char *out, uint32 value)
{
	if (value >= 10)
		return put_two_digits(out, value);
	*out = '0' + value;
	return out + 1;
}

/* The same below NUMERIC_BASE_LIMIT */
static inline char *
put_below_10000(char *out, uint32 value)
{
	if (value < 100)
		return put_below_100(out, value);
	return put_two_digits(put_below_100(out, value / 100), value % 100);
}

static char *
put_unsigned(char *out, uint64 value)
{
	if (value < NUMERIC_BASE_LIMIT)
		return put_below_10000(out, (uint32) value);
	out = put_unsigned(out, value / NUMERIC_BASE_LIMIT);
	return put_four_digits(out, (uint32) (value % NUMERIC_BASE_LIMIT));
}

char *
plain_number_put_integer(char *out, int64 value, int64 *size)
{
	bool		is_negative = value < 0;
	uint64		magnitude = is_negative ? 0 - (uint64) value : (uint64) value;
	char	   *end;
	const char *significant;

	if (is_negative)
		*out++ = '-';
	end = put_unsigned(out, magnitude);
	if (value == 0)
	{
		*size = 1;
		return end;
	}
	significant = end;
	while (significant[-1] == '0')
		significant--;
	*size = (significant - out + 1) / 2 + 1 + is_negative;
	return end;
}

/*
 * Returns the size of a number that has no exponent.  Its point is at point,
 * or anywhere outside of it.
 */
static inline int64
size_without_exponent(const char *digits, const char *end, const char *point)
{
	const char *begin = digits;
	bool		is_negative = begin < end && *begin == '-';

	if (is_negative)
		begin++;
	while (begin < end && (*begin == '0' || begin == point))
		begin++;
	while (begin < end && (end[-1] == '0' || end - 1 == point))
		end--;
	if (begin == end)
		return 1;
	return (end - begin - (point > begin && point < end) + 1) / 2 + 1 + is_negative;
}

int64
plain_number_size(const char *digits, Size length)
{
	const char *end = digits;
	const char *point = NULL;

	for (; end < digits + length && *end != 'e' && *end != 'E'; end++)
	{
		if (*end == '.')
			point = end;
	}
	return size_without_exponent(digits, end, point);
}

/* Returns one digit of NUMERIC_BASE; those that are not stored are zero. */
static inline int
base_digit(const char *digits, int count, int i)
{
	int16 digit = 0;

	if (i >= 0 && i < count)
		memcpy(&digit, digits + i * sizeof(digit), sizeof(digit));
	return digit;
}

char *
plain_number_put_numeric(char *out, const char *data, Size length, int64 *size)
{
	const char *begin = out;
	const char *digits = data + sizeof(uint16);
	const char *point;
	char	   *end;
	uint16		word;
	int16		long_weight;
	int			weight;
	int			scale;
	int			count;
	bool		is_negative;

	if (length < sizeof(word))
		return NULL;
	memcpy(&word, data, sizeof(word));
	if ((word & NUMERIC_FORM) == NUMERIC_SPECIAL)
		return NULL;
	if (word & NUMERIC_IS_SHORT)
	{
		is_negative = (word & SHORT_NEGATIVE) != 0;
		scale = SHORT_SCALE(word);
		weight = SHORT_WEIGHT(word);
	}
	else
	{
		if (length < sizeof(word) + sizeof(long_weight))
			return NULL;
		memcpy(&long_weight, digits, sizeof(long_weight));
		is_negative = (word & NUMERIC_FORM) == NUMERIC_NEGATIVE;
		scale = word & NUMERIC_LONG_SCALE;
		weight = long_weight;
		digits += sizeof(long_weight);
	}
	if (weight > PLAIN_WEIGHT || scale > PLAIN_SCALE)
		return NULL;
	count = (int) ((data + length - digits) / sizeof(int16));

	if (is_negative)
		*out++ = '-';
	if (weight < 0)
		*out++ = '0';
	for (int i = 0; i <= weight; i++)
	{
		int digit = base_digit(digits, count, i);

		if (digit < 0 || digit >= NUMERIC_BASE_LIMIT)
			return NULL;
		out = i > 0 ? put_four_digits(out, digit) : put_below_10000(out, digit);
	}
	point = out;
	if (scale > 0)
	{
		*out++ = '.';
		end = out + scale;
		for (int i = weight + 1; out < end; i++)
		{
			int digit = base_digit(digits, count, i);

			if (digit < 0 || digit >= NUMERIC_BASE_LIMIT)
				return NULL;
			out = put_four_digits(out, digit);
		}
		out = end;
	}
	*size = size_without_exponent(begin, out, point);
	return out;
}
