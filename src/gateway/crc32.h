/*
 * crc32.h
 *	  The checksum in x-amz-crc32.
 */
#ifndef DDBSTREAMS_CRC32_H
#define DDBSTREAMS_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Returns the CRC-32 (IEEE 802.3) of some bytes.  Threads may call it. */
extern uint32_t crc32_of(const void *data, size_t length);

#endif /* DDBSTREAMS_CRC32_H */
