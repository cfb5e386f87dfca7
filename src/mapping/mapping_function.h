/*
 * mapping_function.h
 *	  The functions that mappings call: handlers and on_failure.
 */
#ifndef DDBSTREAMS_MAPPING_FUNCTION_H
#define DDBSTREAMS_MAPPING_FUNCTION_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"

typedef enum MappingFunctionUse
{
	MAPPING_HANDLER,
	MAPPING_ON_FAILURE
} MappingFunctionUse;

extern char *mapping_function_name(Oid function);
extern Oid	 mapping_function_find(const char *name);
extern char *mapping_function_check(Oid function, MappingFunctionUse use,
									Oid role_id);
extern void	 mapping_function_not_found(int sqlstate) pg_attribute_noreturn();

extern char *mapping_function_lambda_arn(const MappingInfo *mapping, const char *type,
										 const char *name);
extern char *mapping_function_arn(const MappingInfo *mapping, const char *name);

#endif /* DDBSTREAMS_MAPPING_FUNCTION_H */
