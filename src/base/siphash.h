/*
 * siphash.h
 *	  SipHash-2-4 with 128 bits: a quick signature of a short text.
 */
#ifndef DDBSTREAMS_SIPHASH_H
#define DDBSTREAMS_SIPHASH_H

#include "base/ddbstreams.h"

#define SIPHASH_KEY_LENGTH 16
#define SIPHASH_LENGTH	   16

/*
 * Writes the signature of length bytes under a key of SIPHASH_KEY_LENGTH bytes
 * to out, which has room for SIPHASH_LENGTH.  Without the key nobody can make
 * it, whatever other signatures are known.
 */
extern void siphash_sign(const uint8 *key, const uint8 *bytes, size_t length,
						 uint8 *out);

#endif /* DDBSTREAMS_SIPHASH_H */
