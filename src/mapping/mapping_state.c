/*
 * mapping_state.c
 *	  The state of a mapping, as AWS names states.
 *
 * The state of a mapping that is to deliver tells what the user has done to
 * it, Creating, Enabling or Updating, until the dispatcher works by the row as
 * the user has left it, that is, until it has acknowledged the row's version.
 * From then on the state is Enabled.  A mapping that is not to deliver is
 * Disabling while a batch of it is in flight, and then Disabled; that takes no
 * dispatcher.
 *
 * A mapping may outlive its function, its role and its stream.  Without its
 * role or its stream it is Disabled, although the user may have enabled it.
 * Without its function it stays Enabled, and its batches fail: the function
 * may be made again.
 */
#include "postgres.h"

#include "utils/syscache.h"

#include "mapping/mapping_lock.h"
#include "mapping/mapping_origin.h"
#include "mapping/mapping_shard.h"
#include "mapping/mapping_state.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"

const char *
mapping_state_problem(const MappingInfo *mapping)
{
	StreamInfo *stream = stream_catalog_by_id(mapping->stream_id, NULL);

	if (stream == NULL || horizon_has_passed_stream(stream))
		return "PROBLEM: Stream not found";
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(mapping->role_id)))
		return "PROBLEM: The role that made the mapping does not exist";
	return NULL;
}

const char *
mapping_state_processing_result(const MappingInfo *mapping)
{
	const char *result = mapping_state_problem(mapping);

	if (result == NULL && !mapping_origin_is_here(mapping->database_id,
												  mapping->server_id))
		result = "PROBLEM: The mapping was enabled in another database or on another server";
	if (result == NULL)
		result = mapping_shard_last_result(mapping->mapping_no);
	return result != NULL ? result : "No records processed";
}

const char *
mapping_state(const MappingInfo *mapping)
{
	if (!mapping_is_active(mapping) || mapping_state_problem(mapping) != NULL)
		return mapping_lock_has_batch(mapping->mapping_no) ? "Disabling" : "Disabled";
	if (mapping->acknowledged_version != mapping->version)
		return mapping->change;
	return "Enabled";
}
