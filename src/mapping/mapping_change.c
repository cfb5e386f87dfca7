/*
 * mapping_change.c
 *	  Making, changing and deleting mappings, and the rights that this needs.
 *
 * A mapping belongs for good to the role that made it: its handler runs as
 * this role, also after another role has changed the mapping.  Therefore a
 * user may see, change or delete a mapping only if that user may become the
 * mapping's role by SET ROLE.
 *
 * The mapping's role, not the user who makes a change, needs the right to call
 * the functions (mapping_function.c), and the right to read the stream is
 * checked again at each batch (delivery_perform.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_change.h"
#include "mapping/mapping_function.h"
#include "mapping/mapping_lock.h"
#include "mapping/mapping_origin.h"
#include "mapping/mapping_params.h"
#include "mapping/mapping_shard.h"
#include "reading/stream_access.h"
#include "registry/id_sequence.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"

#define MAX_ARN_LENGTH 1024

/*
 * A role that may read a table may make mappings of its stream.  They cost the
 * dispatcher time and make the dumps of the table's owner longer.
 */
#define MAX_MAPPINGS_OF_STREAM 1000
#define MAX_MAPPINGS_OF_ROLE   200

/* May the current user see and change the mapping? */
static bool
is_mine(const MappingInfo *mapping)
{
	return compat_may_set_role(GetUserId(), mapping->role_id);
}

MappingInfo *
mapping_change_find_mine(const pg_uuid_t *uuid)
{
	MappingInfo *mapping = mapping_catalog_by_uuid(uuid);

	if (mapping == NULL)
		mapping_catalog_not_found();
	if (!is_mine(mapping))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for event source mapping %s",
						mapping_uuid_text(mapping)),
				 errhint("It belongs to the role that made it.")));
	return mapping;
}

/*
 * Raises an error if no background worker could run as the role: before
 * PostgreSQL 17 that takes a role that may log in.
 */
static void
check_role_can_log_in(Oid role_id)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role_id));
	bool	  can_log_in;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for role %u", role_id);
	can_log_in = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	if (COMPAT_WORKER_NEEDS_LOGIN && !can_log_in)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" is not permitted to log in",
						GetUserNameFromId(role_id, false)),
				 errdetail("The handler runs in a background worker as the role that makes the mapping."),
				 errhint("Run ALTER ROLE %s LOGIN (it needs no password), make the mapping as another role, or use PostgreSQL 17 or later.",
						 quote_identifier(GetUserNameFromId(role_id, false)))));
}

void
mapping_change_check_event_source_arn(const char *arn)
{
	if (strlen(arn) > MAX_ARN_LENGTH || !stream_access_is_arn(arn))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Unrecognized event source."),
				 errdetail("An event source is the ARN of a stream."),
				 errhint("%s", stream_access_hint_for_text(arn))));
}

/*
 * Returns the stream of that ARN.  Raises an error if there is none, if it has
 * expired, or if the current user may not read it.
 */
static StreamInfo *
find_event_source(const char *arn, Snapshot snapshot)
{
	StreamInfo *stream;

	stream = stream_catalog_by_arn(arn, snapshot);
	if (stream == NULL || horizon_has_passed_stream(stream))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Stream not found: %s", arn),
				 errhint("%s", stream_access_hint_for_arn(arn))));
	stream_access_check(stream);
	return stream;
}

void
mapping_change_check_starting_position(const MappingInfo *mapping)
{
	const char *position = mapping->starting_position;

	if (strcmp(position, "AT_TIMESTAMP") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Unsupported starting position for arn type: %s",
						mapping->event_source_arn),
				 errhint("Start at TRIM_HORIZON or LATEST.")));
	if (strcmp(position, "TRIM_HORIZON") != 0 && strcmp(position, "LATEST") != 0)
		error_enum(position, "startingPosition", "starting_position",
				   "LATEST, AT_TIMESTAMP, TRIM_HORIZON");
}

void
mapping_change_set_function(MappingInfo *mapping, Oid function)
{
	mapping->function_name = mapping_function_check(function, MAPPING_HANDLER,
													mapping->role_id);
}

void
mapping_change_set_on_failure(MappingInfo *mapping, Oid function)
{
	mapping->on_failure = NULL;
	if (OidIsValid(function))
		mapping->on_failure = mapping_function_check(function,
													 MAPPING_ON_FAILURE,
													 mapping->role_id);
}

void
mapping_change_set_enabled(MappingInfo *mapping, bool enabled)
{
	mapping->enabled = enabled;
	/*
	 * The user says so in this database, which may be a copy of the first one.
	 */
	if (enabled)
		mapping_origin_set(&mapping->database_id, &mapping->server_id);
}

MappingInfo *
mapping_change_begin_create(const char *event_source_arn,
							const char *starting_position, Snapshot snapshot)
{
	MappingInfo *mapping = palloc0(sizeof(MappingInfo));

	PreventCommandIfReadOnly("create_event_source_mapping()");
	mapping->event_source_arn = pstrdup(event_source_arn);
	mapping->starting_position = pstrdup(starting_position);
	mapping_change_check_event_source_arn(mapping->event_source_arn);
	mapping_change_check_starting_position(mapping);
	mapping->stream_id = find_event_source(event_source_arn, snapshot)->stream_id;
	mapping->role_id = GetUserId();
	check_role_can_log_in(mapping->role_id);
	mapping_origin_set(&mapping->database_id, &mapping->server_id);
	mapping->created_at = mapping->last_modified = GetCurrentTimestamp();
	mapping->version = 1;
	mapping->change = "Creating";
	mapping_params_defaults(mapping);
	return mapping;
}

/* Raises an error if the stream has as many mappings as it may have. */
static void
check_count(const MappingInfo *mapping)
{
	List	 *mappings = mapping_catalog_list_of_stream(mapping->stream_id);
	int		  of_role = 0;
	ListCell *lc;

	foreach (lc, mappings)
	{
		if (((MappingInfo *) lfirst(lc))->role_id == mapping->role_id)
			of_role++;
	}
	if (of_role >= MAX_MAPPINGS_OF_ROLE ||
		list_length(mappings) >= MAX_MAPPINGS_OF_STREAM)
		ereport(ERROR,
				(errcode(ERRCODE_LIMIT_EXCEEDED),
				 errmsg("The event source has reached the limit on event source mappings."),
				 errdetail("A stream can have %d event source mappings of one role, and %d in all.",
						   MAX_MAPPINGS_OF_ROLE, MAX_MAPPINGS_OF_STREAM),
				 errhint("Delete mappings that are not needed, or let one handler do the work of several.")));
}

void
mapping_change_finish_create(MappingInfo *mapping, Snapshot snapshot)
{
	mapping_lock_role(mapping->stream_id, mapping->role_id);
	check_count(mapping);
	mapping->uuid = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	mapping->mapping_no = id_sequence_next();
	mapping_catalog_insert(mapping);
	if (strcmp(mapping->starting_position, "LATEST") == 0)
		mapping_shard_start_at_latest(mapping, snapshot);
}

MappingInfo *
mapping_change_begin_update(const pg_uuid_t *uuid)
{
	PreventCommandIfReadOnly("update_event_source_mapping()");
	return mapping_catalog_lock_for_change(mapping_change_find_mine(uuid));
}

void
mapping_change_finish_update(MappingInfo *mapping, bool was_active)
{
	if (mapping->enabled &&
		!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(mapping->role_id)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role of event source mapping %s has been dropped",
						mapping_uuid_text(mapping)),
				 errhint("Make a mapping as a role that is there, and delete this one.")));
	mapping_catalog_replace(mapping,
							!was_active && mapping_is_active(mapping) ? "Enabling" : "Updating");
}

MappingInfo *
mapping_change_delete(const pg_uuid_t *uuid)
{
	MappingInfo *mapping;

	PreventCommandIfReadOnly("delete_event_source_mapping()");
	mapping = mapping_change_find_mine(uuid);
	if (mapping_lock_is_my_batch(mapping->mapping_no))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("Cannot delete the event source mapping because it is in use."),
				 errdetail("A handler cannot delete the mapping that calls it."),
				 errhint("Let it disable the mapping: ddbstreams.update_event_source_mapping(uuid, enabled => false).")));
	mapping_catalog_remove(mapping);
	return mapping;
}

List *
mapping_change_list_mine(const char *event_source_arn, const char *function_name)
{
	List	 *mappings = mapping_catalog_list();
	ListCell *lc;

	foreach (lc, mappings)
	{
		const MappingInfo *mapping = lfirst(lc);

		if ((event_source_arn != NULL &&
			 strcmp(mapping->event_source_arn, event_source_arn) != 0) ||
			(function_name != NULL &&
			 strcmp(mapping->function_name, function_name) != 0) ||
			!is_mine(mapping))
			mappings = foreach_delete_current(mappings, lc);
	}
	return mappings;
}
