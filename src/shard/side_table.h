/*
 * side_table.h
 *	  Values too large for a shard's page.
 */
#ifndef DDBSTREAMS_SIDE_TABLE_H
#define DDBSTREAMS_SIDE_TABLE_H

#include "base/ddbstreams.h"

#include "utils/rel.h"
#include "utils/snapshot.h"

extern Datum  side_table_reference_make(uint32 ordinal, Datum value);
extern uint32 side_table_reference_ordinal(Datum reference);
extern Size	  side_table_reference_raw_size(Datum reference);

extern void	 side_table_insert(Relation side, uint64 transaction_id,
							   uint32 ordinal, const void *value);
extern Datum side_table_fetch(Relation side, uint64 transaction_id,
							  uint32 ordinal, Snapshot snapshot);

#endif /* DDBSTREAMS_SIDE_TABLE_H */
