/*
 * stream_definition.c
 *	  The definition of a stream that a dump of its table carries.
 *
 * pg_dump knows nothing of streams, but it dumps triggers.  So the definition
 * of an enabled stream is kept in the arguments of its row trigger, one
 * "name=value" each, on the table that the stream is on:
 *
 *		EXECUTE FUNCTION ddbstreams.capture('stream_view_type=KEYS_ONLY',
 *			'shard_count=4', 'partition_key={customer}', 'retention=P1D')
 *
 * and one "mapping={...}" for each of the stream's mappings
 * (mapping_definition.c).
 *
 * While the stream is enabled, only dumps read the arguments.  They are
 * written anew whenever the stream or one of its mappings changes, and taken
 * away when the stream is disabled.  So a row trigger with arguments, on a
 * table without a stream, comes from a dump, and stream_restore.c enables the
 * stream that they define.
 *
 * A role that may only read a table may change mappings of its stream.  What
 * alters, disables or drops the trigger waits for a transaction that has
 * written to the trigger's row, with a lock on the table for which writers
 * wait.  So a change of a mapping is noted, and the row is written before the
 * commit, if nobody else holds it; before a PREPARE TRANSACTION it is not.
 * Maintenance writes what was left out.
 *
 * The clones that partitions have of the row trigger may have arguments, too;
 * those mean nothing.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/fixed_settings.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_definition.h"
#include "registry/catalog_table.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "registry/view_type.h"
#include "stream/stream_definition.h"
#include "stream/stream_triggers.h"
#include "worker/worker_databases.h"

/*
 * Every backend that uses the table keeps the arguments of its trigger in its
 * relation cache.
 */
#define MAX_ARGUMENTS_LENGTH (64 * 1024)

#define MAPPING_ARGUMENT "mapping="

/*
 * The streams of whose mappings this transaction has changed one: int64 *, in
 * TopTransactionContext
 */
static List *noted_streams = NIL;

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
	Datum	  *names = palloc(stream->partition_count * sizeof(Datum));
	ArrayType *array;

	for (int i = 0; i < stream->partition_count; i++)
	{
		char *name = get_attname(stream->table_oid, stream->partition_attnums[i],
								 true);

		/* Of a table that is dropped meanwhile no definition will be stored. */
		names[i] = CStringGetTextDatum(name != NULL ? name : "");
	}
	array = construct_array(names, stream->partition_count, TEXTOID, -1, false,
							TYPALIGN_INT);
	return OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(array));
}

static void
add_argument(StringInfo arguments, int *count, const char *name,
			 const char *value)
{
	appendStringInfo(arguments, "%s=%s", name, value);
	appendStringInfoChar(arguments, '\0');
	(*count)++;
}

/*
 * Returns those of the mappings that are a stream's, in the order in which
 * they have a place in the definition: the owner's first, lest other roles use
 * all of it up.
 */
static List *
order_mappings(const StreamInfo *stream, const List *mappings)
{
	Oid		  owner = stream_catalog_table_owner(stream->table_oid);
	List	 *owners = NIL;
	List	 *others = NIL;
	ListCell *lc;

	foreach (lc, mappings)
	{
		MappingInfo *mapping = lfirst(lc);

		if (mapping->stream_id != stream->stream_id)
			continue;
		if (mapping->role_id == owner)
			owners = lappend(owners, mapping);
		else
			others = lappend(others, mapping);
	}
	return list_concat(owners, others);
}

/*
 * Returns the arguments that a stream's row trigger ought to have.  mappings
 * has the stream's mappings, and may have others.  Those that do not fit are
 * left out and counted.
 */
static bytea *
definition_arguments(const StreamInfo *stream, const List *mappings, int *count,
					 int *left_out)
{
	StringInfoData arguments;
	bytea		  *result;

	*count = 0;
	*left_out = 0;
	initStringInfo(&arguments);
	if (StreamIsEnabled(stream))
	{
		List	 *open_shards = shard_catalog_open(stream->stream_id, NULL);
		ListCell *lc;

		add_argument(&arguments, count, "stream_view_type",
					 view_type_name(stream->view_type));
		add_argument(&arguments, count, "shard_count",
					 psprintf("%d", list_length(open_shards)));
		add_argument(&arguments, count, "partition_key",
					 partition_key_text(stream));
		add_argument(&arguments, count, "retention",
					 retention_text(&stream->retention));
		foreach (lc, order_mappings(stream, mappings))
		{
			char *mapping = mapping_definition(lfirst(lc));

			if (mapping == NULL)
				continue;
			if (arguments.len + strlen(mapping) > MAX_ARGUMENTS_LENGTH)
				(*left_out)++;
			else
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

bool
stream_definition_is_current(const StreamInfo *stream, const List *mappings)
{
	Relation  pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	HeapTuple tuple = stream_triggers_find(pg_trigger, stream->table_oid,
										   DDBSTREAMS_ROW_TRIGGER);
	bool	  current = true;
	int		  count;
	int		  left_out;

	if (HeapTupleIsValid(tuple))
		current =
			arguments_are_same(stream_definition_arguments(pg_trigger, tuple),
							   definition_arguments(stream, mappings, &count,
													&left_out));
	table_close(pg_trigger, AccessShareLock);
	return current;
}

static void
replace_arguments(Relation pg_trigger, HeapTuple tuple, bytea *arguments,
				  int count)
{
	Datum	  values[Natts_pg_trigger] = {0};
	bool	  nulls[Natts_pg_trigger] = {false};
	bool	  replaces[Natts_pg_trigger] = {false};
	HeapTuple changed;

	values[Anum_pg_trigger_tgargs - 1] = PointerGetDatum(arguments);
	replaces[Anum_pg_trigger_tgargs - 1] = true;
	values[Anum_pg_trigger_tgnargs - 1] = Int16GetDatum(count);
	replaces[Anum_pg_trigger_tgnargs - 1] = true;
	changed = heap_modify_tuple(tuple, RelationGetDescr(pg_trigger), values,
								nulls, replaces);
	CatalogTupleUpdate(pg_trigger, &tuple->t_self, changed);
	CommandCounterIncrement();
}

static void
store_definition(const StreamInfo *stream, LockWaitPolicy policy)
{
	Relation  pg_trigger;
	HeapTuple tuple;

	CommandCounterIncrement();
	if (stream_definition_is_current(stream,
									 mapping_catalog_list_of_stream(stream->stream_id)))
		return;
	pg_trigger = table_open(TriggerRelationId, RowExclusiveLock);
	tuple = stream_triggers_lock(pg_trigger, stream->table_oid,
								 DDBSTREAMS_ROW_TRIGGER, policy);

	/* Another transaction may have changed the stream before the lock. */
	if (HeapTupleIsValid(tuple))
		stream = stream_catalog_by_id(stream->stream_id, NULL);
	if (HeapTupleIsValid(tuple) && stream != NULL)
	{
		int	   count;
		int	   left_out;
		List  *mappings = mapping_catalog_list_of_stream(stream->stream_id);
		bytea *arguments = definition_arguments(stream, mappings, &count, &left_out);

		/* The caller's stream may be older than what another session wrote. */
		if (!arguments_are_same(stream_definition_arguments(pg_trigger, tuple),
								arguments))
			replace_arguments(pg_trigger, tuple, arguments, count);
	}
	else
		worker_databases_streams_change_at_commit(); /* maintenance tries again */
	table_close(pg_trigger, RowExclusiveLock);
}

void
stream_definition_store(const StreamInfo *stream)
{
	store_definition(stream, LockWaitBlock);
}

void
stream_definition_try_store(const StreamInfo *stream)
{
	store_definition(stream, LockWaitSkip);
}

/* Returns a stream if it has a definition, or NULL. */
static StreamInfo *
defined_stream(int64 stream_id)
{
	StreamInfo *stream = stream_catalog_by_id(stream_id, NULL);

	return stream != NULL && StreamIsEnabled(stream) && !stream->table_dropped ?
			   stream :
			   NULL;
}

static bool
is_noted(int64 stream_id)
{
	ListCell *lc;

	foreach (lc, noted_streams)
	{
		if (*(int64 *) lfirst(lc) == stream_id)
			return true;
	}
	return false;
}

/* Warns of mappings that the definition has no room for. */
static void
warn_of_left_out(const StreamInfo *stream)
{
	int	  count;
	int	  left_out;
	List *mappings = mapping_catalog_list_of_stream(stream->stream_id);

	pfree(definition_arguments(stream, mappings, &count, &left_out));
	if (left_out > 0)
		ereport(WARNING,
				(errmsg_plural("%d event source mapping of table \"%s\" is left out of dumps",
							   "%d event source mappings of table \"%s\" are left out of dumps",
							   left_out, left_out, stream->table_name),
				 errdetail("The definitions of a stream and its mappings have room for %d kB in the arguments of the table's trigger.",
						   MAX_ARGUMENTS_LENGTH / 1024),
				 errhint("Shorten filters, or delete mappings that are not needed.")));
}

void
stream_definition_note_mappings(int64 stream_id)
{
	StreamInfo *stream = defined_stream(stream_id);

	if (stream == NULL)
		return;
	if (!is_noted(stream_id))
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);
		int64		 *noted = palloc(sizeof(int64));

		*noted = stream_id;
		noted_streams = lappend(noted_streams, noted);
		MemoryContextSwitchTo(oldcontext);
	}
	warn_of_left_out(stream);
}

/*
 * Storing what a subtransaction had noted that was aborted changes nothing.  A
 * row that somebody else holds is left to maintenance: a COMMIT must neither
 * wait for other roles nor be a deadlock's victim.
 */
void
stream_definition_at_commit(void)
{
	ListCell *lc;

	if (noted_streams == NIL ||
		!OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach (lc, noted_streams)
	{
		StreamInfo *stream = defined_stream(*(int64 *) lfirst(lc));

		if (stream != NULL)
			store_definition(stream, LockWaitSkip);
	}
	PopActiveSnapshot();
}

void
stream_definition_forget(void)
{
	noted_streams = NIL; /* the memory goes with TopTransactionContext */
}

bool
stream_definition_exists(Oid relid)
{
	Relation  pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	HeapTuple tuple = stream_triggers_find(pg_trigger, relid,
										   DDBSTREAMS_ROW_TRIGGER);
	bool	  exists = false;

	if (HeapTupleIsValid(tuple))
		exists = VARSIZE_ANY_EXHDR(stream_definition_arguments(pg_trigger,
															   tuple)) > 0;
	table_close(pg_trigger, AccessShareLock);
	return exists;
}

/*
 * Has the present transaction made a trigger?  Its row in pg_trigger cannot
 * tell: that is written anew when the trigger is renamed, enabled or disabled.
 * Its dependency on the table is written once.
 */
static bool
dependency_is_new(Oid trigger, Oid relid)
{
	Relation	pg_depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		is_new = false;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(TriggerRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(trigger));
	scan = systable_beginscan(pg_depend, DependDependerIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->refclassid == RelationRelationId && form->refobjid == relid &&
			form->deptype == DEPENDENCY_AUTO)
			is_new = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	}
	systable_endscan(scan);
	table_close(pg_depend, AccessShareLock);
	return is_new;
}

bool
stream_definition_is_written(Oid relid)
{
	Relation  pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	HeapTuple tuple = stream_triggers_find(pg_trigger, relid,
										   DDBSTREAMS_ROW_TRIGGER);
	bool	  is_written = false;

	if (HeapTupleIsValid(tuple))
	{
		TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);

		is_written = TransactionIdIsCurrentTransactionId(xmin);
	}
	table_close(pg_trigger, AccessShareLock);
	return is_written;
}

bool
stream_definition_is_new(Oid relid)
{
	Relation  pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	HeapTuple tuple = stream_triggers_find(pg_trigger, relid,
										   DDBSTREAMS_ROW_TRIGGER);
	bool	  is_new = false;

	if (HeapTupleIsValid(tuple))
		is_new = dependency_is_new(((Form_pg_trigger) GETSTRUCT(tuple))->oid, relid);
	table_close(pg_trigger, AccessShareLock);
	return is_new;
}

void
stream_definition_keep_allowed(Oid relid)
{
	Relation	   pg_trigger = table_open(TriggerRelationId, RowExclusiveLock);
	HeapTuple	   tuple = stream_triggers_find(pg_trigger, relid,
												DDBSTREAMS_ROW_TRIGGER);
	StringInfoData kept;
	bytea		  *arguments;
	const char	  *end;
	int			   count = 0;

	if (!HeapTupleIsValid(tuple))
	{
		table_close(pg_trigger, RowExclusiveLock);
		return;
	}
	initStringInfo(&kept);
	appendStringInfoSpaces(&kept, VARHDRSZ);
	arguments = stream_definition_arguments(pg_trigger, tuple);
	end = VARDATA_ANY(arguments) + VARSIZE_ANY_EXHDR(arguments);
	for (const char *argument = VARDATA_ANY(arguments); argument < end;
		 argument += strlen(argument) + 1)
	{
		if (strncmp(argument, MAPPING_ARGUMENT, strlen(MAPPING_ARGUMENT)) == 0 &&
			!mapping_definition_may_wait(argument + strlen(MAPPING_ARGUMENT),
										 get_rel_name(relid)))
			continue;
		appendBinaryStringInfo(&kept, argument, strlen(argument) + 1);
		count++;
	}
	SET_VARSIZE(kept.data, kept.len);
	if (kept.len - VARHDRSZ != (int) VARSIZE_ANY_EXHDR(arguments))
		replace_arguments(pg_trigger, tuple, (bytea *) kept.data, count);
	table_close(pg_trigger, RowExclusiveLock);
}
