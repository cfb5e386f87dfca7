/*
 * mapping_definition.h
 *	  Mappings as a dump carries them.
 */
#ifndef MAPPING_DEFINITION_H
#define MAPPING_DEFINITION_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"
#include "registry/stream_catalog.h"

extern char *mapping_definition(const MappingInfo *mapping);
extern void	 mapping_definition_restore(const StreamInfo *stream, const char *text);

#endif /* MAPPING_DEFINITION_H */
