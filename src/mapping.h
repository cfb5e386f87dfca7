/*
 * mapping.h
 *	  Event source mappings: which function gets the records of which stream.
 */
#ifndef MAPPING_H
#define MAPPING_H

#include "ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

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
	char	   *last_processing_result;
} MappingInfo;

/*
 * mapping_catalog.c.  What is returned is palloc'd in the caller's context, and
 * read with a new snapshot where the isolation level allows.
 */
extern Oid			mapping_table_oid(void);
extern MappingInfo *mapping_by_uuid(const pg_uuid_t *uuid);
extern MappingInfo *mapping_by_no(int64 mapping_no);
extern List		   *mapping_list(void); /* of MappingInfo *, all of them */
extern bool			mapping_is_active(const MappingInfo *mapping);
extern void			mapping_acknowledge(const MappingInfo *mapping);
extern void			mapping_lock_batch(int64 mapping_no);
extern bool			mapping_has_batch(int64 mapping_no);
extern bool			mapping_fence(int64 mapping_no);

/* mapping_shard.c */
extern int	mapping_lanes(const MappingInfo *mapping);
extern void mapping_shard_start_at_latest(const MappingInfo *mapping,
										  Snapshot			 snapshot);
extern void mapping_shard_delete_orphans(void);

#endif /* MAPPING_H */
