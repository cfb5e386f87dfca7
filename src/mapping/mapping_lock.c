/*
 * mapping_lock.c
 *	  The locks between a mapping's batches and the sessions that change it.
 *
 * A handler's transaction takes its locks in this order:
 *
 *	1. Before anything else it takes the mapping's batch lock
 *	   (mapping_lock_batch).  No session waits for that lock: it only shows
 *	   that a batch is in flight.
 *	2. It calls the handler, for as long as that takes.  Meanwhile it holds no
 *	   lock on any row of ddbstreams' own tables.
 *	3. Before its commit it takes a key share lock on the mapping's row
 *	   (mapping_lock_fence), without waiting.  If the row does not exist any
 *	   more, or a transaction that is deleting it has locked it, the handler's
 *	   transaction must roll back.
 *	4. It writes its own row of mapping_shard.
 *
 * A session that makes, changes or deletes a mapping takes mapping_lock_role,
 * then the lock on the mapping's row.  Mappings of one role in a stream change
 * one after another.  Those of other roles do not wait: a role that may only
 * read the table could keep its transaction open, and so keep the others from
 * their mappings.  For the same reason each role can have a mapping of a
 * stream and a function.
 *
 * Deleting a mapping deletes the row of mapping, and those rows of
 * mapping_shard that no handler has locked.  So it does not wait for a handler
 * that runs, but only for one that has taken the fence and is about to commit;
 * and what a handler has done for a mapping that was deleted meanwhile never
 * commits.  Rows of mapping_shard that are left behind bear a mapping_no that
 * is not used again; later deletes and maintenance
 * (mapping_shard_delete_orphans) and the dispatcher (mapping_shard_delete_of)
 * remove them.
 *
 * Changing a mapping waits only for other changes of its role's mappings of
 * the stream, and, if the change is one of its function, for handlers that
 * have taken the fence.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"

#include "base/lock_class.h"
#include "mapping/mapping_lock.h"
#include "registry/owner_sql.h"
#include "registry/row.h"

/* The parameter of mapping_lock_fence */
#define FENCE_COLUMNS(COLUMN) \
	COLUMN(fence, mapping_no, INT8OID, ROW_PARAMETER)
ROW_TABLE(fence, FENCE_COLUMNS);

/* Returns the OID of the table of mappings, which is part of all lock tags. */
static Oid
mapping_table_oid(void)
{
	Oid schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false);
	Oid relid = get_relname_relid("mapping", schema);

	if (!OidIsValid(relid))
		elog(ERROR, "table \"mapping\" of extension \"%s\" is missing",
			 DDBSTREAMS_EXTENSION);
	return relid;
}

/*
 * Sets the tag of the lock on a mapping's number.  A tag has room for 48 bits
 * of it, which such numbers will not exceed for ages.
 */
static void
set_number_locktag(LOCKTAG *tag, int64 number)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, mapping_table_oid(),
					   (uint32) number, (uint16) (number >> 32));
}

/*
 * The tag has room for the low half of the stream's number: another stream
 * with the same one is waited for in vain.
 */
void
mapping_lock_role(int64 stream_id, Oid role_id)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) stream_id, role_id,
						 LOCK_CLASS_MAPPINGS_OF_ROLE);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
mapping_lock_batch(int64 mapping_no)
{
	LOCKTAG tag;

	set_number_locktag(&tag, mapping_no);
	(void) LockAcquire(&tag, RowShareLock, false, false);
}

bool
mapping_lock_is_my_batch(int64 mapping_no)
{
	LOCKTAG tag;

	set_number_locktag(&tag, mapping_no);
	return compat_lock_held_by_me(&tag, RowShareLock);
}

bool
mapping_lock_has_batch(int64 mapping_no)
{
	LOCKTAG tag;
	int		count;

	set_number_locktag(&tag, mapping_no);
	(void) GetLockConflicts(&tag, AccessExclusiveLock, &count);
	return count > 0;
}

bool
mapping_lock_fence(int64 mapping_no)
{
	TableRow row;

	row_init(&row, &fence_table);
	row_set_int64(&row, Anum_fence_mapping_no, mapping_no);
	return owner_sql_execute("SELECT FROM ddbstreams_shards.mapping"
							 " WHERE mapping_no = $mapping_no FOR KEY SHARE SKIP LOCKED",
							 &row) > 0;
}
