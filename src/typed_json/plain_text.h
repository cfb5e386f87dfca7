/*
 * plain_text.h
 *	  Texts with nothing that JSON escapes, several bytes at a time.
 */
#ifndef DDBSTREAMS_PLAIN_TEXT_H
#define DDBSTREAMS_PLAIN_TEXT_H

#include "base/ddbstreams.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/*
 * Tests on eight bytes at a time: is any of them zero, below c, equal to c?
 * ANY_BELOW is right for c <= 0x80.
 */
#define BYTES(c)		(UINT64CONST(0x0101010101010101) * (c))
#define ANY_ZERO(w)		(((w) - BYTES(1)) & ~(w) & BYTES(0x80))
#define ANY_BELOW(w, c) (((w) - BYTES(c)) & ~(w) & BYTES(0x80))
#define ANY_EQUAL(w, c) ANY_ZERO((w) ^ BYTES(c))

static inline bool
plain_text_needs_escape(char c)
{
	return (unsigned char) c < 0x20 || c == '"' || c == '\\';
}

/* Not zero if one of eight bytes needs an escape */
static inline uint64
plain_text_test_8(const char *text)
{
	uint64 word;

	memcpy(&word, text, sizeof(word));
	return ANY_BELOW(word, 0x20) | ANY_EQUAL(word, '"') | ANY_EQUAL(word, '\\');
}

#undef BYTES
#undef ANY_ZERO
#undef ANY_BELOW
#undef ANY_EQUAL

/* Returns how many bytes of a text come before the first one to escape. */
static inline Size
plain_text_length(const char *text, Size length)
{
	Size i = 0;

	while (i + sizeof(uint64) <= length && plain_text_test_8(text + i) == 0)
		i += sizeof(uint64);
	while (i < length && !plain_text_needs_escape(text[i]))
		i++;
	return i;
}

#ifdef __SSE2__

/* Copies sixteen bytes; returns which of them need an escape. */
static inline __m128i
plain_text_copy_16(char *out, const char *text)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *) text);
	__m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
	__m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));

	_mm_storeu_si128((__m128i *) out, bytes);
	return _mm_or_si128(controls, _mm_or_si128(quotes, backslashes));
}

#endif

/* The same with eight bytes */
static inline uint64
plain_text_copy_8(char *out, const char *text)
{
	memcpy(out, text, sizeof(uint64));
	return plain_text_test_8(text);
}

/*
 * Copies a text.  Returns false if something in it needs an escape.  The last
 * bytes are copied together with some of those before them, so that nothing
 * behind the text is read.
 */
static inline bool
plain_text_copy(char *out, const char *text, Size length)
{
	uint64 found = 0;
	Size   i;

#ifdef __SSE2__
	if (length >= sizeof(__m128i))
	{
		__m128i any = plain_text_copy_16(out + length - sizeof(__m128i),
										 text + length - sizeof(__m128i));

		for (i = 0; i + sizeof(__m128i) < length; i += sizeof(__m128i))
			any = _mm_or_si128(any, plain_text_copy_16(out + i, text + i));
		return _mm_movemask_epi8(any) == 0;
	}
#endif
	if (length >= sizeof(uint64))
	{
		found = plain_text_copy_8(out + length - sizeof(uint64),
								  text + length - sizeof(uint64));
		for (i = 0; i + sizeof(uint64) < length; i += sizeof(uint64))
			found |= plain_text_copy_8(out + i, text + i);
		return found == 0;
	}
	if (length >= sizeof(uint32))
	{
		char both[sizeof(uint64)];

		memcpy(both, text, sizeof(uint32));
		memcpy(both + sizeof(uint32), text + length - sizeof(uint32), sizeof(uint32));
		memcpy(out, both, sizeof(uint32));
		memcpy(out + length - sizeof(uint32), both + sizeof(uint32), sizeof(uint32));
		return plain_text_test_8(both) == 0;
	}
	for (i = 0; i < length; i++)
	{
		out[i] = text[i];
		found |= plain_text_needs_escape(text[i]);
	}
	return found == 0;
}

#endif /* DDBSTREAMS_PLAIN_TEXT_H */
