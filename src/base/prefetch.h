/*
 * prefetch.h
 *	  Asking for memory before it is used.
 */
#ifndef DDBSTREAMS_PREFETCH_H
#define DDBSTREAMS_PREFETCH_H

#include "base/ddbstreams.h"

#include <sys/mman.h>
#include <unistd.h>

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

/*
 * Gets memory that is going to be written to from the kernel in one call, and
 * not by a page fault for each of its pages.  A kernel that cannot do that
 * does nothing.
 */
static inline void
populate_memory(void *memory, Size length)
{
#ifdef MADV_POPULATE_WRITE
	uintptr_t page = sysconf(_SC_PAGESIZE);
	uintptr_t begin = TYPEALIGN(page, memory);
	uintptr_t end = TYPEALIGN_DOWN(page, (char *) memory + length);

	if (begin < end)
		(void) madvise((void *) begin, end - begin, MADV_POPULATE_WRITE);
#endif
}

#endif /* DDBSTREAMS_PREFETCH_H */
