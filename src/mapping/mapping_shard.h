/*
 * mapping_shard.h
 *	  The part of the positions that mappings themselves need.
 */
#ifndef DDBSTREAMS_MAPPING_SHARD_H
#define DDBSTREAMS_MAPPING_SHARD_H

#include "base/ddbstreams.h"

#include "utils/snapshot.h"

#include "mapping/mapping.h"

/*
 * Returns how many lanes a shard is divided into for the mapping.  A tumbling
 * window is one of a whole shard, so that with windows there is one lane.
 */
extern int mapping_shard_lanes(const MappingInfo *mapping);

/*
 * Puts a new mapping behind what the snapshot sees of its stream.  Everything
 * that the snapshot does not see will be delivered, from the shards that are
 * open in the snapshot and from later ones.
 */
extern void mapping_shard_start_at_latest(const MappingInfo *mapping,
										  Snapshot			 snapshot);

/*
 * Deletes the positions of a mapping if it does not exist any more, except for
 * those that another transaction has locked; mapping_lock.c says how they come
 * to be.
 */
extern void mapping_shard_delete_of(int64 mapping_no);

/* Does the same for all mappings. */
extern void mapping_shard_delete_orphans(void);

/* The same as a task of maintenance */
extern void mapping_shard_tidy(void);

/* Returns how the mapping's last call has ended, palloc'd; or NULL. */
extern char *mapping_shard_last_result(int64 mapping_no);

#endif /* DDBSTREAMS_MAPPING_SHARD_H */
