/*
 * change_order.c
 *	  Putting a bucket's changes in the order of the row versions.
 *
 * Each change has the TIDs of the version of the row that it found and of the
 * one that it made; both stay unique until the transaction ends.  Changes that
 * follow one another form a chain.  A chain begins with a version from before
 * the transaction or with an INSERT, and it ends with a REMOVE or with a
 * version that is alive at the end.  A key has several chains if its row was
 * removed and inserted anew.  Then the chain that begins with an older version
 * comes first, the one that ends alive comes last, and the others are in the
 * order of the commands that began them.
 *
 * A new file of the table, by TRUNCATE or a rewrite, begins a new generation
 * of TIDs.  All chains of a generation come before those of the next one.
 *
 * Keys with equal partition keys are in one order, too: that of the commands
 * that made their changes, and of capture within a command, as far as the
 * orders of the keys allow.
 *
 * Changes of different partition keys are hardly moved against each other.
 * The changes of one partition key occupy certain places in the order of
 * capture; they are put into the same places in their new order.  Only the
 * INSERT half of a change of the key draws its REMOVE half, and what must be
 * before that, to the front.
 *
 * The order is made for keys and partition keys by their hashes: two that have
 * one hash are ordered as if they were one.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"

#include "capture/change_order.h"
#include "capture/change_source.h"

#define NO_LINK (-1)

/* A version of a row */
typedef struct VersionKey
{
	uint32			generation;
	ItemPointerData tid;
	uint16			padding;
} VersionKey;

typedef struct VersionEntry
{
	VersionKey key;	  /* hash key */
	int64	   maker; /* the change that made this version */
} VersionEntry;

/* A change, or an update that has changed nothing; named by its index */
typedef struct OrderedChange
{
	uint64				  position; /* in the bucket */
	uint64				  hash;		/* of the partition key */
	uint64				  key_hash;
	uint32				  generation;
	CommandId			  cid;
	CommandId			  chain_cid; /* of the first change of the chain */
	VersionKey			  old;
	VersionKey			  new;
	int64				  next; /* in the chain, or NO_LINK */
	bool				  has_predecessor;
	bool				  is_change;	  /* it makes a record */
	bool				  follows_remove; /* of the change before it */
	bool				  is_emitted;	  /* it has its place in the result */
	uint8				  chain_class;
	int64				  chain; /* the first change of the chain */
	int64				  place_in_chain;
	struct OrderedChange *dealt;	/* the change that gets this one's place */
	struct OrderedChange *previous; /* of the same partition key */

	/*
	 * The place in the order of the key, and the highest command, and within
	 * it the highest position, of the key's changes up to this one
	 */
	int64	  place_in_key;
	CommandId reached_cid;
	uint64	  reached_position;
} OrderedChange;

/* Classes of chains, in the order in which those of one key come */
enum
{
	CHAIN_OLDER_START,
	CHAIN_BETWEEN,
	CHAIN_ALIVE_END
};

static void
set_version(VersionKey *key, uint32 generation, const ItemPointerData *tid)
{
	memset(key, 0, sizeof(VersionKey));
	key->generation = generation;
	key->tid = *tid;
}

static OrderedChange *
collect_changes(ChangeBucket *bucket, int64 *count)
{
	int64		   capacity = 1024;
	OrderedChange *changes = palloc(capacity * sizeof(OrderedChange));
	ChangeScan	   scan;
	ChangeItem	  *item;

	*count = 0;
	change_buffer_scan_begin(&scan, bucket, SCAN_VERSIONS);
	while ((item = change_buffer_scan_next(&scan, true)) != NULL)
	{
		OrderedChange *change;

		CHECK_FOR_INTERRUPTS();
		if (*count == capacity)
		{
			capacity *= 2;
			changes = repalloc_huge(changes, capacity * sizeof(OrderedChange));
		}
		change = &changes[(*count)++];
		memset(change, 0, sizeof(OrderedChange));
		change->position = scan.item_position;
		change->hash = item->hash;
		change->key_hash = change_item_key_hash(item);
		change->generation = change_source_get(item->source)->generation;
		change->cid = item->cid;
		set_version(&change->old, change->generation, &item->old_tid);
		set_version(&change->new, change->generation, &item->new_tid);
		change->next = NO_LINK;
		change->is_change = item->kind == ITEM_CHANGE;
		change->follows_remove = item->follows_remove;
	}
	change_buffer_scan_end(&scan);
	return changes;
}

/* Links each change to the one that made the version that it found. */
static void
link_chains(OrderedChange *changes, int64 count)
{
	HASHCTL ctl;
	HTAB   *versions;

	ctl.keysize = sizeof(VersionKey);
	ctl.entrysize = sizeof(VersionEntry);
	ctl.hcxt = CurrentMemoryContext;
	versions = hash_create("ddbstreams row versions", Max(count, 16), &ctl,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	for (int64 i = 0; i < count; i++)
	{
		VersionEntry *entry;

		if (!ItemPointerIsValid(&changes[i].new.tid))
			continue;
		entry = hash_search(versions, &changes[i].new, HASH_ENTER, NULL);
		entry->maker = i;
	}
	for (int64 i = 0; i < count; i++)
	{
		VersionEntry *entry;

		if (!ItemPointerIsValid(&changes[i].old.tid))
			continue;
		entry = hash_search(versions, &changes[i].old, HASH_FIND, NULL);
		/* Behind a change of the key, the chain of another key begins. */
		if (entry == NULL || entry->maker == i ||
			changes[entry->maker].key_hash != changes[i].key_hash)
			continue;
		changes[entry->maker].next = i;
		changes[i].has_predecessor = true;
	}
	hash_destroy(versions);
}

/* Sets the chain of each change, its place in it, and the chain's class. */
static void
number_chains(OrderedChange *changes, int64 count)
{
	for (int64 first = 0; first < count; first++)
	{
		bool  older_start = ItemPointerIsValid(&changes[first].old.tid);
		int64 last = first;
		int64 place = 0;
		uint8 chain_class;

		if (changes[first].has_predecessor)
			continue;
		while (changes[last].next != NO_LINK)
			last = changes[last].next;
		if (older_start)
			chain_class = CHAIN_OLDER_START;
		else if (ItemPointerIsValid(&changes[last].new.tid))
			chain_class = CHAIN_ALIVE_END;
		else
			chain_class = CHAIN_BETWEEN;

		for (int64 i = first; i != NO_LINK; i = changes[i].next)
		{
			changes[i].chain = first;
			changes[i].chain_cid = changes[first].cid;
			changes[i].place_in_chain = place++;
			changes[i].chain_class = chain_class;
		}
	}
}

/* Compares by key, then by the order of versions. */
static int
compare_version_order(const void *a, const void *b)
{
	const OrderedChange *x = *(OrderedChange *const *) a;
	const OrderedChange *y = *(OrderedChange *const *) b;

#define COMPARE(member)         \
	if (x->member != y->member) \
	return x->member < y->member ? -1 : 1
	COMPARE(hash);
	COMPARE(key_hash);
	COMPARE(generation);
	COMPARE(chain_class);
	COMPARE(chain_cid);
	COMPARE(chain);
	COMPARE(place_in_chain);
	return 0;
}

/* Compares by partition key, then by the order in which changes were made. */
static int
compare_command_order(const void *a, const void *b)
{
	const OrderedChange *x = *(OrderedChange *const *) a;
	const OrderedChange *y = *(OrderedChange *const *) b;

	COMPARE(hash);
	COMPARE(generation);
	COMPARE(reached_cid);
	COMPARE(reached_position);
	COMPARE(key_hash);
	COMPARE(place_in_key);
	return 0;
}

/* Compares by partition key, then by the order of capture. */
static int
compare_capture_order(const void *a, const void *b)
{
	const OrderedChange *x = *(OrderedChange *const *) a;
	const OrderedChange *y = *(OrderedChange *const *) b;

	COMPARE(hash);
	COMPARE(position);
	return 0;
#undef COMPARE
}

/*
 * Sets what compare_command_order compares by, of changes in the order of
 * versions.  What is reached never falls within a key, so that the order of
 * commands keeps the order of versions.
 */
static void
note_what_is_reached(OrderedChange **by_version, int64 count)
{
	for (int64 i = 0; i < count; i++)
	{
		OrderedChange *change = by_version[i];
		OrderedChange *before = i > 0 ? by_version[i - 1] : NULL;

		change->reached_cid = change->cid;
		change->reached_position = change->position;
		change->place_in_key = 0;
		if (before == NULL || before->hash != change->hash ||
			before->key_hash != change->key_hash)
			continue;
		change->place_in_key = before->place_in_key + 1;
		if (before->generation == change->generation &&
			before->reached_cid >= change->cid)
		{
			change->reached_cid = before->reached_cid;
			change->reached_position = Max(before->reached_position,
										   change->position);
		}
	}
}

/*
 * Gives the k-th place of each partition key to the k-th of its changes in the
 * order that they are to have.
 */
static void
deal_places(OrderedChange *changes, int64 version_count, int64 count)
{
	OrderedChange **by_order;
	OrderedChange **by_place;
	int64			n = 0;

	by_order = MemoryContextAllocHuge(CurrentMemoryContext,
									  count * sizeof(OrderedChange *));
	by_place = MemoryContextAllocHuge(CurrentMemoryContext,
									  count * sizeof(OrderedChange *));
	for (int64 i = 0; i < version_count; i++)
	{
		if (changes[i].is_change)
		{
			by_order[n] = by_place[n] = &changes[i];
			n++;
		}
	}
	qsort(by_order, n, sizeof(OrderedChange *), compare_version_order);
	note_what_is_reached(by_order, n);
	qsort(by_order, n, sizeof(OrderedChange *), compare_command_order);
	qsort(by_place, n, sizeof(OrderedChange *), compare_capture_order);
	for (int64 i = 0; i < n; i++)
	{
		by_place[i]->dealt = by_order[i];
		if (i > 0 && by_order[i - 1]->hash == by_order[i]->hash)
			by_order[i]->previous = by_order[i - 1];
	}
	pfree(by_order);
	pfree(by_place);
}

/*
 * Returns a change that must come before another and has no place yet, or
 * NULL.
 */
static OrderedChange *
missing_before(OrderedChange *change)
{
	if (change->previous != NULL && !change->previous->is_emitted)
		return change->previous;
	if (change->follows_remove && !(change - 1)->is_emitted)
		return change - 1;
	return NULL;
}

uint64 *
change_order_positions(ChangeBucket *bucket, uint64 *count)
{
	int64			version_count;
	OrderedChange  *changes = collect_changes(bucket, &version_count);
	OrderedChange **pending;
	uint64		   *positions;
	int64			change_count = 0;
	int64			n = 0;

	for (int64 i = 0; i < version_count; i++)
		change_count += changes[i].is_change ? 1 : 0;
	link_chains(changes, version_count);
	number_chains(changes, version_count);
	if (change_count > 0)
		deal_places(changes, version_count, change_count);

	positions = MemoryContextAllocHuge(CurrentMemoryContext,
									   Max(change_count, 1) * sizeof(uint64));
	pending = MemoryContextAllocHuge(CurrentMemoryContext,
									 Max(change_count, 1) *
										 sizeof(OrderedChange *));
	for (int64 i = 0; i < version_count; i++)
	{
		int64 depth = 0;

		if (!changes[i].is_change || changes[i].dealt->is_emitted)
			continue;
		pending[depth++] = changes[i].dealt;
		while (depth > 0)
		{
			OrderedChange *change = pending[depth - 1];
			OrderedChange *before = missing_before(change);

			/* A change waits once at most, unless changes wait in a circle. */
			if (before != NULL && depth < change_count)
				pending[depth++] = before;
			else
			{
				if (!change->is_emitted)
					positions[n++] = change->position;
				change->is_emitted = true;
				depth--;
			}
		}
	}
	Assert(n == change_count);
	*count = n;
	pfree(pending);
	pfree(changes);
	return positions;
}
