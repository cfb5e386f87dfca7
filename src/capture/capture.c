/*
 * capture.c
 *	  The triggers that see every change of a captured table.
 *
 * The row trigger only copies: it compares the two versions of the row and
 * builds the record (record_build.c).  It uses no SPI, looks nothing up in the
 * catalogues for a row, and depends neither on search_path nor on the writer's
 * privileges.
 *
 * The order in which triggers fire is not always the order of row versions.
 * If a user's AFTER trigger changes rows of the statement that has fired it,
 * its changes are captured before the statement's own; so are those of a
 * function that a statement calls.  Each change is kept with the command that
 * made it.  Where the commands of captured changes do not rise, the append
 * restores the order (change_order.c).
 *
 * The TRUNCATE trigger fires once for a table, before the rows go: each row
 * that is there is captured as a REMOVE.  Triggers of users may fire behind
 * it, for this table or for another one of the same TRUNCATE.  What they
 * change in the table would go without a REMOVE, so it is refused.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/prefetch.h"
#include "capture/append.h"
#include "capture/captured_relation.h"
#include "capture/change_buffer.h"
#include "capture/change_source.h"
#include "capture/record_build.h"
#include "capture/writable_shards.h"
#include "registry/catalog_version.h"

PG_FUNCTION_INFO_V1(ddbstreams_capture);
PG_FUNCTION_INFO_V1(ddbstreams_capture_truncate);

/* How much of a page is asked for at most */
#define MAX_EXPECTED ((Size) 1024)

/* A table whose rows the present TRUNCATE has captured */
typedef struct TruncatedTable
{
	struct TruncatedTable *next;
	Oid					   relid;
	Oid					   file_number; /* until the TRUNCATE makes a new file */
	MemoryContextCallback  callback;
} TruncatedTable;

/* The innermost TRUNCATE's come first. */
static TruncatedTable *truncated_tables = NULL;

/* Called when the state of a TRUNCATE is freed, be it after an error */
static void
forget_truncated(void *argument)
{
	TruncatedTable **link = &truncated_tables;

	while (*link != argument)
		link = &(*link)->next;
	*link = (*link)->next;
}

/*
 * Notes that the rows of a table are captured, until the TRUNCATE has ended.
 * PostgreSQL empties a file that this subtransaction has made, and makes a new
 * file else; it cannot be seen whether the former has happened already, so
 * such a table is not noted.
 *
 * Triggers run in a memory context below that of the TRUNCATE's executor
 * state.
 */
static void
note_truncated(Relation rel)
{
	MemoryContext	 context = MemoryContextGetParent(CurrentMemoryContext);
	SubTransactionId subid = GetCurrentSubTransactionId();
	TruncatedTable	*table;

	if (rel->rd_createSubid == subid || compat_new_file_subid(rel) == subid)
		return;
	table = MemoryContextAlloc(context, sizeof(TruncatedTable));
	table->relid = RelationGetRelid(rel);
	table->file_number = compat_file_number(rel);
	table->callback.func = forget_truncated;
	table->callback.arg = table;
	table->next = truncated_tables;
	truncated_tables = table;
	MemoryContextRegisterResetCallback(context, &table->callback);
}

/* Refuses a change between the capture of a TRUNCATE and the TRUNCATE. */
static void
check_not_truncated(Relation rel)
{
	for (TruncatedTable *table = truncated_tables; table != NULL; table = table->next)
	{
		if (table->relid == RelationGetRelid(rel) &&
			table->file_number == compat_file_number(rel))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("cannot change table \"%s\" while it is truncated",
							RelationGetRelationName(rel)),
					 errdetail("Trigger \"%s\" has captured its rows already.",
							   DDBSTREAMS_TRUNCATE_TRIGGER),
					 errhint("Give a BEFORE TRUNCATE trigger that changes the table a name that sorts earlier.")));
	}
}

/*
 * Returns the transaction's buffer for the relation's stream, and sets the
 * source that the relation's changes have now.
 */
static StreamBuffer *
find_buffer(CapturedRelation *captured, Relation rel)
{
	if (captured->buffer_serial != change_buffer_serial())
	{
		StreamBuffer *buffer = change_buffer_find(captured->stream_id);

		catalog_version_check();
		if (buffer == NULL)
			buffer = writable_shards_make_buffer(captured->stream_id);
		row_descriptor_use(captured->descriptor);
		captured->buffer = buffer;
		captured->buffer_serial = change_buffer_serial();
		captured->file_number = InvalidOid;
	}
	if (captured->file_number != compat_file_number(rel))
	{
		captured->source = change_source_find(rel,
											  captured->descriptor->id);
		captured->file_number = compat_file_number(rel);
	}
	return captured->buffer;
}

static bool
values_are_same(Form_pg_attribute att, Datum old, Datum new)
{
	Pointer a;
	Pointer b;

	if (att->attbyval)
		return old == new;

	a = DatumGetPointer(old);
	b = DatumGetPointer(new);
	if (att->attlen > 0)
		return memcmp(a, b, att->attlen) == 0;
	if (att->attlen == -1)
	{
		/*
		 * A value that was not set is the same bit by bit, out of line or not.
		 */
		Size size = VARSIZE_ANY(a);

		if (size == VARSIZE_ANY(b) && memcmp(a, b, size) == 0)
			return true;
		if (!VARATT_IS_EXTENDED(a) && !VARATT_IS_EXTENDED(b))
			return false;
		/* VARATT_IS_SHORT is also true of a pointer to a value out of line. */
		if (VARATT_IS_SHORT(a) && !VARATT_IS_EXTERNAL(a) &&
			VARATT_IS_SHORT(b) && !VARATT_IS_EXTERNAL(b))
			return false;
	}
	return datum_image_eq(old, new, att->attbyval, att->attlen);
}

/*
 * Compares all columns of two versions of a row, and sets same for each of
 * them and key_differs.  Returns true if at least one column differs.
 */
static bool
compare_row_versions(CapturedRelation *captured, TupleDesc tupdesc,
					 TupleTableSlot *old, TupleTableSlot *new,
					 bool *same, bool *key_differs)
{
	bool differs = false;

	slot_getallattrs(old);
	slot_getallattrs(new);
	*key_differs = false;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (att->attisdropped)
			same[i] = true;
		else if (old->tts_isnull[i] || new->tts_isnull[i])
			same[i] = old->tts_isnull[i] && new->tts_isnull[i];
		else
			same[i] = values_are_same(att, old->tts_values[i], new->tts_values[i]);

		if (!same[i])
		{
			differs = true;
			if (captured->descriptor->columns[i].key_position > 0)
				*key_differs = true;
		}
	}
	return differs;
}

/*
 * Asks for the two versions behind one that a trigger has fired for: triggers
 * mostly fire in the order of the versions, and PostgreSQL looks at each of
 * them before it calls the trigger.  A page is filled from its end, with
 * versions of about one size.
 */
static void
expect_versions_behind(HeapTuple tuple)
{
	Size length = Min(2 * tuple->t_len, MAX_EXPECTED);

	prefetch_memory((const char *) tuple->t_data - length, length);
}

/*
 * Returns the command of this transaction that made a row version.  COPY
 * FREEZE makes versions that seem to be older than the transaction, and whose
 * command can no longer be told when they are superseded: then the first
 * command is returned, so that the append restores the order.
 */
static CommandId
inserting_command(HeapTupleHeader tuple)
{
	if (!HeapTupleHeaderXminFrozen(tuple))
		return HeapTupleHeaderGetCmin(tuple);
	return (tuple->t_infomask & HEAP_XMAX_INVALID) ?
			   HeapTupleHeaderGetRawCommandId(tuple) :
			   FirstCommandId;
}

static void
capture_update(CapturedRelation *captured, TriggerData *trigdata)
{
	TupleDesc  tupdesc = RelationGetDescr(trigdata->tg_relation);
	RowVersion old = {trigdata->tg_trigtuple, trigdata->tg_trigslot, NULL, NULL};
	RowVersion new = {trigdata->tg_newtuple, trigdata->tg_newslot, &old, NULL};
	bool	  *same = palloc(tupdesc->natts * sizeof(bool));
	bool	   key_differs;
	CommandId  cid;

	old.after = &new;
	/* They are on pages that were written some thousand rows ago. */
	prefetch_memory(old.tuple->t_data, old.tuple->t_len);
	prefetch_memory(new.tuple->t_data, new.tuple->t_len);
	expect_versions_behind(old.tuple);
	expect_versions_behind(new.tuple);
	cid = inserting_command(new.tuple->t_data);
	if (compare_row_versions(captured, tupdesc, old.slot, new.slot, same,
							 &key_differs))
	{
		StreamBuffer *buffer = find_buffer(captured, trigdata->tg_relation);

		if (key_differs)
		{
			ChangeBucket *bucket = record_build(captured, buffer, tupdesc,
												RECORD_REMOVE, &old, NULL,
												NULL, NULL, cid);

			record_build(captured, buffer, tupdesc, RECORD_INSERT, NULL, &new,
						 NULL, bucket, cid);
		}
		else
			record_build(captured, buffer, tupdesc, RECORD_MODIFY, &old, &new,
						 same, NULL, cid);
	}
	else if (change_buffer_find(captured->stream_id) != NULL)
		record_build_unchanged(captured,
							   find_buffer(captured, trigdata->tg_relation),
							   &old, &new, cid);
	pfree(same);
}

/*
 * Raises an error unless the calling trigger is the one that enable_stream
 * makes: another one would not capture everything.
 */
static void
require_capture_trigger(FunctionCallInfo fcinfo, const char *function,
						const char *trigger, bool for_row)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by a trigger", function),
				 errhint("Call ddbstreams.enable_stream, which makes the trigger.")));
	if (strcmp(trigdata->tg_trigger->tgname, trigger) != 0 ||
		(for_row && !(TRIGGER_FIRED_AFTER(trigdata->tg_event) &&
					  TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))) ||
		(!for_row && !(TRIGGER_FIRED_BEFORE(trigdata->tg_event) &&
					   TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event) &&
					   TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was called by trigger \"%s\", which enable_stream has not made",
						function, trigdata->tg_trigger->tgname),
				 errhint("Drop the trigger and call ddbstreams.enable_stream.")));
}

/*
 * Is it clear without a look at its name that enable_stream has made the
 * trigger?  What is remembered of a table does not outlive a change of its
 * triggers.
 */
static bool
is_known_trigger(FunctionCallInfo fcinfo)
{
	TriggerData		 *trigdata = (TriggerData *) fcinfo->context;
	CapturedRelation *captured;

	if (!CALLED_AS_TRIGGER(fcinfo))
		return false;
	captured = captured_relation_last(trigdata->tg_relation);
	return captured != NULL && captured->trigger == trigdata->tg_trigger->tgoid;
}

/*
 * capture() returns trigger
 *
 * Fires after each INSERT, UPDATE and DELETE of a row of a table with a
 * stream.
 */
Datum
ddbstreams_capture(PG_FUNCTION_ARGS)
{
	TriggerData		 *trigdata = (TriggerData *) fcinfo->context;
	CapturedRelation *captured;

	if (!is_known_trigger(fcinfo))
		require_capture_trigger(fcinfo, "capture", DDBSTREAMS_ROW_TRIGGER, true);
	captured = captured_relation_get(trigdata->tg_relation);
	captured->trigger = trigdata->tg_trigger->tgoid;
	if (captured->is_copy)
		return PointerGetDatum(NULL);
	check_not_truncated(trigdata->tg_relation);

	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		capture_update(captured, trigdata);
	else
	{
		RowVersion	  version = {trigdata->tg_trigtuple, trigdata->tg_trigslot,
								 NULL, NULL};
		TupleDesc	  tupdesc = RelationGetDescr(trigdata->tg_relation);
		StreamBuffer *buffer = find_buffer(captured, trigdata->tg_relation);

		expect_versions_behind(version.tuple);
		if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
			record_build(captured, buffer, tupdesc, RECORD_INSERT, NULL,
						 &version, NULL, NULL,
						 inserting_command(version.tuple->t_data));
		else
			record_build(captured, buffer, tupdesc, RECORD_REMOVE, &version,
						 NULL, NULL, NULL,
						 HeapTupleHeaderGetCmax(version.tuple->t_data));
	}
	append_changes_captured();
	return PointerGetDatum(NULL);
}

/*
 * capture_truncate() returns trigger
 *
 * Fires before TRUNCATE of a table with a stream, or of one of its partitions,
 * also if the TRUNCATE of another table reaches it by CASCADE.  A partitioned
 * table has no rows of its own; its partitions have this trigger, too.
 */
Datum
ddbstreams_capture_truncate(PG_FUNCTION_ARGS)
{
	TriggerData		 *trigdata = (TriggerData *) fcinfo->context;
	Relation		  rel;
	CapturedRelation *captured;
	StreamBuffer	 *buffer = NULL;
	TupleTableSlot	 *slot;
	TableScanDesc	  scan;
	Snapshot		  snapshot;
	MemoryContext	  row_context;
	MemoryContext	  oldcontext;

	require_capture_trigger(fcinfo, "capture_truncate",
							DDBSTREAMS_TRUNCATE_TRIGGER, false);
	rel = trigdata->tg_relation;
	if (rel->rd_rel->relkind != RELKIND_RELATION)
		return PointerGetDatum(NULL);
	captured = captured_relation_get(rel);
	if (captured->is_copy)
		return PointerGetDatum(NULL);

	row_context = AllocSetContextCreate(CurrentMemoryContext,
										"ddbstreams truncate",
										ALLOCSET_DEFAULT_SIZES);
	/* The statement's snapshot may be older than the lock on the table. */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(snapshot);
	slot = table_slot_create(rel, NULL);
	scan = compat_table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		RowVersion version;
		bool	   should_free;

		CHECK_FOR_INTERRUPTS();
		oldcontext = MemoryContextSwitchTo(row_context);
		if (buffer == NULL)
			buffer = find_buffer(captured, rel);
		version.tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
		version.slot = slot;
		version.before = version.after = NULL;
		record_build(captured, buffer, RelationGetDescr(rel), RECORD_REMOVE,
					 &version, NULL, NULL, NULL,
					 GetCurrentCommandId(false));
		MemoryContextSwitchTo(oldcontext);
		MemoryContextReset(row_context);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	MemoryContextDelete(row_context);
	/* Without rows, too: numbers of its large values may be given again. */
	if (change_buffer_find(captured->stream_id) != NULL)
	{
		change_source_new_generation(rel);
		captured->file_number = InvalidOid;
	}
	note_truncated(rel);
	append_changes_captured();
	return PointerGetDatum(NULL);
}
