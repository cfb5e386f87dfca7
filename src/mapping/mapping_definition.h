/*
 * mapping_definition.h
 *	  Mappings as a dump carries them.
 */
#ifndef DDBSTREAMS_MAPPING_DEFINITION_H
#define DDBSTREAMS_MAPPING_DEFINITION_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"
#include "mapping/mapping_catalog.h"
#include "registry/stream_catalog.h"

extern char *mapping_definition(const MappingInfo *mapping);
extern void	 mapping_definition_restore(const StreamInfo *stream, const char *text);

#endif /* DDBSTREAMS_MAPPING_DEFINITION_H */
