/*
 * aws_table.c
 *	  The operations of aws() on tables.
 *
 * A table for these operations is a table with a primary key that is not a
 * partition; a partitioned table is one.  Members for what PostgreSQL does not
 * have are left out of its description.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "aws/aws_response.h"
#include "aws/aws_table.h"
#include "aws/aws_table_name.h"
#include "base/relation_size.h"
#include "base/settings.h"
#include "base/statement_snapshot.h"
#include "reading/stream_access.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"
#include "stream/stream.h"

#define MAX_PAGE 100 /* of tables; the default, too */

#define INVALID_VALUES "One or more parameter values were invalid: "

static const char *const view_types[] = {
	"NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"};

/* What else UpdateTable can change in DynamoDB */
static const char *const other_changes[] = {
	"AttributeDefinitions", "BillingMode", "DeletionProtectionEnabled",
	"DisassociationProtectionEnabled", "GlobalSecondaryIndexUpdates", "GlobalTableSettingsReplicationMode",
	"GlobalTableWitnessUpdates", "MultiRegionConsistency",
	"OnDemandThroughput", "ProvisionedThroughput", "ReplicaUpdates",
	"SSESpecification", "TableClass", "VectorIndexUpdates", "WarmThroughput"};

/*
 * Returns the relations that hold a table's rows: itself, or its partitions.
 */
static List *
stored_relations(Relation rel)
{
	List	 *stored = NIL;
	ListCell *lc;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return list_make1_oid(RelationGetRelid(rel));
	foreach (lc, find_all_inheritors(RelationGetRelid(rel), NoLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) != RELKIND_PARTITIONED_TABLE)
			stored = lappend_oid(stored, lfirst_oid(lc));
	}
	return stored;
}

/* Returns the planner's estimate of a relation's rows, or 0 if it has none. */
static int64
estimated_rows(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	double	  rows = 0;

	if (HeapTupleIsValid(tuple))
	{
		rows = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
		ReleaseSysCache(tuple);
	}
	return rows > 0 ? (int64) rows : 0;
}

static const char *
attribute_type(Oid type)
{
	switch (getBaseType(type))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
			return "N";
		case BYTEAOID:
			return "B";
		default:
			return "S";
	}
}

static void
append_attribute_definitions(StringInfo response, Relation rel,
							 const TableKey *key)
{
	aws_response_open(response, "AttributeDefinitions", '[');
	for (int i = 0; i < key->count; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel),
											  key->attnums[i] - 1);

		aws_response_open(response, NULL, '{');
		aws_response_string(response, "AttributeName", key->names[i]);
		aws_response_string(response, "AttributeType",
							attribute_type(att->atttypid));
		appendStringInfoChar(response, '}');
	}
	appendStringInfoChar(response, ']');
}

/* Without an enabled stream, the whole key is the partition key. */
static void
append_table_key(StringInfo response, const TableKey *key,
				 const StreamInfo *enabled)
{
	AwsKey aws_key;

	aws_key.count = key->count;
	aws_key.attnums = key->attnums;
	aws_key.names = key->names;
	aws_key.hash = enabled != NULL ? enabled->partition_attnums[0] :
									 key->attnums[0];
	aws_response_key_schema(response, &aws_key);
}

static void
append_sizes(StringInfo response, Relation rel)
{
	int64	  rows = 0;
	int64	  bytes = 0;
	ListCell *lc;

	foreach (lc, stored_relations(rel))
	{
		rows += estimated_rows(lfirst_oid(lc));
		bytes += relation_size(pg_table_size, lfirst_oid(lc));
	}
	aws_response_integer(response, "ItemCount", rows);
	aws_response_integer(response, "TableSizeBytes", bytes);
}

/*
 * PostgreSQL does not remember when a table was made.  What is known is when
 * its first stream was, as long as that stream can be read, and when initdb
 * has made the server: a time before the table, and the same in every answer.
 */
static TimestampTz
table_creation_time(Oid table_oid, Snapshot snapshot)
{
	List *streams = stream_catalog_list(table_oid, snapshot);

	if (streams != NIL)
		return ((const StreamInfo *) linitial(streams))->created_at;
	return time_t_to_timestamptz((pg_time_t) (GetSystemIdentifier() >> 32));
}

/*
 * Returns a uuid for a table, palloc'd: a hash of the server's identifier and
 * of the oids of database and table.  It has the form of version 8.
 */
static char *
table_id(Oid table_oid)
{
	uint64 key[2] = {GetSystemIdentifier(),
					 ((uint64) MyDatabaseId << 32) | table_oid};
	uint64 high = hash_bytes_extended((const unsigned char *) key, sizeof(key), 0);
	uint64 low = hash_bytes_extended((const unsigned char *) key, sizeof(key), 1);

	return psprintf("%08x-%04x-8%03x-%04x-%012llx", (uint32) (high >> 32),
					(uint32) (high >> 16) & 0xFFFF, (uint32) high & 0xFFF,
					((uint32) (low >> 48) & 0x3FFF) | 0x8000,
					(unsigned long long) (low & UINT64CONST(0xFFFFFFFFFFFF)));
}

/* What DynamoDB says of a table that is paid by request: nothing is limited. */
static void
append_billing(StringInfo response)
{
	aws_response_open(response, "ProvisionedThroughput", '{');
	aws_response_integer(response, "NumberOfDecreasesToday", 0);
	aws_response_integer(response, "ReadCapacityUnits", 0);
	aws_response_integer(response, "WriteCapacityUnits", 0);
	appendStringInfoChar(response, '}');
	aws_response_open(response, "BillingModeSummary", '{');
	aws_response_string(response, "BillingMode", "PAY_PER_REQUEST");
	appendStringInfoChar(response, '}');
}

static void
append_stream(StringInfo response, const StreamInfo *latest, bool is_enabled)
{
	if (is_enabled)
	{
		aws_response_open(response, "StreamSpecification", '{');
		appendStringInfoString(response, "\"StreamEnabled\":true");
		aws_response_string(response, "StreamViewType",
							view_type_name(latest->view_type));
		appendStringInfoChar(response, '}');
	}
	if (latest != NULL)
	{
		aws_response_string(response, "LatestStreamArn", latest->arn);
		aws_response_string(response, "LatestStreamLabel", latest->label);
	}
}

/*
 * Returns the primary key of a table; an error if it is no table with a key.
 */
static TableKey *
table_key(Relation rel)
{
	char	  relkind = rel->rd_rel->relkind;
	TableKey *key;

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(rel)),
				 errhint("Operation ListTables shows the tables.")));
	key = stream_key_of(rel);
	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" has no primary key",
						RelationGetRelationName(rel)),
				 errhint("Run ALTER TABLE ... ADD PRIMARY KEY first.")));
	return key;
}

/*
 * Appends the description of a table, with the stream that the snapshot shows,
 * or the present one if that is NULL.
 */
static void
append_table(StringInfo response, const char *member, Relation rel,
			 Snapshot snapshot)
{
	Oid			table_oid = RelationGetRelid(rel);
	char	   *table_name = stream_access_table_name(table_oid, false);
	TableKey   *key = table_key(rel);
	StreamInfo *latest = stream_access_latest(table_oid, snapshot);
	bool		is_enabled = latest != NULL && stream_access_is_enabled(latest);

	aws_response_open(response, member, '{');
	append_attribute_definitions(response, rel, key);
	aws_response_string(response, "TableName", table_name);
	append_table_key(response, key, is_enabled ? latest : NULL);
	aws_response_string(response, "TableStatus", "ACTIVE");
	aws_response_time(response, "CreationDateTime",
					  table_creation_time(table_oid, snapshot));
	append_billing(response);
	append_sizes(response, rel);
	aws_response_string(response, "TableArn",
						psprintf("arn:aws:dynamodb:%s:%s:table/%s",
								 setting_region, setting_account_id, table_name));
	aws_response_string(response, "TableId", table_id(table_oid));
	append_stream(response, latest, is_enabled);
	appendStringInfoChar(response, '}');
}

void
aws_table_describe(AwsRequest *request, StringInfo response)
{
	char	   *member = aws_table_name_member(request, "TableName",
											   AWS_REQUIRED);
	const char *table_name;
	Oid			table_oid;
	Relation	rel;

	aws_request_check(request);
	table_name = aws_table_name_or_arn(member);
	table_oid = aws_table_name_readable(table_name);
	rel = OidIsValid(table_oid) ?
			  try_relation_open(table_oid, AccessShareLock) :
			  NULL;
	if (rel == NULL)
		aws_table_name_not_found(table_name);
	append_table(response, "Table", rel, statement_snapshot());
	relation_close(rel, AccessShareLock);
}

/* Is this a table that ListTables shows?  It has a valid primary key. */
static bool
table_is_shown(Oid table_oid, Oid own_schema, Oid shard_schema)
{
	HeapTuple	  tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table_oid));
	Form_pg_class form;
	bool		  is_listed;
	bool		  is_missing = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	is_listed = (form->relkind == RELKIND_RELATION ||
				 form->relkind == RELKIND_PARTITIONED_TABLE) &&
				!form->relispartition &&
				form->relpersistence != RELPERSISTENCE_TEMP &&
				form->relnamespace != own_schema &&
				form->relnamespace != shard_schema;
	ReleaseSysCache(tuple);
	return is_listed &&
		   pg_class_aclcheck_ext(table_oid, GetUserId(), ACL_SELECT,
								 &is_missing) == ACLCHECK_OK;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* Returns the names of the tables with a key that the caller may read. */
static List *
readable_table_names(void)
{
	Oid			own_schema = get_namespace_oid(DDBSTREAMS_SCHEMA, true);
	Oid			shard_schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, true);
	Relation	indexes = table_open(IndexRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(indexes, InvalidOid, false, NULL,
										  0, NULL);
	List	   *names = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
		char		 *name;

		/* The system's own tables have keys, too. */
		if (!index->indisprimary || !index->indisvalid ||
			index->indrelid < FirstNormalObjectId ||
			!table_is_shown(index->indrelid, own_schema, shard_schema))
			continue;
		name = stream_access_table_name(index->indrelid, true);
		if (name != NULL)
			names = lappend(names, name);
	}
	systable_endscan(scan);
	table_close(indexes, AccessShareLock);
	list_sort(names, compare_names);
	return names;
}

void
aws_table_list(AwsRequest *request, StringInfo response)
{
	char	   *start = aws_table_name_member(request,
											  "ExclusiveStartTableName",
											  AWS_OPTIONAL);
	int			limit = aws_request_integer(request, "Limit", MAX_PAGE,
											1, MAX_PAGE);
	const char *last = start;
	bool		has_more = false;
	int			count = 0;
	ListCell   *lc;

	aws_request_check(request);
	aws_response_open(response, "TableNames", '[');
	foreach (lc, readable_table_names())
	{
		const char *name = lfirst(lc);

		/* Two tables may have the same name with a dot: it is listed once. */
		if (last != NULL && strcmp(name, last) <= 0)
			continue;
		if (count == limit)
		{
			has_more = true;
			break;
		}
		aws_response_string(response, NULL, name);
		last = name;
		count++;
	}
	appendStringInfoChar(response, ']');
	if (has_more)
		aws_response_string(response, "LastEvaluatedTableName", last);
}

static void
invalid_values(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(INVALID_VALUES "%s", message)));
}

/* Raises an error if the request is to change anything but the stream. */
static void
refuse_other_changes(AwsRequest *request)
{
	if (aws_request_has(request, "StreamSpecification"))
	{
		if (aws_request_has(request, "ProvisionedThroughput"))
			invalid_values("You cannot modify stream status while updating table IOPS");
		if (aws_request_has(request, "GlobalSecondaryIndexUpdates"))
			invalid_values("You cannot create or delete index while changing stream status");
	}
	for (int i = 0; i < (int) lengthof(other_changes); i++)
	{
		if (aws_request_has(request, other_changes[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg(INVALID_VALUES "%s cannot be changed",
							other_changes[i]),
					 errhint("UpdateTable changes StreamSpecification only; use ALTER TABLE for the rest.")));
	}
}

void
aws_table_update(AwsRequest *request, StringInfo response)
{
	char	   *member = aws_table_name_member(request, "TableName",
											   AWS_REQUIRED);
	const char *table_name;
	AwsRequest *specification = aws_request_object(request,
												   "StreamSpecification",
												   AWS_REQUIRED);
	char	   *view_type = NULL;
	bool		enable = false;
	Oid			table_oid;
	Relation	rel;

	refuse_other_changes(request);
	if (specification != NULL)
	{
		enable = aws_request_boolean(specification, "StreamEnabled",
									 AWS_REQUIRED, false);
		view_type = aws_request_enum(specification, "StreamViewType",
									 AWS_OPTIONAL, view_types,
									 lengthof(view_types));
	}
	aws_request_check(request);
	if (enable && view_type == NULL)
		invalid_values("If stream is being enabled then UpdateViewType is required");
	if (!enable && view_type != NULL)
		invalid_values("If stream is being disabled, then UpdateViewType must not be specified");

	table_name = aws_table_name_or_arn(member);
	table_oid = aws_table_name_find(table_name);
	if (!OidIsValid(table_oid))
		aws_table_name_not_found(table_name);
	if (enable)
		stream_enable(table_oid, view_type, setting_default_shard_count, NIL,
					  NULL);
	else
		stream_disable(table_oid);

	/* The statement's snapshot does not show what it has just done. */
	rel = relation_open(table_oid, AccessShareLock);
	append_table(response, "TableDescription", rel, NULL);
	relation_close(rel, AccessShareLock);
}
