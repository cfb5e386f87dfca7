/*
 * mapping.h
 *	  Event source mappings: which function gets the records of which stream.
 */
#ifndef MAPPING_H
#define MAPPING_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

/* The one function response type that there is */
#define MAPPING_REPORT_BATCH_ITEM_FAILURES "ReportBatchItemFailures"

/* A row of ddbstreams_shards.mapping; see the install script */
typedef struct MappingInfo
{
	pg_uuid_t	uuid;
	int64		mapping_no;
	int64		stream_id;
	char	   *event_source_arn;
	char	   *function_name; /* with its schema, quoted as need be */
	Oid			role_id;	   /* who made it: the handler runs as this role */
	Oid			database_id;   /* where it was made or enabled last */
	char	   *starting_position;
	int			batch_size;
	int64		maximum_batching_window_usec;
	int			parallelization_factor;
	int64		maximum_record_age_usec; /* -1: none */
	int			maximum_retry_attempts;	 /* -1: none */
	bool		bisect_batch_on_function_error;
	char	   *on_failure;			  /* a function's name, or NULL */
	int64		tumbling_window_usec; /* 0: none */
	bool		report_batch_item_failures;
	Jsonb	   *filter_criteria; /* or NULL */
	bool		enabled;		 /* what the user wants: see mapping_is_active */
	TimestampTz created_at;
	TimestampTz last_modified;
	int64		version; /* rises with each change by the user */
	char	   *change;	 /* the state until the dispatcher has seen it */
	int64		acknowledged_version;
} MappingInfo;

/*
 * mapping_catalog.c.  What is returned is palloc'd in the caller's context, and
 * read with a new snapshot where the isolation level allows.
 */

/*
 * Called when a mapping of a stream has changed, so that the stream's trigger,
 * which carries the definitions of a stream and its mappings into dumps, can be
 * changed too.  module.c sets it: streams are a layer above mappings.
 */
extern void (*mapping_changed_hook)(int64 stream_id);

extern Oid			mapping_lock_table_oid(void);
extern MappingInfo *mapping_catalog_by_uuid(const pg_uuid_t *uuid);
extern MappingInfo *mapping_catalog_by_no(int64 mapping_no);
extern List		   *mapping_catalog_list_of_stream(int64 stream_id);
extern List		   *mapping_catalog_list(void); /* of MappingInfo *, all of them */
extern void			mapping_catalog_not_found(void) pg_attribute_noreturn();
extern char		   *mapping_uuid_text(const MappingInfo *mapping);
extern ArrayType   *mapping_response_types(const MappingInfo *mapping);
extern bool			mapping_is_active(const MappingInfo *mapping);
extern void			mapping_catalog_acknowledge(const MappingInfo *mapping);

extern void			mapping_catalog_insert(MappingInfo *mapping);
extern void			mapping_catalog_replace(MappingInfo *mapping, const char *change);
extern void			mapping_catalog_remove(const MappingInfo *mapping);
extern MappingInfo *mapping_catalog_lock_for_change(const MappingInfo *mapping);
extern MappingInfo *mapping_catalog_of_function(const char *event_source_arn,
										const char *function_name);

/* mapping_lock.c */
extern void mapping_lock_stream(int64 stream_id);
extern void mapping_lock_batch(int64 mapping_no);
extern bool mapping_lock_is_my_batch(int64 mapping_no);
extern bool mapping_lock_has_batch(int64 mapping_no);
extern bool mapping_lock_fence(int64 mapping_no);

/* mapping_change.c */
extern MappingInfo *mapping_change_begin_create(const char *event_source_arn,
										 const char *starting_position,
										 Snapshot	 snapshot);
extern void			mapping_change_finish_create(MappingInfo *mapping,
										  Snapshot	   snapshot);
extern List		   *mapping_change_list_mine(const char *event_source_arn,
									  const char *function_name);
extern void			mapping_change_check_event_source_arn(const char *arn);
extern void			mapping_change_check_starting_position(const MappingInfo *mapping);
extern bool			mapping_change_is_mine(const MappingInfo *mapping);
extern MappingInfo *mapping_change_find_mine(const pg_uuid_t *uuid);
extern MappingInfo *mapping_change_begin_update(const pg_uuid_t *uuid);
extern void			mapping_change_finish_update(MappingInfo *mapping, bool was_active);
extern MappingInfo *mapping_change_delete(const pg_uuid_t *uuid);
extern void			mapping_change_set_function(MappingInfo *mapping, Oid function);
extern void			mapping_change_set_on_failure(MappingInfo *mapping, Oid function);
extern void			mapping_change_set_enabled(MappingInfo *mapping, bool enabled);

/* mapping_state.c */
extern const char *mapping_state_problem(const MappingInfo *mapping);
extern const char *mapping_state_processing_result(const MappingInfo *mapping);
extern const char *mapping_state(const MappingInfo *mapping);

/* mapping_function.c */
typedef enum MappingFunctionUse
{
	MAPPING_HANDLER,
	MAPPING_ON_FAILURE
} MappingFunctionUse;

extern char *mapping_function_name(Oid function);
extern Oid	 mapping_function_find(const char *name);
extern char *mapping_function_check(Oid function, MappingFunctionUse use,
									Oid role_id);
extern void	 mapping_function_not_found(int sqlstate) pg_attribute_noreturn();

extern char *mapping_function_lambda_arn(const MappingInfo *mapping, const char *type,
								const char *name);
extern char *mapping_function_arn(const MappingInfo *mapping, const char *name);

/* mapping_shard.c */
extern int	mapping_shard_lanes(const MappingInfo *mapping);
extern void mapping_shard_start_at_latest(const MappingInfo *mapping,
										  Snapshot			 snapshot);
extern void mapping_shard_delete_orphans(void);
extern char *mapping_shard_last_result(int64 mapping_no);

#endif /* MAPPING_H */
