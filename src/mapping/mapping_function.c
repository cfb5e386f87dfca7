/*
 * mapping_function.c
 *	  The functions that mappings call: handlers and on_failure.
 *
 * A mapping remembers a function by its name, always with its schema and
 * quoted where need be, and means the function of that name that takes a
 * single argument of type jsonb.  Each batch looks it up again, so that it may
 * be replaced.
 *
 * Hence the role that may replace the function, or make another one of its
 * name once it is dropped, decides what runs as the mapping's role.  What is
 * checked here is that the mapping's role may call the function, not who owns
 * it.
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

#include "mapping/mapping_function.h"

/* Functions in this schema have no schema in their ARN. */
#define DEFAULT_SCHEMA_PREFIX "public."

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

/* Raises the error for a function that exists and cannot be called. */
static void
raise_wrong_function(const char *name, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("%s %s", name, what),
			 errhint("A handler is a function f(event jsonb) that returns jsonb or void; on_failure is one f(failure jsonb).")));
}

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
		raise_wrong_function(name, form->prokind == PROKIND_PROCEDURE ?
									   "is a procedure" :
								   form->prokind == PROKIND_AGGREGATE ?
									   "is an aggregate function" :
									   "is a window function");
	if (form->pronargs != 1 || form->proargtypes.values[0] != JSONBOID ||
		OidIsValid(form->provariadic))
		raise_wrong_function(name, "does not take a single argument of type jsonb");
	if (form->proretset)
		raise_wrong_function(name, "returns a set");
	if (use == MAPPING_HANDLER && form->prorettype != JSONBOID &&
		form->prorettype != VOIDOID)
		raise_wrong_function(name, psprintf("returns %s",
											format_type_be(form->prorettype)));

	if (compat_namespace_aclcheck(form->pronamespace, role_id, ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA,
					   get_namespace_name(form->pronamespace));
	if (compat_function_aclcheck(function, role_id, ACL_EXECUTE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, name);
	ReleaseSysCache(tuple);
	return name;
}

void
mapping_function_not_found(int sqlstate)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("Function does not exist"),
			 errhint("Make a function f(event jsonb) that returns jsonb or void; of a name that several functions have, the one with the single argument jsonb is meant.")));
}

/* Returns part n of an ARN, counted from 0, palloc'd. */
static char *
arn_part(const char *arn, int n)
{
	for (int i = 0; i < n; i++)
		arn = strchr(arn, ':') + 1;
	return pnstrdup(arn, strcspn(arn, ":"));
}

char *
mapping_function_lambda_arn(const MappingInfo *mapping, const char *type,
							const char *name)
{
	return psprintf("arn:aws:lambda:%s:%s:%s:%s",
					arn_part(mapping->event_source_arn, 3),
					arn_part(mapping->event_source_arn, 4), type, name);
}

char *
mapping_function_arn(const MappingInfo *mapping, const char *name)
{
	if (strncmp(name, DEFAULT_SCHEMA_PREFIX, strlen(DEFAULT_SCHEMA_PREFIX)) == 0)
		name += strlen(DEFAULT_SCHEMA_PREFIX);
	return mapping_function_lambda_arn(mapping, "function", name);
}
