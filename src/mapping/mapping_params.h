/*
 * mapping_params.h
 *	  The parameters of a mapping: defaults and ranges, as Lambda has them.
 */
#ifndef DDBSTREAMS_MAPPING_PARAMS_H
#define DDBSTREAMS_MAPPING_PARAMS_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"
#include "mapping/mapping_catalog.h"

#define MAPPING_DEFAULT_BATCH_SIZE		   100
#define MAPPING_MAX_BATCH_SIZE			   10000
#define MAPPING_MAX_PARALLELIZATION_FACTOR 10
#define MAPPING_MAX_RETRY_ATTEMPTS		   10000
#define MAPPING_MAX_BATCHING_WINDOW		   300	  /* s */
#define MAPPING_MIN_RECORD_AGE			   60	  /* s; or none at all */
#define MAPPING_MAX_RECORD_AGE			   604800 /* s */
#define MAPPING_MAX_TUMBLING_WINDOW		   900	  /* s */

extern void mapping_params_defaults(MappingInfo *mapping);
extern void mapping_params_set_batch_size(MappingInfo *mapping, int64 value);
extern void mapping_params_set_maximum_batching_window(MappingInfo *mapping, int64 usec);
extern void mapping_params_set_parallelization_factor(MappingInfo *mapping, int64 value);
extern void mapping_params_set_maximum_record_age(MappingInfo *mapping, int64 usec);
extern void mapping_params_set_maximum_retry_attempts(MappingInfo *mapping, int64 value);
extern void mapping_params_set_tumbling_window(MappingInfo *mapping, int64 usec);
extern void mapping_params_set_function_response_types(MappingInfo *mapping,
													   char **values, int count);
extern void mapping_params_set_filter_criteria(MappingInfo *mapping, Jsonb *criteria);

#endif /* DDBSTREAMS_MAPPING_PARAMS_H */
