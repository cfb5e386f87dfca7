/*
 * sequence_number.c
 *	  Sequence numbers as texts, as clients see them.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/errors.h"
#include "base/sequence_number.h"

char *
sequence_number_text(int64 number)
{
	char *text = palloc(NUMBER_DIGITS + 1);

	sequence_number_write(number, text);
	text[NUMBER_DIGITS] = '\0';
	return text;
}

void
sequence_number_write(int64 number, char *out)
{
	char digits[MAXINT8LEN + 1];
	int	 length = pg_ulltoa_n((uint64) number, digits);

	memset(out, '0', NUMBER_DIGITS - length);
	memcpy(out + NUMBER_DIGITS - length, digits, length);
}

int64
sequence_number_parse(const char *text)
{
	size_t length = strlen(text);
	int64  number = 0;

	if (length < 21)
		error_constraint(text, "sequenceNumber",
						 "have length greater than or equal to 21");
	if (length > 40)
		error_constraint(text, "sequenceNumber",
						 "have length less than or equal to 40");
	for (const char *c = text; *c; c++)
	{
		if (*c < '0' || *c > '9')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("Invalid SequenceNumber: \"%s\"", text),
					 errhint("A sequence number is made of decimal digits, as records have it.")));
		if (number > (PG_INT64_MAX - 9) / 10)
			number = PG_INT64_MAX;
		else if (number != PG_INT64_MAX)
			number = number * 10 + (*c - '0');
	}
	return number;
}
