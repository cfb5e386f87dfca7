/*
 * mapping_origin.c
 *	  Where a mapping was enabled: in which database of which server.
 *
 * A copy of a database must not act by itself: the effects of handlers outside
 * of the database would come twice.  Each mapping has the OID of the database
 * and the system identifier of the server in which a user has enabled it, and
 * delivers there alone.  CREATE DATABASE with TEMPLATE makes another OID;
 * pg_createsubscriber and pg_resetwal make another identifier.  A standby, a
 * base backup and a promoted server have the same ones, because a failover has
 * to go on delivering.
 *
 * pg_upgrade makes another identifier, too, and there mappings have to go on.
 * It is known by the mark that keeps the table of mappings out of logical
 * decoding (decoding.c): pg_upgrade loses it, and copies of files keep it.
 * Maintenance sets the mark again; before it does so, the mappings get the new
 * identifier.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "mapping/mapping_origin.h"
#include "registry/decoding.h"
#include "registry/owner_sql.h"
#include "registry/row.h"

/* What the statements here take */
#define ORIGIN_COLUMNS(COLUMN)                     \
	COLUMN(origin, database_id, OIDOID, ROW_FIXED) \
	COLUMN(origin, server_id, INT8OID, ROW_FIXED)
ROW_TABLE(origin, ORIGIN_COLUMNS);

int64
mapping_origin_server(void)
{
	return (int64) GetSystemIdentifier();
}

/* Has pg_upgrade made this server, and maintenance not been here since? */
static bool
is_upgraded(void)
{
	Oid schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, true);
	Oid table = get_relname_relid("mapping", schema);

	return OidIsValid(table) && !decoding_is_hidden(table);
}

bool
mapping_origin_is_here(Oid database_id, int64 server_id)
{
	return database_id == MyDatabaseId &&
		   (server_id == mapping_origin_server() || is_upgraded());
}

void
mapping_origin_set(Oid *database_id, int64 *server_id)
{
	*database_id = MyDatabaseId;
	*server_id = mapping_origin_server();
}

void
mapping_origin_settle(void)
{
	TableRow row;

	row_init(&row, &origin_table);
	row_set_oid(&row, Anum_origin_database_id, MyDatabaseId);
	row_set_int64(&row, Anum_origin_server_id, mapping_origin_server());
	if (is_upgraded())
		(void) owner_sql_execute("UPDATE ddbstreams_shards.mapping"
								 " SET server_id = $server_id"
								 " WHERE database_id = $database_id"
								 " AND server_id <> $server_id",
								 &row);
	/* A mapping that its user is changing must not hold up those of others. */
	else if (owner_sql_execute("UPDATE ddbstreams_shards.mapping AS m"
							   " SET enabled = false"
							   " FROM (SELECT mapping_no FROM ddbstreams_shards.mapping"
							   "       WHERE enabled AND server_id <> $server_id"
							   "       FOR NO KEY UPDATE SKIP LOCKED) AS locked"
							   " WHERE m.mapping_no = locked.mapping_no",
							   &row) > 0)
		ereport(WARNING,
				(errmsg("ddbstreams has disabled the event source mappings of database \"%s\", which were enabled on another server",
						get_database_name(MyDatabaseId)),
				 errdetail("The system identifier of this server is not the one that it was."),
				 errhint("Enable them with ddbstreams.update_event_source_mapping if this server is to deliver.")));
}
