/*
 * plain_number.h
 *	  Numbers as decimal digits, and their sizes.
 */
#ifndef DDBSTREAMS_PLAIN_NUMBER_H
#define DDBSTREAMS_PLAIN_NUMBER_H

#include "base/ddbstreams.h"

/* Room that an integer takes at most */
#define PLAIN_INTEGER_ROOM 24

/* Room that a numeric takes at most which is not left to numeric_out */
#define PLAIN_NUMERIC_ROOM 80

/*
 * Writes an integer; returns its end, and sets *size to its size by the
 * item-size rules.
 */
extern char *plain_number_put_integer(char *out, int64 value, int64 *size);

/*
 * Writes what numeric_out does of a numeric whose content lies at data.
 * Returns its end, and sets *size; or NULL for a numeric that is left to
 * numeric_out.
 */
extern char *plain_number_put_numeric(char *out, const char *data, Size length,
									  int64 *size);

/* Returns the size of a number by the item-size rules. */
extern int64 plain_number_size(const char *digits, Size length);

#endif /* DDBSTREAMS_PLAIN_NUMBER_H */
