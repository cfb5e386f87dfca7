/*
 * mapping_state.c
 *	  The state of a mapping, as AWS names states.
 *
 * Until the dispatcher works by the row as the user has left it, that is until
 * it has acknowledged the row's version, the state tells what the user did:
 * Creating, Enabling or Updating; then Enabled.  What is not to deliver is
 * Disabling while a batch is in flight, and Disabled; that needs no dispatcher.
 *
 * A mapping outlives its function, its role and its stream.  Without the latter
 * two it is Disabled, whatever the user wants.  A function may come back: the
 * mapping stays Enabled, and its batches fail until then.
 */
#include "postgres.h"

#include "utils/syscache.h"

#include "mapping/mapping_catalog.h"
#include "mapping/mapping_lock.h"
#include "mapping/mapping_shard.h"
#include "mapping/mapping_state.h"
#include "shard/horizon.h"

/*
 * Returns what keeps the mapping from working for good, in the manner of
 * last_processing_result, or NULL.
 */
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

/* Returns last_processing_result as users see it. */
const char *
mapping_state_processing_result(const MappingInfo *mapping)
{
	const char *result = mapping_state_problem(mapping);

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
