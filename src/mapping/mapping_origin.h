/*
 * mapping_origin.h
 *	  Where a mapping was enabled: in which database of which server.
 */
#ifndef DDBSTREAMS_MAPPING_ORIGIN_H
#define DDBSTREAMS_MAPPING_ORIGIN_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"

/* Has a user enabled the mapping, or made it, in this database? */
extern bool mapping_origin_is_here(const MappingInfo *mapping);

/* Sets the origin of a mapping to this database. */
extern void mapping_origin_set(MappingInfo *mapping);

/* The identifier of this server, as it is stored with mappings */
extern int64 mapping_origin_server(void);

/*
 * For maintenance, in a transaction of its own, before pg_class is looked
 * through for marks (decoding.c): after pg_upgrade the mappings of this
 * database get the new server's identifier.  Otherwise the mappings of another
 * server are disabled for good.
 */
extern void mapping_origin_settle(void);

#endif /* DDBSTREAMS_MAPPING_ORIGIN_H */
