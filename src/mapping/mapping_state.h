/*
 * mapping_state.h
 *	  The state of a mapping, as AWS names states.
 */
#ifndef DDBSTREAMS_MAPPING_STATE_H
#define DDBSTREAMS_MAPPING_STATE_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"

extern const char *mapping_state_problem(const MappingInfo *mapping);
extern const char *mapping_state_processing_result(const MappingInfo *mapping);
extern const char *mapping_state(const MappingInfo *mapping);

#endif /* DDBSTREAMS_MAPPING_STATE_H */
