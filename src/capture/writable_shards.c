/*
 * writable_shards.c
 *	  Which shards of a stream are open, as writers need to know it.
 *
 * Every commit needs the open shards of the streams that it writes to, so each
 * session remembers them.  A transaction that closes a shard holds a lock on
 * the shard's table, ShareRowExclusive, that conflicts with the writers' lock,
 * RowExclusive, and sends a relcache message for the table.  A writer that has
 * been granted its lock has received all messages that were sent before.  So
 * what the writer remembers is right if it is not marked stale then, and stays
 * right as long as the lock is held: to the end of the transaction.
 */
#include "postgres.h"

#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/relcache_callbacks.h"
#include "capture/writable_shards.h"
#include "registry/own_tables.h"
#include "registry/shard_catalog.h"
#include "shard/shard_tables.h"

/* What the session remembers of a stream; entries are never removed. */
typedef struct WritableShards
{
	int64		   stream_id; /* hash key */
	bool		   stale;
	int			   count;
	WritableShard *shards; /* by hash range; in TopMemoryContext */
} WritableShards;

typedef struct ShardTableEntry
{
	Oid	  shard_table; /* hash key */
	int64 stream_id;
} ShardTableEntry;

static HTAB *writable_by_stream = NULL;
static HTAB *stream_by_table = NULL;

/* The one that is being looked up, whose tables are not known yet, or NULL */
static WritableShards *loading = NULL;

/* Is there anything that the end of the transaction has to free? */
static bool some_are_stale = false;

/* Relcache callback: only marks. */
static void
mark_shards_stale(Oid relid)
{
	WritableShards *writable;

	if (loading != NULL)
		loading->stale = some_are_stale = true;
	if (OidIsValid(relid))
	{
		ShardTableEntry *entry = hash_search(stream_by_table, &relid, HASH_FIND,
											 NULL);

		if (entry == NULL)
			return;
		writable = hash_search(writable_by_stream, &entry->stream_id,
							   HASH_FIND, NULL);
		if (writable != NULL)
			writable->stale = some_are_stale = true;
	}
	else
	{
		HASH_SEQ_STATUS status;

		hash_seq_init(&status, writable_by_stream);
		while ((writable = hash_seq_search(&status)) != NULL)
			writable->stale = some_are_stale = true;
	}
}

static void
make_hash_tables(void)
{
	HASHCTL ctl;

	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(WritableShards);
	writable_by_stream = hash_create("ddbstreams open shards", 32, &ctl,
									 HASH_ELEM | HASH_BLOBS);
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(ShardTableEntry);
	stream_by_table = hash_create("ddbstreams shard tables", 128, &ctl,
								  HASH_ELEM | HASH_BLOBS);
	relcache_callbacks_add(mark_shards_stale);
}

/* Reads the open shards of a stream from the catalogue. */
static void
load_shards(WritableShards *writable)
{
	MemoryContext  context = AllocSetContextCreate(CurrentMemoryContext,
												   "ddbstreams shard look-up",
												   ALLOCSET_DEFAULT_SIZES);
	MemoryContext  oldcontext = MemoryContextSwitchTo(context);
	List		  *shards;
	ListCell	  *lc;
	int			   count = 0;
	WritableShard *ranges;

	/*
	 * A message that comes during the look-up must not be lost, whichever
	 * table it is for.
	 */
	writable->stale = false;
	loading = writable;
	shards = shard_catalog_open(writable->stream_id, NULL);

	ranges = MemoryContextAlloc(TopMemoryContext,
								Max(list_length(shards), 1) *
									sizeof(WritableShard));
	foreach (lc, shards)
	{
		ShardInfo *shard = lfirst(lc);

		ranges[count].shard_table = shard->shard_table;
		ranges[count].side_table = shard->side_table;
		ranges[count].side_number =
			count > 0 && ranges[count - 1].side_table == shard->side_table ?
				ranges[count - 1].side_number :
				shard_tables_side_number(shard->side_table);
		ranges[count].starting_number = shard->starting_number;
		ranges[count].hash_first = shard->hash_first;
		ranges[count].hash_last = shard->hash_last;
		count++;
	}

	if (writable->shards != NULL)
		pfree(writable->shards);
	writable->shards = ranges;
	writable->count = count;
	for (int i = 0; i < count; i++)
	{
		ShardTableEntry *entry = hash_search(stream_by_table,
											 &ranges[i].shard_table,
											 HASH_ENTER, NULL);

		entry->stream_id = writable->stream_id;
	}
	loading = NULL;
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
}

static void
load_if_stale(WritableShards *writable)
{
	while (writable->stale)
	{
		PG_TRY();
		{
			load_shards(writable);
		}
		PG_CATCH();
		{
			loading = NULL;
			writable->stale = some_are_stale = true;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
}

/* Returns what the session remembers of a stream. */
static WritableShards *
get_writable_shards(int64 stream_id)
{
	WritableShards *writable;
	bool			found;

	if (writable_by_stream == NULL)
		make_hash_tables();
	writable = hash_search(writable_by_stream, &stream_id, HASH_ENTER, &found);
	if (!found)
	{
		writable->stale = true;
		writable->count = 0;
		writable->shards = NULL;
	}
	load_if_stale(writable);
	return writable;
}

bool
writable_shards_are_known(const StreamBuffer *buffer)
{
	return !buffer->writable->stale;
}

StreamBuffer *
writable_shards_make_buffer(int64 stream_id)
{
	WritableShards *writable = get_writable_shards(stream_id);
	uint64		   *hash_first;
	StreamBuffer   *buffer;

	hash_first = palloc(Max(writable->count, 1) * sizeof(uint64));

	hash_first[0] = 0;
	for (int i = 0; i < writable->count; i++)
		hash_first[i] = writable->shards[i].hash_first;
	buffer = change_buffer_create(stream_id, Max(writable->count, 1),
								  hash_first);
	buffer->writable = writable;
	for (int i = 0; i < writable->count; i++)
	{
		buffer->buckets[i].side_table = writable->shards[i].side_table;
		buffer->buckets[i].side_number = writable->shards[i].side_number;
	}
	pfree(hash_first);
	return buffer;
}

/*
 * The lock keeps expiry from dropping the table: what it has is copied to
 * another one if the shard is not the open one any more at the append.
 */
bool
writable_shards_keep_side_table(ChangeBucket *bucket)
{
	if (bucket->keeps_side_table)
		return true;
	LockRelationOid(bucket->side_table, AccessShareLock);
	bucket->keeps_side_table =
		own_tables_contain(bucket->side_table) &&
		shard_tables_side_number(bucket->side_table) == bucket->side_number;
	return bucket->keeps_side_table;
}

static WritableShard
find_shard(const WritableShards *writable, uint64 hash)
{
	for (int i = 0; i < writable->count; i++)
	{
		if (writable->shards[i].hash_first <= hash &&
			hash <= writable->shards[i].hash_last)
			return writable->shards[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no open shard takes the changes of stream " INT64_FORMAT,
					writable->stream_id)));
}

WritableShard
writable_shards_lock(const StreamBuffer *buffer, uint64 hash)
{
	WritableShards *writable = buffer->writable;

	for (;;)
	{
		WritableShard shard;

		load_if_stale(writable);
		shard = find_shard(writable, hash);
		LockRelationOid(shard.shard_table, RowExclusiveLock);
		if (!writable->stale)
			return shard;
		UnlockRelationOid(shard.shard_table, RowExclusiveLock);
	}
}

void
writable_shards_end_transaction(void)
{
	HASH_SEQ_STATUS status;
	WritableShards *writable;

	if (!some_are_stale)
		return;
	some_are_stale = false;
	hash_seq_init(&status, writable_by_stream);
	while ((writable = hash_seq_search(&status)) != NULL)
	{
		if (!writable->stale)
			continue;
		for (int i = 0; i < writable->count; i++)
			(void) hash_search(stream_by_table, &writable->shards[i].shard_table,
							   HASH_REMOVE, NULL);
		if (writable->shards != NULL)
			pfree(writable->shards);
		(void) hash_search(writable_by_stream, &writable->stream_id,
						   HASH_REMOVE, NULL);
	}
}
