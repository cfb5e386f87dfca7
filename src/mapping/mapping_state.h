/*
 * mapping_state.h
 *	  The state of a mapping, as AWS names states.
 */
#ifndef DDBSTREAMS_MAPPING_STATE_H
#define DDBSTREAMS_MAPPING_STATE_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"

/*
 * Returns what keeps the mapping from working for good, worded as a
 * last_processing_result, or NULL.
 */
extern const char *mapping_state_problem(const MappingInfo *mapping);

/* Returns last_processing_result as users see it. */
extern const char *mapping_state_processing_result(const MappingInfo *mapping);

/* Returns the mapping's state. */
extern const char *mapping_state(const MappingInfo *mapping);

#endif /* DDBSTREAMS_MAPPING_STATE_H */
