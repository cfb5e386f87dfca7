/*
 * aws_table_name.c
 *	  Finding the table that a member of a request names.
 *
 * The name is taken as it is, without case folding.  It is first looked for in
 * schema public; if it is not there, the part before its first dot is taken
 * for a schema.  The search path plays no part, so that a name means the same
 * in every session.
 *
 * Where AWS takes a table's ARN in place of the name, the name is the end of
 * the ARN.  Its region and account are not looked at: they are settings that
 * may have changed since the client learned of the ARN.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "aws/aws_table_name.h"

#define DEFAULT_SCHEMA "public"

char *
aws_table_name_member(AwsRequest *request, const char *name,
					  AwsPresence presence)
{
	return aws_request_string(request, name, presence, 1, 1024);
}

const char *
aws_table_name_or_arn(const char *member)
{
	const char *part = member;

	if (strncmp(member, "arn:", 4) != 0)
		return member;

	/* arn:aws:dynamodb:<region>:<account>:table/<name> */
	for (int colons = 0; part != NULL && colons < 5; colons++)
	{
		part = strchr(part, ':');
		if (part != NULL)
			part++;
	}
	if (part == NULL || strncmp(part, "table/", 6) != 0 || part[6] == '\0' ||
		strncmp(strchr(member + 4, ':'), ":dynamodb:", 10) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Invalid table ARN: %s", member),
				 errhint("A table's ARN reads arn:aws:dynamodb:<region>:<account>:table/<name>.")));
	return part + 6;
}

static Oid
find_in_schema(const char *schema, const char *relname)
{
	Oid schema_oid;

	if (strlen(schema) >= NAMEDATALEN || strlen(relname) >= NAMEDATALEN)
		return InvalidOid;
	schema_oid = get_namespace_oid(schema, true);
	if (!OidIsValid(schema_oid))
		return InvalidOid;
	return get_relname_relid(relname, schema_oid);
}

Oid
aws_table_name_find(const char *table_name)
{
	Oid			table_oid = find_in_schema(DEFAULT_SCHEMA, table_name);
	const char *dot = strchr(table_name, '.');

	if (!OidIsValid(table_oid) && dot != NULL)
		table_oid = find_in_schema(pnstrdup(table_name, dot - table_name),
								   dot + 1);
	return table_oid;
}

bool
aws_table_name_is_of(const char *table_name, const char *full_name)
{
	const char *prefix = DEFAULT_SCHEMA ".";

	return strcmp(table_name, full_name) == 0 ||
		   (strncmp(table_name, prefix, strlen(prefix)) == 0 &&
			strcmp(table_name + strlen(prefix), full_name) == 0);
}

Oid
aws_table_name_readable(const char *table_name)
{
	Oid		  table_oid = aws_table_name_find(table_name);
	bool	  is_missing = false;
	AclResult result;

	if (!OidIsValid(table_oid))
		return InvalidOid;
	result = pg_class_aclcheck_ext(table_oid, GetUserId(), ACL_SELECT,
								   &is_missing);
	if (is_missing)
		return InvalidOid;
	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(get_rel_relkind(table_oid)),
					   table_name);
	return table_oid;
}

void
aws_table_name_not_found(const char *table_name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("Requested resource not found: Table: %s not found",
					table_name),
			 errhint("Write the name as it is, without quotes, with its schema and a dot in front unless that is \"%s\".",
					 DEFAULT_SCHEMA)));
}
