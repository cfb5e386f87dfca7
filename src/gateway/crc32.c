/*
 * crc32.c
 *	  The checksum in x-amz-crc32.
 */
#include <pthread.h>

#include "gateway/crc32.h"

#define POLYNOMIAL 0xEDB88320u

static uint32_t		  table[256];
static pthread_once_t table_is_made = PTHREAD_ONCE_INIT;

static void
make_table(void)
{
	for (uint32_t i = 0; i < 256; i++)
	{
		uint32_t value = i;

		for (int bit = 0; bit < 8; bit++)
			value = (value >> 1) ^ ((value & 1) ? POLYNOMIAL : 0);
		table[i] = value;
	}
}

uint32_t
crc32_of(const void *data, size_t length)
{
	const unsigned char *bytes = data;
	uint32_t			 crc = 0xFFFFFFFFu;

	pthread_once(&table_is_made, make_table);
	for (size_t i = 0; i < length; i++)
		crc = (crc >> 8) ^ table[(crc ^ bytes[i]) & 0xFF];
	return crc ^ 0xFFFFFFFFu;
}
