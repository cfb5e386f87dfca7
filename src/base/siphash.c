/*
 * siphash.c
 *	  SipHash-2-4 with 128 bits: a quick signature of a short text.
 *
 * An HMAC costs more than all else that is done for a row of get_records.
 * This function, by Aumasson and Bernstein, is made for messages of some bytes
 * and costs a fiftieth of it.  Its key is to be drawn by an HMAC.
 */
#include "postgres.h"

#include "base/siphash.h"

#define ROTATE(x, bits) (((x) << (bits)) | ((x) >> (64 - (bits))))

/* Which bits are changed for the longer of the function's two results */
#define LONG_INIT	0xee
#define LONG_FIRST	0xee
#define LONG_SECOND 0xdd

static inline void
do_rounds(uint64 *v, int count)
{
	while (count-- > 0)
	{
		v[0] += v[1];
		v[1] = ROTATE(v[1], 13) ^ v[0];
		v[0] = ROTATE(v[0], 32);
		v[2] += v[3];
		v[3] = ROTATE(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = ROTATE(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = ROTATE(v[1], 17) ^ v[2];
		v[2] = ROTATE(v[2], 32);
	}
}

/* Reads up to eight bytes, the lowest one first. */
static inline uint64
read_word(const uint8 *bytes, size_t length)
{
	uint64 word = 0;

	for (size_t i = 0; i < length; i++)
		word |= (uint64) bytes[i] << (8 * i);
	return word;
}

static inline void
write_word(uint64 word, uint8 *out)
{
	for (size_t i = 0; i < sizeof(word); i++)
		out[i] = (uint8) (word >> (8 * i));
}

static inline void
mix(uint64 *v, uint64 word)
{
	v[3] ^= word;
	do_rounds(v, 2);
	v[0] ^= word;
}

void
siphash_sign(const uint8 *key, const uint8 *bytes, size_t length, uint8 *out)
{
	uint64 first = read_word(key, 8);
	uint64 second = read_word(key + 8, 8);
	uint64 last = (uint64) length << 56;
	uint64 v[] = {
		first ^ UINT64CONST(0x736f6d6570736575),
		second ^ UINT64CONST(0x646f72616e646f6d) ^ LONG_INIT,
		first ^ UINT64CONST(0x6c7967656e657261),
		second ^ UINT64CONST(0x7465646279746573)};

	for (; length >= 8; length -= 8, bytes += 8)
		mix(v, read_word(bytes, 8));
	mix(v, last | read_word(bytes, length));

	v[2] ^= LONG_FIRST;
	do_rounds(v, 4);
	write_word(v[0] ^ v[1] ^ v[2] ^ v[3], out);
	v[1] ^= LONG_SECOND;
	do_rounds(v, 4);
	write_word(v[0] ^ v[1] ^ v[2] ^ v[3], out + 8);
}
