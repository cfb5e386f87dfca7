/*
 * stream_ending.c
 *	  Streams that end with the transaction, without disable_stream.
 *
 * A dropped table's stream is disabled before the commit, behind the append of
 * what the transaction had captured.  So is the stream of a table that another
 * extension takes over, to keep its rows elsewhere (stream_neighbours.c), and
 * that of a table which loses its key with a type or collation of the key:
 *
 * - if that is temporary.  PostgreSQL removes it when its session ends, and
 *	 else before the next session uses its schema, or in autovacuum: an error
 *	 would stop all of these, for every role;
 * - if the role that drops or alters it does not own the table.  It could not
 *	 disable the stream, and the table's owner could keep it from its own.
 */
#include "postgres.h"

#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/clock.h"
#include "registry/catalog_table.h"
#include "registry/stream_key.h"
#include "shard/shard_tables.h"
#include "stream/stream.h"
#include "stream/stream_ddl.h"
#include "stream/stream_ending.h"
#include "stream/stream_refuse.h"

static bool
key_has_changed(const TableKey *key, const StreamInfo *stream)
{
	if (key == NULL || key->count != stream->key_count)
		return true;
	for (int i = 0; i < key->count; i++)
	{
		if (key->attnums[i] != stream->key_attnums[i])
			return true;
	}
	return false;
}

const char *
stream_ending_harm(Relation root, const TableKey *key, const StreamInfo *stream)
{
	if (key_has_changed(key, stream))
		return ACTION_ON_KEY;
	if (key->deferrable)
		return "make the primary key DEFERRABLE";
	if (strcmp(stream->hash_functions,
			   stream_key_hash_functions(root, stream->partition_count,
										 stream->partition_attnums)) != 0)
		return ACTION_ON_KEY_TYPE;
	return NULL;
}

static bool
lacks_key_column(Relation root, const StreamInfo *stream)
{
	TupleDesc desc = RelationGetDescr(root);

	for (int i = 0; i < stream->key_count; i++)
	{
		if (TupleDescAttr(desc, stream->key_attnums[i] - 1)->attisdropped)
			return true;
	}
	return false;
}

/*
 * Says, once, that a stream ends with a part of its key, and notes it.  A key
 * that only hashes otherwise is captured until the end of the transaction.
 * Without a column of its key the table cannot be captured; the transaction
 * has it locked already.
 */
void
stream_ending_note_key_lost(const StreamInfo *stream, Relation root,
							const char *harm, bool of_temporary)
{
	if (stream_ddl_has_note(RelationGetRelid(root), KEY_LOST))
		return;
	ereport(WARNING,
			(errmsg("the stream of table \"%s\" ends with this transaction: its key depends on what is dropped or altered",
					stream->table_name),
			 strcmp(harm, ACTION_ON_KEY_TYPE) == 0 ?
				 errdetail("Values of its partition key would hash otherwise than before. Later changes of its rows are not captured. Records that are there can be read until they expire.") :
				 errdetail("Its primary key is not what it was. Later changes of its rows are not captured. Records that are there can be read until they expire."),
			 of_temporary ?
				 errhint("Use types and collations that are not temporary.") :
				 errhint("Use types and collations of the table's owner.")));
	stream_ddl_note_ending(RelationGetRelid(root), KEY_LOST);
	if (lacks_key_column(root, stream))
		stream_stop_capture(RelationGetRelid(root));
}

/*
 * Another extension has taken over a table that has a stream: says so, once,
 * and notes that the stream has to end.
 */
void
stream_ending_note_taken_over(const StreamInfo *stream, Oid root, const char *claim,
							  const char *hint)
{
	if (stream_ddl_has_note(root, TABLE_TAKEN_OVER))
		return;
	ereport(WARNING,
			(errmsg("the stream of table \"%s\" ends with this transaction: the table is now %s",
					stream->table_name, claim),
			 errdetail("Later changes of its rows are not captured. Records that are there can be read until they expire."),
			 errhint("%s", hint)));
	stream_ddl_note_ending(root, TABLE_TAKEN_OVER);
}

bool
stream_ending_is_due(void)
{
	return stream_ddl_has_notes() && OidIsValid(catalog_table_oid(CATALOG_STREAM, true));
}

/*
 * Disables the stream of a table that is gone.  All its streams, also those
 * that were disabled before, can be read by its last owner from now on.
 */
static void
close_dropped(const DdlNote *note)
{
	ListCell *lc;

	foreach (lc, stream_catalog_list(note->relid, NULL))
	{
		StreamInfo *stream =
			stream_catalog_lock(((StreamInfo *) lfirst(lc))->stream_id);

		if (stream == NULL)
			continue;
		if (StreamIsEnabled(stream))
		{
			shard_tables_close_all(stream->stream_id);
			stream->disabled_at = clock_now();
		}
		stream->table_dropped = true;
		stream->owner = note->owner;
		stream_catalog_replace(stream);
	}
}

static void
lock_dropped(const DdlNote *note)
{
	ListCell *lc;

	foreach (lc, stream_catalog_list(note->relid, NULL))
		(void) stream_catalog_lock(((StreamInfo *) lfirst(lc))->stream_id);
}

/*
 * Goes through the tables whose streams end with this transaction: those that
 * are gone, and those that are there and lose their streams.
 */
static void
for_each_due(void (*if_dropped)(const DdlNote *note), void (*if_there)(Oid relid))
{
	List	 *due = stream_ddl_notes();
	ListCell *lc;

	PushActiveSnapshot(GetTransactionSnapshot());
	foreach (lc, due)
	{
		const DdlNote *note = lfirst(lc);
		bool		   exists = SearchSysCacheExists1(RELOID, ObjectIdGetDatum(note->relid));

		if (note->event == TABLE_DROPPED && !exists)
			if_dropped(note);
		else if ((note->event == TABLE_TAKEN_OVER || note->event == KEY_LOST) && exists)
			if_there(note->relid);
	}
	PopActiveSnapshot();
}

/*
 * From the append on, the readers of other streams stop at this transaction;
 * so what stream_ending_perform may have to wait for is waited for before.
 */
void
stream_ending_lock(void)
{
	for_each_due(lock_dropped, stream_lock);
}

void
stream_ending_perform(void)
{
	for_each_due(close_dropped, stream_end);
}
