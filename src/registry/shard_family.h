/*
 * shard_family.h
 *	  Which shards of a stream follow which.
 */
#ifndef DDBSTREAMS_SHARD_FAMILY_H
#define DDBSTREAMS_SHARD_FAMILY_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"

/* A shard among its relatives; NULL for those that it has not */
typedef struct ShardNode
{
	ShardInfo		 *shard;
	struct ShardNode *parent; /* NULL also if the parent has expired */
	struct ShardNode *first_child;
	struct ShardNode *last_child;
	struct ShardNode *next_sibling; /* also of a root */
} ShardNode;

/* Shards in the order of their ids, and so parents before children */
typedef struct ShardFamily
{
	int		   count;
	ShardNode *nodes;
	ShardNode *first_root;
} ShardFamily;

extern ShardFamily *shard_family(List *shards);

#endif /* DDBSTREAMS_SHARD_FAMILY_H */
