/*
 * stream_restore.c
 *	  Enables the stream that the row trigger of a restored table defines.
 *
 * stream_definition.c says what stands in the trigger's arguments.  Here they
 * are parsed, and the stream and its mappings are made from them.
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

#include "mapping/mapping_definition.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"
#include "stream/stream.h"
#include "stream/stream_definition.h"
#include "stream/stream_restore.h"

/* A definition as it is read */
typedef struct StreamDefinition
{
	char	 *view_type;
	int		  shard_count; /* 0: the default */
	List	 *partition_key;
	Interval *retention; /* NULL: the default */
	List	 *mappings;	 /* texts */
} StreamDefinition;

static int
parse_shard_count(const char *value)
{
	int count = pg_strtoint32(value);

	if (count < 1 || count > MAX_SHARD_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("shard_count must be between 1 and %d", MAX_SHARD_COUNT)));
	return count;
}

static void
parse_argument(StreamDefinition *definition, const char *argument)
{
	const char *equals = strchr(argument, '=');
	char	   *name = equals ? pnstrdup(argument, equals - argument) : NULL;
	char	   *value = equals ? pstrdup(equals + 1) : NULL;

	if (name == NULL)
		value = NULL;
	else if (strcmp(name, "stream_view_type") == 0)
		definition->view_type = value;
	else if (strcmp(name, "shard_count") == 0)
		definition->shard_count = parse_shard_count(value);
	else if (strcmp(name, "partition_key") == 0)
		definition->partition_key =
			stream_key_names(DatumGetArrayTypeP(OidInputFunctionCall(F_ARRAY_IN,
																	 value,
																	 TEXTOID, -1)));
	else if (strcmp(name, "retention") == 0)
		definition->retention =
			DatumGetIntervalP(DirectFunctionCall3(interval_in,
												  CStringGetDatum(value),
												  ObjectIdGetDatum(InvalidOid),
												  Int32GetDatum(-1)));
	else if (strcmp(name, "mapping") == 0)
		definition->mappings = lappend(definition->mappings, value);
	else
		value = NULL;

	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of trigger \"%s\" does not define a stream",
						argument, DDBSTREAMS_ROW_TRIGGER),
				 errdetail("Its arguments read stream_view_type=…, shard_count=…, partition_key=…, retention=… and mapping={…}."),
				 errhint("Leave the arguments away, and call ddbstreams.enable_stream.")));
}

/*
 * Enables the stream that the row trigger of a relation defines, as
 * enable_stream would; the rights needed are the same.
 */
void
stream_restore(Oid relid)
{
	StreamDefinition definition = {.view_type = "NEW_AND_OLD_IMAGES"};
	Relation		 pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	HeapTuple		 tuple;
	bytea			*arguments;
	const char		*argument;
	const char		*end;
	StreamInfo		*stream;
	ListCell		*lc;

	if (!stream_definition_find_trigger(pg_trigger, relid, &tuple))
		elog(ERROR, "trigger \"%s\" of relation %u is missing",
			 DDBSTREAMS_ROW_TRIGGER, relid);
	arguments = stream_definition_arguments(pg_trigger, tuple);
	end = VARDATA_ANY(arguments) + VARSIZE_ANY_EXHDR(arguments);
	for (argument = VARDATA_ANY(arguments); argument < end;
		 argument += strlen(argument) + 1)
		parse_argument(&definition, argument);
	table_close(pg_trigger, AccessShareLock);

	stream_enable(relid, definition.view_type, definition.shard_count,
				  definition.partition_key, definition.retention);
	CommandCounterIncrement();
	stream = stream_catalog_enabled(relid, NULL);
	foreach (lc, definition.mappings)
		mapping_definition_restore(stream, lfirst(lc));
}
