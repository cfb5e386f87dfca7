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
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "reading/stream_access.h"
#include "shard/horizon.h"

#define ARN_PREFIX "arn:aws:dynamodb:"

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
				 errhint("ddbstreams.list_streams() shows the ARNs.")));
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
				 errmsg("Requested resource not found: Stream: %s not found", arn)));
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
