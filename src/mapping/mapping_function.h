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

/*
 * Returns a function's name with its schema, quoted where need be, palloc'd;
 * or NULL if there is no such function.
 */
extern char *mapping_function_name(Oid function);

/*
 * Returns a name of that kind as mapping_function_name would write it,
 * palloc'd.  A text that is no such name is returned as it is.
 */
extern char *mapping_function_normal_name(const char *name);

/*
 * Returns the function of that name that takes a single argument of type
 * jsonb, or InvalidOid.  A name without a schema is looked up along the
 * search_path.  Raises an error if the current user may not look into the
 * schema.
 */
extern Oid mapping_function_find(const char *name);

/*
 * Returns the function that a FunctionName of AWS means, with a single
 * argument of type jsonb, or InvalidOid.  The text is an ARN or a name without
 * quotes, with a schema and a dot in front unless the search_path (for an ARN:
 * schema public) has the function.  It is looked for as it is written, then
 * folded to lower case, and at last, if it is no ARN, as SQL reads a name.
 */
extern Oid mapping_function_find_named(const char *text);

/*
 * Could a FunctionName of AWS mean the function that a mapping remembers by
 * this name?  For functions that are dropped.
 */
extern bool mapping_function_is_named(const char *name, const char *text);

/*
 * Raises an error unless the function exists, can be called with a jsonb,
 * returns what its use needs, and may be called by the role by its name.
 * Returns the name as mapping_function_name does.
 */
extern char *mapping_function_check(Oid function, MappingFunctionUse use,
									Oid role_id);

/* Raises the error for a function that does not exist. */
extern void mapping_function_not_found(int sqlstate) pg_attribute_noreturn();

/*
 * Returns the ARN of a thing of Lambda's, palloc'd: of that type and name, in
 * the region and the account of the mapping's event source.
 */
extern char *mapping_function_lambda_arn(const MappingInfo *mapping,
										 const char *type, const char *name);

/*
 * Returns the ARN of one of the mapping's functions, palloc'd.  name is the
 * function's as the mapping remembers it.  The ARN has no quotes, and not the
 * schema public.
 */
extern char *mapping_function_arn(const MappingInfo *mapping, const char *name);

#endif /* DDBSTREAMS_MAPPING_FUNCTION_H */
