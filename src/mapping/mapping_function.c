/*
 * mapping_function.c
 *	  The functions that mappings call: handlers and on_failure.
 *
 * A mapping remembers a function by its name, always with its schema and quoted
 * as need be, and means the one of that name with a single argument of type
 * jsonb.  It is looked up again at each batch, so that it may be replaced.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "mapping/mapping_catalog.h"
#include "mapping/mapping_function.h"

/* Returns a function's name with its schema, or NULL if there is none. */
char *
mapping_function_name(Oid function)
{
	HeapTuple	 tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	char		*schema;
	char		*name = NULL;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	schema = get_namespace_name(form->pronamespace);
	if (schema != NULL)
		name = quote_qualified_identifier(schema, NameStr(form->proname));
	ReleaseSysCache(tuple);
	return name;
}

/*
 * Returns the function of that name with a jsonb argument, or InvalidOid; of a
 * name without a schema, the one in the search_path.  An error if the current
 * user may not look into the schema.
 */
Oid
mapping_function_find(const char *name)
{
	Oid		  type = JSONBOID;
	List	 *identifiers;
	List	 *names = NIL;
	ListCell *lc;

	if (!SplitIdentifierString(pstrdup(name), '.', &identifiers) ||
		identifiers == NIL || list_length(identifiers) > 2)
		return InvalidOid;
	foreach (lc, identifiers)
		names = lappend(names, makeString(lfirst(lc)));
	return LookupFuncName(names, 1, &type, true);
}

static void
wrong_function(const char *name, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("%s %s", name, what),
			 errhint("A handler is a function f(event jsonb) that returns jsonb or void; on_failure is one f(failure jsonb).")));
}

/*
 * Raises an error unless a function exists, can be called with a jsonb, returns
 * what its use needs, and the role may call it by its name.  Returns its name.
 */
char *
mapping_function_check(Oid function, MappingFunctionUse use, Oid role_id)
{
	HeapTuple	 tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	char		*name;

	name = HeapTupleIsValid(tuple) ? mapping_function_name(function) : NULL;
	if (name == NULL)
		mapping_function_not_found(ERRCODE_INVALID_PARAMETER_VALUE);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prokind != PROKIND_FUNCTION)
		wrong_function(name, form->prokind == PROKIND_PROCEDURE ?
								 "is a procedure" :
							 form->prokind == PROKIND_AGGREGATE ?
								 "is an aggregate function" :
								 "is a window function");
	if (form->pronargs != 1 || form->proargtypes.values[0] != JSONBOID ||
		OidIsValid(form->provariadic))
		wrong_function(name, "does not take a single argument of type jsonb");
	if (form->proretset)
		wrong_function(name, "returns a set");
	if (use == MAPPING_HANDLER && form->prorettype != JSONBOID &&
		form->prorettype != VOIDOID)
		wrong_function(name, psprintf("returns %s",
									  format_type_be(form->prorettype)));

	if (compat_namespace_aclcheck(form->pronamespace, role_id, ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA,
					   get_namespace_name(form->pronamespace));
	if (compat_function_aclcheck(function, role_id, ACL_EXECUTE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, name);
	ReleaseSysCache(tuple);
	return name;
}

/* The error for a function that does not exist */
void
mapping_function_not_found(int sqlstate)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("Function does not exist"),
			 errhint("Make a function f(event jsonb) that returns jsonb or void; of a name that several functions have, the one with the single argument jsonb is meant.")));
}

#define DEFAULT_SCHEMA "public."

/* Part n of an ARN, counted from 0 */
static char *
arn_part(const char *arn, int n)
{
	for (int i = 0; i < n; i++)
		arn = strchr(arn, ':') + 1;
	return pnstrdup(arn, strcspn(arn, ":"));
}

/* The ARN of something of Lambda's, with the mapping's region and account */
char *
mapping_function_lambda_arn(const MappingInfo *mapping, const char *type, const char *name)
{
	return psprintf("arn:aws:lambda:%s:%s:%s:%s",
					arn_part(mapping->event_source_arn, 3),
					arn_part(mapping->event_source_arn, 4), type, name);
}

/* The ARN of one of the mapping's functions, palloc'd */
char *
mapping_function_arn(const MappingInfo *mapping, const char *name)
{
	if (strncmp(name, DEFAULT_SCHEMA, strlen(DEFAULT_SCHEMA)) == 0)
		name += strlen(DEFAULT_SCHEMA);
	return mapping_function_lambda_arn(mapping, "function", name);
}
