/*
 * mapping_origin.h
 *	  Where a mapping was enabled: in which database of which server.
 */
#ifndef DDBSTREAMS_MAPPING_ORIGIN_H
#define DDBSTREAMS_MAPPING_ORIGIN_H

#include "base/ddbstreams.h"

/*
 * Are a mapping's database and server, where a user has made or enabled it,
 * this database and this server?
 */
extern bool mapping_origin_is_here(Oid database_id, int64 server_id);

/* Sets them to this database and this server. */
extern void mapping_origin_set(Oid *database_id, int64 *server_id);

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
