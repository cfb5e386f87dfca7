/*
 * shard_family.c
 *	  Which shard of a stream follows which.
 *
 * A shard names its parent by its id.  If the parent has expired, the child is
 * a root among the shards that are there.
 */
#include "postgres.h"

#include "utils/hsearch.h"

#include "registry/shard_family.h"

#define SHARD_ID_LENGTH 64

typedef struct IdEntry
{
	char	   id[SHARD_ID_LENGTH];
	ShardNode *node;
} IdEntry;

static HTAB *
nodes_by_id(ShardFamily *family)
{
	HASHCTL ctl;
	HTAB   *by_id;

	ctl.keysize = SHARD_ID_LENGTH;
	ctl.entrysize = sizeof(IdEntry);
	ctl.hcxt = CurrentMemoryContext;
	by_id = hash_create("ddbstreams shards by id", Max(family->count, 16), &ctl,
						HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	for (int i = 0; i < family->count; i++)
	{
		IdEntry *entry = hash_search(by_id, family->nodes[i].shard->shard_id,
									 HASH_ENTER, NULL);

		entry->node = &family->nodes[i];
	}
	return by_id;
}

ShardFamily *
shard_family(List *shards)
{
	ShardFamily *family = palloc0(sizeof(ShardFamily));
	ShardNode	*last_root = NULL;
	HTAB		*by_id;
	ListCell	*lc;

	family->nodes = palloc0(Max(list_length(shards), 1) * sizeof(ShardNode));
	foreach (lc, shards)
		family->nodes[family->count++].shard = lfirst(lc);

	by_id = nodes_by_id(family);
	for (int i = 0; i < family->count; i++)
	{
		ShardNode  *node = &family->nodes[i];
		const char *parent_id = node->shard->parent_shard_id;
		IdEntry	   *entry = parent_id == NULL ?
								NULL :
								hash_search(by_id, parent_id, HASH_FIND, NULL);
		ShardNode **last;

		if (entry != NULL)
			node->parent = entry->node;
		last = node->parent ? &node->parent->last_child : &last_root;
		if (*last != NULL)
			(*last)->next_sibling = node;
		else if (node->parent)
			node->parent->first_child = node;
		else
			family->first_root = node;
		*last = node;
	}
	hash_destroy(by_id);
	return family;
}
