/*
 * shard_family.h
 *	  Which shard of a stream follows which.
 */
#ifndef DDBSTREAMS_SHARD_FAMILY_H
#define DDBSTREAMS_SHARD_FAMILY_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"

/* A shard and its relatives; NULL for a relative that it does not have */
typedef struct ShardNode
{
	ShardInfo		 *shard;
	struct ShardNode *parent; /* NULL also if the parent has expired */
	struct ShardNode *first_child;
	struct ShardNode *last_child;
	struct ShardNode *next_sibling; /* of a root: the next root */
} ShardNode;

/* Shards in the order of their ids, which has parents before their children */
typedef struct ShardFamily
{
	int		   count;
	ShardNode *nodes;
	ShardNode *first_root;
} ShardFamily;

/*
 * Relates the shards of a stream to each other.  shards is a list of ShardInfo
 * in the order of their ids.  The result lives in CurrentMemoryContext.
 */
extern ShardFamily *shard_family(List *shards);

#endif /* DDBSTREAMS_SHARD_FAMILY_H */
