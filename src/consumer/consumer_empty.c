/*
 * consumer_empty.c
 *	  Shards of which a session knows that there is nothing to poll.
 *
 * A worker of a consumer may have a thousand shards, of which a poll finds
 * records in a few.  To look into all of them, at each poll, takes most of its
 * time.  So the session remembers in which it has found nothing, behind which
 * checkpoint.  A record can have become readable there only by the end of a
 * transaction, which counts the shard's slot up behind that (shard_wake.c).
 * The poll reads the counts before it takes its snapshot: if a count is the
 * same as when nothing was found, there is still nothing.
 *
 * A transaction that is just ending may be visible and not counted yet.  Then
 * its records come with the next poll: its COMMIT has not returned yet.
 *
 * Should anything end a prepared transaction without a word to anybody, its
 * records are late, but not lost: what is known holds for a minute only.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "consumer/consumer_empty.h"
#include "shard/shard_slot.h"

#define MAX_KNOWN	  16384
#define HOLDS_SECONDS 60

typedef struct EmptyShardKey
{
	int64 consumer_no;
	int64 shard_no;
} EmptyShardKey;

typedef struct EmptyShard
{
	EmptyShardKey key; /* hash key */
	int64		  checkpoint;
	uint64		  ends; /* of transactions, in the shard's slot */
	TimestampTz	  noted_at;
} EmptyShard;

static HTAB *known = NULL;

static EmptyShardKey
key_of(const ConsumerView *view, const ConsumerShard *shard)
{
	EmptyShardKey key = {.consumer_no = view->consumer->consumer_no,
						 .shard_no = shard->info->shard_no};

	return key;
}

static uint64
ends_of(const ConsumerView *view, const ConsumerShard *shard)
{
	return view->ends[shard_slot_number(shard->info->shard_table)];
}

bool
consumer_empty_is_known(const ConsumerView *view, const ConsumerShard *shard)
{
	EmptyShardKey key = key_of(view, shard);
	EmptyShard	 *entry;

	if (known == NULL || view->ends == NULL || !ShardIsOpen(shard->info))
		return false;
	entry = hash_search(known, &key, HASH_FIND, NULL);
	return entry != NULL && entry->checkpoint == shard->lease->checkpoint &&
		   entry->ends == ends_of(view, shard) &&
		   !TimestampDifferenceExceeds(entry->noted_at, GetCurrentTimestamp(),
									   HOLDS_SECONDS * 1000);
}

void
consumer_empty_note(const ConsumerView *view, const ConsumerShard *shard)
{
	EmptyShardKey key = key_of(view, shard);
	EmptyShard	 *entry;

	if (view->ends == NULL || !ShardIsOpen(shard->info))
		return;
	if (known != NULL && hash_get_num_entries(known) >= MAX_KNOWN)
	{
		hash_destroy(known);
		known = NULL;
	}
	if (known == NULL)
	{
		HASHCTL ctl;

		ctl.keysize = sizeof(EmptyShardKey);
		ctl.entrysize = sizeof(EmptyShard);
		known = hash_create("ddbstreams empty shards", 128, &ctl,
							HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(known, &key, HASH_ENTER, NULL);
	entry->checkpoint = shard->lease->checkpoint;
	entry->ends = ends_of(view, shard);
	entry->noted_at = GetCurrentTimestamp();
}
