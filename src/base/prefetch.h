/*
 * prefetch.h
 *	  Asking for memory before it is used.
 */
#ifndef DDBSTREAMS_PREFETCH_H
#define DDBSTREAMS_PREFETCH_H

#include "base/ddbstreams.h"

#define PREFETCH_LINE 64

/* Fetches memory into the processor's cache, without waiting for it. */
static inline void
prefetch_memory(const void *memory, Size length)
{
#ifdef __GNUC__
	for (Size at = 0; at < length; at += PREFETCH_LINE)
		__builtin_prefetch((const char *) memory + at);
#endif
}

#endif /* DDBSTREAMS_PREFETCH_H */
