/*
 * mapping.h
 *	  Event source mappings: which function gets the records of which stream.
 */
#ifndef DDBSTREAMS_MAPPING_H
#define DDBSTREAMS_MAPPING_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* The only metric that mappings of streams have */
#define MAPPING_EVENT_COUNT "EventCount"

/* The only function response type that exists */
#define MAPPING_REPORT_BATCH_ITEM_FAILURES "ReportBatchItemFailures"

/*
 * A row of ddbstreams_shards.mapping; the install script documents the
 * columns.  mapping_catalog.c makes it, palloc'd with all that it points to.
 */
typedef struct MappingInfo
{
	pg_uuid_t	uuid;
	int64		mapping_no;
	int64		stream_id;
	char	   *event_source_arn;
	char	   *function_name; /* see mapping_function_name */
	Oid			role_id;	   /* made the mapping; handlers run as it */
	Oid			database_id;   /* where it was made or enabled last */
	int64		server_id;	   /* likewise */
	char	   *starting_position;
	int			batch_size;
	int64		maximum_batching_window_usec;
	int			parallelization_factor;
	int64		maximum_record_age_usec; /* -1: no limit */
	int			maximum_retry_attempts;	 /* -1: no limit */
	bool		bisect_batch_on_function_error;
	char	   *on_failure;			  /* a function's name, or NULL */
	int64		tumbling_window_usec; /* 0: no windows */
	bool		report_batch_item_failures;
	Jsonb	   *filter_criteria; /* or NULL */
	bool		counts_events;	 /* MetricsConfig has EventCount */
	Jsonb	   *tags;			 /* an object of strings, or NULL */
	bool		enabled;		 /* see mapping_is_active */
	TimestampTz created_at;
	TimestampTz last_modified;
	int64		version;			  /* rises with each change by a user */
	char	   *change;				  /* the state until version is known */
	int64		acknowledged_version; /* the dispatcher knows this one */
} MappingInfo;

/* Returns the mapping's uuid as text, palloc'd. */
extern char *mapping_uuid_text(const MappingInfo *mapping);

/*
 * Tells whether the mapping delivers in this database: the user has enabled
 * it, and has done so here.  In a copy of the database it therefore does not
 * deliver until somebody enables it there.
 */
extern bool mapping_is_active(const MappingInfo *mapping);

#endif /* DDBSTREAMS_MAPPING_H */
