/*
 * stream_restore.h
 *	  Enables the stream that the row trigger of a restored table defines.
 */
#ifndef DDBSTREAMS_STREAM_RESTORE_H
#define DDBSTREAMS_STREAM_RESTORE_H

#include "base/ddbstreams.h"

extern void stream_restore(Oid relid);

#endif /* DDBSTREAMS_STREAM_RESTORE_H */
