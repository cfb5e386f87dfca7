/*
 * stream_access.c
 *	  Finding a stream or shard that a caller names; the right to read it.
 *
 * Reading a stream takes SELECT on its table.  The stream of a dropped table
 * may be read by the role that owned the table.  Where row-level security
 * would hide rows from the current user, reading is refused altogether:
 * policies cannot be applied to records.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "reading/stream_access.h"
#include "shard/horizon.h"

#define ARN_PREFIX	"arn:aws:dynamodb:"
#define TABLE_PART	"table/"
#define STREAM_PART "/stream/"

bool
stream_access_table_exists(const StreamInfo *stream)
{
	return !stream->table_dropped &&
		   SearchSysCacheExists1(RELOID, ObjectIdGetDatum(stream->table_oid));
}

bool
stream_access_is_enabled(const StreamInfo *stream)
{
	return StreamIsEnabled(stream) && stream_access_table_exists(stream);
}

bool
stream_access_may_read_table(Oid table_oid)
{
	return pg_class_aclcheck(table_oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		   check_enable_rls(table_oid, InvalidOid, true) != RLS_ENABLED;
}

bool
stream_access_may_read(const StreamInfo *stream)
{
	if (!stream_access_table_exists(stream))
		return has_privs_of_role(GetUserId(), stream->owner);
	return stream_access_may_read_table(stream->table_oid);
}

void
stream_access_check(const StreamInfo *stream)
{
	if (stream_access_may_read(stream))
		return;
	if (!stream_access_table_exists(stream))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the stream of dropped table \"%s\"",
						stream->table_name),
				 errhint("Only the role that owned the table may read it.")));
	if (pg_class_aclcheck(stream->table_oid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV,
					   get_relkind_objtype(get_rel_relkind(stream->table_oid)),
					   get_rel_name(stream->table_oid));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("row-level security would apply to the stream of table \"%s\"",
					stream->table_name),
			 errhint("Read it as a role that bypasses row-level security.")));
}

char *
stream_access_table_name(Oid table_oid, bool missing_ok)
{
	char *schema = get_namespace_name(get_rel_namespace(table_oid));
	char *name = get_rel_name(table_oid);

	if ((schema == NULL || name == NULL) && missing_ok)
		return NULL;
	if (schema == NULL || name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("Requested resource not found: Table: %u not found",
						table_oid)));
	if (strcmp(schema, "public") == 0)
		return name;
	return psprintf("%s.%s", schema, name);
}

StreamInfo *
stream_access_latest(Oid table_oid, Snapshot snapshot)
{
	StreamInfo *stream = stream_catalog_latest(table_oid, snapshot);

	return stream == NULL || horizon_has_passed_stream(stream) ? NULL : stream;
}

/*
 * --- what a caller who names no stream may have meant -----------------------
 *
 * The name of a table stands easily where an ARN is wanted, and an ARN may be
 * that of an earlier stream, or of another database.  Nothing is told of
 * streams that may not be read.
 */

static const char list_hint[] = "ddbstreams.list_streams() shows the ARNs.";

/*
 * Is a text one or two plain identifiers with a dot between?  The functions of
 * namespace.c raise errors for much else.
 */
static bool
is_plain_name(const char *text)
{
	int dots = 0;

	if (strlen(text) >= 2 * NAMEDATALEN)
		return false;
	for (const char *c = text; *c != '\0'; c++)
	{
		bool begins = c == text || c[-1] == '.';

		if (*c == '.' ? begins || ++dots > 1 :
						!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_' ||
						  IS_HIGHBIT_SET(*c) || (!begins && *c >= '0' && *c <= '9')))
			return false;
	}
	return text[0] != '\0' && text[strlen(text) - 1] != '.';
}

Oid
stream_access_named_relation(const char *text)
{
	RangeVar *name;

	if (!is_plain_name(text))
		return InvalidOid;
	name = makeRangeVarFromNameList(compat_qualified_name_list(text));
	if (name->schemaname != NULL)
	{
		Oid schema = get_namespace_oid(name->schemaname, true);

		if (!OidIsValid(schema) ||
			compat_namespace_aclcheck(schema, GetUserId(), ACL_USAGE) != ACLCHECK_OK)
			return InvalidOid;
	}
	return RangeVarGetRelid(name, NoLock, true);
}

static bool
has_readable_stream(Oid relid)
{
	StreamInfo *stream = stream_access_latest(relid, NULL);

	return stream != NULL && stream_access_may_read(stream);
}

/*
 * Returns the table that an ARN names: one of schema public, or the schema
 * stands before the first dot.
 */
static Oid
table_of_arn(const char *arn)
{
	const char *begin = strstr(arn, TABLE_PART);
	const char *end = begin ? strstr(begin, STREAM_PART) : NULL;
	char	   *name;
	char	   *dot;
	Oid			relid;

	if (begin == NULL)
		return InvalidOid;
	begin += strlen(TABLE_PART);
	name = end ? pnstrdup(begin, end - begin) : pstrdup(begin);
	relid = get_relname_relid(name, get_namespace_oid("public", true));
	dot = strchr(name, '.');
	if (OidIsValid(relid) || dot == NULL)
		return relid;
	*dot = '\0';
	return get_relname_relid(dot + 1, get_namespace_oid(name, true));
}

/*
 * Returns the name of a table as a literal, with its schema, palloc'd; NULL if
 * the table is gone, which is not locked.
 */
static char *
literal_name(Oid relid)
{
	char *schema = get_namespace_name(get_rel_namespace(relid));
	char *name = get_rel_name(relid);

	if (schema == NULL || name == NULL)
		return NULL;
	return quote_literal_cstr(quote_qualified_identifier(schema, name));
}

const char *
stream_access_hint_for_text(const char *text)
{
	Oid	  relid = stream_access_named_relation(text);
	bool  has_stream;
	char *name;

	if (!OidIsValid(relid) && strncmp(text, ARN_PREFIX, strlen(ARN_PREFIX)) == 0)
		relid = table_of_arn(text);
	if (!OidIsValid(relid))
		return list_hint;
	has_stream = has_readable_stream(relid);
	name = literal_name(relid);
	if (name == NULL)
		return list_hint;
	if (has_stream)
		return psprintf("This names a table; the ARN of its stream is what ddbstreams.latest_stream_arn(%s) returns.",
						name);
	if (get_rel_relkind(relid) == RELKIND_RELATION ||
		get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		return psprintf("This names a table without a stream that can be read; ddbstreams.enable_stream(%s) starts one.",
						name);
	return list_hint;
}

const char *
stream_access_hint_for_arn(const char *arn)
{
	Oid	  relid = table_of_arn(arn);
	char *name;

	if (OidIsValid(relid) && has_readable_stream(relid) &&
		(name = literal_name(relid)) != NULL)
		return psprintf("The table has another stream in this database, whose ARN ddbstreams.latest_stream_arn(%s) returns.",
						name);
	return "It may have expired, or be one of another database. ddbstreams.list_streams() shows the ARNs.";
}

/*
 * --- finding streams and shards -------------------------------------------
 */

bool
stream_access_is_arn(const char *arn)
{
	return strncmp(arn, ARN_PREFIX, strlen(ARN_PREFIX)) == 0 &&
		   strstr(arn, ":table/") != NULL && strstr(arn, "/stream/") != NULL;
}

void
stream_access_check_arn(const char *arn)
{
	if (!stream_access_is_arn(arn))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Invalid StreamArn"),
				 errdetail("\"%s\" does not have the form arn:aws:dynamodb:<region>:<account>:table/<name>/stream/<label>.",
						   arn),
				 errhint("%s", stream_access_hint_for_text(arn))));
}

StreamInfo *
stream_access_find(const char *arn, Snapshot snapshot)
{
	StreamInfo *stream;

	stream_access_check_arn(arn);
	stream = stream_catalog_by_arn(arn, snapshot);
	if (stream == NULL || horizon_has_passed_stream(stream))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("Requested resource not found: Stream: %s not found", arn),
				 errhint("%s", stream_access_hint_for_arn(arn))));
	return stream;
}

StreamInfo *
stream_access_by_arn(const char *arn, Snapshot snapshot)
{
	StreamInfo *stream = stream_access_find(arn, snapshot);

	stream_access_check(stream);
	return stream;
}

static void
shard_not_found(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("Requested resource not found: Shard does not exist"),
			 errhint("ddbstreams.describe_stream shows the shards.")));
}

ShardInfo *
stream_access_shard(const StreamInfo *stream, const char *shard_id,
					Snapshot snapshot)
{
	ShardInfo *shard = shard_catalog_find(stream->stream_id, shard_id, snapshot);

	if (shard == NULL)
		shard_not_found();
	return shard;
}

ShardInfo *
stream_access_shard_by_no(const StreamInfo *stream, int64 shard_no,
						  Snapshot snapshot)
{
	ShardInfo *shard = shard_catalog_by_no(shard_no, snapshot);

	if (shard == NULL || shard->stream_id != stream->stream_id)
		shard_not_found();
	return shard;
}
