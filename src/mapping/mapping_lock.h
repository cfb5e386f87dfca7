/*
 * mapping_lock.h
 *	  The locks between the batches of a mapping and those who change it.
 */
#ifndef DDBSTREAMS_MAPPING_LOCK_H
#define DDBSTREAMS_MAPPING_LOCK_H

#include "base/ddbstreams.h"


extern Oid	mapping_lock_table_oid(void);
extern void mapping_lock_stream(int64 stream_id);
extern void mapping_lock_batch(int64 mapping_no);
extern bool mapping_lock_is_my_batch(int64 mapping_no);
extern bool mapping_lock_has_batch(int64 mapping_no);
extern bool mapping_lock_fence(int64 mapping_no);

#endif /* DDBSTREAMS_MAPPING_LOCK_H */
