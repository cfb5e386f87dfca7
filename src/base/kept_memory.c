/*
 * kept_memory.c
 *	  Memory that a session keeps between its statements.
 *
 * A page of records takes some megabytes, which PostgreSQL frees at the end of
 * the statement.  The C library gives free memory at the end of its heap back
 * to the kernel if that is more than a threshold of 128 kB, and has to get it
 * for the next page anew: page faults and zeros are then about a third of what
 * a page costs.
 *
 * glibc raises the threshold to twice the size of the largest block that it
 * has mapped by itself and was freed, up to 64 MB.  So one such block, which
 * nobody writes to, makes the process keep what a few pages need.  With
 * MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_THRESHOLD_ in the server's environment
 * the threshold stays what was asked for; other C libraries know nothing of
 * this, and nothing happens there.
 */
#include "postgres.h"

#include "base/kept_memory.h"

/* Half of what is kept at most */
#define BLOCK_SIZE (4 * 1024 * 1024)

void
kept_memory_begin(void)
{
	static bool has_begun = false;

	if (has_begun)
		return;
	has_begun = true;
	pfree(palloc(BLOCK_SIZE));
}
