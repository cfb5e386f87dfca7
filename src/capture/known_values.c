/*
 * known_values.c
 *	  Copies of large values that committed row versions still have.
 *
 * For some values out of line it is kept in shared memory which transaction
 * was the last to leave the value in a row version, and where the copy is that
 * the records of this transaction refer to.  A backend that finds the value in
 * a row version of that very transaction knows that it is the same
 * (large_value.c says why).
 *
 * This is a cache: a value that is not in it is stored once more.  It is a
 * table of sets; a value has its place in one of them, by a hash, and takes
 * that of the one that was not used for longest.  What a transaction has put
 * there before it aborts does no harm, because nobody finds a row version of
 * it.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "capture/known_values.h"

#define SETS	 4096 /* a power of two */
#define SET_SIZE 4

typedef struct KnownValue
{
	uint64		  xid; /* of the row version that has it; 0: there is none */
	int64		  side_number;
	ValueCopy	  copy;
	ValueIdentity identity;
	Oid			  database;
	Oid			  side_table;
	uint32		  last_used; /* the set's clock then */
} KnownValue;

typedef struct KnownSet
{
	slock_t	   mutex;
	uint32	   clock;
	KnownValue values[SET_SIZE];
} KnownSet;

/* In shared memory */
static KnownSet *sets = NULL;

Size
known_values_shmem_size(void)
{
	return mul_size(SETS, sizeof(KnownSet));
}

void
known_values_shmem_init(void)
{
	bool found;

	sets = ShmemInitStruct("ddbstreams known values", known_values_shmem_size(),
						   &found);
	if (found)
		return;
	memset(sets, 0, known_values_shmem_size());
	for (int i = 0; i < SETS; i++)
		SpinLockInit(&sets[i].mutex);
}

static KnownSet *
set_of(const ValueIdentity *identity)
{
	uint32 hash = hash_combine(murmurhash32(MyDatabaseId),
							   murmurhash32(identity->toast_relid));

	hash = hash_combine(hash, murmurhash32(identity->value_id));
	return &sets[hash & (SETS - 1)];
}

/* Returns the entry of a value in its set, which is locked, or NULL. */
static KnownValue *
entry_of(KnownSet *set, const ValueIdentity *identity)
{
	for (int i = 0; i < SET_SIZE; i++)
	{
		KnownValue *value = &set->values[i];

		if (value->xid != 0 && value->database == MyDatabaseId &&
			memcmp(&value->identity, identity, sizeof(ValueIdentity)) == 0)
			return value;
	}
	return NULL;
}

/* Returns the entry of a set, which is locked, that is given up next. */
static KnownValue *
oldest_entry(KnownSet *set)
{
	KnownValue *oldest = &set->values[0];

	for (int i = 0; i < SET_SIZE; i++)
	{
		KnownValue *value = &set->values[i];

		if (value->xid == 0)
			return value;
		if (set->clock - value->last_used > set->clock - oldest->last_used)
			oldest = value;
	}
	return oldest;
}

void
known_values_put(const ValueIdentity *identity, uint64 xid, Oid side_table,
				 int64 side_number, const ValueCopy *copy)
{
	KnownSet   *set = set_of(identity);
	KnownValue *value;

	SpinLockAcquire(&set->mutex);
	value = entry_of(set, identity);
	if (value == NULL)
		value = oldest_entry(set);
	value->xid = xid;
	value->side_table = side_table;
	value->side_number = side_number;
	value->copy = *copy;
	value->identity = *identity;
	value->database = MyDatabaseId;
	value->last_used = ++set->clock;
	SpinLockRelease(&set->mutex);
}

bool
known_values_find(const ValueIdentity *identity, uint64 xid, Oid side_table,
				  int64 side_number, ValueCopy *copy)
{
	KnownSet   *set = set_of(identity);
	KnownValue *value;
	bool		found;

	SpinLockAcquire(&set->mutex);
	value = entry_of(set, identity);
	found = value != NULL && value->xid == xid &&
			value->side_table == side_table &&
			value->side_number == side_number;
	if (found)
	{
		*copy = value->copy;
		value->last_used = ++set->clock;
	}
	SpinLockRelease(&set->mutex);
	return found;
}
