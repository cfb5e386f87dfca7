/*
 * mapping_shard.h
 *	  Where a mapping is in each shard of its stream.
 */
#ifndef DDBSTREAMS_MAPPING_SHARD_H
#define DDBSTREAMS_MAPPING_SHARD_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"

extern int	 mapping_shard_lanes(const MappingInfo *mapping);
extern void	 mapping_shard_start_at_latest(const MappingInfo *mapping,
										   Snapshot			  snapshot);
extern void	 mapping_shard_delete_orphans(void);
extern char *mapping_shard_last_result(int64 mapping_no);

#endif /* DDBSTREAMS_MAPPING_SHARD_H */
