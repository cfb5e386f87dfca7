/*
 * mapping_filter.h
 *	  Filters that no record of a mapping's stream can match.
 */
#ifndef DDBSTREAMS_MAPPING_FILTER_H
#define DDBSTREAMS_MAPPING_FILTER_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"

/*
 * Warns of each filter of a mapping, whose stream is known, that can match no
 * record as the stream and its table are now.
 */
extern void mapping_filter_warn(const MappingInfo *mapping);

#endif /* DDBSTREAMS_MAPPING_FILTER_H */
