/*
 * hex_digits.h
 *	  Bytes as hexadecimal digits.
 */
#ifndef DDBSTREAMS_HEX_DIGITS_H
#define DDBSTREAMS_HEX_DIGITS_H

#include "base/ddbstreams.h"

/* Room that a UUID takes */
#define HEX_DIGITS_UUID_ROOM 36

/* Writes two small digits for each byte; returns their end. */
static inline char *
hex_digits_put(char *out, const void *bytes, int length)
{
	static const char	 digits[] = "0123456789abcdef";
	const unsigned char *in = bytes;

	for (int i = 0; i < length; i++)
	{
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 0xF];
	}
	return out;
}

/* Writes a UUID as uuid_out does; returns its end. */
static inline char *
hex_digits_put_uuid(char *out, const unsigned char *bytes)
{
	static const int groups[] = {4, 2, 2, 2, 6};

	for (int i = 0; i < (int) lengthof(groups); i++)
	{
		if (i > 0)
			*out++ = '-';
		out = hex_digits_put(out, bytes, groups[i]);
		bytes += groups[i];
	}
	return out;
}

#endif /* DDBSTREAMS_HEX_DIGITS_H */
