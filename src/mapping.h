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
#include "utils/uuid.h"

/* A row of ddbstreams_shards.mapping; see the install script */
typedef struct MappingInfo
{
	pg_uuid_t	uuid;
	int64		mapping_no;
	int64		stream_id;
	char	   *event_source_arn;
	char	   *function_name; /* as regproc prints it without a search_path */
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
	bool		enabled;
	TimestampTz created_at;
	TimestampTz last_modified;
} MappingInfo;

extern MappingInfo *mapping_by_uuid(const pg_uuid_t *uuid);
extern MappingInfo *mapping_by_no(int64 mapping_no);
extern List		   *mapping_list(void); /* of MappingInfo *, all of them */

#endif /* MAPPING_H */
