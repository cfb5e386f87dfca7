/*
 * mapping_params.h
 *	  The parameters of a mapping: defaults and ranges, as Lambda has them.
 *
 * Each function sets one parameter of the MappingInfo in memory, or raises
 * AWS's error for a value that it cannot have.
 */
#ifndef DDBSTREAMS_MAPPING_PARAMS_H
#define DDBSTREAMS_MAPPING_PARAMS_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"

#define MAPPING_DEFAULT_BATCH_SIZE		   100
#define MAPPING_MAX_BATCH_SIZE			   10000
#define MAPPING_MAX_PARALLELIZATION_FACTOR 10
#define MAPPING_MAX_RETRY_ATTEMPTS		   10000
#define MAPPING_MAX_BATCHING_WINDOW		   300	  /* s */
#define MAPPING_MIN_RECORD_AGE			   60	  /* s; or no limit at all */
#define MAPPING_MAX_RECORD_AGE			   604800 /* s */
#define MAPPING_MAX_TUMBLING_WINDOW		   900	  /* s */

/* Sets all parameters to what they are unless a user says otherwise. */
extern void mapping_params_defaults(MappingInfo *mapping);

extern void mapping_params_set_batch_size(MappingInfo *mapping, int64 value);

/* usec: microseconds, of whole seconds */
extern void mapping_params_set_maximum_batching_window(MappingInfo *mapping, int64 usec);

extern void mapping_params_set_parallelization_factor(MappingInfo *mapping, int64 value);

/* usec: microseconds, of whole seconds; -1 s: no limit but the retention */
extern void mapping_params_set_maximum_record_age(MappingInfo *mapping, int64 usec);

/* -1: no limit */
extern void mapping_params_set_maximum_retry_attempts(MappingInfo *mapping, int64 value);

/* usec: microseconds, of whole seconds; 0: no windows */
extern void mapping_params_set_tumbling_window(MappingInfo *mapping, int64 usec);

extern void mapping_params_set_function_response_types(MappingInfo *mapping,
													   char **values, int count);

/* EventCount, or nothing */
extern void mapping_params_set_metrics(MappingInfo *mapping, char **values, int count);

/* Tags are an object; the values must be strings. */
extern void mapping_params_set_tags(MappingInfo *mapping, Jsonb *tags);

/* Compiles the criteria to check them.  Criteria without a filter are none. */
extern void mapping_params_set_filter_criteria(MappingInfo *mapping, Jsonb *criteria);

#endif /* DDBSTREAMS_MAPPING_PARAMS_H */
