/*
 * mapping.h
 *	  Event source mappings: which function gets the records of which stream.
 */
#ifndef DDBSTREAMS_MAPPING_H
#define DDBSTREAMS_MAPPING_H

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

#endif /* DDBSTREAMS_MAPPING_H */
