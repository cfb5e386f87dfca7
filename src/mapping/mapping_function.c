/*
 * mapping_function.c
 *	  The functions that mappings call: handlers and on_failure.
 *
 * A mapping remembers a function by its name, always with its schema, and
 * means the function of that name that takes a single argument of type jsonb.
 * Each batch looks it up again, so that it may be replaced.
 *
 * A function must always have the same name, because the names tell whether
 * two mappings have the same function.  PostgreSQL's own quoting depends on a
 * setting (quote_all_identifiers) and on the version's keywords; so the
 * quoting of names is done here.  An identifier has quotes only if it would
 * otherwise be read as something else.  An ARN has no quotes.
 *
 * Hence the role that may replace the function, or make another one of its
 * name once it is dropped, decides what runs as the mapping's role.  It is
 * checked that the mapping's role may call the function, not whose it is.  A
 * temporary function is refused: its schema is another session's next, and any
 * role could make a function of its name there.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "parser/scansup.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "mapping/mapping_function.h"

/* Functions in this schema have no schema in their ARN. */
#define DEFAULT_SCHEMA "public"

#define FUNCTION_MARK  ":function:"
#define LATEST_VERSION ":$LATEST"

/* Appends an identifier, in quotes only if SQL would read it otherwise. */
static void
append_identifier(StringInfo buf, const char *identifier)
{
	const char *plain = "abcdefghijklmnopqrstuvwxyz0123456789_";

	if (identifier[strspn(identifier, plain)] == '\0' &&
		(identifier[0] < '0' || identifier[0] > '9'))
	{
		appendStringInfoString(buf, identifier);
		return;
	}
	appendStringInfoChar(buf, '"');
	for (const char *c = identifier; *c != '\0'; c++)
	{
		if (*c == '"')
			appendStringInfoChar(buf, '"');
		appendStringInfoChar(buf, *c);
	}
	appendStringInfoChar(buf, '"');
}

static char *
qualified_name(const char *schema, const char *function)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_identifier(&buf, schema);
	appendStringInfoChar(&buf, '.');
	append_identifier(&buf, function);
	return buf.data;
}

/*
 * Splits a name that SQL would read, with a schema or without one; returns
 * false if it is not such a name.  *schema is NULL if the name has none.
 */
static bool
split_name(const char *name, char **schema, char **function)
{
	List *identifiers;

	if (!SplitIdentifierString(pstrdup(name), '.', &identifiers) ||
		identifiers == NIL || list_length(identifiers) > 2)
		return false;
	*schema = list_length(identifiers) == 2 ? linitial(identifiers) : NULL;
	*function = llast(identifiers);
	return true;
}

/* Looks up a function by its exact name; schema may be NULL. */
static Oid
find_exactly(const char *schema, const char *function)
{
	Oid	  type = JSONBOID;
	List *names = list_make1(makeString(pstrdup(function)));

	if (strlen(function) >= NAMEDATALEN ||
		(schema != NULL && strlen(schema) >= NAMEDATALEN))
		return InvalidOid;
	if (schema != NULL)
		names = lcons(makeString(pstrdup(schema)), names);
	return LookupFuncName(names, 1, &type, true);
}

/*
 * Looks up a function by a name without quotes: as that of a function, or as
 * that of a schema, a dot and that of a function.  Of several dots the first
 * one at which there is a function counts.
 */
static Oid
find_plain(const char *schema, const char *name)
{
	Oid function = InvalidOid;

	if (name[0] != '\0')
		function = find_exactly(schema, name);
	for (const char *dot = strchr(name, '.');
		 dot != NULL && !OidIsValid(function); dot = strchr(dot + 1, '.'))
	{
		if (dot != name && dot[1] != '\0')
			function = find_exactly(pnstrdup(name, dot - name), dot + 1);
	}
	return function;
}

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
		name = qualified_name(schema, NameStr(form->proname));
	ReleaseSysCache(tuple);
	return name;
}

char *
mapping_function_normal_name(const char *name)
{
	char *schema;
	char *function;

	if (!split_name(name, &schema, &function) || schema == NULL)
		return pstrdup(name);
	return qualified_name(schema, function);
}

Oid
mapping_function_find(const char *name)
{
	char *schema;
	char *function;

	if (!split_name(name, &schema, &function))
		return InvalidOid;
	return find_exactly(schema, function);
}

/*
 * Returns the name in an ARN of a function, palloc'd, or NULL if the text is
 * no ARN.  The version that it may end with is left out.
 */
static char *
name_in_arn(const char *text)
{
	const char *name = strstr(text, FUNCTION_MARK);
	size_t		length;

	if (name == NULL)
		return NULL;
	name += strlen(FUNCTION_MARK);
	length = strlen(name);
	if (length > strlen(LATEST_VERSION) &&
		strcmp(name + length - strlen(LATEST_VERSION), LATEST_VERSION) == 0)
		length -= strlen(LATEST_VERSION);
	return pnstrdup(name, length);
}

Oid
mapping_function_find_named(const char *text)
{
	char	   *arn_name = name_in_arn(text);
	const char *schema = arn_name == NULL ? NULL : DEFAULT_SCHEMA;
	const char *name = arn_name == NULL ? text : arn_name;
	Oid			function = find_plain(schema, name);

	if (!OidIsValid(function))
		function = find_plain(schema, downcase_identifier(name, strlen(name),
														  false, false));
	if (!OidIsValid(function) && arn_name == NULL)
		function = mapping_function_find(name);
	return function;
}

/* Returns a remembered name as it is in an ARN, palloc'd. */
static char *
plain_name(const char *name)
{
	char *schema;
	char *function;

	if (!split_name(name, &schema, &function) || schema == NULL)
		return pstrdup(name);
	if (strcmp(schema, DEFAULT_SCHEMA) == 0)
		return function;
	return psprintf("%s.%s", schema, function);
}

/* Is a function of this schema found without its schema? */
static bool
schema_is_implied(const char *schema)
{
	Oid oid = get_namespace_oid(schema, true);

	return OidIsValid(oid) && list_member_oid(fetch_search_path(false), oid);
}

bool
mapping_function_is_named(const char *name, const char *text)
{
	char	   *arn_name = name_in_arn(text);
	const char *asked = arn_name == NULL ? text : arn_name;
	const char *folded = downcase_identifier(asked, strlen(asked), false, false);
	const char *plain = plain_name(name);
	char	   *schema;
	char	   *function;
	char	   *asked_schema;
	char	   *asked_function;

	if (strcmp(plain, asked) == 0 || strcmp(plain, folded) == 0)
		return true;
	if (arn_name != NULL || !split_name(name, &schema, &function) ||
		schema == NULL)
		return false;
	if ((strcmp(function, asked) == 0 || strcmp(function, folded) == 0) &&
		schema_is_implied(schema))
		return true;
	return split_name(asked, &asked_schema, &asked_function) &&
		   strcmp(function, asked_function) == 0 &&
		   (asked_schema == NULL ? schema_is_implied(schema) :
								   strcmp(schema, asked_schema) == 0);
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
	if (isAnyTempNamespace(form->pronamespace))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is a temporary function", name),
				 errdetail("It ends with the session that has made it."),
				 errhint("Make it in a schema in which only trusted roles may create something.")));
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
	return mapping_function_lambda_arn(mapping, "function", plain_name(name));
}
