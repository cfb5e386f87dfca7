/*
 * stream_restore.h
 *	  Enables the stream that the row trigger of a restored table defines.
 */
#ifndef STREAM_RESTORE_H
#define STREAM_RESTORE_H

#include "base/ddbstreams.h"

extern void stream_restore(Oid relid);

#endif /* STREAM_RESTORE_H */
