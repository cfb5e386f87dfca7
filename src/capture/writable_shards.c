/*
 * writable_shards.c
 *	  Which shards of a stream are open, as writers need to know it.
 *
 * Every commit needs the open shards of the streams that it writes to, so each
 * session remembers them.  Whoever closes a shard holds a lock on its table
 * that conflicts with the writers' and sends a relcache message for it.  A
 * writer that gets its lock has heard all messages sent before, so that what it
 * remembers is right if it is not marked stale by then, and stays right for as
 * long as the lock is held.
 */
#include "postgres.h"

#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/relcache_callbacks.h"
#include "capture/writable_shards.h"
#include "registry/shard_catalog.h"

typedef struct WritableShards
{
	int64		   stream_id;
	bool		   stale;
	int			   count;
	WritableShard *shards; /* by hash range; malloc'd by TopMemoryContext */
} WritableShards;

typedef struct ShardTableEntry
{
	Oid	  shard_table;
	int64 stream_id;
} ShardTableEntry;

static HTAB *open_by_stream = NULL;
static HTAB *stream_by_table = NULL;

/* Relcache callback: only marks. */
static void
invalidate_open_shards(Oid relid)
{
	WritableShards *open;

	if (OidIsValid(relid))
	{
		ShardTableEntry *entry = hash_search(stream_by_table, &relid, HASH_FIND,
											 NULL);

		if (entry == NULL)
			return;
		open = hash_search(open_by_stream, &entry->stream_id, HASH_FIND, NULL);
		if (open != NULL)
			open->stale = true;
	}
	else
	{
		HASH_SEQ_STATUS status;

		hash_seq_init(&status, open_by_stream);
		while ((open = hash_seq_search(&status)) != NULL)
			open->stale = true;
	}
}

static void
make_tables(void)
{
	HASHCTL ctl;

	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(WritableShards);
	open_by_stream = hash_create("ddbstreams open shards", 32, &ctl,
								 HASH_ELEM | HASH_BLOBS);
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(ShardTableEntry);
	stream_by_table = hash_create("ddbstreams shard tables", 128, &ctl,
								  HASH_ELEM | HASH_BLOBS);
	relcache_callbacks_add(invalidate_open_shards);
}

/* Looks the open shards of a stream up in the catalogue. */
static void
load(WritableShards *open)
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
	 * Not stale from here on: a message that comes while we look must not be
	 * lost.
	 */
	open->stale = false;
	shards = shard_catalog_open(open->stream_id, NULL);

	ranges = MemoryContextAlloc(TopMemoryContext,
								Max(list_length(shards), 1) * sizeof(WritableShard));
	foreach (lc, shards)
	{
		ShardInfo *shard = lfirst(lc);

		ranges[count].shard_table = shard->shard_table;
		ranges[count].side_table = shard->side_table;
		ranges[count].starting_number = shard->starting_number;
		ranges[count].hash_first = shard->hash_first;
		ranges[count].hash_last = shard->hash_last;
		count++;
	}

	if (open->shards != NULL)
		pfree(open->shards);
	open->shards = ranges;
	open->count = count;
	for (int i = 0; i < count; i++)
	{
		ShardTableEntry *entry = hash_search(stream_by_table,
											 &ranges[i].shard_table,
											 HASH_ENTER, NULL);

		entry->stream_id = open->stream_id;
	}
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
}

static void
load_if_stale(WritableShards *open)
{
	while (open->stale)
	{
		PG_TRY();
		{
			load(open);
		}
		PG_CATCH();
		{
			open->stale = true;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
}

/* Returns what is remembered of a stream; the entry stays for the session. */
static WritableShards *
get_open_shards(int64 stream_id)
{
	WritableShards *open;
	bool			found;

	if (open_by_stream == NULL)
		make_tables();
	open = hash_search(open_by_stream, &stream_id, HASH_ENTER, &found);
	if (!found)
	{
		open->stale = true;
		open->count = 0;
		open->shards = NULL;
	}
	load_if_stale(open);
	return open;
}

/* Is what this session remembers of a buffer's stream not marked stale? */
bool
writable_shards_are_known(const StreamBuffer *buffer)
{
	return !buffer->open_shards->stale;
}

/*
 * Makes this transaction's buffer for a stream, a bucket for each shard that is
 * open now.  known is where the caller keeps what was found, NULL at first.
 */
StreamBuffer *
writable_shards_make_buffer(int64 stream_id, WritableShards **known)
{
	WritableShards *open = *known;
	uint64		   *hash_first;
	StreamBuffer   *buffer;

	if (open == NULL)
		open = *known = get_open_shards(stream_id);
	load_if_stale(open);
	hash_first = palloc(Max(open->count, 1) * sizeof(uint64));

	hash_first[0] = 0;
	for (int i = 0; i < open->count; i++)
		hash_first[i] = open->shards[i].hash_first;
	buffer = change_buffer_create(stream_id, Max(open->count, 1), hash_first);
	buffer->open_shards = open;
	pfree(hash_first);
	return buffer;
}

static WritableShard
find_shard(const WritableShards *open, uint64 hash)
{
	for (int i = 0; i < open->count; i++)
	{
		if (open->shards[i].hash_first <= hash &&
			hash <= open->shards[i].hash_last)
			return open->shards[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no open shard takes the changes of stream " INT64_FORMAT,
					open->stream_id)));
}

/*
 * Takes the writers' lock on the shard that is open for a hash, and returns the
 * shard.  It stays open as long as the lock is held, that is to the end of the
 * transaction.
 */
WritableShard
writable_shards_lock(const StreamBuffer *buffer, uint64 hash)
{
	WritableShards *open = buffer->open_shards;

	for (;;)
	{
		WritableShard shard;

		load_if_stale(open);
		shard = find_shard(open, hash);
		LockRelationOid(shard.shard_table, RowExclusiveLock);
		if (!open->stale)
			return shard;
		UnlockRelationOid(shard.shard_table, RowExclusiveLock);
	}
}
