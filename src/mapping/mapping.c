/*
 * mapping.c
 *	  Facts that follow from a mapping's row alone.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "mapping/mapping.h"

char *
mapping_uuid_text(const MappingInfo *mapping)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out,
											   UUIDPGetDatum(&mapping->uuid)));
}

ArrayType *
mapping_response_types(const MappingInfo *mapping)
{
	Datum type;

	if (!mapping->report_batch_item_failures)
		return construct_empty_array(TEXTOID);
	type = CStringGetTextDatum(MAPPING_REPORT_BATCH_ITEM_FAILURES);
	return construct_array(&type, 1, TEXTOID, -1, false, TYPALIGN_INT);
}

bool
mapping_is_active(const MappingInfo *mapping)
{
	return mapping->enabled && mapping->database_id == MyDatabaseId;
}
