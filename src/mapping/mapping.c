/*
 * mapping.c
 *	  Facts that follow from a mapping's row alone.
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "mapping/mapping.h"
#include "mapping/mapping_origin.h"

char *
mapping_uuid_text(const MappingInfo *mapping)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out,
											   UUIDPGetDatum(&mapping->uuid)));
}

bool
mapping_is_active(const MappingInfo *mapping)
{
	return mapping->enabled && mapping_origin_is_here(mapping->database_id, mapping->server_id);
}
