/*
 * stream_definition.c
 *	  What a dump of a table says of its stream.
 *
 * pg_dump knows nothing of streams, but it dumps triggers.  So the definition of
 * an enabled stream stands in the arguments of its row trigger, one "name=value"
 * each, on the table that the stream is on:
 *
 *		EXECUTE FUNCTION ddbstreams.capture('stream_view_type=KEYS_ONLY',
 *			'shard_count=4', 'partition_key={customer}', 'retention=P1D')
 *
 * and one "mapping={…}" for each of its mappings (mapping_definition.c).
 *
 * Nothing reads them while the stream lives; they are rewritten when it changes,
 * and taken away when it is disabled.  A row trigger that has them on a table
 * without a stream comes from a dump (or from somebody who means the same), and
 * stream_guard.c has the stream enabled: after the rows were loaded, for
 * triggers are restored behind data, and in each kind of restore, for no other
 * table or setting is needed.  The stream is a new one, empty, with a label of
 * its own.
 *
 * The clones that partitions have may bear arguments, too, which mean nothing.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/fixed_settings.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_definition.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "registry/view_type.h"
#include "stream/stream_definition.h"

/* Finds the row trigger of a relation; true if there is one, a copy in *tuple. */
bool
stream_definition_find_trigger(Relation pg_trigger, Oid relid, HeapTuple *tuple)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	found;

	ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(DDBSTREAMS_ROW_TRIGGER));
	scan = systable_beginscan(pg_trigger, TriggerRelidNameIndexId, true, NULL, 2,
							  keys);
	found = systable_getnext(scan);
	*tuple = HeapTupleIsValid(found) ? heap_copytuple(found) : NULL;
	systable_endscan(scan);
	return *tuple != NULL;
}

/* A trigger's arguments: one text behind the other, each with its terminator */
bytea *
stream_definition_arguments(Relation pg_trigger, HeapTuple tuple)
{
	bool  isnull;
	Datum arguments = heap_getattr(tuple, Anum_pg_trigger_tgargs,
								   RelationGetDescr(pg_trigger), &isnull);

	Assert(!isnull);
	return DatumGetByteaPP(arguments);
}

static char *
retention_text(const Interval *retention)
{
	FixedSettings saved;
	char *volatile text = NULL;

	fixed_settings_set_formats(&saved);
	PG_TRY();
	{
		text = DatumGetCString(DirectFunctionCall1(interval_out,
												   IntervalPGetDatum(retention)));
	}
	PG_FINALLY();
	{
		fixed_settings_restore_formats(&saved);
	}
	PG_END_TRY();
	return text;
}

static char *
partition_key_text(const StreamInfo *stream)
{
	Datum *names = palloc(stream->partition_count * sizeof(Datum));

	for (int i = 0; i < stream->partition_count; i++)
		names[i] = CStringGetTextDatum(get_attname(stream->table_oid,
												   stream->partition_attnums[i],
												   false));
	return OidOutputFunctionCall(F_ARRAY_OUT,
								 PointerGetDatum(construct_array(names,
																 stream->partition_count,
																 TEXTOID, -1, false,
																 TYPALIGN_INT)));
}

static void
add_argument(StringInfo arguments, int *count, const char *name,
			 const char *value)
{
	appendStringInfo(arguments, "%s=%s", name, value);
	appendStringInfoChar(arguments, '\0');
	(*count)++;
}

/* Returns the arguments that a stream's row trigger ought to have. */
static bytea *
definition_arguments(const StreamInfo *stream, int *count)
{
	StringInfoData arguments;
	bytea		  *result;

	*count = 0;
	initStringInfo(&arguments);
	if (StreamIsEnabled(stream))
	{
		ListCell *lc;

		add_argument(&arguments, count, "stream_view_type",
					 view_type_name(stream->view_type));
		add_argument(&arguments, count, "shard_count",
					 psprintf("%d", list_length(shard_catalog_open(stream->stream_id, NULL))));
		add_argument(&arguments, count, "partition_key",
					 partition_key_text(stream));
		add_argument(&arguments, count, "retention",
					 retention_text(&stream->retention));
		foreach (lc, mapping_catalog_list_of_stream(stream->stream_id))
		{
			char *mapping = mapping_definition(lfirst(lc));

			if (mapping != NULL)
				add_argument(&arguments, count, "mapping", mapping);
		}
	}
	result = palloc(VARHDRSZ + arguments.len);
	SET_VARSIZE(result, VARHDRSZ + arguments.len);
	memcpy(VARDATA(result), arguments.data, arguments.len);
	return result;
}

static bool
arguments_are_same(bytea *a, bytea *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/*
 * Does the row trigger tell what there is to tell of a stream?  So it does if
 * there is no such trigger.
 */
bool
stream_definition_is_current(const StreamInfo *stream)
{
	Relation  pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	bool	  current = true;
	HeapTuple tuple;
	int		  count;

	if (stream_definition_find_trigger(pg_trigger, stream->table_oid, &tuple))
		current = arguments_are_same(stream_definition_arguments(pg_trigger, tuple),
									 definition_arguments(stream, &count));
	table_close(pg_trigger, AccessShareLock);
	return current;
}

/*
 * Locks the row trigger against other transactions that are changing it, waiting
 * for them or not; false if there is none, or if it cannot be had.  Streams are
 * altered without a lock on the table, which would wait for its writers or for
 * VACUUM.
 */
static bool
lock_row_trigger(Relation pg_trigger, Oid relid, LockWaitPolicy policy,
				 HeapTuple *tuple)
{
	while (stream_definition_find_trigger(pg_trigger, relid, tuple))
	{
		TM_FailureData failure;
		Buffer		   buffer;
		TM_Result	   result;

		result = heap_lock_tuple(pg_trigger, *tuple, GetCurrentCommandId(true),
								 LockTupleNoKeyExclusive, policy, false,
								 &buffer, &failure);
		ReleaseBuffer(buffer);
		if (result == TM_Ok)
		{
			/* What is there now is what was found. */
			return stream_definition_find_trigger(pg_trigger, relid, tuple);
		}
		if (result == TM_WouldBlock)
			return false;
		if (result != TM_Updated && result != TM_Deleted)
			elog(ERROR, "unexpected result %d of locking trigger \"%s\"", result,
				 DDBSTREAMS_ROW_TRIGGER);
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

static void
store(const StreamInfo *stream, LockWaitPolicy policy)
{
	Relation  pg_trigger;
	HeapTuple tuple;

	CommandCounterIncrement();
	if (stream_definition_is_current(stream))
		return;
	pg_trigger = table_open(TriggerRelationId, RowExclusiveLock);
	if (lock_row_trigger(pg_trigger, stream->table_oid, policy, &tuple) &&
		/* Others may have changed it while we waited. */
		(stream = stream_catalog_by_id(stream->stream_id, NULL)) != NULL)
	{
		Datum	  values[Natts_pg_trigger] = {0};
		bool	  nulls[Natts_pg_trigger] = {false};
		bool	  replaces[Natts_pg_trigger] = {false};
		HeapTuple changed;
		int		  count;

		values[Anum_pg_trigger_tgargs - 1] =
			PointerGetDatum(definition_arguments(stream, &count));
		replaces[Anum_pg_trigger_tgargs - 1] = true;
		values[Anum_pg_trigger_tgnargs - 1] = Int16GetDatum(count);
		replaces[Anum_pg_trigger_tgnargs - 1] = true;
		changed = heap_modify_tuple(tuple, RelationGetDescr(pg_trigger), values,
									nulls, replaces);
		CatalogTupleUpdate(pg_trigger, &tuple->t_self, changed);
		CommandCounterIncrement();
	}
	table_close(pg_trigger, RowExclusiveLock);
}

/*
 * Writes the definition of a stream where pg_dump finds it, or takes it away if
 * the stream is disabled.  The caller has just made the stream, or holds its
 * lock.
 */
void
stream_definition_store(const StreamInfo *stream)
{
	store(stream, LockWaitBlock);
}

/*
 * The same for who must not wait, because writers are waiting for him.  What is
 * not written will be at the next occasion.
 */
void
stream_definition_try_store(const StreamInfo *stream)
{
	store(stream, LockWaitSkip);
}

/* The same after a change of the stream's mappings. */
void
stream_definition_refresh(int64 stream_id)
{
	StreamInfo *stream = stream_catalog_by_id(stream_id, NULL);

	if (stream != NULL && StreamIsEnabled(stream) && !stream->table_dropped)
		store(stream, LockWaitBlock);
}

/* Does the row trigger of a relation, which has no stream, define one? */
bool
stream_definition_exists(Oid relid)
{
	Relation  pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	bool	  exists = false;
	HeapTuple tuple;

	if (stream_definition_find_trigger(pg_trigger, relid, &tuple))
		exists = VARSIZE_ANY_EXHDR(stream_definition_arguments(pg_trigger, tuple)) > 0;
	table_close(pg_trigger, AccessShareLock);
	return exists;
}

bool
stream_definition_is_new(Oid relid)
{
	Relation  pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	bool	  is_new = false;
	HeapTuple tuple;

	if (stream_definition_find_trigger(pg_trigger, relid, &tuple))
		is_new = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple->t_data));
	table_close(pg_trigger, AccessShareLock);
	return is_new;
}
