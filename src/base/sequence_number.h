/*
 * sequence_number.h
 *	  Sequence numbers as texts, as clients see them.
 */
#ifndef DDBSTREAMS_SEQUENCE_NUMBER_H
#define DDBSTREAMS_SEQUENCE_NUMBER_H

#include "base/ddbstreams.h"

/* Returns a number's NUMBER_DIGITS digits, palloc'd. */
extern char *sequence_number_text(int64 number);

/* Writes them to out, without a terminator. */
extern void sequence_number_write(int64 number, char *out);

/*
 * Reads a number that a client has handed in: 21 to 40 decimal digits; an
 * error for any other text.  What is larger than any number can be becomes the
 * largest.
 */
extern int64 sequence_number_parse(const char *text);

#endif /* DDBSTREAMS_SEQUENCE_NUMBER_H */
