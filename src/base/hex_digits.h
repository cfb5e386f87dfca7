/*
 * hex_digits.h
 *	  Bytes as hexadecimal digits.
 */
#ifndef DDBSTREAMS_HEX_DIGITS_H
#define DDBSTREAMS_HEX_DIGITS_H

#include "base/ddbstreams.h"

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

#endif /* DDBSTREAMS_HEX_DIGITS_H */
