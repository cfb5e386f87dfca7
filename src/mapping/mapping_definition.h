/*
 * mapping_definition.h
 *	  Mappings as a dump carries them.
 */
#ifndef DDBSTREAMS_MAPPING_DEFINITION_H
#define DDBSTREAMS_MAPPING_DEFINITION_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"
#include "registry/stream_catalog.h"

/*
 * Returns the definition of a mapping, a JSON object as text, palloc'd; or
 * NULL if the mapping's role does not exist any more.
 */
extern char *mapping_definition(const MappingInfo *mapping);

/*
 * Makes the mapping of a definition on a stream that has no records yet.
 * Raises a warning, and makes no mapping, if the mapping's role does not exist
 * or the current user cannot become it.  A wrong definition is an error.
 */
extern void mapping_definition_restore(const StreamInfo *stream, const char *text);

/*
 * May a definition stay in a trigger that is not acted upon now?  Another
 * session may restore it later, or from a dump, with rights that the current
 * user lacks.  Warns and returns false in the same cases.
 */
extern bool mapping_definition_may_wait(const char *text,
										const char *table_name);

#endif /* DDBSTREAMS_MAPPING_DEFINITION_H */
