/*
 * kept_memory.h
 *	  Memory that a session keeps between its statements.
 */
#ifndef DDBSTREAMS_KEPT_MEMORY_H
#define DDBSTREAMS_KEPT_MEMORY_H

#include "base/ddbstreams.h"

/*
 * From now on this process keeps some megabytes of what it has freed, to use
 * them again.
 */
extern void kept_memory_begin(void);

#endif /* DDBSTREAMS_KEPT_MEMORY_H */
