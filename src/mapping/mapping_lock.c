/*
 * mapping_lock.c
 *	  The locks between the batches of a mapping and those who change it.
 *
 * Locks, in the order in which they are taken:
 *
 *	1. A handler's transaction takes the mapping's batch lock
 *	   (mapping_lock_batch) before anything else.  Nobody waits for it: it only
 *	   shows that a batch is in flight.
 *	2. It calls the handler, for as long as that takes, with no lock of ours on
 *	   any row.
 *	3. Before its commit it takes a key share lock on the mapping's row
 *	   (mapping_lock_fence), without waiting.  If the row is gone, or locked by who
 *	   is deleting it, it must roll back.  Then it writes its row of
 *	   mapping_shard.
 *
 * Deleting a mapping deletes the row of mapping, and of mapping_shard only the
 * rows that no handler holds: it never waits for a handler, but for a fenced
 * commit, and what a handler has done for a deleted mapping never commits.
 * Rows of mapping_shard left behind have a mapping_no that is not used again;
 * mapping_shard_delete_orphans, called by later deletes and by the dispatcher,
 * removes them.  Changing a mapping waits for nobody but other changes of it
 * (and, when the function changes, for fenced commits).
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"

#include "mapping/mapping_lock.h"
#include "registry/owner_sql.h"

/* The OID of the table of mappings, whose relcache is invalidated by changes */
Oid
mapping_lock_table_oid(void)
{
	Oid schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false);
	Oid relid = get_relname_relid("mapping", schema);

	if (!OidIsValid(relid))
		elog(ERROR, "table \"mapping\" of extension \"%s\" is missing",
			 DDBSTREAMS_EXTENSION);
	return relid;
}

/* A lock on a number: all 48 bits that it will have for ages */
static void
set_locktag(LOCKTAG *tag, int64 number)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, mapping_lock_table_oid(),
					   (uint32) number, (uint16) (number >> 32));
}

/*
 * What changes mappings of one stream does so one after another, until the end
 * of its transaction.  Numbers of streams and mappings are of one sequence.
 */
void
mapping_lock_stream(int64 stream_id)
{
	LOCKTAG tag;

	set_locktag(&tag, stream_id);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/*
 * Shows, until the end of the transaction, that a batch of the mapping is in
 * flight.
 */
void
mapping_lock_batch(int64 mapping_no)
{
	LOCKTAG tag;

	set_locktag(&tag, mapping_no);
	(void) LockAcquire(&tag, RowShareLock, false, false);
}

/* Is this transaction's a batch of the mapping? */
bool
mapping_lock_is_my_batch(int64 mapping_no)
{
	LOCKTAG tag;

	set_locktag(&tag, mapping_no);
	return compat_lock_held_by_me(&tag, RowShareLock);
}

/* Is a batch of the mapping in flight in another transaction? */
bool
mapping_lock_has_batch(int64 mapping_no)
{
	LOCKTAG tag;
	int		count;

	set_locktag(&tag, mapping_no);
	(void) GetLockConflicts(&tag, AccessExclusiveLock, &count);
	return count > 0;
}

/*
 * Keeps the mapping from being deleted until the end of the transaction; false
 * if it has been deleted already, or a transaction is about to do so (or to
 * change its function), and what was done for it must not commit.  Does not wait
 * for that one, which may take its time.
 */
bool
mapping_lock_fence(int64 mapping_no)
{
	Datum	 value = Int64GetDatum(mapping_no);
	Oid		 type = INT8OID;
	OwnerSql state;
	bool	 found;

	owner_sql_begin(&state);
	found = owner_sql("SELECT 1 FROM ddbstreams_shards.mapping"
					  " WHERE mapping_no = $1 FOR KEY SHARE SKIP LOCKED",
					  1, &type, &value, NULL) > 0;
	owner_sql_end(&state);
	return found;
}
