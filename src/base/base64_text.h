/*
 * base64_text.h
 *	  Bytes in base64, with padding.
 *
 * pg_b64_encode writes the same, with a look at each byte's place.
 */
#ifndef DDBSTREAMS_BASE64_TEXT_H
#define DDBSTREAMS_BASE64_TEXT_H

#include "base/ddbstreams.h"

#define BASE64_TEXT_LENGTH(length) (((length) + 2) / 3 * 4)

/* Writes BASE64_TEXT_LENGTH(length) characters; returns their end. */
static inline char *
base64_text_put(char *out, const void *bytes, Size length)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8 *in = bytes;
	uint32		 word;

	for (; length >= 3; length -= 3, in += 3, out += 4)
	{
		word = (uint32) in[0] << 16 | (uint32) in[1] << 8 | in[2];
		out[0] = digits[word >> 18];
		out[1] = digits[(word >> 12) & 0x3F];
		out[2] = digits[(word >> 6) & 0x3F];
		out[3] = digits[word & 0x3F];
	}
	if (length == 0)
		return out;
	word = (uint32) in[0] << 16 | (length > 1 ? (uint32) in[1] << 8 : 0);
	out[0] = digits[word >> 18];
	out[1] = digits[(word >> 12) & 0x3F];
	out[2] = length > 1 ? digits[(word >> 6) & 0x3F] : '=';
	out[3] = '=';
	return out + 4;
}

#endif /* DDBSTREAMS_BASE64_TEXT_H */
